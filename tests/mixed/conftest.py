"""Ensembles of both kinds of servers, and why they may have to be skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mixed.servers import JARS, Kind, MixedEnsemble

NEEDED = "needs Java and Apache's zookeeper.jar (Debian: libzookeeper-java)"

MakeEnsemble = Callable[..., MixedEnsemble]


@pytest.fixture
def ensemble_of(tmp_path: Path) -> Iterator[MakeEnsemble]:
    """Make ensembles that end with the test."""
    if shutil.which("java") is None or not (JARS / "zookeeper.jar").exists():
        pytest.skip(NEEDED)
    made: list[MixedEnsemble] = []

    def make(*kinds: Kind, **settings: Any) -> MixedEnsemble:
        made.append(MixedEnsemble(tmp_path / f"ensemble-{len(made)}", *kinds, **settings))
        return made[-1]

    try:
        yield make
    finally:
        for ensemble in made:
            ensemble.close()
