"""Stores to begin with: an empty one, and one with a history in several files."""

from __future__ import annotations

import pytest

from ensemble.storage.settings import StorageSettings
from tests.ensemble.storage.harness import Bench, entries


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def long() -> Bench:
    """Two epochs in three files, with only the newest few in memory."""
    bench = Bench(settings=StorageSettings(recent_txns_max=4))
    store = bench.open()
    bench.synced(store, entries(1, 1, 5))
    bench.snapshot(store, entries(1, 1, 5))
    bench.synced(store, entries(1, 6, 8))
    bench.snapshot(store, entries(1, 1, 8))
    bench.synced(store, entries(3, 1, 6))
    return bench
