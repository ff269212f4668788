"""A deliberately broken server is caught within a bounded number of schedules, by what should catch it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ensemble.simulator.report import Failure, run_seed
from tests.ensemble.simulator.mutants import MUTANTS

SCHEDULES_MAX = 120

Mutant = Callable[[pytest.MonkeyPatch], None]


def _first_failure(schedules: int) -> Failure | None:
    for seed in range(1, schedules + 1):
        result = run_seed(seed, transcript_lines=0)
        if isinstance(result, Failure):
            return result
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_caught(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant(monkeypatch)
    failure = _first_failure(SCHEDULES_MAX)
    assert failure is not None, f"{mutant.__doc__} survived {SCHEDULES_MAX} schedules"
    assert failure.invariant in MUTANTS[mutant], failure.what
