"""The learners of one leader: one entry a link, and what each has acked.

Counts nothing and decides nothing; ``leader`` does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from ensemble.measures import Summary
from ensemble.zab.leader.sync_limit import SyncLimit
from ensemble.zab.messages import Packet, Run
from ensemble.zab.ports import PeerLink

PACKET_BYTES = 100
"""What a packet without data takes in memory, about."""


class FollowerStep(Enum):
    """Where in its term a learner is, as its leader sees it."""

    CONNECTED = "connected"
    DISCOVERY = "discovery"
    SYNCHRONIZATION = "synchronization"
    BROADCAST = "broadcast"


@dataclass(slots=True, eq=False)
class Follower:
    """A learner as its leader sees it. Everything here ends with the link."""

    link: PeerLink
    heard_us: int
    sid: int | None = None
    observer: bool = False
    """It came to observe: it is told what is committed, and acks no proposal."""
    counts: bool = False
    """It counts towards a quorum, if the membership gives it a vote."""
    acks: Summary | None = None
    """How long its acks take."""
    accepted_epoch: int = 0
    history: tuple[int, int] | None = None
    """(current epoch, last zxid), once it acked the epoch."""
    synchronizing: bool = False
    """It was sent its synchronization, and gets every proposal since."""
    synced: bool = False
    """It acked NEWLEADER."""
    sync_limit: SyncLimit | None = None
    """How long it may take to ack, once it is synced."""
    zxid_acked: int = -1
    """Counts only once it is synced."""
    commits: list[Packet] = field(default_factory=list)
    """What it is to be told as soon as it is synced."""
    held_bytes: int = 0
    """How much that is."""
    pings: deque[int] = field(default_factory=deque)
    """The confirmation rounds of the pings it has not answered yet."""
    confirmed: int = 0
    """The last confirmation round it took part in."""

    def hold(self, kind: int, run: Run) -> None:
        """Keep what it is to be told as soon as it is synced."""
        self.commits += [Packet(kind, zxid, data) for zxid, data in run]
        self.held_bytes += sum([PACKET_BYTES + len(data or b"") for _, data in run])

    @property
    def step(self) -> FollowerStep:
        """What is expected of it next."""
        if self.sid is None:
            return FollowerStep.CONNECTED
        if self.history is None:
            return FollowerStep.DISCOVERY
        return FollowerStep.BROADCAST if self.synced else FollowerStep.SYNCHRONIZATION


class Followers:
    """All learners of one leader."""

    def __init__(self, leader: int) -> None:
        self._leader = leader
        self._by_link: dict[PeerLink, Follower] = {}

    def __iter__(self) -> Iterator[Follower]:
        """Iterate over a copy: learners may be dropped on the way."""
        return iter(list(self._by_link.values()))

    def add(self, link: PeerLink, now_us: int) -> None:
        """Take in a new link; its learner has not said who it is."""
        self._by_link[link] = Follower(link, now_us)

    def at(self, link: PeerLink) -> Follower | None:
        """Return the learner at the other end of ``link``."""
        return self._by_link.get(link)

    def of(self, sid: int) -> Follower | None:
        """Return the learner that is server ``sid``."""
        return next((f for f in self._by_link.values() if f.sid == sid), None)

    def remove(self, link: PeerLink) -> Follower | None:
        """Forget a learner, and its acks with it: it may be truncated before it comes back."""
        return self._by_link.pop(link, None)

    def drop(self, follower: Follower) -> None:
        """Forget a learner and break its link."""
        self._by_link.pop(follower.link, None)
        follower.link.close()

    def known(self) -> list[Follower]:
        """Return those that have said who they are."""
        return [f for f in self._by_link.values() if f.sid is not None]

    def voting(self, which: Callable[[Follower], bool] = lambda _: True) -> list[int]:
        """Return the servers among them that count, those that ``which`` is true of."""
        return [f.sid for f in self._by_link.values() if f.sid is not None and f.counts and which(f)]

    def forwarding(self) -> list[Follower]:
        """Return those that get every proposal."""
        return [f for f in self._by_link.values() if f.synchronizing and not f.observer]

    def learning(self) -> list[Follower]:
        """Return those that are told of every commit, observers included."""
        return [f for f in self._by_link.values() if f.synchronizing]

    def loyal(self) -> list[int]:
        """Return the servers that follow, the leader included."""
        return [self._leader, *self.voting(lambda f: f.synced)]

    def progress(self, own: int) -> dict[int, int]:
        """Return the last zxid each server has acked; ``own`` is the leader's."""
        acked = {
            f.sid: f.zxid_acked
            for f in self._by_link.values()
            if f.synced and f.sid is not None and not f.observer
        }
        acked[self._leader] = own
        return acked

    def confirmations(self, own: int) -> dict[int, int]:
        """Return the last confirmation round of each server; ``own`` is the leader's."""
        rounds = {
            f.sid: f.confirmed
            for f in self._by_link.values()
            if f.synced and f.sid is not None and not f.observer
        }
        rounds[self._leader] = own
        return rounds

    def status(self, members: Iterable[int], now_us: int) -> list[dict[str, object]]:
        """Describe the members and whoever else is here (``admin.schema.PeerStatus``)."""
        here = {f.sid: f for f in self._by_link.values() if f.sid is not None}
        rows: list[dict[str, object]] = []
        for sid in sorted({*members, *here}):
            follower = here.get(sid)
            acked = follower.zxid_acked if follower is not None else -1
            rows.append(
                {
                    "sid": sid,
                    "connected": follower is not None,
                    "synced": follower is not None and follower.synced,
                    "zxid_acked": str(acked) if acked >= 0 else None,
                    "heard_ms_ago": (now_us - follower.heard_us) // 1000 if follower is not None else None,
                }
            )
        return rows
