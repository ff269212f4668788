"""Syncs waiting at a leader: each for what was proposed before it, and for proof of leadership since.

A leader that was replaced without knowing it would answer a sync with an old state (ZOOKEEPER-1675). So a
sync belongs to a confirmation *round*: a ping to everybody sent after the sync came in, which a quorum has
to answer. All syncs of one step share a round. A quorum's acks of anything proposed after a sync are such a
proof too, and then the sync is answered before that is committed: Apache's learners find the client a commit belongs
to by the order of all that they forwarded, syncs included, and answer nobody any more after one out of turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from ensemble.zab.leader.followers import Follower


@dataclass(slots=True)
class _Waiting:
    zxid: int
    round: int
    follower: Follower | None


class Syncs:
    """The syncs of one leader, oldest first."""

    def __init__(self) -> None:
        self.round = 0
        """The last confirmation round that was begun."""
        self._waiting: deque[_Waiting] = deque()
        self._round_wanted = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, zxid_proposed: int, follower: Follower | None) -> None:
        """Note a sync of a learner's client, or of one of our own (None)."""
        self._waiting.append(_Waiting(zxid_proposed, self.round + 1, follower))
        self._round_wanted = True

    def begin_round(self) -> bool:
        """Begin the round that new syncs wait for; tell whether there are any."""
        if not self._round_wanted:
            return False
        self._round_wanted = False
        self.round += 1
        return True

    def passed(self, zxid_committed: int) -> Iterator[tuple[int, Follower | None]]:
        """Take out, in order, those that something committed was proposed after; each with what it waited for."""
        waiting = self._waiting
        while waiting and waiting[0].zxid < zxid_committed:
            passed = waiting.popleft()
            yield passed.zxid, passed.follower

    def complete(self, zxid_committed: int, round_confirmed: int) -> Iterator[Follower | None]:
        """Take out, in order, whose turn has come."""
        waiting = self._waiting
        while waiting and waiting[0].round <= round_confirmed and waiting[0].zxid <= zxid_committed:
            yield waiting.popleft().follower
