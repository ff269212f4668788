"""Fixtures for pytest. In a ``conftest.py`` write ``pytest_plugins = ["ensemble.testing.fixtures"]``.

zookeeper             one server, started once for all tests
zookeeper_ensemble    three servers, for one test, which may kill and pause and partition them
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ensemble.testing.ensemble import Ensemble

SERVERS = 3


@pytest.fixture(scope="session")
def zookeeper() -> Iterator[Ensemble]:
    """One server for all tests: keep apart what tests write by a chroot of their own, as in
    ``f"{zookeeper.hosts}/this-test"``."""
    from ensemble.testing.ensemble import Ensemble

    with Ensemble() as server:
        yield server


@pytest.fixture
def zookeeper_ensemble() -> Iterator[Ensemble]:
    """Three servers of this test's own."""
    from ensemble.testing.ensemble import Ensemble

    with Ensemble(servers=SERVERS) as servers:
        yield servers
