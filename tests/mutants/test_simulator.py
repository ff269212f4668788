"""A deliberately broken server is caught within a bounded number of schedules, by what should catch it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice

import pytest

from ensemble.simulator.clients.workload import SYNC_HEAVY
from ensemble.simulator.runs.report import Failure, run_seed
from ensemble.simulator.world import World
from tests.mutants.server import (
    CHANGING_MUTANTS,
    MUTANTS,
    RARE_MUTANTS,
    RECIPE_MUTANTS,
    STALE_LEADER_MUTANTS,
    STUCK_MUTANTS,
)

SCHEDULES_MAX = 120
SCHEDULES_RARE_MAX = 2_000

Mutant = Callable[[pytest.MonkeyPatch], None]


def _first_failure(seeds: Iterable[int]) -> Failure | None:
    for seed in seeds:
        result = run_seed(seed, transcript_lines=0)
        if isinstance(result, Failure):
            return result
    return None


def _with_stale_leaders() -> Iterator[int]:
    """Yield the seeds whose theme makes replaced leaders that do not notice (one in ten)."""
    return (seed for seed in count(1) if World(seed).plan.mix is SYNC_HEAVY)


def _with_changing_members() -> Iterator[int]:
    """Yield the seeds whose theme changes the membership (one in seven)."""
    return (seed for seed in count(1) if World(seed).plan.changes)


def _with_stuck_disks() -> Iterator[int]:
    """Yield the seeds in which the disks of some servers answer nothing any more (one in nine)."""
    return (seed for seed in count(1) if World(seed).plan.lasting == "stuck")


def _with_recipes() -> Iterator[int]:
    """Yield the seeds whose theme is clients that share a lock (one in twelve)."""
    return (seed for seed in count(1) if World(seed).plan.recipes)


def _seeds_for(mutant: Mutant) -> Iterator[int]:
    if mutant in RECIPE_MUTANTS:
        return _with_recipes()
    if mutant in STUCK_MUTANTS:
        return _with_stuck_disks()
    if mutant in STALE_LEADER_MUTANTS:
        return _with_stale_leaders()
    return _with_changing_members() if mutant in CHANGING_MUTANTS else count(1)


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(mutant, id=mutant.__name__, marks=[pytest.mark.slow] * (mutant in RARE_MUTANTS))
        for mutant in MUTANTS
    ],
)
def test_a_mutant_is_caught(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, caught: Callable[[object, str], None]
) -> None:
    mutant(monkeypatch)
    schedules_max = SCHEDULES_RARE_MAX if mutant in RARE_MUTANTS else SCHEDULES_MAX
    tried: list[int] = []
    failure = _first_failure(_noted(islice(_seeds_for(mutant), schedules_max), tried))
    assert failure is not None, f"{mutant.__doc__} survived {schedules_max} schedules"
    assert failure.invariant in MUTANTS[mutant], failure.what
    caught(mutant, f"simulator: {failure.invariant} in schedule {len(tried)}")


def _noted(seeds: Iterable[int], tried: list[int]) -> Iterator[int]:
    for seed in seeds:
        tried.append(seed)
        yield seed
