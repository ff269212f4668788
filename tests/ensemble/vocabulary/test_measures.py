"""Summaries: exact counts, and samples that do not pile up while nobody asks."""

from __future__ import annotations

import pytest

from ensemble.measures import RING_SAMPLES, SampledSummary


@pytest.mark.parametrize("at_once", [1, 7])
def test_samples_that_nobody_asks_for_are_summed_up_in_time(at_once: int) -> None:
    summary = SampledSummary()
    total = 0
    for first in range(0, 3 * RING_SAMPLES, at_once):
        samples = list(range(first, first + at_once))
        total += sum(samples)
        if at_once == 1:
            summary.add(first)
        else:
            summary.add_all(samples)
        assert len(summary._fresh) < RING_SAMPLES
        assert len(summary._samples) <= RING_SAMPLES
    assert summary.total == total
    assert summary.least == 0
