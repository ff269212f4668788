"""A search by several processes: the frontier is split, each process visits what can be reached from its part.

They may meet, and then visit the same worlds; what is reported is how many different ones were visited in all.
"""

from __future__ import annotations

import multiprocessing
import signal
from array import array
from collections.abc import Callable
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from typing import Any

from ensemble.explorer.search import Report, Search

FRONTIER_PER_PROCESS = 400
"""How many worlds are to be ahead of each process when the frontier is split."""


def run(
    search: Search,
    *,
    jobs: int,
    depth_max: int,
    seconds_max: float | None,
    progress: Callable[[Report], None],
) -> Report:
    """Search with ``jobs`` processes."""
    if jobs == 1:
        return search.run(depth_max=depth_max, seconds_max=seconds_max, progress=progress)
    report = search.run(
        depth_max=depth_max,
        seconds_max=seconds_max,
        frontier_max=jobs * FRONTIER_PER_PROCESS,
        progress=progress,
    )
    if report.found is not None or report.complete or report.depth >= depth_max:
        return report
    left = None if seconds_max is None else seconds_max - report.seconds
    if left is not None and left <= 0:
        return report
    return _split(search, report, jobs, depth_max, left, progress)


def _split(
    search: Search,
    begun: Report,
    jobs: int,
    depth_max: int,
    seconds_max: float | None,
    progress: Callable[[Report], None],
) -> Report:
    context = multiprocessing.get_context("fork")  # the worlds met so far go with it
    parts = _parts(len(search.frontier), jobs)
    workers: dict[Connection, Any] = {}
    for first, end in parts:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(search, first, end, depth_max, seconds_max, theirs))
        process.start()
        theirs.close()
        workers[ours] = process
    reports: dict[Connection, Report] = {}
    digests: set[int] = set()
    try:
        while workers:
            for pipe in wait(list(workers)):
                assert isinstance(pipe, Connection)
                report, worlds, ended = pipe.recv()
                reports[pipe] = report
                digests.update(worlds)
                if ended:
                    workers.pop(pipe).join()
                progress(_sum(begun, list(reports.values()), None))
    finally:
        for process in workers.values():
            process.terminate()
    return _sum(begun, list(reports.values()), len(digests))


def _parts(length: int, jobs: int) -> list[tuple[int, int]]:
    bounds = [length * job // jobs for job in range(jobs + 1)]
    return list(pairwise(bounds))


def _work(
    search: Search, first: int, end: int, depth_max: int, seconds_max: float | None, pipe: Connection
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    inherited = search.inherit(first, end)
    none: array[int] = array("q")
    report = search.run(
        depth_max=depth_max,
        seconds_max=seconds_max,
        progress=lambda report: pipe.send((report, none, False)),
    )
    report.worlds -= inherited
    pipe.send((report, search.digests(inherited), True))


def _sum(begun: Report, reports: list[Report], different: int | None) -> Report:
    """Put reports together; while they run it is not known how many worlds several processes have visited."""
    found = [report.found for report in reports if report.found is not None]
    found.sort(key=lambda each: len(each.path))
    new = sum([report.worlds for report in reports]) if different is None else different
    return Report(
        worlds=begun.worlds + new,
        transitions=begun.transitions + sum([report.transitions for report in reports]),
        depth=min([report.depth for report in reports]),
        runs=begun.runs + sum([report.runs for report in reports]),
        locals=max([report.locals for report in reports]),
        seconds=begun.seconds + max([report.seconds for report in reports]),
        complete=all(report.complete for report in reports),
        found=found[0] if found else None,
    )
