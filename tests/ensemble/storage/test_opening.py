"""What a store finds when it is opened: nothing, all it left, or less than that."""

from __future__ import annotations

import pytest

from ensemble.errors import CorruptionError, StorageError
from ensemble.storage import snapshots
from ensemble.storage.store import Store
from ensemble.zxid import make
from tests.ensemble.storage.harness import LONG, Bench, entries, names, recovered


def test_a_fresh_start_writes_the_pristine_snapshot_once(bench: Bench) -> None:
    store = bench.open()
    assert (store.zxid_logged, store.zxid_durable, store.snapshot_zxid) == (0, 0, 0)
    assert (store.accepted_epoch, store.current_epoch) == (0, 0)
    assert names(bench) == ["snapshot.0"]
    assert store.read_snapshot() == (0, snapshots.PRISTINE_BODY)
    effects = bench.data.effects
    bench.open()
    assert bench.data.effects == effects


def test_the_pristine_tree_may_be_another_s(bench: Bench) -> None:
    store = Store.open(bench.data, bench.log, pristine_body=b"mine", pristine_digest=4)
    assert store.read_snapshot() == (0, b"mine")


@pytest.mark.parametrize("left", ["log.100000001", "acceptedEpoch", "currentEpoch"])
def test_files_without_a_snapshot_are_refused_with_the_fix(bench: Bench, left: str) -> None:
    """Such a server would vote with an epoch whose history it has lost."""
    store = bench.open()
    store.save_accepted_epoch(1)
    store.save_current_epoch(1)
    bench.synced(store, entries(1, 1, 3))
    for name in names(bench):
        if name != left:
            bench.data.discard(f"version-2/{name}")
    with pytest.raises(StorageError, match=r"no snapshot.*empty version-2"):
        bench.open()


def test_left_over_temporaries_are_removed(bench: Bench) -> None:
    bench.open()
    bench.data.put("version-2/snapshot.5.aside", b"half")
    bench.data.put("version-2/currentEpoch.tmp", b"")
    bench.data.put("version-2/notes", b"an operator's")
    bench.open()
    assert names(bench) == ["notes", "snapshot.0"]


def test_a_bad_snapshot_is_passed_over_when_the_log_reaches_it(long: Bench) -> None:
    long.data.flip("version-2/snapshot.100000008", 30, 1)
    store = long.open()
    assert store.snapshot_zxid == make(1, 5)
    assert recovered(store) == LONG


def test_a_bad_snapshot_beyond_the_log_is_not_passed_over(long: Bench) -> None:
    store = long.open()
    long.snapshot(store, LONG)
    long.data.discard("version-2/log.300000001")
    assert recovered(long.open()) == LONG
    long.data.flip("version-2/snapshot.300000006", 30, 1)
    with pytest.raises(CorruptionError, match="snapshot at 3:6 is bad, and the log ends at 1:8"):
        long.open()


def test_no_good_snapshot_at_all(bench: Bench) -> None:
    bench.open()
    bench.data.flip("version-2/snapshot.0", 100, 1)
    with pytest.raises(CorruptionError, match=r"checksums do not hold.*No other snapshot"):
        bench.open()


def test_a_misplaced_log_file_is_noticed(long: Bench) -> None:
    content = long.data.content()
    long.data.put("version-2/log.300000001", content["version-2/log.100000006"])
    with pytest.raises(CorruptionError, match="not where it belongs"):
        long.open()


def test_a_log_of_another_branch_is_not_taken_for_a_continuation(bench: Bench) -> None:
    """2:1 could follow the snapshot at 1:9 by its number, but the log says it followed 1:3."""
    store = bench.open()
    bench.synced(store, [*entries(1, 1, 3), *entries(2, 1, 2)])
    donor = Bench()
    other = donor.open()
    donor.synced(other, entries(1, 1, 9, seed=1))
    donor.snapshot(other, entries(1, 1, 9, seed=1))
    bench.data.put("version-2/snapshot.100000009", donor.data.content()["version-2/snapshot.100000009"])
    with pytest.raises(CorruptionError, match="without holding that transaction"):
        bench.open()


def test_a_log_behind_the_snapshot_is_legal(bench: Bench) -> None:
    """A leader's snapshot, or one that outlived the unsynced end of the log."""
    store = bench.open()
    bench.synced(store, entries(1, 1, 3))
    for zxid, payload in entries(1, 4, 6):
        store.append(zxid, payload)
    bench.snapshot(store, entries(1, 1, 6))
    bench.crash()
    store = bench.open()
    assert (store.zxid_logged, store.zxid_durable) == (make(1, 6), make(1, 6))
    assert store.read_after(make(1, 3)) is None
    assert store.read_after(make(1, 6)) == []
    bench.synced(store, entries(1, 7, 8))
    store = bench.open()
    assert recovered(store) == entries(1, 1, 8)
    assert store.read_after(make(1, 3)) is None
    assert store.last_not_after(make(1, 6)) == make(1, 6)


def test_empty_log_files_are_removed(long: Bench) -> None:
    for name, data in (("log.300000007", b""), ("log.300000008", b"ZKLG"), ("log.300000009", bytes(5000))):
        long.data.put(f"version-2/{name}", data)
    assert recovered(long.open()) == LONG
    assert "log.300000007" not in names(long)
    assert "log.300000009" not in names(long)
