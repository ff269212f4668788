"""One server: a real ``Peer``, on ports that keep a record of everything it asks for.

A server knows its links by name: the other server, who dialed, and a number when there are several. What became of
what it asked for is the world's business.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from ensemble.errors import InvariantViolation
from ensemble.explorer.disk import Platter, Txn, VolatileHistory
from ensemble.explorer.values import Graphs
from ensemble.measures import Summary
from ensemble.membership import Membership
from ensemble.trace import Trace
from ensemble.zab.messages import Notification, Packet, Run, Vote
from ensemble.zab.meter import Meter
from ensemble.zab.peer import Peer
from ensemble.zab.view import View
from ensemble.zxid import text


class LinkName(NamedTuple):
    """A link, as the server at one of its ends calls it."""

    other: int
    dialed: bool
    """Whether this server dialed."""
    number: int


class Sent(NamedTuple):
    """A packet on its way."""

    type: int
    zxid: int
    data: bytes | None


class Effect(NamedTuple):
    """Something a server asked for: ``send``, ``close``, ``dial``, ``mail`` or ``disk``, to or about something."""

    kind: str
    about: Any
    what: Any = None


@dataclass(frozen=True, slots=True)
class Times:
    """zoo.cfg's times; there is no time, so that any will do."""

    tick_ms: int = 100
    init_limit_ticks: int = 10
    sync_limit_ticks: int = 5


_LONG_US = 1_000_000_000
"""Longer than any time limit: what has to pass for a time-out."""


class _Timer:
    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class UntimedClock:
    """A clock that stands still, except for time-outs (implements ``ports.Clock``)."""

    def __init__(self) -> None:
        self.now_us = 0
        self.timers: list[_Timer] = []

    def canonical(self) -> tuple[str, ...]:
        """Return what tells clocks apart: which timers are armed."""
        return tuple(sorted(self.armed()))

    def monotonic_us(self) -> int:
        """See ``ports.Clock``."""
        return self.now_us

    def wall_ms(self) -> int:
        """See ``ports.Clock``."""
        return self.now_us // 1000

    def call_later(self, delay_ms: float, callback: Callable[[], None]) -> _Timer:
        """See ``ports.Clock``."""
        timer = _Timer(callback)
        self.timers = [each for each in self.timers if each.callback is not None]
        self.timers.append(timer)
        return timer

    def armed(self) -> list[str]:
        """Return what the armed timers are for: the names of the methods they call."""
        return [_purpose(timer.callback) for timer in self.timers if timer.callback is not None]

    def fire(self, purpose: str) -> None:
        """Let the timer that is for ``purpose`` happen."""
        for timer in self.timers:
            if timer.callback is not None and _purpose(timer.callback) == purpose:
                callback, timer.callback = timer.callback, None
                callback()
                return


def _purpose(callback: object) -> str:
    if isinstance(callback, MethodType):
        return callback.__func__.__name__
    if isinstance(callback, FunctionType):
        for cell in callback.__closure__ or ():
            if callable(cell.cell_contents) and not isinstance(cell.cell_contents, type):
                return _purpose(cell.cell_contents)
        return callback.__name__
    raise TypeError(f"a timer that calls {callback!r}")


class RecordedLink:
    """This server's end of a link (implements ``zab.ports.PeerLink``)."""

    __slots__ = ("_host", "closed", "name")

    def __init__(self, host: Host, name: LinkName) -> None:
        self._host = host
        self.name = name
        self.closed = False

    def canonical(self) -> tuple[object, ...]:
        """Return what tells ends apart."""
        return ("link", *self.name, self.closed)

    def send(self, packet: Packet) -> None:
        """See ``zab.ports.PeerLink``."""
        if not self.closed:
            self._host.send(self.name, Sent(int(packet.type), packet.zxid, packet.data))

    def send_snapshot(self, packet: Packet, chunks: Iterable[bytes]) -> None:
        """See ``zab.ports.PeerLink``."""
        self.send(Packet(packet.type, packet.zxid, b"".join(chunks)))

    def close(self) -> None:
        """See ``zab.ports.PeerLink``."""
        if not self.closed:
            self.closed = True
            self._host.links.pop(self.name, None)
            self._host.effects.append(Effect("close", self.name))


class RecordedNetwork:
    """The way to the others (implements ``zab.ports.PeerNetwork``)."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def notify(self, sid: int, notification: Notification) -> None:
        """See ``zab.ports.PeerNetwork``."""
        self._host.effects.append(Effect("mail", sid, notification))

    def dial(self, sid: int) -> None:
        """See ``zab.ports.PeerNetwork``."""
        self._host.effects.append(Effect("dial", sid))

    def broadcast(self, links: list[Any], kind: int, run: Run) -> None:
        """See ``zab.ports.PeerNetwork``."""
        for link in links:
            for zxid, data in run:
                link.send(Packet(kind, zxid, data))


class ListApplication:
    """A state machine whose state is the list of what it was given (implements ``zab.ports.Application``)."""

    def __init__(self, history: VolatileHistory) -> None:
        self._history = history
        self.state: tuple[Txn, ...] = history.platter.snapshot

    @property
    def zxid_applied(self) -> int:
        """See ``zab.ports.Application``."""
        return self.state[-1][0] if self.state else 0

    def deliver(self, zxid: int, payload: bytes) -> None:
        """See ``zab.ports.Application``."""
        if zxid <= self.zxid_applied:
            raise InvariantViolation(f"{text(zxid)} applied after {text(self.zxid_applied)}")
        self.state = (*self.state, (zxid, payload))

    def membership_in(self, payload: bytes) -> bytes | None:
        """See ``zab.ports.Application``."""
        return None

    def snapshot(self) -> list[bytes]:
        """See ``zab.ports.Application``."""
        return [repr(self.state).encode()]

    def install(self, zxid: int, snapshot: bytes) -> None:
        """See ``zab.ports.Application``."""
        self.state = ast.literal_eval(snapshot.decode())
        if self.zxid_applied != zxid:
            raise InvariantViolation(f"a snapshot of {text(self.zxid_applied)} called {text(zxid)}")
        self._history.install(self.state)

    def rebuild(self) -> None:
        """See ``zab.ports.Application``: what is applied again after an election, as at a start."""
        self.state = self._history.platter.snapshot
        for zxid, payload in self._history.platter.log + self._history.platter.volatile:
            self.deliver(zxid, payload)

    def on_looking(self, why: str) -> None:
        """No clients here."""

    def on_elected(self) -> None:
        """No clients here."""

    def on_serving(self) -> None:
        """No clients here."""

    def on_request(self, learner: int, data: bytes, auth: tuple[tuple[str, str], ...]) -> None:
        """No clients here."""

    def on_revalidate(self, learner: int, data: bytes) -> bytes:
        """No clients here."""
        return data

    def on_revalidated(self, data: bytes) -> None:
        """No clients here."""

    def on_synced(self) -> None:
        """No clients here."""

    def on_touches(self, learner: int, data: bytes) -> None:
        """No clients here."""

    def touches(self) -> bytes:
        """No clients here."""
        return b""


class Host:
    """A running server, and what it asked for in the step under way."""

    def __init__(self, sid: int, membership: Membership, platter: Platter) -> None:
        self.sid = sid
        self.effects: list[Effect] = []
        self.links: dict[LinkName, RecordedLink] = {}
        self.clock = UntimedClock()
        self.history = VolatileHistory(platter, self.wrote)
        self.app = ListApplication(self.history)
        self.app.rebuild()
        self.peer = Peer(
            sid,
            View(sid, membership),
            timing=Times(),
            clock=self.clock,
            network=RecordedNetwork(self),
            history=self.history,
            app=self.app,
            trace=Trace(sid, self.clock.monotonic_us),
        )

    def wrote(self, platter: Platter, effect: str) -> None:
        """Record an effect on the disk."""
        self.effects.append(Effect("disk", effect, platter))

    def send(self, name: LinkName, packet: Sent) -> None:
        """Record a packet, with what is on the disk when it leaves."""
        self.effects.append(Effect("send", name, packet))

    def take_effects(self) -> tuple[Effect, ...]:
        """Return what was asked for since the last call; where a dial was to wait, that is over already."""
        self.clock.fire("_approach")
        effects, self.effects = tuple(self.effects), []
        return effects

    # -- events ------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Begin."""
        self.peer.start()

    def on_election_link(self, sid: int, up: bool) -> None:
        """The way for election messages came up or went down."""
        self.peer.on_election_link(sid, up)

    def on_mail(self, notification: Notification) -> None:
        """An election message arrived."""
        self.peer.on_notification(notification)

    def on_accepted(self, name: LinkName) -> None:
        """Another server dialed us."""
        self.links[name] = RecordedLink(self, name)
        self.peer.on_accepted(self.links[name])

    def on_dialed(self, name: LinkName) -> None:
        """Our dial succeeded."""
        self.links[name] = RecordedLink(self, name)
        self.peer.on_dialed(name.other, self.links[name])

    def on_refused(self, sid: int) -> None:
        """Our dial failed, and so did every other that follows from that."""
        self.peer.on_dialed(sid, None)
        while "_dial" in self.clock.armed():
            self.clock.fire("_dial")
            self.peer.on_dialed(sid, None)
        self.effects = [effect for effect in self.effects if effect.kind != "dial"]

    def on_packet(self, name: LinkName, packet: Sent) -> None:
        """A packet arrived."""
        self.peer.on_packets(self.links[name], [Packet(packet.type, packet.zxid, packet.data)])

    def on_end(self, name: LinkName) -> None:
        """A link broke, or the other end closed it."""
        link = self.links.pop(name)
        link.closed = True
        self.peer.on_closed(link)

    def on_synced(self) -> None:
        """The oldest sync of the disk is done."""
        self.history.complete()

    def on_timer(self, purpose: str) -> None:
        """An armed timer fires."""
        self.clock.fire(purpose)

    def on_timeout(self, purpose: str) -> None:
        """The timer that watches for silence fires, after a long silence."""
        self.clock.now_us += _LONG_US
        self.clock.fire(purpose)

    def on_write(self, payload: bytes) -> None:
        """A client writes, at the leader."""
        self.peer.propose(self.peer.next_zxid(), payload)


GRAPHS = Graphs(
    shared=(
        Membership,
        View,
        Trace,
        Meter,
        Summary,
        Times,
        Notification,
        Vote,
        Platter,
        LinkName,
        Sent,
        Effect,
    ),
    indifferent=frozenset(
        {
            "effects",  # empty between steps
            "_own_acks",  # figures
            "acks",
            "_attempts",  # dials do not fail here, they take long
            "patience",  # and do not wait
            "_resend_ms",
            "_heard_us",
            "_offered_us",
            "_started_us",
            "heard_us",
            "sync_limit",
            "_own_sync_limit",
            "phase_since_us",
            "_traced_to",
            "looking",
        }
    ),
)
"""Times do not count: there is no time, and a time-out is longer than anything."""
