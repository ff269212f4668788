"""One term as leader, from the election until a quorum follows no more: its links, its lease, and who may say what.

How the epoch begins is ``establishment``'s part, and the transactions are ``broadcast``'s.
"""

from __future__ import annotations

from collections.abc import Callable

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.membership import Membership
from ensemble.ports import Timer
from ensemble.zab.leader.broadcast import Broadcast
from ensemble.zab.leader.establishment import TABLE
from ensemble.zab.leader.followers import Follower, FollowerStep
from ensemble.zab.messages import Packet, PacketType
from ensemble.zab.phase import Phase
from ensemble.zab.ports import PeerLink
from ensemble.zab.quorum import rule_of
from ensemble.zab.term import Term
from ensemble.zxid import text

_ACK = int(PacketType.ACK)


class Leader(Broadcast):
    """The leader of one epoch, from the election until it loses its quorum."""

    def __init__(self, context: Term.Context) -> None:
        super().__init__(context)
        self._tick: Timer | None = None
        self._started_us = self.clock.monotonic_us()

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Bring memory up to the log, which is our candidate for the initial history; wait for followers."""
        self.set_phase(Phase.DISCOVERY, "elected")
        self.meter.begin_term()
        tail = self.history.read_after(self.app.zxid_applied)
        if tail is None:
            raise InvariantViolation(f"the log does not hold {text(self.app.zxid_applied)}, which is applied")
        for zxid, payload in tail:
            self.app.deliver(zxid, payload)
        self._on_tick()
        self._decide_epoch()

    def close(self) -> None:
        """End the term and every link of it."""
        super().close()
        if self._tick is not None:
            self._tick.cancel()
        for follower in self._followers:
            self._followers.drop(follower)

    def on_accepted(self, link: PeerLink) -> None:
        """A learner connected; it speaks first."""
        self._followers.add(link, self.clock.monotonic_us())

    def on_closed(self, link: PeerLink) -> None:
        """Forget a learner, and its acks with it."""
        follower = self._followers.remove(link)
        if follower is None:
            return
        if self.serving and not self._is_followed():
            self._lose_quorum()

    def on_packets(self, link: PeerLink, packets: list[Packet]) -> None:
        """Handle what a learner sent, in order, by the table below."""
        follower = self._followers.at(link)
        if follower is None:
            return
        follower.heard_us = self.clock.monotonic_us()
        table = _TABLE[follower.step]
        acked = follower.zxid_acked
        last_ack: Packet | None = None
        for packet in packets:
            if self.trace.on and follower.sid is not None:
                self.trace_packet("received", follower.sid, packet)
            if packet.type == _ACK and table is _BROADCAST:
                # Acks come in runs, and each covers those before it.
                if last_ack is None or packet.zxid > last_ack.zxid:
                    last_ack = packet
                continue
            handler = table.get(packet.type)
            if handler is None:
                raise PeerProtocolError(
                    f"packet type {packet.type} from server {follower.sid} while {follower.step.value}"
                )
            handler(self, follower, packet)
            if not self.active:
                return
            if table is not _BROADCAST:
                table = _TABLE[follower.step]
        if last_ack is not None:
            _BROADCAST[_ACK](self, follower, last_ack)
        if follower.zxid_acked > acked:
            if follower.acks is None and follower.sid in self.view.others:  # figures of a stranger would stay
                follower.acks = self.meter.acks.of(str(follower.sid))
            if follower.acks is not None:
                self.meter.acked(follower.acks, acked, follower.zxid_acked, follower.heard_us)

    def _is_followed(self) -> bool:
        """Tell whether a quorum follows; in a transition that no quorum of the old can end any more, none does."""
        loyal = self._followers.loyal()
        if not self.quorum.contains(loyal):
            return False
        return (
            self._transition is None
            or self.zxid_committed >= self._transition[1]
            or self._transition[0].contains(loyal)
        )

    def _lose_quorum(self) -> None:
        if self._successor is not None:
            self.hand_over(self._successor, "the membership has changed")
        else:
            self.give_up("lost the quorum of followers")

    def _on_tick(self) -> None:
        """Ping; drop the silent; step down with a silent disk, or without a quorum of live followers (ZAB's leader
        lease)."""
        now = self.clock.monotonic_us()
        init_limit_us = self.timing.init_limit_ticks * self.timing.tick_ms * 1000
        if not self.serving and now - self._started_us > init_limit_us:
            if self._proven and self._own_acked < 0:
                self.stand_aside("its disk did not answer within initLimit")
            else:
                self.give_up("no quorum followed within initLimit")
            return
        sync_limit_us = self.timing.sync_limit_ticks * self.timing.tick_ms * 1000
        if self._is_late(sync_limit_us, now):
            self.stand_aside("its disk did not answer within syncLimit")
            return
        for follower in self._followers:
            limit_us = sync_limit_us if follower.synced else init_limit_us
            if now - follower.heard_us > limit_us or self._acks_late(follower, sync_limit_us, now):
                self._followers.drop(follower)
        if self.serving and not self._is_followed():
            self._lose_quorum()
            return
        self._ping()
        self._tick = self.clock.call_later(self.timing.tick_ms / 2, self._if_active(self._on_tick))

    def _is_late(self, limit_us: int, now_us: int) -> bool:
        """Tell whether our disk does not answer, and another server may be better off."""
        own, proposed = self._own_sync_limit, self._zxid_proposed
        late = own is not None and own.exceeded(self._own_acked, proposed, now_us, limit_us)
        return late and self.quorum.voters != (self.sid,)

    def _acks_late(self, follower: Follower, limit_us: int, now_us: int) -> bool:
        """Tell whether a learner that answers pings logs nothing."""
        if follower.sync_limit is None or follower.observer:
            return False
        return follower.sync_limit.exceeded(follower.zxid_acked, self._zxid_proposed, now_us, limit_us)

    def peer_status(self) -> list[dict[str, object]]:
        """Describe every other server as this leader sees it."""
        return self._followers.status(self.view.others, self.clock.monotonic_us())

    def synced_quorum_of(self, membership: Membership) -> bool:
        """Tell whether a quorum of a membership follows us."""
        return rule_of(membership).contains(self._followers.loyal())


_Handler = Callable[[Leader, Follower, Packet], None]

_BROADCAST: dict[int, _Handler] = {
    PacketType.ACK: Leader._on_ack,
    PacketType.PING: Leader._on_ping,
    PacketType.REQUEST: Leader._on_request,
    PacketType.REVALIDATE: Leader._on_revalidate,
}
_TABLE: dict[FollowerStep, dict[int, Callable[..., None]]] = {**TABLE, FollowerStep.BROADCAST: _BROADCAST}
"""What a learner may say in which step; every pair that is not here breaks its link (ZOOKEEPER-4394)."""
