"""A deliberately broken server is caught within a bounded number of schedules, by what should catch it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice

import pytest

from ensemble.simulator.report import Failure, run_seed
from ensemble.simulator.workload import SYNC_HEAVY
from ensemble.simulator.world import World
from tests.ensemble.simulator.mutants import MUTANTS, STALE_LEADER_MUTANTS

SCHEDULES_MAX = 120

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


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    seeds: Iterator[int] = _with_stale_leaders() if mutant in STALE_LEADER_MUTANTS else count(1)
    failure = _first_failure(islice(seeds, SCHEDULES_MAX))
    assert failure is not None, f"{mutant.__doc__} survived {SCHEDULES_MAX} schedules"
    assert failure.invariant in MUTANTS[mutant], failure.what
