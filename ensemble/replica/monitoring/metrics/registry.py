"""Metrics by name: gauges, counters and summaries, alone or in sets by a key.

The shapes are Apache's (DefaultMetricsProvider): a summary ``x`` is told as ``avg_x``, ``min_x``, ``max_x``,
``cnt_x`` and ``sum_x``, a detailed one also as ``p50_x``, ``p95_x``, ``p99_x`` and ``p999_x``; in a set the
key stands before the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ensemble.measures import Figure, Summary

Value = int | float | str
Row = tuple[str, Value]

PERCENTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999))
DIGITS = 4
"""Digits of a mean behind the point (AvgMinMaxCounter)."""


def always() -> bool:
    """Tell that a metric is there whatever this server's role is."""
    return True


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure as it is now, while ``when`` holds."""

    read: Figure
    when: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Samples:
    """A summary, the number its samples are divided by, and whether its percentiles are told."""

    read: Callable[[], Summary]
    unit: int
    detailed: bool


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Summaries by key."""

    items: Callable[[], Iterator[tuple[str, Summary]]]
    unit: int
    detailed: bool


class Registry:
    """Every metric of one server, in the order in which it is told."""

    def __init__(self) -> None:
        self.texts: dict[str, Callable[[], str | None]] = {}
        self.gauges: dict[str, Gauge] = {}
        self.counters: dict[str, Figure] = {}
        self.summaries: dict[str, Samples] = {}
        self.gauge_sets: dict[str, Callable[[], Mapping[str, int | float]]] = {}
        self.counter_sets: dict[str, Callable[[], Mapping[str, int]]] = {}
        self.summary_sets: dict[str, SampleSet] = {}

    def gauge(self, name: str, read: Figure, when: Callable[[], bool] = always) -> None:
        """Tell a figure as it is now; while ``when`` does not hold it is left out."""
        self.gauges[name] = Gauge(read, when)

    def summary(
        self, name: str, read: Callable[[], Summary], *, unit: int = 1, detailed: bool = False
    ) -> None:
        """Tell a summary whose samples are ``unit`` times what its name says (1000: microseconds as ms)."""
        self.summaries[name] = Samples(read, unit, detailed)

    def rows(self) -> Iterator[Row]:
        """Return every name and value as ``mntr`` tells them, without the prefix."""
        for name, text in self.texts.items():
            value = text()
            if value is not None:
                yield name, value
        yield from self.gauge_values()
        for name, gauge_set in self.gauge_sets.items():
            yield from [(f"{key}_{name}", value) for key, value in gauge_set().items()]
        for name, read in self.counters.items():
            yield name, read()
        for name, counter_set in self.counter_sets.items():
            yield from [(f"{key}_{name}", value) for key, value in counter_set().items()]
        for name, samples in self.summaries.items():
            yield from _rows(name, samples.read(), samples.unit, detailed=samples.detailed)
        for name, sample_set in self.summary_sets.items():
            for key, summary in sample_set.items():
                yield from _rows(f"{key}_{name}", summary, sample_set.unit, detailed=sample_set.detailed)

    def gauge_values(self) -> Iterator[tuple[str, int | float]]:
        """Return the gauges that are there now."""
        for name, gauge in self.gauges.items():
            if gauge.when():
                yield name, gauge.read()


def _rows(name: str, summary: Summary, unit: int, *, detailed: bool) -> Iterator[Row]:
    yield f"avg_{name}", round(summary.mean / unit, DIGITS)
    yield f"min_{name}", summary.least // unit
    yield f"max_{name}", summary.greatest // unit
    yield f"cnt_{name}", summary.count
    yield f"sum_{name}", summary.total // unit
    if detailed:
        values = summary.quantiles(*[share for _, share in PERCENTILES])
        yield from [
            (f"{short}_{name}", value // unit) for (short, _), value in zip(PERCENTILES, values, strict=True)
        ]
