"""Simulated byte streams: what TCP promises, and nothing more.

Bytes arrive in order, once, at any later time and cut into any pieces; or the stream breaks. A blocked
direction holds its bytes back (the sender's kernel retransmits) until it is opened or the stream breaks.

It does not know what the bytes mean nor who sends them: a place is a number, and the network says whether
the way from one place to another is open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from random import Random

from ensemble.simulator.clock import Timeline

Way = tuple[int, int]
"""From one place to another."""


@dataclass(slots=True)
class Weather:
    """How streams behave now; drawn from the seed and changed by faults."""

    delay_us_min: int = 100
    delay_us_max: int = 2_000
    split_probability: float = 0.1
    """That a delivery is torn into two."""
    slow: dict[Way, int] = field(default_factory=dict)
    """Extra delay of some ways, in microseconds."""
    blocked: dict[Way, int] = field(default_factory=dict)
    """Ways that are cut, with how many faults cut each."""


class Conditions:
    """What the streams of one world share: time, chance, the weather, and who waits for a blocked way."""

    __slots__ = ("_held", "rng", "serial", "timeline", "weather")

    def __init__(self, timeline: Timeline, rng: Random, weather: Weather) -> None:
        self.timeline = timeline
        self.rng = rng
        self.weather = weather
        self.serial = count(1)
        self._held: dict[Way, list[Callable[[], None]]] = {}

    def delay_us(self, way: Way) -> int:
        """Draw how long something sent now takes on ``way``."""
        weather = self.weather
        spread = weather.delay_us_max - weather.delay_us_min
        delay = weather.delay_us_min + int(self.rng.random() * spread)
        return delay + weather.slow.get(way, 0) if weather.slow else delay

    def is_open(self, way: Way) -> bool:
        """Tell whether anything gets through on ``way``."""
        return way not in self.weather.blocked

    def when_open(self, way: Way, resume: Callable[[], None]) -> None:
        """Call ``resume`` once ``way`` has been opened again."""
        self._held.setdefault(way, []).append(resume)

    def block(self, way: Way) -> None:
        """Cut ``way``; several faults may cut it at once."""
        self.weather.blocked[way] = self.weather.blocked.get(way, 0) + 1

    def unblock(self, way: Way) -> None:
        """Take one cut away, and let what was held back move when it was the last."""
        left = self.weather.blocked.get(way, 0) - 1
        if left > 0:
            self.weather.blocked[way] = left
            return
        self.weather.blocked.pop(way, None)
        for resume in self._held.pop(way, []):
            resume()


class SpokeAfterItsEnd(Exception):
    """A role that is over has an effect (I13)."""

    invariant = "I13"


class End:
    """One end of a stream; implements ``ports.Link`` and ``ports.ClientTransport``.

    ``on_data`` and ``on_closed`` are set by the owner, and are not called after it closed its end. The
    serial number is its hash, so that nothing ordered by hashes depends on memory addresses.
    """

    __slots__ = (
        "_conditions",
        "_due_us",
        "_flight",
        "_held",
        "_reading",
        "_scheduled",
        "_sent_us",
        "_serial",
        "address",
        "effect",
        "finished",
        "on_closed",
        "on_data",
        "open",
        "other",
        "secure",
        "subject",
        "tap",
        "way",
    )

    def __init__(self, conditions: Conditions, way: Way, address: tuple[str, int]) -> None:
        self._conditions = conditions
        self._serial = next(conditions.serial)
        self.way = way
        self.address = address
        self.secure = False
        self.subject = ""
        self.other: End = self
        self.open = True
        self.finished = False
        """Nothing more may be sent: this end was closed, and its FIN is on the way."""
        self.on_data: Callable[[bytes], None] = _ignore
        self.on_closed: Callable[[], None] = _ignore_close
        self.effect: Callable[[], None] | None = None
        """Called before every send and close of a server: a crash may fall there."""
        self.tap: Callable[[bytes], None] | None = None
        """Shown every send, for whoever checks what servers say."""
        self._flight: deque[tuple[int, list[bytes] | None]] = deque()
        self._scheduled = False
        self._reading = True
        self._held = False
        self._due_us = 0
        self._sent_us = -1

    def __hash__(self) -> int:
        return self._serial

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"stream {self._serial} {self.way[0]}->{self.way[1]}"

    # -- the owner's side ------------------------------------------------------------------------------

    def send_aside(self, chunks: Iterable[bytes]) -> None:
        """Queue bytes that a real host would make in another process."""
        self.send(b"".join(chunks))

    def send(self, data: bytes) -> None:
        """Queue bytes towards the other end; lost when the stream has broken.

        ``SpokeAfterItsEnd`` when a server uses what it has closed itself: whoever does belongs to a role that is over.
        """
        if self.effect is not None:
            if self.finished:
                raise SpokeAfterItsEnd(f"{self}: a server sends over what it has closed")
            self.effect()
        if self.finished or not self.open:
            return
        if self.tap is not None:
            self.tap(data)
        now = self._conditions.timeline.now_us
        if self._sent_us == now and self._flight:
            pieces = self._flight[-1][1]
            if pieces is not None:
                pieces.append(bytes(data))
                return
        self._sent_us = now
        self._put([bytes(data)])

    write = send

    def close(self) -> None:
        """Send what is queued, then FIN; nothing more is reported to this end."""
        if self.effect is not None:
            self.effect()
        self.vanish()

    def vanish(self) -> None:
        """Close without being an effect of the server: its process died and the kernel tidies up."""
        if self.finished or not self.open:
            return
        self.finished = True
        self.on_data, self.on_closed = _ignore, _ignore_close
        self._put(None)

    def pause_reading(self) -> None:
        """Deliver nothing more until :meth:`resume_reading`."""
        self._reading = False

    def resume_reading(self) -> None:
        """Undo :meth:`pause_reading`."""
        if not self._reading:
            self._reading = True
            self.other._schedule()

    # -- the world's side ------------------------------------------------------------------------------

    def break_now(self) -> None:
        """Break the stream: what is in flight is lost, and both ends hear of it."""
        for end in (self, self.other):
            if end.open:
                end.open = False
                end._flight.clear()
                closed, end.on_data, end.on_closed = end.on_closed, _ignore, _ignore_close
                closed()

    def lose(self) -> None:
        """Break this end; the other one is not told, and what it sends goes nowhere."""
        if self.open:
            self.open = False
            self._flight.clear()
            closed, self.on_data, self.on_closed = self.on_closed, _ignore, _ignore_close
            closed()

    def silence(self) -> None:
        """Lose this end without a word (power gone): the other end hears nothing."""
        self.open = False
        self._flight.clear()
        self.on_data, self.on_closed = _ignore, _ignore_close

    def _put(self, pieces: list[bytes] | None) -> None:
        conditions = self._conditions
        due = conditions.timeline.now_us + conditions.delay_us(self.way)
        self._due_us = due = max(due, self._due_us)
        self._flight.append((due, pieces))
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._flight:
            self._scheduled = True
            self._conditions.timeline.at(self._flight[0][0], self._arrive)

    def _resume(self) -> None:
        self._held = False
        self._schedule()

    def _arrive(self) -> None:
        """Deliver the oldest thing in flight, or part of it."""
        self._scheduled = False
        flight, conditions = self._flight, self._conditions
        if not flight or not self.other.open:
            return
        if not conditions.is_open(self.way):
            if not self._held:
                self._held = True
                conditions.when_open(self.way, self._resume)
            return
        receiver = self.other
        if not receiver._reading:
            return
        _, pieces = flight.popleft()
        if pieces is None:
            receiver.open = False
            closed, receiver.on_data, receiver.on_closed = receiver.on_closed, _ignore, _ignore_close
            closed()
            return
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if len(data) > 1 and conditions.rng.random() < conditions.weather.split_probability:
            cut = conditions.rng.randrange(1, len(data))
            flight.appendleft((conditions.timeline.now_us + conditions.delay_us(self.way), [data[cut:]]))
            data = data[:cut]
        self._schedule()
        receiver.on_data(data)


def connect(conditions: Conditions, here: int, there: int, address: tuple[str, int]) -> tuple[End, End]:
    """Make a stream and return its ends: the one held at ``here``, and the one at ``there``."""
    near = End(conditions, (here, there), address)
    far = End(conditions, (there, here), address)
    near.other, far.other = far, near
    return near, far


def _ignore(data: bytes) -> None:
    """Receive bytes nobody waits for."""


def _ignore_close() -> None:
    """Hear of a close nobody waits for."""
