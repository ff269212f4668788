"""Many seeds on several processes, each its own world; results come back as they finish.

It does not know what a run is, beyond :func:`ensemble.simulator.runs.report.run_seed`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from multiprocessing import get_context

from ensemble.simulator.runs.report import Result, Summary, run_seed

CHUNK_SEEDS = 4


def run(seeds: Sequence[int], *, jobs: int = 1) -> Iterator[Result]:
    """Run every seed and yield its result, in the order in which they finish.

    With more than one job in as many processes; closing the iterator ends them.
    """
    if jobs <= 1 or len(seeds) <= 1:
        yield from map(run_seed, seeds)
        return
    with get_context("spawn").Pool(jobs, _ignore_interrupts) as pool:
        yield from pool.imap_unordered(run_seed, seeds, CHUNK_SEEDS)


def summarize(seeds: Sequence[int], *, jobs: int = 1) -> Summary:
    """Run every seed and sum up (for tests)."""
    summary = Summary()
    for result in run(seeds, jobs=jobs):
        summary.add(result)
    return summary


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
