"""Virtual time: a heap of events, and the clocks the simulated servers read from it.

It does not know what the events are. Nothing here waits: time jumps to the next event. Two events due at
the same microsecond happen in the order they were scheduled, so a run depends on its seed alone.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

WALL_START_MS = 1_700_000_000_000
"""The wall clock of a simulated world begins here (any constant would do)."""


class Event:
    """Something that will happen; cancelling leaves a husk in the heap."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Let it not happen."""
        self.callback = None


class Timeline:
    """The one order of everything that happens in a simulated world."""

    __slots__ = ("_count", "_heap", "happened", "now_us")

    def __init__(self) -> None:
        self.now_us = 0
        self.happened = 0
        self._heap: list[tuple[int, int, Event]] = []
        self._count = 0

    def at(self, when_us: int, callback: Callable[[], None]) -> Event:
        """Call ``callback`` at ``when_us`` (at once, but not inside this call, when that is past)."""
        event = Event(callback)
        self._count += 1
        heappush(self._heap, (max(self.now_us, when_us), self._count, event))
        return event

    def after(self, delay_us: int, callback: Callable[[], None]) -> Event:
        """Call ``callback`` ``delay_us`` from now."""
        return self.at(self.now_us + delay_us, callback)

    def step(self) -> bool:
        """Let the next event happen; False when there is none."""
        heap = self._heap
        while heap:
            when_us, _, event = heappop(heap)
            callback = event.callback
            if callback is not None:
                self.now_us = when_us
                self.happened += 1
                callback()
                return True
        return False

    def run_until(self, when_us: int, *, unless: Callable[[], bool] | None = None) -> bool:
        """Let events happen up to ``when_us``; stop early, and return True, once ``unless()`` holds.

        ``unless`` is asked after each event. Without an early stop time ends at ``when_us`` exactly.
        """
        heap = self._heap
        while heap and heap[0][0] <= when_us:
            self.step()
            if unless is not None and unless():
                return True
        self.now_us = max(self.now_us, when_us)
        return False


class _Timer:
    """A pending call of one server's clock; checked again when it happens, as its server may be paused."""

    __slots__ = ("_callback", "_event")

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback
        self._event: Event | None = None

    def cancel(self) -> None:
        self._callback = None
        if self._event is not None:
            self._event.cancel()

    def fire(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class ServerClock:
    """The clock of one server: it may run fast or slow, and starts anywhere (implements ``ports.Clock``).

    ``enter`` is how a callback gets into the server's loop. ``rate`` is local seconds per true second. ``mark`` is given
    each callback when it is asked for, and returns what is called instead.
    """

    __slots__ = ("_enter", "_mark", "_offset_us", "_rate", "_timeline", "wall_offset_ms")

    def __init__(
        self,
        timeline: Timeline,
        enter: Callable[[Callable[[], None]], None],
        *,
        rate: float = 1.0,
        offset_us: int = 0,
        wall_offset_ms: int = 0,
        mark: Callable[[Callable[[], None]], Callable[[], None]] = lambda callback: callback,
    ) -> None:
        self._timeline = timeline
        self._enter = enter
        self._mark = mark
        self._rate = rate
        self._offset_us = offset_us
        self.wall_offset_ms = wall_offset_ms

    def monotonic_us(self) -> int:
        """Return this server's microseconds since some start of its own."""
        return self._offset_us + int(self._timeline.now_us * self._rate)

    def jump(self, forward_us: int) -> None:
        """Let the monotonic clock leap ahead, as after a machine was suspended."""
        self._offset_us += forward_us

    def drift(self, rate: float) -> None:
        """Go on at another rate, from the present reading."""
        self._offset_us += int(self._timeline.now_us * self._rate) - int(self._timeline.now_us * rate)
        self._rate = rate

    def wall_ms(self) -> int:
        """Return this server's idea of milliseconds since 1970; a fault may make it jump."""
        return WALL_START_MS + self.wall_offset_ms + self._timeline.now_us // 1000

    def call_later(self, delay_ms: float, callback: Callable[[], None]) -> _Timer:
        """Call ``callback`` in the server's loop when ``delay_ms`` have passed on *its* clock."""
        timer = _Timer(self._mark(callback))
        enter = self._enter
        delay_us = max(0, int(delay_ms * 1000 / self._rate))
        timer._event = self._timeline.after(delay_us, lambda: enter(timer.fire))
        return timer
