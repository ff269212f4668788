"""Three peers on one table: a hand-cranked network, clock and log, small enough to see through.

The simulator (``ensemble.simulator``) tests ZAB under chaos with real bytes and disks; here single rules
are looked at one by one.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ensemble.membership import Membership
from ensemble.trace import Listener, Trace
from ensemble.zab.messages import Notification, Packet, Run
from ensemble.zab.peer import Peer
from ensemble.zab.view import View
from ensemble.zxid import follows
from tests.ensemble.members import plain


@dataclass
class Times:
    tick_ms: int = 100
    init_limit_ticks: int = 10
    sync_limit_ticks: int = 5


class ManualTimer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock:
    """Time that moves only when told to."""

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, ManualTimer, Callable[[], None]]] = []
        self._count = 0

    def monotonic_us(self) -> int:
        return self.now_us

    def wall_ms(self) -> int:
        return self.now_us // 1000

    def call_later(self, delay_ms: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer()
        self._count += 1
        heapq.heappush(self._heap, (self.now_us + int(delay_ms * 1000), self._count, timer, callback))
        return timer

    def advance(self, ms: int, between: Callable[[], None]) -> None:
        until = self.now_us + ms * 1000
        while self._heap and self._heap[0][0] <= until:
            at, _, timer, callback = heapq.heappop(self._heap)
            self.now_us = max(self.now_us, at)
            if not timer.cancelled:
                callback()
                between()
        self.now_us = until


@dataclass
class MemoryHistory:
    """A log whose durable part is told apart from what was only appended."""

    entries: list[tuple[int, bytes]] = field(default_factory=list)
    durable: int = 0
    accepted_epoch: int = 0
    current_epoch: int = 0
    waiting: deque[tuple[int, Callable[[], None]]] = field(default_factory=deque)
    effects: list[str] = field(default_factory=list)
    base: int = 0

    @property
    def zxid_logged(self) -> int:
        return self.entries[-1][0] if self.entries else self.base

    @property
    def zxid_durable(self) -> int:
        return self.durable

    def append(self, zxid: int, payload: bytes) -> None:
        assert follows(zxid, self.zxid_logged), (zxid, self.zxid_logged)
        self.entries.append((zxid, payload))

    def sync(self, done: Callable[[], None]) -> None:
        self.waiting.append((self.zxid_logged, done))

    def read_after(self, zxid: int) -> list[tuple[int, bytes]] | None:
        if self.last_not_after(zxid) != zxid:
            return None
        return [entry for entry in self.entries if entry[0] > zxid]

    def last_not_after(self, zxid: int) -> int | None:
        places = [self.base, *[z for z, _ in self.entries]]
        return max([place for place in places if place <= zxid], default=None)

    def truncate(self, zxid: int) -> None:
        self.effects.append(f"truncate {zxid:x}")
        self.entries = [entry for entry in self.entries if entry[0] <= zxid]
        self.durable = min(self.durable, zxid)

    def save_accepted_epoch(self, epoch: int) -> None:
        assert epoch > self.accepted_epoch
        self.effects.append(f"accepted {epoch}")
        self.accepted_epoch = epoch

    def save_current_epoch(self, epoch: int) -> None:
        self.effects.append(f"current {epoch}")
        self.current_epoch = epoch

    def complete(self) -> bool:
        """Finish the oldest sync; tell whether there was one."""
        if not self.waiting:
            return False
        zxid, done = self.waiting.popleft()
        self.durable = max(self.durable, min(zxid, self.zxid_logged))
        done()
        return True


class ListApplication:
    """A state machine that is the list of what was delivered."""

    def __init__(self, history: MemoryHistory) -> None:
        self.history = history
        self.state: list[tuple[int, bytes]] = list(history.entries)
        self.base = history.base
        self.log: list[str] = []
        self.requests: list[tuple[int, bytes]] = []
        self.synced = 0

    @property
    def zxid_applied(self) -> int:
        return self.state[-1][0] if self.state else self.base

    def deliver(self, zxid: int, payload: bytes) -> None:
        assert zxid > self.zxid_applied
        self.state.append((zxid, payload))

    def membership_in(self, payload: bytes) -> bytes | None:
        return payload.removeprefix(b"members ") if payload.startswith(b"members ") else None

    def snapshot(self) -> list[bytes]:
        return [repr((self.base, self.state)).encode()]

    def install(self, zxid: int, snapshot: bytes) -> None:
        self.base, self.state = eval(snapshot)
        assert self.zxid_applied == zxid
        self.history.entries, self.history.base, self.history.durable = [], zxid, zxid
        self.log.append(f"install {zxid:x}")

    def rebuild(self) -> None:
        self.state = list(self.history.entries)
        self.log.append("rebuild")

    def on_looking(self, why: str) -> None:
        self.log.append(f"looking: {why}")

    def on_elected(self) -> None:
        self.log.append("elected")

    def on_serving(self) -> None:
        self.log.append("serving")

    def on_request(self, learner: int, data: bytes, auth: tuple[tuple[str, str], ...]) -> None:
        self.requests.append((learner, data))

    def on_revalidate(self, learner: int, data: bytes) -> bytes:
        return b"valid:" + data

    def on_revalidated(self, data: bytes) -> None:
        self.log.append(f"revalidated {data!r}")

    def on_synced(self) -> None:
        self.synced += 1

    def on_touches(self, learner: int, data: bytes) -> None:
        self.log.append(f"touches {learner} {data!r}")

    def touches(self) -> bytes:
        return b""


class TableLink:
    """One end of a link; the table moves packets to the other end."""

    def __init__(self, table: Table, owner: int) -> None:
        self.table, self.owner = table, owner
        self.other: TableLink | None = None
        self.inbox: deque[Packet] = deque()
        self.said: list[tuple[int, int]] = []
        self.closed = False

    def send(self, packet: Packet) -> None:
        assert not self.closed
        self.table.transcript.append((self.owner, packet.type, packet.zxid))
        self.said.append((packet.type, packet.zxid))
        if self.other is not None and not self.other.closed:
            self.other.inbox.append(packet)

    def send_snapshot(self, packet: Packet, chunks: Iterable[bytes]) -> None:
        self.send(Packet(packet.type, packet.zxid, b"".join(chunks)))

    def close(self) -> None:
        self.closed = True
        if self.other is not None and not self.other.closed:
            self.table.breaking.append(self.other)


class TableNetwork:
    def __init__(self, table: Table, sid: int) -> None:
        self.table, self.sid = table, sid

    def notify(self, sid: int, notification: Notification) -> None:
        self.table.votes.append((sid, notification))

    def dial(self, sid: int) -> None:
        self.table.dials.append((self.sid, sid))

    def broadcast(self, links: list[TableLink], kind: int, run: Run) -> None:
        for link in links:
            for zxid, data in run:
                link.send(Packet(kind, zxid, data))


class MemberStore:
    """Memberships that outlive a peer."""

    def __init__(self) -> None:
        self.active: Membership | None = None
        self.seen: Membership | None = None
        self.followed: list[int] = []

    def save_seen(self, membership: Membership) -> None:
        self.seen = membership

    def save_active(self, membership: Membership) -> None:
        self.active = membership

    def activated(self, membership: Membership) -> None:
        self.followed.append(membership.version)


class Table:
    """The servers and everything between them. ``settle`` moves all there is to move."""

    def __init__(
        self,
        histories: dict[int, MemoryHistory],
        membership: Membership | None = None,
        *,
        changeable: bool = False,
    ) -> None:
        self.clock = ManualClock()
        self.times = Times()
        self.stores = {sid: MemberStore() for sid in histories} if changeable else {}
        self.membership = membership or plain(histories)
        self.histories = histories
        self.votes: deque[tuple[int, Notification]] = deque()
        self.dials: deque[tuple[int, int]] = deque()
        self.links: list[TableLink] = []
        self.breaking: deque[TableLink] = deque()
        self.transcript: list[tuple[int, int, int]] = []
        self.apps: dict[int, ListApplication] = {}
        self.peers: dict[int, Peer] = {}
        self.traces: dict[int, Listener] = {}
        self.stuck_disks: set[int] = set()
        for sid in histories:
            self.make(sid)

    def make(self, sid: int) -> None:
        history = self.histories[sid]
        self.apps[sid] = ListApplication(history)
        trace = Trace(sid, self.clock.monotonic_us)
        self.traces[sid] = Listener()
        trace.listen(self.traces[sid])
        self.peers[sid] = Peer(
            sid,
            self._view(sid),
            timing=self.times,
            clock=self.clock,
            network=TableNetwork(self, sid),
            history=history,
            app=self.apps[sid],
            trace=trace,
        )

    def _view(self, sid: int) -> View:
        store = self.stores.get(sid)
        if store is None:
            return View(sid, self.membership)
        return View(sid, store.active or self.membership, seen=store.seen, store=store)

    def start(self, *sids: int) -> None:
        for sid in sids:
            for other in self.peers:
                if other != sid and not self.peers[other]._stopped:
                    self.peers[other].on_election_link(sid, True)
            self.peers[sid].start()
            for other in self.peers:
                if other != sid and not self.peers[other]._stopped:
                    self.peers[sid].on_election_link(other, True)
        self.settle()

    def kill(self, sid: int) -> None:
        for link in [link for link in self.links if link.owner == sid and not link.closed]:
            link.close()
        self.peers[sid].stop()
        for other in self.peers:
            if other != sid:
                self.peers[other].on_election_link(sid, False)
        self.histories[sid].waiting.clear()
        self.make(sid)

    def settle(self) -> None:
        self._flush()
        while self._step():
            self._flush()

    def _flush(self) -> None:
        for peer in self.peers.values():
            peer.flush()

    def _step(self) -> bool:
        if self.breaking:
            link = self.breaking[0]
            if link.inbox and not link.closed:  # what was sent before the end arrives before the end
                self.peers[link.owner].on_packets(link, [link.inbox.popleft()])
                return True
            self.breaking.popleft()
            link.closed = True
            self.peers[link.owner].on_closed(link)
            return True
        if self.votes:
            sid, notification = self.votes.popleft()
            self.peers[sid].on_notification(notification)
            return True
        if self.dials:
            self._connect(*self.dials.popleft())
            return True
        for link in self.links:
            if link.inbox and not link.closed:
                self.peers[link.owner].on_packets(link, [link.inbox.popleft()])
                return True
        return any(h.complete() for sid, h in self.histories.items() if sid not in self.stuck_disks)

    def _connect(self, sid: int, to: int) -> None:
        if self.peers[to]._stopped:
            self.peers[sid].on_dialed(to, None)
            return
        near, far = TableLink(self, sid), TableLink(self, to)
        near.other, far.other = far, near
        self.links += [near, far]
        self.peers[to].on_accepted(far)
        self.peers[sid].on_dialed(to, near)

    def advance(self, ms: int) -> None:
        self.clock.advance(ms, self.settle)
        self.settle()

    @property
    def leader(self) -> Peer:
        (leader,) = [peer for peer in self.peers.values() if peer.serving and peer.leader == peer.sid]
        return leader

    def propose_members(self, membership: Membership) -> Membership:
        """Propose a change; settle, to let it happen."""
        leader = self.leader
        membership = membership.under(leader.next_zxid())
        leader.propose(membership.version, b"members " + membership.text().encode(), membership)
        return membership

    def write(self, payload: bytes) -> int:
        leader = self.leader
        zxid = leader.next_zxid()
        leader.propose(zxid, payload)
        self.settle()
        return zxid


def fresh(count: int = 3) -> Table:
    """Return servers without a past."""
    return Table({sid: MemoryHistory() for sid in range(1, count + 1)})


def history(*zxids: int, accepted: int, current: int) -> MemoryHistory:
    """Return a durable log of these transactions, and the epochs beside it."""
    made = MemoryHistory(
        [(zxid, b"%x" % zxid) for zxid in zxids], accepted_epoch=accepted, current_epoch=current
    )
    made.durable = made.zxid_logged
    return made


def states(table: Table) -> dict[int, list[tuple[int, bytes]]]:
    """Return what each server has applied."""
    return {sid: app.state for sid, app in table.apps.items()}
