"""Exact counts of what happened, and bounded samples of how much or how long.

A summary's count, sum, least and greatest are exact. Its percentiles are those of the most recent samples,
so they move with the load, and nothing grows. A clock is not known here: whoever measures brings the figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

RING_SAMPLES = 1024
"""How many samples percentiles are taken of (Apache's AvgMinMaxPercentileCounter keeps as many)."""


class Summary:
    """Count, sum, least, greatest and last of one quantity since the last reset."""

    __slots__ = ("count", "greatest", "last", "least", "total")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.count = self.total = 0
        self.least = self.greatest = self.last = 0

    def add(self, sample: int) -> None:
        """Take in one sample."""
        if sample > self.greatest:
            self.greatest = sample
        if sample < self.least or not self.count:
            self.least = sample
        self.last = sample
        self.count += 1
        self.total += sample

    @property
    def mean(self) -> float:
        """The mean since the last reset; 0 when nothing was counted."""
        return self.total / self.count if self.count else 0.0

    def quantiles(self, *shares: float) -> tuple[int, ...]:
        """Return the sample below which each share of the samples lies; 0 where none are kept."""
        return (0,) * len(shares)


class SampledSummary(Summary):
    """A summary that also keeps its most recent samples."""

    __slots__ = ("_next", "_samples")

    def reset(self) -> None:
        """Start anew."""
        super().reset()
        self._samples: list[int] = []
        self._next = 0

    def add(self, sample: int) -> None:
        """Take in one sample; it takes the place of the oldest."""
        super().add(sample)
        self._keep(sample)

    def add_run(self, count: int, total: int, least: int, greatest: int) -> None:
        """Take in ``count`` samples at once; of a run only the greatest is kept for the percentiles."""
        if greatest > self.greatest:
            self.greatest = greatest
        if least < self.least or not self.count:
            self.least = least
        self.last = greatest
        self.count += count
        self.total += total
        self._keep(greatest)

    def _keep(self, sample: int) -> None:
        samples = self._samples
        if len(samples) < RING_SAMPLES:
            samples.append(sample)
            return
        samples[self._next] = sample
        self._next = (self._next + 1) % RING_SAMPLES

    def quantiles(self, *shares: float) -> tuple[int, ...]:
        """Return the sample below which each share of the recent samples lies; 0 when there is none."""
        ordered = sorted(self._samples)
        if not ordered:
            return (0,) * len(shares)
        return tuple(ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in shares)


class SummarySet:
    """Summaries of one quantity by a key, such as the server it was measured with."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        self._by_key: dict[str, SampledSummary] = {}

    def reset(self) -> None:
        """Start anew; the keys stay."""
        for summary in self._by_key.values():
            summary.reset()

    def of(self, key: str) -> SampledSummary:
        """Return the summary of ``key``."""
        summary = self._by_key.get(key)
        if summary is None:
            summary = self._by_key[key] = SampledSummary()
        return summary

    def items(self) -> Iterator[tuple[str, SampledSummary]]:
        """Return every key with its summary, in the order of the keys."""
        yield from sorted(self._by_key.items())


Figure = Callable[[], int | float]
"""Reads one figure when somebody asks for it."""
