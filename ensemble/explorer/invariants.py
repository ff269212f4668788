"""What must hold in every world: I1-I8, I10 and I11 as in the simulator, and agreement at rest.

    I1   one established leader per epoch, ever
    I2   committed prefixes agree, entry by entry
    I3   zxids are successive: in the committed log, and on every disk
    I4   what is committed is durable on a quorum of disks, when it is committed
    I5   a leader that is about to be established holds everything committed before
    I6   what a follower holds when it begins to serve, its leader holds too
    I7   and it stays durable on a quorum of disks, in every world after
    I8   epochs on disk: current <= accepted, both only grow, never ahead of the durable history
    I10  acks leave only for what is durable
    I11  nobody blames a peer for breaking the protocol: every peer here is honest
    C9   when nothing is under way, whoever follows a leader has all that it has

What one server does is judged in ``locals``, once for each of its steps (I3 on disk, I8, I10, I11).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ensemble.explorer.disk import Platter, Txn
from ensemble.explorer.locals import Local, Seen, Wrong
from ensemble.zab.messages import ServerState
from ensemble.zab.phase import Phase
from ensemble.zxid import follows, text

_LEADS = (Phase.SYNCHRONIZATION, Phase.BROADCAST)


class Past(NamedTuple):
    """What the invariants remember of the way to a world."""

    committed: tuple[Txn, ...] = ()
    """The one order of transactions, as far as any server knows it."""
    leaders: tuple[tuple[int, int], ...] = ()
    """Who led each epoch."""


def judge(past: Past, before: Sequence[Local], after: Sequence[Local], place: int) -> Past | Wrong:
    """Judge what a step has made of the server at ``place``; return what to remember now."""
    now = after[place].seen
    if now is None:
        return past
    then = before[place].seen
    if _leads(now) and not (then is not None and _leads(then) and then.epoch == now.epoch):
        sid = after[place].sid
        known = dict(past.leaders)
        if now.epoch in known:
            return Wrong("I1", f"epoch {now.epoch} is led by server {sid} and was by {known[now.epoch]}")
        whole = after[place].platter.whole
        if whole[: len(past.committed)] != past.committed:
            return Wrong(
                "I5", f"server {sid} leads without {_first_missing(past.committed, whole)}, committed"
            )
        past = past._replace(leaders=tuple(sorted({**known, now.epoch: sid}.items())))
    if now.serving:
        return _judge_applied(past, after, place, begins=then is None or not then.serving)
    return past


def _leads(seen: Seen) -> bool:
    return seen.role is ServerState.LEADING and seen.phase in _LEADS


def _judge_applied(past: Past, after: Sequence[Local], place: int, *, begins: bool) -> Past | Wrong:
    """What a server that serves has applied is committed by that."""
    local = after[place]
    seen, sid = local.seen, local.sid
    assert seen is not None
    committed, applied = past.committed, seen.applied
    shared = min(len(committed), len(applied))
    if applied[:shared] != committed[:shared]:
        return Wrong(
            "I2", f"server {sid} has applied {_first_missing(applied, committed)}, not committed there"
        )
    if begins and seen.role is not ServerState.LEADING:
        wrong = _judge_prefix(local, after)
        if wrong is not None:
            return wrong
    for zxid, payload in applied[shared:]:
        if committed and not follows(zxid, committed[-1][0]):
            return Wrong("I3", f"server {sid} commits {text(zxid)} behind {text(committed[-1][0])}")
        holders = _holders((zxid, payload), after)
        if 2 * len(holders) <= len(after):
            return Wrong("I4", f"server {sid} commits {text(zxid)}, durable only on {holders}")
        committed = (*committed, (zxid, payload))
    return past._replace(committed=committed)


def _judge_prefix(local: Local, after: Sequence[Local]) -> Wrong | None:
    """I6: what a follower has logged its leader has logged too."""
    assert local.seen is not None
    for other in after:
        if other.sid == local.seen.leader and other.seen is not None and other.seen.epoch == local.seen.epoch:
            ours, theirs = local.platter.whole, other.platter.whole
            if theirs[: len(ours)] != ours:
                return Wrong(
                    "I6", f"server {local.sid} holds {_first_missing(ours, theirs)}, its leader does not"
                )
    return None


def lost(committed: tuple[Txn, ...], platters: Sequence[Platter]) -> Wrong | None:
    """I7: what is committed is on a quorum of disks, whatever happened since."""
    for txn in committed:
        holders = [place + 1 for place, platter in enumerate(platters) if txn in platter.durable]
        if 2 * len(holders) <= len(platters):
            return Wrong("I7", f"{text(txn[0])} is committed, and durable only on {holders} any more")
    return None


def at_rest(locals_: Sequence[Local]) -> Wrong | None:
    """C9, when no packet, sync or dial is under way: followers have what their leader has."""
    for leader in locals_:
        if leader.seen is None or not (leader.seen.serving and leader.seen.role is ServerState.LEADING):
            continue
        for local in locals_:
            seen = local.seen
            if seen is None or not seen.serving or local is leader:
                continue
            if seen.leader == leader.sid and seen.epoch == leader.seen.epoch:
                if seen.applied != leader.seen.applied or local.platter.whole != leader.platter.whole:
                    return Wrong("C9", f"at rest server {local.sid} has not what its leader {leader.sid} has")
                if leader.seen.outstanding:
                    return Wrong("C9", f"at rest server {leader.sid} has not committed what everybody holds")
    return None


def _holders(txn: Txn, locals_: Sequence[Local]) -> list[int]:
    return [local.sid for local in locals_ if txn in local.platter.durable]


def _first_missing(ours: tuple[Txn, ...], theirs: tuple[Txn, ...]) -> str:
    for place, (zxid, payload) in enumerate(ours):
        if place >= len(theirs) or theirs[place] != (zxid, payload):
            return f"{text(zxid)} ({payload.decode()})"
    return "nothing"
