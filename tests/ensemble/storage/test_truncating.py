"""Cutting the history back: to any transaction that is held, and to nothing else."""

from __future__ import annotations

from functools import partial

import pytest

from ensemble.errors import StorageError
from ensemble.zxid import make
from tests.ensemble.storage.harness import LONG, Bench, body_of, entries, names, recovered


@pytest.mark.parametrize("index", range(len(LONG)))
def test_truncating_to_any_transaction(long: Bench, index: int) -> None:
    store = long.open()
    zxid = LONG[index][0]
    store.truncate(zxid)
    assert (store.zxid_logged, store.zxid_durable) == (zxid, zxid)
    assert all(int(name.partition(".")[2], 16) <= zxid for name in names(long))
    assert store.read_after(0) == LONG[: index + 1]
    long.crash()
    store = long.open()
    assert recovered(store) == LONG[: index + 1]
    added = entries(5, 1, 2)
    long.synced(store, added)
    assert recovered(long.open()) == LONG[: index + 1] + added


def test_truncating_what_is_still_in_memory(bench: Bench) -> None:
    store = bench.open()
    told: list[int] = []
    for zxid, payload in entries(1, 1, 5):
        store.append(zxid, payload)
        store.sync(lambda: told.append(store.zxid_durable))
    store.truncate(make(1, 5))
    assert store.zxid_durable == make(1, 5)
    store.truncate(make(1, 2))
    bench.crash()
    assert recovered(bench.open()) == entries(1, 1, 2)


def test_a_sync_asked_before_a_cut_is_answered_and_does_not_bring_back_what_is_gone(bench: Bench) -> None:
    store = bench.open()
    told: list[int] = []
    for zxid, payload in entries(1, 1, 5):
        store.append(zxid, payload)
        store.sync(lambda: told.append(store.zxid_durable))
    store.truncate(make(1, 2))
    bench.run()
    assert told == [make(1, 2)] * 5
    assert store.zxid_durable == store.zxid_logged == make(1, 2)


@pytest.mark.parametrize("zxid", [make(1, 9), make(2, 1), make(3, 7)])
def test_truncating_to_what_is_not_held_changes_nothing(long: Bench, zxid: int) -> None:
    store = long.open()
    before = long.data.content()
    with pytest.raises(StorageError, match="does not hold"):
        store.truncate(zxid)
    assert long.data.content() == before


def test_truncating_below_every_snapshot_changes_nothing_and_says_so(long: Bench) -> None:
    store = long.open()
    store.purge(1)
    before = long.data.content()
    assert store.last_not_after(make(1, 7)) == make(1, 7)
    with pytest.raises(StorageError, match="no snapshot before it is left"):
        store.truncate(make(1, 7))
    assert long.data.content() == before


def test_truncating_passes_over_a_snapshot_gone_bad(long: Bench) -> None:
    store = long.open()
    long.data.flip("version-2/snapshot.100000005", 30, 1)
    store.truncate(make(1, 7))
    assert store.snapshot_zxid == 0
    assert recovered(long.open()) == LONG[:7]


def test_a_snapshot_under_way_does_not_outlive_the_cut_below_it(bench: Bench) -> None:
    """It would bring back what was cut (cf. ZOOKEEPER-4837)."""
    for crash_after in (0, 1, 4, 9, 99):
        bench = Bench(crash_after)
        store = bench.open()
        bench.synced(store, entries(1, 1, 5))
        done: list[bool] = []
        store.save_snapshot(make(1, 5), [body_of(entries(1, 1, 5))], 0, partial(done.append, True))
        store.truncate(make(1, 2))
        added = entries(2, 1, 1)
        for zxid, payload in added:
            store.append(zxid, payload)
        store.sync(lambda: None)
        for _ in range(crash_after):
            bench.timeline.step()
        if crash_after == 99:
            assert done == [True]
            assert not store.saving_snapshot
            assert names(bench) == ["log.100000001", "log.200000001", "snapshot.0"]
        bench.crash()
        found = recovered(bench.open())
        assert found in (entries(1, 1, 2), entries(1, 1, 2) + added)
