"""The first part of a term as learner: the leader is reached, and its epoch promised.

    CONNECTING --link--> DISCOVERY --LEADERINFO--> OFFERED

What is said on the link, and a leader that falls silent, are this module's too, from the first step to the last.
"""

from __future__ import annotations

from enum import Enum
from struct import Struct

from ensemble.errors import PeerProtocolError
from ensemble.limits import EPOCHS_AHEAD_MAX
from ensemble.ports import Timer
from ensemble.zab.messages import PROTOCOL_VERSION, Packet, PacketType, Vote
from ensemble.zab.phase import Phase
from ensemble.zab.ports import PeerLink
from ensemble.zab.term import Term
from ensemble.zxid import epoch_of, make, text

DIAL_DELAYS_MS = (25, 50, 100, 200, 400)
"""Waits between attempts to reach an elected leader, which may still be finishing its own election."""

_LEARNER_INFO = Struct(">qiq")
_EPOCH = Struct(">i")
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


class Joining(Term):
    """A learner on the way to its leader; what it learns there is ``following``'s part and ``learner``'s."""

    def __init__(self, context: Term.Context, elected: Vote) -> None:
        super().__init__(context)
        self.leader = elected.leader
        self.epoch = 0
        self.step = Step.CONNECTING
        self.observes = self.view.observes
        self._epoch_voted = elected.epoch
        self._link: PeerLink | None = None
        self._attempts = 0
        self._uncuttable = False
        """Our history goes too far and cannot be cut back: only a snapshot helps."""
        self._offered_us = 0
        self._heard_us = self.clock.monotonic_us()
        self._watchdog: Timer | None = None
        self._redial: Timer | None = None

    # ------------------------------------------------------------------ the link

    def start(self) -> None:
        """Dial the leader, not too soon after we did so last."""
        self.set_phase(Phase.DISCOVERY, "elected " + str(self.leader))
        wait_ms = self.patience.wait_ms(self.leader, self.clock.monotonic_us())
        if wait_ms:
            self._redial = self.clock.call_later(wait_ms, self._approach)
        else:
            self._approach()

    def _approach(self) -> None:
        self._heard_us = self.clock.monotonic_us()
        self._watch()
        self._dial()

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

    def _watch(self) -> None:
        """Give up a leader that is silent for initLimit (until UPTODATE) or syncLimit (afterwards)."""
        settled = self.step is Step.BROADCAST
        limit_ticks = self.timing.sync_limit_ticks if settled else self.timing.init_limit_ticks
        silent_ms = (self.clock.monotonic_us() - self._heard_us) // 1000
        if silent_ms > limit_ticks * self.timing.tick_ms:
            self.give_up(f"leader {self.leader} is silent for {silent_ms} ms")
            return
        self._watchdog = self.clock.call_later(self.timing.tick_ms / 2, self._if_active(self._watch))

    def _send(self, packet: Packet) -> None:
        if self._link is None:
            return
        if self.trace.on:
            self.trace_packet("sent", self.leader, packet)
        self._link.send(packet)

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
