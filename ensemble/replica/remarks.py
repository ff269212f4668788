"""Lines of the log that anybody who reaches a port can cause: one at a time, then a count.

Ten thousand clients that are refused are one fact, and a log that is full of it hides every other.
"""

from __future__ import annotations

from collections.abc import Callable

from ensemble.limits import REPEATED_LINE_MS
from ensemble.ports import Clock


class Remarks:
    """What one server says of its clients."""

    def __init__(self, log: Callable[[str], None], clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._held: dict[str, tuple[int, str]] = {}
        """For each kind that was written lately: how many lines were held back since, and the last of them."""

    def say(self, kind: str, line: str) -> None:
        """Write ``line``, or count it when one of its kind was written a moment ago."""
        if kind in self._held:
            self._held[kind] = (self._held[kind][0] + 1, line)
            return
        self._held[kind] = (0, "")
        self._log(line)
        self._clock.call_later(REPEATED_LINE_MS, lambda: self._sum_up(kind))

    def _sum_up(self, kind: str) -> None:
        count, line = self._held.pop(kind)
        if count:
            more = f" (and {count - 1} more like it in {REPEATED_LINE_MS // 1000} s)" if count > 1 else ""
            self.say(kind, line + more)
