"""Operations a second, from the servers' exact counters (never from the sampled trace)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

HISTORY = 24
"""Points of the small curve in the top bar, one a second."""


class Rates:
    """Differences of counters that only grow, except when a server restarts and they begin again at zero."""

    __slots__ = ("_counts", "_sampled_us", "history")

    def __init__(self) -> None:
        self._counts: dict[int, tuple[int, int]] = {}
        self._sampled_us: int | None = None
        self.history: deque[int] = deque([0] * HISTORY, maxlen=HISTORY)

    @property
    def per_second(self) -> int:
        """The latest rate."""
        return self.history[-1]

    def sample(self, statuses: Iterable[dict[str, Any]], now_us: int) -> None:
        """Take one point; called about once a second with the reachable servers' statuses."""
        done = 0
        counts: dict[int, tuple[int, int]] = {}
        for status in statuses:
            sid = int(status["sid"])
            total = int(status["reads"]) + int(status["writes"])
            process = int(status["pid"])
            counts[sid] = (process, total)
            known = self._counts.get(sid)
            if known is not None and known[0] == process:
                done += max(0, total - known[1])
        if self._sampled_us is not None and now_us > self._sampled_us:
            self.history.append(round(done * 1_000_000 / (now_us - self._sampled_us)))
        self._counts = counts
        self._sampled_us = now_us
