"""One term as a follower or an observer: discovery, synchronization and broadcast, seen from the learner.

    CONNECTING --link--> DISCOVERY --LEADERINFO--> OFFERED --DIFF|TRUNC|SNAP--> SYNCING
        --NEWLEADER--> SYNCED --UPTODATE--> BROADCAST

Order is durability: history durable, then currentEpoch durable, then the ack (ZOOKEEPER-4643, -4646).
Proposals are appended as they come, and every ack leaves in the order of the log, the NEWLEADER ack
included (ZOOKEEPER-4685). What the leader says in a step that does not expect it breaks the link.

An observer is told of a transaction when it is committed (INFORM), and acks none. A server that is no member of
the ensemble, because it is about to join or was removed, follows like a voter; its acks count for nothing.

A membership is noted when it is proposed and put in force when it is committed. When it gives this server another
role, or the ensemble another leader, the term is over, and the next one begins without an election.

Facts: 2.15 and 2.17 of the reference (Apache's Learner, Follower and Observer).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from struct import Struct

from ensemble.errors import ConfigError, InvariantViolation, PeerProtocolError
from ensemble.limits import EPOCHS_AHEAD_MAX
from ensemble.membership import Membership, parse
from ensemble.ports import Timer
from ensemble.zab.messages import PROTOCOL_VERSION, Packet, PacketType, Vote
from ensemble.zab.phase import Phase
from ensemble.zab.ports import PeerLink
from ensemble.zab.term import Term
from ensemble.zxid import epoch_of, follows, make, text

DIAL_DELAYS_MS = (25, 50, 100, 200, 400)
"""Waits between attempts to reach an elected leader, which may still be finishing its own election."""

_LEARNER_INFO = Struct(">qiq")
_EPOCH = Struct(">i")
_DESIGNATED = Struct(">q")
_ACK = int(PacketType.ACK)
_NOT_AGAIN = -1
"""ACKEPOCH's epoch when this server had already promised the epoch: it does not count for the quorum."""


class Step(Enum):
    """Where in its term a learner is."""

    CONNECTING = "connecting"
    DISCOVERY = "discovery"
    OFFERED = "offered"
    SYNCING = "syncing"
    SYNCED = "synced"
    BROADCAST = "broadcast"


class Learner(Term):
    """A follower or an observer of one leader, from the election until the link breaks."""

    def __init__(self, context: Term.Context, elected: Vote) -> None:
        super().__init__(context)
        self.leader = elected.leader
        self.epoch = 0
        self.step = Step.CONNECTING
        self.observes = self.view.observes
        self.zxid_committed = self.app.zxid_applied
        self._epoch_voted = elected.epoch
        self._changeable = self.view.changeable
        self._offered: Membership | None = None
        """The membership of NEWLEADER, in force with the epoch."""
        self._link: PeerLink | None = None
        self._attempts = 0
        self._uncuttable = False
        """Our history goes too far and cannot be cut back: only a snapshot helps."""
        self._pending: deque[tuple[int, bytes]] = deque()
        self._unacked: deque[int] = deque()
        self._unsynced = 0
        self._offered_us = 0
        self._zxid_synced = 0
        self._acked_new_leader = False
        self._heard_us = self.clock.monotonic_us()
        self._watchdog: Timer | None = None
        self._redial: Timer | None = None

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Dial the leader."""
        self.set_phase(Phase.DISCOVERY, "elected " + str(self.leader))
        self._watch()
        self.network.dial(self.leader)

    def close(self) -> None:
        """End the term: no callback of it has any effect from now on (ZOOKEEPER-4712)."""
        super().close()
        for timer in (self._watchdog, self._redial):
            if timer is not None:
                timer.cancel()
        if self._link is not None:
            self._link.close()
            self._link = None

    def on_dialed(self, link: PeerLink | None) -> None:
        """Begin discovery, or try again."""
        if self._link is not None or self.step is not Step.CONNECTING:
            if link is not None:
                link.close()
            return
        if link is None:
            if self._attempts >= len(DIAL_DELAYS_MS):
                self.give_up(f"leader {self.leader} cannot be reached")
                return
            self._redial = self.clock.call_later(DIAL_DELAYS_MS[self._attempts], self._dial)
            self._attempts += 1
            return
        self._link = link
        self.step = Step.DISCOVERY
        info = _LEARNER_INFO.pack(self.sid, PROTOCOL_VERSION, self.view.active.version)
        kind = PacketType.OBSERVERINFO if self.observes else PacketType.FOLLOWERINFO
        self._send(Packet(kind, make(self.history.accepted_epoch, 0), info))

    def _dial(self) -> None:
        self._redial = None
        if self.active:
            self.network.dial(self.leader)

    def on_closed(self, link: PeerLink) -> None:
        """Give up: whoever led us is gone."""
        if link is self._link:
            self._link = None
            self.give_up(f"the link to leader {self.leader} broke")

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

    def _watch(self) -> None:
        """Give up a leader that is silent for initLimit (until UPTODATE) or syncLimit (afterwards)."""
        settled = self.step is Step.BROADCAST
        limit_ticks = self.timing.sync_limit_ticks if settled else self.timing.init_limit_ticks
        silent_ms = (self.clock.monotonic_us() - self._heard_us) // 1000
        if silent_ms > limit_ticks * self.timing.tick_ms:
            self.give_up(f"leader {self.leader} is silent for {silent_ms} ms")
            return
        self._watchdog = self.clock.call_later(self.timing.tick_ms / 2, self._if_active(self._watch))

    # ------------------------------------------------------------------ discovery

    def _on_leader_info(self, packet: Packet) -> None:
        epoch = epoch_of(packet.zxid)
        accepted = self.history.accepted_epoch
        if epoch < accepted:
            self.give_up(f"leader {self.leader} proposes epoch {epoch}, {accepted} is promised")
            return
        # A newcomer has promised nothing yet; what it was told in the election shows how far the others are.
        if epoch - max(accepted, self._epoch_voted) > 2 * EPOCHS_AHEAD_MAX:
            raise PeerProtocolError(f"leader {self.leader} proposes epoch {epoch}, {accepted} is promised")
        current, zxid = _NOT_AGAIN, self.history.zxid_logged
        if epoch > accepted:
            self.history.save_accepted_epoch(epoch)
            current = self.history.current_epoch
        elif self._uncuttable:
            zxid = make(epoch, 0)  # nobody's transaction, and not counted: see _ask_for_snapshot
        self.epoch = epoch
        self.step = Step.OFFERED
        self._offered_us = self.clock.monotonic_us()
        self.set_phase(Phase.SYNCHRONIZATION, f"epoch {epoch} accepted")
        self._send(Packet(PacketType.ACKEPOCH, zxid, _EPOCH.pack(current)))

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

    def _ask_for_snapshot(self, zxid: int) -> None:
        """Dial again and name a zxid that no history holds, since ours cannot be cut back to ``zxid``.

        A leader that died before its epoch was established may have sent a snapshot of more than was ever
        committed. Our true history was counted when we promised this epoch, so what we say now misleads
        nobody about what is committed.
        """
        if self._uncuttable:
            raise PeerProtocolError(f"told to truncate to {text(zxid)}, which this history lacks")
        self._uncuttable = True
        self.step = Step.CONNECTING
        if self._link is not None:
            self._link.close()
            self._link = None
        self.network.dial(self.leader)

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

    def _on_new_leader(self, packet: Packet) -> None:
        if packet.zxid != make(self.epoch, 0):
            raise PeerProtocolError(f"NEWLEADER {text(packet.zxid)} in epoch {self.epoch}")
        if self._changeable and packet.data:
            self._offered = _membership(packet.data)
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

    def _deliver_tail(self) -> None:
        """Apply all that is committed; keep what is only proposed, from this term or an earlier one."""
        tail = self.history.read_after(self.app.zxid_applied)
        if tail is None:
            raise PeerProtocolError(f"the log does not reach back to {text(self.app.zxid_applied)}")
        self._pending = deque(tail)
        while self._pending and self._pending[0][0] <= self.zxid_committed:
            self.app.deliver(*self._pending.popleft())

    # ------------------------------------------------------------------ broadcast

    def _append(self, packet: Packet) -> None:
        if not follows(packet.zxid, self.history.zxid_logged):
            raise PeerProtocolError(
                f"proposal {text(packet.zxid)} does not follow {text(self.history.zxid_logged)}"
            )
        payload = packet.data or b""
        if self._changeable:
            self._see(payload)
        try:
            self.history.append(packet.zxid, payload)
        except InvariantViolation as error:
            # It follows, so the payload is not that transaction: the leader's fault, not ours.
            raise PeerProtocolError(str(error)) from error
        self._unacked.append(packet.zxid)
        self._unsynced += 1
        if self.step is Step.BROADCAST:
            self._pending.append((packet.zxid, payload))

    def _on_commit(self, packet: Packet) -> None:
        pending = self._pending
        if not pending or pending[0][0] != packet.zxid:
            raise PeerProtocolError(f"commit {text(packet.zxid)} out of order")
        self.zxid_committed = packet.zxid
        self.meter.commits_received += 1
        self.app.deliver(*pending.popleft())

    def _on_inform(self, packet: Packet) -> None:
        """Observer: a transaction is committed."""
        if packet.zxid <= self.history.zxid_logged and self.step is not Step.BROADCAST:
            return  # it came in the synchronization already
        self._append(packet)
        self.zxid_committed = packet.zxid
        if self.step is Step.BROADCAST:
            self.app.deliver(*self._pending.popleft())

    # ------------------------------------------------------------------ the membership

    def _see(self, payload: bytes) -> None:
        """Note the membership that a proposal carries, before the proposal is logged."""
        data = self.app.membership_in(payload)
        if data is None:
            return
        membership = _membership(data)
        if membership.version > self.view.seen.version:  # not one of those that we are only told of late
            self.view.see(membership)

    def _on_commit_and_activate(self, packet: Packet) -> None:
        payload = self._pending[0][1] if self._pending else b""
        self._activate(packet.zxid, payload, packet.data or b"", lambda: self._on_commit(packet))

    def _on_sync_commit_and_activate(self, packet: Packet) -> None:
        """What it puts in force is in force with the epoch: see :meth:`_on_up_to_date`."""
        self._on_sync_commit(packet)

    def _is_on_its_way(self, membership: Membership) -> bool:
        """Tell whether a membership was proposed in this epoch and is not committed, as far as we know."""
        return membership.version > max(self.zxid_committed, make(self.epoch, 0))

    def _on_inform_and_activate(self, packet: Packet) -> None:
        data = packet.data or b""
        inform = Packet(PacketType.INFORM, packet.zxid, data[_DESIGNATED.size :])
        if self.step is not Step.BROADCAST:
            self._on_inform(inform)
            return
        self._activate(packet.zxid, inform.data or b"", data, lambda: self._on_inform(inform))

    def _activate(self, zxid: int, payload: bytes, data: bytes, commit: Callable[[], None]) -> None:
        """Put a committed membership in force, apply its transaction, and take the place it gives us."""
        membership = self.app.membership_in(payload)
        if membership is None or len(data) < _DESIGNATED.size:
            raise PeerProtocolError(f"{text(zxid)} puts a membership in force and holds none")
        leader: int = _DESIGNATED.unpack_from(data)[0]
        changed = self.view.activate(_membership(membership))
        commit()
        if changed and (leader != self.leader or self.observes != self.view.observes):
            self.hand_over(leader, "the membership has changed")

    def _keeps_place(self) -> bool:
        """Tell whether role and leader are the same in the membership in force."""
        return self.observes == self.view.observes and self.view.active.votes(self.leader)

    # ------------------------------------------------------------------ what passes by

    def _on_ping(self, packet: Packet) -> None:
        self._send(Packet(PacketType.PING, packet.zxid, self.app.touches()))

    def _on_revalidate(self, packet: Packet) -> None:
        self.app.on_revalidated(packet.data or b"")

    def _on_sync(self, packet: Packet) -> None:
        self.app.on_synced()

    def _ignore(self, packet: Packet) -> None:
        """A ping before UPTODATE: Apache's leader expects nothing but acks from us then."""

    def flush(self) -> None:
        """Make durable what came in this step, and ack it then."""
        if self._unsynced:
            self.meter.proposals_received += self._unsynced
            self._unsynced = 0
            self.sync_history(self._ack_durable)

    def _ack_durable(self) -> None:
        if self.observes:
            self._unacked.clear()
            return
        if not self._acked_new_leader:
            return  # no ack overtakes that of NEWLEADER (ZOOKEEPER-4685)
        durable = self.history.zxid_durable
        unacked = self._unacked
        acks: list[tuple[int, None]] = []
        while unacked and unacked[0] <= durable:
            acks.append((unacked.popleft(), None))
        if acks and self._link is not None:
            if self.trace.on:
                for zxid, _ in acks:
                    self.trace_packet("sent", self.leader, Packet(_ACK, zxid))
            self.network.broadcast([self._link], _ACK, acks)

    # ------------------------------------------------------------------ for the application

    def submit(self, data: bytes, auth: tuple[tuple[str, str], ...]) -> None:
        """Forward a request to the leader."""
        self._send(Packet(PacketType.REQUEST, -1, data, auth))

    def revalidate(self, data: bytes) -> None:
        """Ask the leader whether a session is alive, and take it over."""
        self._send(Packet(PacketType.REVALIDATE, -1, data))

    @property
    def outstanding(self) -> int:
        """Proposals logged here and not yet committed."""
        return len(self._pending)

    def peer_status(self) -> list[dict[str, object]]:
        """Describe the link to the leader."""
        heard_ms_ago = (self.clock.monotonic_us() - self._heard_us) // 1000
        return [
            {
                "sid": self.leader,
                "connected": self._link is not None,
                "synced": self.serving,
                "zxid_acked": None,
                "heard_ms_ago": heard_ms_ago,
            }
        ]

    def _send(self, packet: Packet) -> None:
        if self._link is None:
            return
        if self.trace.on:
            self.trace_packet("sent", self.leader, packet)
        self._link.send(packet)


def _membership(text: bytes) -> Membership:
    try:
        return parse(text.decode(errors="replace"))
    except ConfigError as error:
        raise PeerProtocolError(f"a membership that is none: {error}") from error


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
