"""The metrics as Prometheus reads them: its text format, version 0.0.4.

Names and shapes are those of Apache's PrometheusMetricsProvider: no prefix, counters without ``_total``, a
summary with its quantiles, ``_sum`` and ``_count``, and ``key`` for the label of a set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ensemble.measures import Summary
from ensemble.replica.monitoring.metrics.registry import Registry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BASIC_QUANTILES = (0.5,)
DETAILED_QUANTILES = (0.5, 0.9, 0.99)

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(registry: Registry) -> str:
    """Write all metrics of ``registry`` as they are now."""
    return "".join([f"{line}\n" for line in _lines(registry)])


def _lines(registry: Registry) -> Iterator[str]:
    for name, value in registry.gauge_values():
        yield from _family(name, "gauge", [_sample(name, "", value)])
    for name, gauges in registry.gauge_sets.items():
        yield from _family(
            name, "gauge", [_sample(name, _key(key), value) for key, value in gauges().items()]
        )
    for name, read in registry.counters.items():
        yield from _family(name, "counter", [_sample(name, "", read())])
    for name, counters in registry.counter_sets.items():
        samples = [_sample(name, _key(key), value) for key, value in counters().items()]
        yield from _family(name, "counter", samples)
    for name, samples_of in registry.summaries.items():
        lines = _summary(name, "", samples_of.read(), samples_of.unit, detailed=samples_of.detailed)
        yield from _family(name, "summary", lines)
    for name, sample_set in registry.summary_sets.items():
        lines = [
            line
            for key, summary in sample_set.items()
            for line in _summary(name, _key(key), summary, sample_set.unit, detailed=sample_set.detailed)
        ]
        yield from _family(name, "summary", lines)


def _family(name: str, kind: str, samples: Iterable[str]) -> Iterator[str]:
    yield f"# HELP {name} {name}"
    yield f"# TYPE {name} {kind}"
    yield from samples


def _summary(name: str, label: str, summary: Summary, unit: int, *, detailed: bool) -> list[str]:
    shares = DETAILED_QUANTILES if detailed else BASIC_QUANTILES
    lines = []
    for share, value in zip(shares, summary.quantiles(*shares), strict=True):
        quantile = f'quantile="{share}"'
        told = value / unit if summary.count else float("nan")
        lines.append(_sample(name, f"{label},{quantile}" if label else quantile, told))
    return [
        *lines,
        _sample(f"{name}_count", label, summary.count),
        _sample(f"{name}_sum", label, summary.total / unit),
    ]


def _key(key: str) -> str:
    return f'key="{key.translate(_ESCAPES)}"'


def _sample(name: str, labels: str, value: float) -> str:
    number = "NaN" if value != value else repr(float(value))
    return f"{name}{{{labels}}} {number}" if labels else f"{name} {number}"
