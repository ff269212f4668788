"""A deliberately broken agreement is found by the explorer, in a small world that is sound without the mistake."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.mutants.agreement import MUTANTS, Small, search

Mutant = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_found(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, caught: Callable[[object, str], None]
) -> None:
    small, finders = MUTANTS[mutant]
    mutant(monkeypatch)
    report = search(small)
    assert report.found is not None, f"{mutant.__doc__} survived {report.worlds} worlds"
    assert report.found.wrong.invariant in finders, report.found.wrong
    depth = len(report.found.path)
    caught(mutant, f"explorer: {report.found.wrong.invariant} at depth {depth}, after {report.worlds} worlds")


@pytest.mark.parametrize("small", sorted({small for small, _ in MUTANTS.values()}, key=repr), ids=repr)
def test_the_same_small_world_is_sound_without_a_mistake(small: Small) -> None:
    report = search(Small(small.bounds, small.start, 9 if small.bounds.crashes else 13))
    assert report.found is None
    assert report.worlds > 10
