"""The servers' monotonic clocks laid over the panel's, so that events of different servers can be ordered.

Servers on the panel's own machine share its CLOCK_MONOTONIC: their times are taken as they are. Of any other
server only this is known: an event cannot arrive before it happened, so the smallest difference ever seen
between arrival here and time there is the offset plus the shortest network delay. That is an *estimate*, and
the pages say so.
"""

from __future__ import annotations

SHARED_LAG_US_MAX = 1_000_000
"""A local server whose events seem older than this at best runs on another (or a skewed) clock."""


class Clocks:
    """One offset per server, in microseconds."""

    __slots__ = ("_local", "_offset_us")

    def __init__(self) -> None:
        self._offset_us: dict[int, int] = {}
        self._local: dict[int, bool] = {}

    def connected(self, sid: int, *, local: bool) -> None:
        """Forget what was known: a server that comes back may have booted in between."""
        self._offset_us.pop(sid, None)
        self._local[sid] = local

    def seen(self, sid: int, at_us: int, arrived_us: int) -> None:
        """Learn from one event: ``at_us`` on the server's clock, ``arrived_us`` on the panel's."""
        offset = arrived_us - at_us
        known = self._offset_us.get(sid)
        if known is None or offset < known:
            self._offset_us[sid] = offset

    def shared(self, sid: int) -> bool:
        """Tell whether the server's clock is the panel's own."""
        offset = self._offset_us.get(sid, 0)
        return self._local.get(sid, False) and -1000 <= offset <= SHARED_LAG_US_MAX

    def align(self, sid: int, at_us: int) -> int:
        """Return a server's time on the panel's clock."""
        return at_us if self.shared(sid) else at_us + self._offset_us.get(sid, 0)

    def describe(self, sid: int) -> str:
        """Say which of the two it is: ``shared`` or ``estimated``."""
        return "shared" if self.shared(sid) else "estimated"
