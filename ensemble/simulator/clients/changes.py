"""Changes of the membership as an operator might ask for them, drawn at random."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from ensemble.membership import ANYWHERE, Membership, ServerAddress
from ensemble.tree.operations import Reconfig

_ANY_VERSION = -1


def draw_change(rng: Random, now: Membership, sids: list[int], leader: int) -> Reconfig:
    """Draw a change of ``now``, which ``leader`` leads, for an ensemble of the servers ``sids``.

    It may be one that is refused: what it leads to is not this module's business.
    """
    kind = rng.random()
    if kind < 0.2:
        return _leave(leader)
    if kind < 0.4:
        return _leave(rng.choice(sids))
    if kind < 0.8 and not now.groups:
        return _join(_address(rng.choice(sids), votes=rng.random() < 0.75))
    voters = set(rng.sample(sids, rng.randint(1, len(sids))))
    chosen = [_address(sid, votes=sid in voters) for sid in sids if sid in voters or rng.random() < 0.3]
    wanted = replace(now, servers=tuple(chosen), groups={})
    return Reconfig("", "", wanted.text(), _ANY_VERSION)


def _leave(sid: int) -> Reconfig:
    return Reconfig("", str(sid), "", _ANY_VERSION)


def _join(server: ServerAddress) -> Reconfig:
    return Reconfig(f"server.{server.sid}={server.line()}", "", "", _ANY_VERSION)


def _address(sid: int, *, votes: bool) -> ServerAddress:
    return ServerAddress(sid, f"server{sid}", 2888, 3888, votes, ANYWHERE, 2181)
