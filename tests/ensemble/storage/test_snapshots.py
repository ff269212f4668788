"""Snapshots that a store takes, and those it is given in the place of its history."""

from __future__ import annotations

import pytest

from ensemble.errors import InvariantViolation
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, body_of, entries, history_in, names, recovered


def test_one_snapshot_at_a_time(bench: Bench) -> None:
    store = bench.open()
    bench.synced(store, entries(1, 1, 2))
    store.save_snapshot(make(1, 1), [b"x"], 0, lambda: None)
    assert store.saving_snapshot
    with pytest.raises(InvariantViolation):
        store.save_snapshot(make(1, 2), [b"x"], 0, lambda: None)
    bench.run()
    assert store.snapshot_zxid == make(1, 1)
    bench.snapshot(store, entries(1, 1, 2))
    assert store.read_snapshot() == (make(1, 2), body_of(entries(1, 1, 2)))


def test_a_snapshot_rolls_the_log(bench: Bench) -> None:
    store = bench.open()
    assert (store.log_file, store.log_bytes) == (None, 0)
    bench.synced(store, entries(1, 1, 2))
    assert store.log_file == "version-2/log.100000001"
    assert store.log_bytes == 16 + sum(13 + len(payload) for _, payload in entries(1, 1, 2))
    bench.snapshot(store, entries(1, 1, 2))
    bench.synced(store, entries(1, 3, 3))
    assert store.log_file == "version-2/log.100000003"


def test_installing_replaces_everything(long: Bench) -> None:
    store = long.open()
    history = entries(1, 1, 20, seed=4)
    store.install_snapshot(make(1, 20), body_of(history), 7)
    assert (store.zxid_logged, store.zxid_durable, store.snapshot_zxid) == (make(1, 20),) * 3
    assert names(long) == ["snapshot.100000014"]
    assert store.read_after(make(1, 20)) == []
    assert store.read_after(make(1, 5)) is None
    assert store.last_not_after(make(1, 5)) is None
    long.crash()
    store = long.open()
    assert recovered(store) == history
    long.synced(store, entries(1, 21, 22))
    assert recovered(long.open())[20:] == entries(1, 21, 22)


def test_installing_over_a_snapshot_under_way(bench: Bench) -> None:
    store = bench.open()
    bench.synced(store, entries(1, 1, 5))
    store.save_snapshot(make(1, 5), [body_of(entries(1, 1, 5))], 0, lambda: None)
    store.install_snapshot(make(1, 3), body_of(entries(1, 1, 3, seed=2)), 0)
    bench.run()
    assert names(bench) == ["snapshot.100000003"]
    assert history_in(store.read_snapshot()[1]) == entries(1, 1, 3, seed=2)  # type: ignore[index]


def test_installing_what_was_under_way_and_then_unwanted(bench: Bench) -> None:
    """Found by the model: the note that a snapshot must not count outlived the wish."""
    store = bench.open()
    history = entries(1, 1, 5)
    bench.synced(store, history)
    store.save_snapshot(make(1, 5), [body_of(history)], 0, lambda: None)
    store.install_snapshot(make(1, 3), body_of(history[:3]), 0)
    store.install_snapshot(make(1, 5), body_of(history), 0)
    bench.crash()
    assert recovered(bench.open()) == history
