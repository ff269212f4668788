"""One term as a follower or an observer: discovery, synchronization and broadcast, seen from the learner.

    CONNECTING --link--> DISCOVERY --LEADERINFO--> OFFERED --DIFF|TRUNC|SNAP--> SYNCING
        --NEWLEADER--> SYNCED --UPTODATE--> BROADCAST

The way to OFFERED is ``joining``'s, what is done with a transaction ``following``'s; here is the synchronization
between them, and what may be said in which step. What the leader says in a step that does not expect it breaks
the link. Order is durability: history durable, then currentEpoch durable, then the ack (ZOOKEEPER-4643, -4646).

Facts: 2.15 and 2.17 of the reference (Apache's Learner, Follower and Observer).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.membership import Membership
from ensemble.zab.learner.following import Following, membership_of
from ensemble.zab.learner.joining import Step
from ensemble.zab.messages import Packet, PacketType, Vote
from ensemble.zab.phase import Phase
from ensemble.zab.ports import PeerLink
from ensemble.zab.term import Term
from ensemble.zxid import make, text


class Learner(Following):
    """A follower or an observer of one leader, from the election until the link breaks."""

    def __init__(self, context: Term.Context, elected: Vote) -> None:
        super().__init__(context, elected)
        self._offered: Membership | None = None
        """The membership of NEWLEADER, in force with the epoch."""
        self._zxid_synced = 0

    def on_packets(self, link: PeerLink, packets: list[Packet]) -> None:
        """Handle what the leader sent, in order, by the table below."""
        if link is not self._link:
            return
        self._heard_us = self.clock.monotonic_us()
        table = _TABLE[self.step]
        for packet in packets:
            if self.trace.on:
                self.trace_packet("received", self.leader, packet)
            handler = table.get(packet.type)
            if handler is None:
                raise PeerProtocolError(
                    f"packet type {packet.type} from leader {self.leader} while {self.step.value}"
                )
            handler(self, packet)
            if link is not self._link:
                return
            if table is not _BROADCAST:
                table = _TABLE[self.step]

    # ------------------------------------------------------------------ synchronization

    def _on_diff(self, packet: Packet) -> None:
        if self._uncuttable:
            raise PeerProtocolError("sent a DIFF to a server that needs a snapshot")
        # Our whole history is a prefix of the leader's, which becomes committed when it is established.
        self._begin_sync("DIFF", packet, self.history.zxid_logged)

    def _on_trunc(self, packet: Packet) -> None:
        if self.history.last_not_after(packet.zxid) != packet.zxid:
            self._ask_for_snapshot(packet.zxid)
            return
        if packet.zxid < self.history.zxid_logged:
            self.history.truncate(packet.zxid)
        if packet.zxid < self.app.zxid_applied:
            self.app.rebuild()
        self._begin_sync("TRUNC", packet, packet.zxid)

    def _on_snap(self, packet: Packet) -> None:
        self.app.install(packet.zxid, packet.data or b"")
        self._begin_sync("SNAP", packet, packet.zxid)

    def _begin_sync(self, mode: str, packet: Packet, committed: int) -> None:
        self.zxid_committed = committed
        self.step = Step.SYNCING
        if self.trace.on:
            self.trace.emit("sync", peer=self.leader, mode=mode, zxid=str(packet.zxid), txns=0)

    def _on_sync_proposal(self, packet: Packet) -> None:
        # A proposal made while we were being synchronized may arrive twice (protocol-spec issue 2).
        if packet.zxid > self.history.zxid_logged:
            self._append(packet)

    def _on_sync_commit(self, packet: Packet) -> None:
        if packet.zxid > self.history.zxid_logged:
            raise PeerProtocolError(f"commit {text(packet.zxid)} of a proposal that was never sent")
        self.zxid_committed = max(self.zxid_committed, packet.zxid)

    def _on_sync_commit_and_activate(self, packet: Packet) -> None:
        """What it puts in force is in force with the epoch: see :meth:`_on_up_to_date`."""
        self._on_sync_commit(packet)

    def _on_new_leader(self, packet: Packet) -> None:
        if packet.zxid != make(self.epoch, 0):
            raise PeerProtocolError(f"NEWLEADER {text(packet.zxid)} in epoch {self.epoch}")
        if self._changeable and packet.data:
            self._offered = membership_of(packet.data)
            self.view.see(self._offered)
        self.step = Step.SYNCED
        self._zxid_synced = self.history.zxid_logged
        self.history.sync(self._if_active(self._on_history_durable))

    def _on_history_durable(self) -> None:
        if self.history.zxid_durable < self._zxid_synced:
            raise InvariantViolation(
                f"synced to {text(self._zxid_synced)}, durable {text(self.history.zxid_durable)}"
            )
        self.history.save_current_epoch(self.epoch)
        self._send(Packet(PacketType.ACK, make(self.epoch, 0)))
        self._acked_new_leader = True
        covered = min(self.zxid_committed, self._zxid_synced)
        while self._unacked and self._unacked[0] <= covered:
            self._unacked.popleft()  # part of the history that this ack covers
        self._ack_durable()

    def _on_up_to_date(self, packet: Packet) -> None:
        if self._offered is not None:
            # One that was proposed in this epoch may still come to nothing: in force it is when it is committed.
            known = [each for each in (self.view.seen, self._offered) if not self._is_on_its_way(each)]
            if known and self.view.activate(known[0]) and not self._keeps_place():
                self.give_up("the membership has changed")
                return
        self._deliver_tail()
        self.step = Step.BROADCAST
        self.serving = True
        self.set_phase(Phase.BROADCAST, f"synchronized with leader {self.leader}")
        self._send(Packet(PacketType.ACK, make(self.epoch, 0)))
        self.meter.syncs.add(self.clock.monotonic_us() - self._offered_us)
        self.established(self.epoch)
        self.app.on_serving()

    def _is_on_its_way(self, membership: Membership) -> bool:
        """Tell whether a membership was proposed in this epoch and is not committed, as far as we know."""
        return membership.version > max(self.zxid_committed, make(self.epoch, 0))

    def _keeps_place(self) -> bool:
        """Tell whether role and leader are the same in the membership in force."""
        return self.observes == self.view.observes and self.view.active.votes(self.leader)

    def _deliver_tail(self) -> None:
        """Apply all that is committed; keep what is only proposed, from this term or an earlier one."""
        tail = self.history.read_after(self.app.zxid_applied)
        if tail is None:
            raise PeerProtocolError(f"the log does not reach back to {text(self.app.zxid_applied)}")
        self._pending = deque(tail)
        while self._pending and self._pending[0][0] <= self.zxid_committed:
            self.app.deliver(*self._pending.popleft())

    def _ignore(self, packet: Packet) -> None:
        """A ping before UPTODATE: Apache's leader expects nothing but acks from us then."""


_Handler = Callable[[Learner, Packet], None]

_BROADCAST: dict[int, _Handler] = {
    PacketType.PROPOSAL: Learner._append,
    PacketType.COMMIT: Learner._on_commit,
    PacketType.COMMITANDACTIVATE: Learner._on_commit_and_activate,
    PacketType.INFORM: Learner._on_inform,
    PacketType.INFORMANDACTIVATE: Learner._on_inform_and_activate,
    PacketType.PING: Learner._on_ping,
    PacketType.REVALIDATE: Learner._on_revalidate,
    PacketType.SYNC: Learner._on_sync,
}
_TABLE: dict[Step, dict[int, _Handler]] = {
    Step.CONNECTING: {},
    Step.DISCOVERY: {PacketType.LEADERINFO: Learner._on_leader_info},
    Step.OFFERED: {
        PacketType.DIFF: Learner._on_diff,
        PacketType.TRUNC: Learner._on_trunc,
        PacketType.SNAP: Learner._on_snap,
    },
    Step.SYNCING: {
        PacketType.PROPOSAL: Learner._on_sync_proposal,
        PacketType.COMMIT: Learner._on_sync_commit,
        PacketType.COMMITANDACTIVATE: Learner._on_sync_commit_and_activate,
        PacketType.INFORM: Learner._on_inform,
        PacketType.INFORMANDACTIVATE: Learner._on_inform_and_activate,
        PacketType.NEWLEADER: Learner._on_new_leader,
        PacketType.PING: Learner._ignore,
    },
    Step.SYNCED: {
        PacketType.PROPOSAL: Learner._append,
        PacketType.COMMIT: Learner._on_sync_commit,
        PacketType.COMMITANDACTIVATE: Learner._on_sync_commit_and_activate,
        PacketType.INFORM: Learner._on_inform,
        PacketType.INFORMANDACTIVATE: Learner._on_inform_and_activate,
        PacketType.UPTODATE: Learner._on_up_to_date,
        PacketType.PING: Learner._ignore,
    },
    Step.BROADCAST: _BROADCAST,
}
"""What may be said in which step; every pair that is not here breaks the link (ZOOKEEPER-4394)."""
