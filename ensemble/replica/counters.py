"""Exact counts of what a server did, and bounded samples of how long it took.

Counts are never sampled. Latencies are kept in a ring of the most recent ones: enough for a median and a
p99 that move with the load, and nothing that grows.
"""

from __future__ import annotations

RING_SAMPLES = 1024


class Ring:
    """The most recent samples of one quantity, in microseconds."""

    __slots__ = ("_next", "_samples")

    def __init__(self) -> None:
        self._samples: list[int] = []
        self._next = 0

    def add(self, sample_us: int) -> None:
        """Remember ``sample_us`` in place of the oldest sample."""
        samples = self._samples
        if len(samples) < RING_SAMPLES:
            samples.append(sample_us)
            return
        samples[self._next] = sample_us
        self._next = (self._next + 1) % RING_SAMPLES

    def quantiles(self, *shares: float) -> tuple[int, ...]:
        """Return the sample below which each share of the samples lies; 0 when there is none."""
        ordered = sorted(self._samples)
        if not ordered:
            return (0,) * len(shares)
        return tuple(ordered[min(int(share * len(ordered)), len(ordered) - 1)] for share in shares)


class Latency:
    """Least, mean and greatest latency since the last reset (microseconds)."""

    __slots__ = ("count", "greatest_us", "last_us", "least_us", "total_us")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.count = 0
        self.total_us = 0
        self.least_us = 0
        self.greatest_us = 0
        self.last_us = 0

    def add(self, sample_us: int) -> None:
        """Count one answer that took ``sample_us``."""
        if sample_us > self.greatest_us:
            self.greatest_us = sample_us
        if sample_us < self.least_us or not self.count:
            self.least_us = sample_us
        self.last_us = sample_us
        self.count += 1
        self.total_us += sample_us

    @property
    def mean_us(self) -> float:
        """The mean since the last reset; 0 when nothing was counted."""
        return self.total_us / self.count if self.count else 0.0


class Counters:
    """What this server did since it started, or since ``srst``."""

    __slots__ = (
        "auth_failures",
        "bytes_received",
        "commits",
        "ensemble_auth_fail",
        "ensemble_auth_skip",
        "ensemble_auth_success",
        "fsyncs",
        "latencies",
        "latency",
        "proposal_bytes_last",
        "proposal_bytes_max",
        "proposal_bytes_min",
        "quota_refusals",
        "reads",
        "received",
        "refused",
        "sent",
        "sessions_expired",
        "watches_fired",
        "writes",
    )

    def __init__(self) -> None:
        self.latency = Latency()
        self.latencies = Ring()
        self.fsyncs = Ring()
        self.quota_refusals: dict[str, int] = {}
        """Writes refused as beyond a quota, by the name of the child of the root they were for."""
        self.reset()

    def reset(self) -> None:
        """Forget everything (``srst``)."""
        self.latency.reset()
        self.quota_refusals.clear()
        self.received = self.sent = self.bytes_received = 0
        self.reads = self.writes = self.commits = 0
        self.refused = self.auth_failures = 0
        self.ensemble_auth_success = self.ensemble_auth_fail = self.ensemble_auth_skip = 0
        self.sessions_expired = self.watches_fired = 0
        self.proposal_bytes_last = self.proposal_bytes_min = self.proposal_bytes_max = -1

    def add_latency(self, sample_us: int) -> None:
        """Count one answer that had to wait for ``sample_us``."""
        self.latency.add(sample_us)
        self.latencies.add(sample_us)

    def count_proposal(self, size: int) -> None:
        """Count a proposal of ``size`` bytes made by this leader."""
        self.proposal_bytes_last = size
        if size > self.proposal_bytes_max:
            self.proposal_bytes_max = size
        if size < self.proposal_bytes_min or self.proposal_bytes_min < 0:
            self.proposal_bytes_min = size
