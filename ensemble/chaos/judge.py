"""The judgement of a run: the simulator's checkers, over the log that real servers have on their disks.

C8, locks, is judged here: what a lock guards is written in a transaction that checks the holder's znode, so the log
says at which zxid somebody wrote who did not hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ensemble.chaos import differences
from ensemble.chaos.apache import (
    EARLY_EXPIRY,
    STALE_SNAPSHOT,
    UNCONFIRMED_SYNC,
    UNKNOWN_SESSION,
    VAGUE_EVENTS,
)
from ensemble.chaos.stale import StaleState
from ensemble.errors import Code
from ensemble.simulator.checks import checkers
from ensemble.simulator.checks.checkers import Entry, HistoryViolation, Replay
from ensemble.simulator.checks.exclusion import first_in_line
from ensemble.simulator.checks.model import Model
from ensemble.simulator.checks.staying import check_staying_watches, part
from ensemble.simulator.checks.watching import check_watches
from ensemble.simulator.clients.history import Attached, Call, Fired, History, Seen
from ensemble.tree.operations import Check, Multi, Op
from ensemble.tree.tree import Tree
from ensemble.zxid import text

LOCKS = "/lock/"


@dataclass(slots=True)
class Judgement:
    """What was broken, and what was checked."""

    violations: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    """What Apache's servers are known to break, and broke."""
    wrong_trees: dict[int, list[str]] = field(default_factory=dict)
    """Servers whose tree is not the model's, and in which znodes."""
    digest: int = 0
    """The model's in the end."""

    def hold(self, name: str, check: Callable[[], int | None], deviation: str = "") -> None:
        """Run a check; note what it counted or what it found broken, which may be a known ``deviation``."""
        try:
            self.checked[name] = check() or 0
        except HistoryViolation as violation:
            if deviation:
                self.known.append(f"{violation} - {deviation}")
            else:
                self.violations.append(str(violation))


def judge(
    history: History,
    log: list[tuple[int, bytes]],
    trees: Mapping[int, Tree],
    apache: Collection[int] = (),
    stale: Mapping[int, Sequence[StaleState]] = MappingProxyType({}),
) -> Judgement:
    """Hold everything that clients saw, and the servers' trees, against the committed log.

    ``apache`` are the servers of Apache's, whose known deviations are told apart from what is broken. ``stale``
    are, by server, the states that snapshots of what was never committed would lead to: its own, or one that it
    was sent.
    """
    judgement = Judgement()
    entries = [Entry.decode(zxid, payload) for zxid, payload in log]
    replay = Replay(Model())
    foretold = _foretold(entries) if apache else frozenset()
    if foretold:
        judgement.known.append(f"C5: {len(foretold)} requests were refused too early - {EARLY_EXPIRY}")

    spoiled: list[Call] = []

    def explained(call: Call) -> bool:
        found = any(state.explains(call) for state in stale.get(call.server, ()))
        spoiled.extend([call] if found else [])
        return found

    def replayed() -> int:
        nonlocal replay
        replay = checkers.replay_log(history, entries, Model(), foretold, explained)
        return history.acknowledged()

    judgement.hold("C1 real time", lambda: checkers.check_real_time(history, entries))
    judgement.hold("C2 order within sessions", lambda: checkers.check_session_order(history, entries))
    judgement.hold("C3 sync", lambda: _syncs(history), UNCONFIRMED_SYNC if apache else "")
    judgement.hold("C1, C5, C6, C7 replies", replayed)
    if spoiled:
        judgement.known.append(
            f"C1: {len(spoiled)} reads saw what nobody has committed, the first {spoiled[0]} - {STALE_SNAPSHOT}"
        )
    if judgement.violations:
        return judgement  # what follows stands on the replay
    judgement.hold(
        "C5 sessions",
        lambda: checkers.check_expiry(history, entries, replay),
        UNKNOWN_SESSION if apache else "",
    )
    if apache:
        nothing_told = History(history.calls, {})
        judgement.hold("C5 ephemerals", lambda: checkers.check_expiry(nothing_told, entries, replay))
    staying, once = part(history.streams)
    vague = [place for place, stream in once.items() if _met(stream, apache)]
    if vague:
        judgement.known.append(
            f"C4: the one-shot watches of {len(vague)} sessions are not judged - {VAGUE_EVENTS}"
        )
        once = {place: stream for place, stream in once.items() if place not in vague}
    judgement.hold("C4 watches", lambda: _watches(History(history.calls, once), replay))
    judgement.hold("C4 persistent watches", lambda: check_staying_watches(staying, replay, apache))
    judgement.hold("C8 locks", lambda: check_locks(history, replay))
    judgement.hold("C9 digests", lambda: _digests(judgement, replay.model, trees, stale))
    return judgement


def _foretold(entries: list[Entry]) -> frozenset[int]:
    """Find where the last that sessions asked for was refused as expired, before the transactions that end them."""
    found: list[int] = []
    last: dict[int, list[int]] = {}
    for entry in entries:
        if entry.type == Op.CLOSE_SESSION:
            found += last.pop(entry.session, [])
        elif entry.error == Code.SESSION_EXPIRED:
            last.setdefault(entry.session, []).append(entry.zxid)
        else:
            last.pop(entry.session, None)
    return frozenset(found)


def _syncs(history: History) -> int:
    checkers.check_sync(history)
    return sum(call.op == Op.SYNC and call.answer is not None for call in history.calls)


def _watches(history: History, replay: Replay) -> int:
    check_watches(history, replay)
    return _fired(history.streams)


def _fired(streams: Mapping[int, list[Seen]]) -> int:
    return sum(isinstance(seen, Fired) for stream in streams.values() for seen in stream)


def _digests(
    judgement: Judgement,
    model: Model,
    trees: Mapping[int, Tree],
    stale: Mapping[int, Sequence[StaleState]],
) -> int:
    expected = judgement.digest = model.digest()
    wrong = {sid: tree for sid, tree in trees.items() if tree.digest() != expected}
    for sid, tree in list(wrong.items()):
        for state in stale.get(sid, ()):
            if state.digest() == tree.digest():
                judgement.known.append(
                    f"C9: server {sid} ends with what snapshot {text(state.zxid)} of server {state.sid} holds and nobody has "
                    f"committed - "
                    f"{STALE_SNAPSHOT}"
                )
                del wrong[sid]
                break
    judgement.wrong_trees = {sid: list(differences.sentences(tree, model)) for sid, tree in wrong.items()}
    if wrong:
        told = ", ".join(f"server {sid} ends with digest {tree.digest():#x}" for sid, tree in wrong.items())
        raise HistoryViolation("C9", f"{told}, the model with {expected:#x}")
    return len(trees)


def _met(stream: list[Seen], servers: Collection[int]) -> bool:
    return any(isinstance(seen, Attached) and seen.server in servers for seen in stream)


# -- locks -----------------------------------------------------------------------------------------------------


def check_locks(history: History, replay: Replay) -> int:
    """C8: at every write that a lock guards its writer was the first in line."""
    writes = [(call.zxid, holder) for call in history.calls if (holder := _guard(call)) is not None]
    first_in_line(replay.changes, LOCKS, writes)
    return len(writes)


def _guard(call: Call) -> str | None:
    """Return the znode of the lock that a successful guarded write relied on."""
    if call.op != Op.MULTI or call.answer is None or not isinstance(call.operation, Multi):
        return None
    if any(result.error for result in call.answer.results or []):
        return None
    checks = [part.path for _, part in call.operation.ops if isinstance(part, Check)]
    return next((path for path in checks if path.startswith(LOCKS)), None)
