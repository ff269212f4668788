"""How late an event loop is: the delay between when a timer was due and when it ran."""

from __future__ import annotations

import asyncio
import time

PERIOD_S = 0.1
WINDOW_PERIODS = 20
"""What is told is the worst of the last two seconds: long enough for a reader once a second to see it."""


class LoopLag:
    """Measures one loop, ten times a second."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._recent = [0] * WINDOW_PERIODS
        self._next = 0
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure from now on."""
        self._due_s = time.monotonic() + PERIOD_S
        self._timer = self._loop.call_later(PERIOD_S, self._measure)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer:
            self._timer.cancel()

    @property
    def worst_us(self) -> int:
        """The worst lag of the last two seconds, in microseconds."""
        return max(self._recent)

    def _measure(self) -> None:
        late_us = int((time.monotonic() - self._due_s) * 1_000_000)
        self._recent[self._next] = max(0, late_us)
        self._next = (self._next + 1) % WINDOW_PERIODS
        self.start()
