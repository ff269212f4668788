"""The clock port over the event loop.

The only place of a running server that reads the time. It does not know what the timers are for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ensemble.ports import Timer


def monotonic_us() -> int:
    """Return microseconds of CLOCK_MONOTONIC, which all processes of one machine share."""
    return time.monotonic_ns() // 1000


class LoopClock:
    """Monotonic and wall time, and timers on one event loop.

    ``woken`` is called before every timer's callback: the host ends each step with a flush.
    """

    __slots__ = ("_loop", "_woken")

    def __init__(self, loop: asyncio.AbstractEventLoop, woken: Callable[[], None]) -> None:
        self._loop = loop
        self._woken = woken

    def monotonic_us(self) -> int:
        """Return microseconds of CLOCK_MONOTONIC, which all processes of one machine share."""
        return time.monotonic_ns() // 1000

    def wall_ms(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def call_later(self, delay_ms: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once, ``delay_ms`` milliseconds from now."""
        return self._loop.call_later(delay_ms / 1000, self._fire, callback)

    def _fire(self, callback: Callable[[], None]) -> None:
        self._woken()
        callback()
