"""How long clients wait, of what was measured and of what took no time worth measuring."""

from __future__ import annotations

from ensemble.measures import SampledSummary, Summary
from ensemble.replica.counters import Counters


class ReadLatency(Summary):
    """Reads: those that waited were measured, all others were answered in the step they came in.

    The latter count as 0, as they are in Apache's milliseconds; to measure each would cost more than it takes
    to answer it.
    """

    __slots__ = ("_at_once", "_waits")

    def __init__(self, reads: int, waits: SampledSummary) -> None:
        super().__init__()
        self._waits = waits
        self._at_once = max(0, reads - waits.count)
        self._count = waits.count + self._at_once
        self._total = waits.total
        self._least = 0 if self._at_once else waits.least
        self._greatest = waits.greatest

    def quantiles(self, *shares: float) -> tuple[int, ...]:
        """Return what each share of the reads stayed below."""
        if not self.count:
            return (0,) * len(shares)
        at_once = self._at_once / self.count
        return tuple(
            self._waits.quantiles((share - at_once) / (1 - at_once))[0] if share > at_once else 0
            for share in shares
        )


def read_latency(counters: Counters) -> ReadLatency:
    """Return the latency of reads (microseconds)."""
    return ReadLatency(counters.reads, counters.read_waits)


def request_latency(counters: Counters) -> Summary:
    """Return the latency of all requests that have one: reads, writes and syncs (microseconds)."""
    reads, others = read_latency(counters), counters.latencies
    both = Summary()
    for each in (reads, others):
        if each.count:
            both.add_run(each.count, each.total, each.least, each.greatest)
    return both
