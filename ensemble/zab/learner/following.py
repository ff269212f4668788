"""What a learner does with transactions: log what is proposed, ack what is durable, deliver what is committed.

Proposals are appended as they come, and every ack leaves in the order of the log, the NEWLEADER ack included
(ZOOKEEPER-4685).

An observer is told of a transaction when it is committed (INFORM), and acks none. A server that is no member of
the ensemble, because it is about to join or was removed, follows like a voter; its acks count for nothing.

A membership is noted when it is proposed and put in force when it is committed. When it gives this server another
role, or the ensemble another leader, the term is over, and the next one begins without an election.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from struct import Struct

from ensemble.errors import ConfigError, InvariantViolation, PeerProtocolError
from ensemble.membership import Membership, parse
from ensemble.zab.learner.joining import Joining, Step
from ensemble.zab.messages import Packet, PacketType, Vote
from ensemble.zab.term import Term
from ensemble.zxid import follows, text

_DESIGNATED = Struct(">q")
_ACK = int(PacketType.ACK)


class Following(Joining):
    """A learner and its log; in which step it may be told what is ``learner``'s part."""

    def __init__(self, context: Term.Context, elected: Vote) -> None:
        super().__init__(context, elected)
        self.zxid_committed = self.app.zxid_applied
        self._changeable = self.view.changeable
        self._pending: deque[tuple[int, bytes]] = deque()
        self._unacked: deque[int] = deque()
        self._unsynced = 0
        self._acked_new_leader = False

    # ------------------------------------------------------------------ proposed and committed

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

    @property
    def outstanding(self) -> int:
        """Proposals logged here and not yet committed."""
        return len(self._pending)

    # ------------------------------------------------------------------ acks

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

    # ------------------------------------------------------------------ the membership

    def _see(self, payload: bytes) -> None:
        """Note the membership that a proposal carries, before the proposal is logged."""
        data = self.app.membership_in(payload)
        if data is None:
            return
        membership = membership_of(data)
        if membership.version > self.view.seen.version:  # not one of those that we are only told of late
            self.view.see(membership)

    def _on_commit_and_activate(self, packet: Packet) -> None:
        payload = self._pending[0][1] if self._pending else b""
        self._activate(packet.zxid, payload, packet.data or b"", lambda: self._on_commit(packet))

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
        changed = self.view.activate(membership_of(membership))
        commit()
        if changed and (leader != self.leader or self.observes != self.view.observes):
            self.hand_over(leader, "the membership has changed")

    # ------------------------------------------------------------------ what passes by

    def _on_ping(self, packet: Packet) -> None:
        self._send(Packet(PacketType.PING, packet.zxid, self.app.touches()))

    def _on_revalidate(self, packet: Packet) -> None:
        self.app.on_revalidated(packet.data or b"")

    def _on_sync(self, packet: Packet) -> None:
        self.app.on_synced()

    def submit(self, data: bytes, auth: tuple[tuple[str, str], ...]) -> None:
        """Forward a request to the leader."""
        self._send(Packet(PacketType.REQUEST, -1, data, auth))

    def revalidate(self, data: bytes) -> None:
        """Ask the leader whether a session is alive, and take it over."""
        self._send(Packet(PacketType.REVALIDATE, -1, data))


def membership_of(text: bytes) -> Membership:
    """Read a membership that the leader sent; :class:`PeerProtocolError` if it is none."""
    try:
        return parse(text.decode(errors="replace"))
    except ConfigError as error:
        raise PeerProtocolError(f"a membership that is none: {error}") from error
