"""Known ways to get the agreement wrong that the explorer is to find, each with the small world it is found in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ensemble.explorer.disk import VolatileHistory
from ensemble.explorer.search import Report, Search
from ensemble.explorer.starts import STARTS
from ensemble.explorer.world import Bounds, Rules
from ensemble.zab.leader import establishment
from ensemble.zab.leader import leader as leader_module
from ensemble.zab.leader.followers import Follower, Followers, FollowerStep
from ensemble.zab.leader.leader import Leader
from ensemble.zab.leader.synchronization import Synchronization, choose
from ensemble.zab.messages import Packet, PacketType
from tests.mutants import server

Patch = pytest.MonkeyPatch


def keep_the_tail(patch: Patch) -> None:
    """M4: a learner that is ahead of its leader gets a DIFF, and keeps what was never committed."""

    def keep(history: Any, learner_zxid: int, zxid_committed: int) -> Synchronization:
        plan = choose(history, learner_zxid, zxid_committed)
        return replace(plan, mode=PacketType.DIFF) if plan.mode is PacketType.TRUNC else plan

    patch.setattr(establishment, "choose", keep)


def up_to_date_with_what_was_acked(patch: Patch) -> None:
    """M7 (protocol-spec issue 3): what was committed between NEWLEADER and its ack is not told to the learner."""

    def on_new_leader_ack(self: Leader, follower: Follower, packet: Packet) -> None:
        follower.commits.clear()
        Leader._on_new_leader_ack(self, follower, packet)

    patch.setitem(leader_module._TABLE[FollowerStep.SYNCHRONIZATION], PacketType.ACK, on_new_leader_ack)


def promise_in_memory(patch: Patch) -> None:
    """M8: acceptedEpoch is written together with the next currentEpoch."""
    promised = property(lambda self: max(self.platter.accepted, getattr(self, "promised", 0)))
    save_current = VolatileHistory.save_current_epoch

    def save_both(self: VolatileHistory, epoch: int) -> None:
        self.platter = replace(self.platter, accepted=self.accepted_epoch)
        save_current(self, epoch)

    patch.setattr(VolatileHistory, "accepted_epoch", promised)
    patch.setattr(
        VolatileHistory, "save_accepted_epoch", lambda self, epoch: setattr(self, "promised", epoch)
    )
    patch.setattr(VolatileHistory, "save_current_epoch", save_both)


def count_acks_of_old_links(patch: Patch) -> None:
    """M25: what a learner acked on a link that broke still counts when it comes back, truncated meanwhile."""
    remove, drop, progress = Followers.remove, Followers.drop, Followers.progress

    def remember(self: Any, follower: Follower | None) -> None:
        if follower is not None and follower.sid is not None:
            vars(self).setdefault("acked", {})[follower.sid] = follower.zxid_acked

    def remove_and_remember(self: Followers, link: Any) -> Follower | None:
        follower = remove(self, link)
        remember(self, follower)
        return follower

    def drop_and_remember(self: Followers, follower: Follower) -> None:
        remember(self, follower)
        drop(self, follower)

    def all_progress(self: Followers, own: int) -> dict[int, int]:
        return {**vars(self).get("acked", {}), **progress(self, own)}

    patch.setattr(Followers, "remove", remove_and_remember)
    patch.setattr(Followers, "drop", drop_and_remember)
    patch.setattr(Followers, "progress", all_progress)


WITHOUT_FAULTS = Bounds(txns=1, crashes=0, breaks=0)


@dataclass(frozen=True)
class Small:
    """A small world."""

    bounds: Bounds = WITHOUT_FAULTS
    start: str = "off"
    depth: int = 20


def search(small: Small, *, seconds_max: float | None = None) -> Report:
    """Visit a small world until something is found."""
    rules = Rules(small.bounds)
    return Search(rules, [STARTS[small.start](rules)]).run(depth_max=small.depth, seconds_max=seconds_max)


MUTANTS: dict[Callable[[Patch], None], tuple[Small, tuple[str, ...]]] = {
    server.ack_new_leader_before_sync: (Small(Bounds(txns=0, crashes=0, breaks=0)), ("I10",)),
    server.epoch_before_history: (Small(start="joining"), ("I8",)),
    server.trust_a_shorter_history: (Small(Bounds(txns=0, crashes=1, breaks=0), "writing"), ("I5",)),
    keep_the_tail: (Small(start="returning"), ("I6",)),
    server.half_is_a_quorum: (Small(), ("I1",)),
    server.no_proposals_while_synchronizing: (Small(start="joining"), ("I11",)),
    up_to_date_with_what_was_acked: (Small(start="joining", depth=30), ("C9",)),
    promise_in_memory: (Small(Bounds(txns=0, crashes=1, breaks=0), "boot"), ("I1",)),
    server.commit_out_of_order: (Small(start="writing"), ("I2",)),
    server.ack_before_fsync: (Small(), ("I10",)),
    server.honour_stale_completions: (
        Small(Bounds(txns=0, crashes=0, breaks=0), "abandoned"),
        ("InvariantViolation",),
    ),
    count_acks_of_old_links: (Small(Bounds(txns=0, crashes=0, breaks=1), "writing"), ("I4",)),
}
"""Each mutant, the small world in which it is found, and what finds it."""
