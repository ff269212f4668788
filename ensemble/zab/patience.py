"""How soon a server turns to the same leader again: one that refuses it is not asked in a loop.

A leader may refuse a server each time it comes (it is not in the leader's list, or cannot prove itself), and an
ensemble that has a leader names it again within a millisecond. Apache's learner pauses only where nobody answers,
and goes round as fast as it can.
"""

from __future__ import annotations

APART_MS = (0, 25, 50, 100, 200, 400, 800, 1000)
"""The least time from one approach to the next, by how many there were in a row: the first one fails whenever a
leader changes, and is repeated at once."""
FORGOTTEN_MS = 2 * APART_MS[-1]
"""Approaches further apart are not in a row."""


class Patience:
    """The approaches of one server to one leader."""

    __slots__ = ("_at_us", "_in_a_row", "_leader")

    def __init__(self) -> None:
        self._leader: int | None = None
        self._in_a_row = 0
        self._at_us = 0

    def wait_ms(self, leader: int, now_us: int) -> int:
        """Return how long to wait before ``leader`` is approached, and count on it that it is then."""
        if leader != self._leader or now_us - self._at_us > FORGOTTEN_MS * 1000:
            self._leader, self._in_a_row, self._at_us = leader, 0, now_us
            return 0
        apart_us = APART_MS[min(self._in_a_row, len(APART_MS) - 1)] * 1000
        self._in_a_row += 1
        wait_ms = max(0, -((now_us - self._at_us - apart_us) // 1000))
        self._at_us = now_us + wait_ms * 1000
        return wait_ms
