"""A deliberately broken store or disk is noticed by a test of it, which passes without the mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mutants.files import MUTANTS

Mutant = Callable[[pytest.MonkeyPatch], None]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_noticed(
    mutant: Mutant,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caught: Callable[[object, str], None],
) -> None:
    hunt = MUTANTS[mutant]
    hunt(tmp_path / "sound")
    mutant(monkeypatch)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        hunt(tmp_path / "broken")
    caught(mutant, f"files: {(hunt.__name__).removeprefix('hunt_').replace('_', ' ')}")
