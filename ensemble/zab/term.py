"""What one term as leader and one term as learner have in common.

A *term* lasts from the end of an election to the next election. Nothing of it survives: a callback asked
for by a term that is over does nothing (invariant I13).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ensemble.ports import Clock
from ensemble.trace import Trace
from ensemble.zab.messages import Packet, PacketType
from ensemble.zab.meter import Meter
from ensemble.zab.patience import Patience
from ensemble.zab.phase import Phase
from ensemble.zab.ports import Application, History, PeerNetwork, Timing
from ensemble.zab.quorum import Quorum
from ensemble.zab.restoration import Restoration
from ensemble.zab.view import View
from ensemble.zxid import epoch_of, make

_PROPOSAL_TYPES = frozenset(
    {
        PacketType.PROPOSAL,
        PacketType.ACK,
        PacketType.COMMIT,
        PacketType.COMMITANDACTIVATE,
        PacketType.INFORM,
        PacketType.INFORMANDACTIVATE,
    }
)
_WITHOUT_ZXID = frozenset({PacketType.REQUEST, PacketType.REVALIDATE, PacketType.SYNC, PacketType.UPTODATE})


class Term:
    """The ports and the way back to the peer."""

    @dataclass(slots=True)
    class Context:
        """Everything a term works with; the peer makes one and keeps it."""

        sid: int
        view: View
        timing: Timing
        clock: Clock
        network: PeerNetwork
        history: History
        app: Application
        trace: Trace
        meter: Meter
        patience: Patience
        give_up: Callable[[str], None]
        """End the term and look for a leader again; says why."""
        stand_aside: Callable[[str], None]
        """The same, but only once our disk has answered: until then nobody is to count on us; says why."""
        hand_over: Callable[[int, str], None]
        """End the term and begin another one under the server named, without an election; says why."""
        set_phase: Callable[[Phase, str], None]
        established: Callable[[int], None]
        """The epoch has a quorum behind it."""
        restoration: Restoration | None = None
        """What the next term as leader is to begin with instead of our history."""

    def __init__(self, context: Context) -> None:
        self.sid = context.sid
        self.view = context.view
        self.timing = context.timing
        self.clock = context.clock
        self.network = context.network
        self.history = context.history
        self.app = context.app
        self.trace = context.trace
        self.meter = context.meter
        self.patience = context.patience
        self.give_up = context.give_up
        self.stand_aside = context.stand_aside
        self.hand_over = context.hand_over
        self.set_phase = context.set_phase
        self.established = context.established
        self.restoration = context.restoration
        self.active = True
        self._traced_to = 0
        self.serving = False

    @property
    def quorum(self) -> Quorum:
        """Who may decide now."""
        return self.view.quorum

    def close(self) -> None:
        """End the term."""
        self.active = False
        self.serving = False

    def _if_active(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Wrap a callback so that it is ignored once the term is over."""

        def call() -> None:
            if self.active:
                callback()

        return call

    def sync_history(self, done: Callable[[], None]) -> None:
        """Make everything appended so far durable, emit ``logged`` for it if somebody listens, then call ``done``."""
        if not self.trace.on:
            self.history.sync(self._if_active(done))
            return
        first, last = self.history.zxid_durable, self.history.zxid_logged
        asked_us = self.clock.monotonic_us()

        def on_durable() -> None:
            self._trace_logged(first, last, self.clock.monotonic_us() - asked_us)
            done()

        self.history.sync(self._if_active(on_durable))

    def _trace_logged(self, after: int, last: int, fsync_us: int) -> None:
        """Emit ``logged`` for the transactions of one sync (all of one epoch, or the epoch's first)."""
        first = max(after + 1, self._traced_to + 1, make(epoch_of(last), 1))
        self._traced_to = last
        for zxid in range(first, last + 1):
            self.trace.count_proposal()
            if self.trace.wants(zxid):
                self.trace.emit("logged", zxid=str(zxid), fsync_us=fsync_us)

    def trace_packet(self, way: str, peer: int, packet: Packet) -> None:
        """Emit a ``message`` event; packets of proposals are sampled with them."""
        kind = packet.type
        if kind in _PROPOSAL_TYPES and packet.zxid & 0xFFFFFFFF and not self.trace.wants(packet.zxid):
            return
        zxid = None if kind in _WITHOUT_ZXID else str(packet.zxid)
        self.trace.emit("message", way=way, peer=peer, type=PacketType(kind).name, zxid=zxid)
