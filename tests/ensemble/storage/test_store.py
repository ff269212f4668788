"""What a store promises the other rooms: reading back, cutting, snapshots, epochs, and its refusals."""

from __future__ import annotations

import errno
from functools import partial
from random import Random

import pytest

from ensemble import limits
from ensemble.errors import CorruptionError, InvariantViolation, StorageError
from ensemble.simulator.disk import SimulatedDisk
from ensemble.storage import epochs, snapshots, txnlog
from ensemble.storage.records import HEADER, encode, predecessor_in
from ensemble.storage.settings import StorageSettings
from ensemble.storage.store import Store
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, body_of, entries, entry, history_in, recovered


@pytest.fixture
def bench() -> Bench:
    return Bench()


def names(bench: Bench) -> list[str]:
    return [name.removeprefix("version-2/") for name in bench.data.content()]


# -- a fresh start -------------------------------------------------------------------------------------------


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


# -- appending and syncing -----------------------------------------------------------------------------------


def test_durable_follows_the_sync_and_not_the_append(bench: Bench) -> None:
    store = bench.open()
    order: list[str] = []
    first, second, third = entries(1, 1, 3)
    store.append(*first)
    store.sync(lambda: order.append("first"))
    store.append(*second)
    store.sync(lambda: order.append("second"))
    store.append(*third)
    store.sync(lambda: order.append("third"))
    assert (store.zxid_logged, store.zxid_durable, order) == (third[0], 0, [])
    bench.run()
    assert (store.zxid_durable, order) == (third[0], ["first", "second", "third"])


def test_appends_during_a_sync_go_together_with_the_next(bench: Bench) -> None:
    store = bench.open()
    bench.synced(store, entries(1, 1, 1))
    syncs: list[int] = []
    for added in entries(1, 2, 50):
        store.append(*added)
        store.sync(lambda: syncs.append(store.zxid_durable))
    bench.run()
    assert syncs == [make(1, 2)] + [make(1, 50)] * 48


def test_a_sync_of_nothing_new_is_answered_too_and_later(bench: Bench) -> None:
    store = bench.open()
    told: list[int] = []
    store.sync(lambda: told.append(1))
    store.append(*entry(make(1, 1)))
    store.sync(lambda: told.append(2))
    store.sync(lambda: told.append(3))
    assert told == []
    bench.run()
    assert told == [1, 2, 3]


def test_syncing_may_be_asked_from_a_callback(bench: Bench) -> None:
    store = bench.open()
    pending = entries(1, 1, 20)

    def go_on() -> None:
        if pending:
            store.append(*pending.pop(0))
            store.sync(go_on)

    go_on()
    bench.run()
    assert store.zxid_durable == make(1, 20)


@pytest.mark.parametrize("zxid", [make(1, 2), make(1, 5), make(0, 4), make(2, 2), make(2, 0), make(1, 3)])
def test_what_does_not_follow_is_refused(bench: Bench, zxid: int) -> None:
    store = bench.open()
    bench.synced(store, entries(1, 1, 3))
    with pytest.raises(InvariantViolation, match="after 1:3"):
        store.append(*entry(zxid))


def test_the_last_counter_of_an_epoch_has_no_successor_in_it(bench: Bench) -> None:
    store = bench.open()
    store.install_snapshot(make(1, 0xFFFFFFFF), body_of([]), 0)
    with pytest.raises(InvariantViolation):
        store.append(*entry(make(1, 0xFFFFFFFF) + 1))
    store.append(*entry(make(2, 1)))


def test_a_payload_must_carry_its_zxid(bench: Bench) -> None:
    store = bench.open()
    with pytest.raises(InvariantViolation, match="carries 1:2"):
        store.append(make(1, 1), entry(make(1, 2))[1])
    with pytest.raises(InvariantViolation, match="5 bytes"):
        store.append(make(1, 1), b"12345")


def test_a_large_log_goes_on_in_another_file() -> None:
    bench = Bench(settings=StorageSettings(log_file_bytes_max=2000))
    store = bench.open()
    history = entries(1, 1, 10, 900)
    for added in history:
        bench.synced(store, [added])
    starts = [f"log.{make(1, counter):x}" for counter in (1, 4, 7, 10)]
    assert [name for name in names(bench) if name.startswith("log")] == starts
    assert recovered(bench.open()) == history


# -- reading -------------------------------------------------------------------------------------------------


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


LONG = [*entries(1, 1, 8), *entries(3, 1, 6)]


@pytest.mark.parametrize("reopened", [False, True])
def test_reading_after_any_zxid_held(long: Bench, reopened: bool) -> None:
    store = long.open()
    if not reopened:
        added = [entry(make(3, 7))]
        long.synced(store, added)
    history = LONG if reopened else [*LONG, entry(make(3, 7))]
    for index, (zxid, _) in enumerate(history):
        assert store.read_after(zxid) == history[index + 1 :]
        assert store.last_not_after(zxid) == zxid
    assert store.read_after(0) == history
    assert store.last_not_after(0) == 0
    for zxid, held in (
        (make(1, 9), make(1, 8)),
        (make(2, 1), make(1, 8)),
        (make(3, 0), make(1, 8)),
        (make(9, 1), history[-1][0]),
    ):
        assert store.read_after(zxid) is None
        assert store.last_not_after(zxid) == held


def test_what_is_not_yet_synced_is_read_too(long: Bench) -> None:
    store = long.open()
    added = entries(3, 7, 30)
    for zxid, payload in added:
        store.append(zxid, payload)
    assert store.read_after(0) == LONG + added
    assert store.read_after(make(1, 7)) == (LONG + added)[7:]
    assert store.read_after(make(3, 10)) == added[4:]


def test_purging_keeps_what_the_snapshots_need(long: Bench) -> None:
    store = long.open()
    long.snapshot(store, LONG)
    store.purge(2)
    assert [name for name in names(long) if name != "snapshot.0"] == [
        "log.100000006",
        "log.300000001",
        "snapshot.100000008",
        "snapshot.300000006",
    ]
    assert store.read_after(0) is None
    assert store.read_after(make(1, 5)) is None
    assert store.read_after(make(1, 6)) == LONG[6:]
    assert store.last_not_after(make(1, 4)) is None
    assert recovered(long.open()) == LONG
    store.purge(1)
    assert names(long) == ["log.300000001", "snapshot.300000006"]
    assert recovered(long.open()) == LONG


def test_the_bytes_in_memory_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(txnlog, "COMMITTED_LOG_BYTES_MAX", 5000)
    store = bench.open()
    history = entries(1, 1, 40, 500)
    for index in range(0, 40, 4):
        bench.synced(store, history[index : index + 4])
        assert sum(len(payload) for _, payload in store._log.recent) <= 5000
    assert store.read_after(0) == history


def test_the_number_in_memory_is_bounded(bench: Bench) -> None:
    store = bench.open()
    history = entries(1, 1, limits.COMMITTED_LOG_TXNS_MAX + 100, 5)
    bench.synced(store, history)
    assert len(store._log.recent) == limits.COMMITTED_LOG_TXNS_MAX
    again = bench.open()
    assert len(again._log.recent) == limits.COMMITTED_LOG_TXNS_MAX
    assert store.read_after(0) == again.read_after(0) == history


# -- recovery ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["log.100000001", "log.100000004", "log.100000007"])
def test_a_missing_file_in_the_middle_is_noticed(bench: Bench, missing: str) -> None:
    """Apache replays what is left (dev@ msg76836)."""
    store = bench.open()
    for first in (1, 4, 7, 10):
        bench.synced(store, entries(1, first, first + 2))
        store._log.roll()
    bench.data.discard(f"version-2/{missing}")
    with pytest.raises(CorruptionError, match="a log file is missing"):
        bench.open()


@pytest.mark.parametrize("missing", ["log.100000001", "log.100000004", "log.200000001"])
@pytest.mark.parametrize("snapshot", [0, 3])
def test_a_missing_file_that_ends_an_epoch_is_noticed(bench: Bench, missing: str, snapshot: int) -> None:
    """Zxids alone do not tell: 3:1 may come behind any of epoch 2, and of epoch 1 (found by the simulator)."""
    store = bench.open()
    bench.synced(store, entries(1, 1, 3))
    bench.snapshot(store, entries(1, 1, snapshot))
    store._log.roll()
    for epoch, first in ((1, 4), (2, 1), (3, 1)):
        bench.synced(store, entries(epoch, first, first + 2))
        store._log.roll()
    bench.data.discard(f"version-2/{missing}")
    if snapshot and missing == "log.100000001":
        assert recovered(bench.open())[-1][0] == make(3, 3)
        return
    with pytest.raises(CorruptionError, match="a log file is missing"):
        bench.open()


def test_a_learner_is_not_given_what_lies_around_a_missing_file(bench: Bench) -> None:
    """What is older than the snapshot is not looked at by a start, only when a learner is far behind."""
    history = [*entries(1, 1, 3), *entries(1, 4, 6), *entries(2, 1, 3), *entries(3, 1, 3)]
    store = bench.open()
    for index in range(0, len(history), 3):
        bench.synced(store, history[index : index + 3])
        store._log.roll()
    bench.snapshot(store, history)
    bench.data.discard("version-2/log.200000001")
    again = bench.open()
    again._log.recent.clear()
    again._log.base = history[-1][0]
    assert again.read_after(make(1, 4)) is None
    assert again.read_after(make(3, 1)) == history[-2:]


def test_a_file_names_the_transaction_before_it_also_when_that_is_a_snapshot(bench: Bench) -> None:
    store = bench.open()
    store.install_snapshot(make(4, 7), body_of(entries(4, 7, 7)), 1)
    bench.synced(store, entries(5, 1, 2))
    content = bench.data.content()
    assert predecessor_in(content["version-2/log.500000001"]) == make(4, 7)
    assert recovered(bench.open())[-1][0] == make(5, 2)
    bench.data.discard("version-2/snapshot.400000007")
    bench.data.put("version-2/snapshot.400000006", content["version-2/snapshot.400000007"])
    with pytest.raises(CorruptionError, match="a log file is missing"):
        bench.open()


def test_what_a_file_is_told_to_follow_is_what_was_left_by_a_cut(bench: Bench) -> None:
    store = bench.open()
    bench.synced(store, [*entries(1, 1, 9)])
    store.truncate(make(1, 4))
    bench.synced(store, entries(2, 1, 2))
    assert predecessor_in(bench.data.content()["version-2/log.200000001"]) == make(1, 4)
    assert recovered(bench.open()) == [*entries(1, 1, 4), *entries(2, 1, 2)]


def test_files_of_apache_name_no_predecessor_and_are_taken_by_their_zxids(bench: Bench) -> None:
    store = bench.open()
    bench.synced(store, entries(1, 1, 3))
    content = HEADER + b"".join([encode(payload) for _, payload in entries(2, 1, 2)])
    bench.data.put("version-2/log.200000001", content)
    assert recovered(bench.open()) == [*entries(1, 1, 3), *entries(2, 1, 2)]


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


# -- cutting -------------------------------------------------------------------------------------------------


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


# -- snapshots -----------------------------------------------------------------------------------------------


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


# -- epochs --------------------------------------------------------------------------------------------------


def test_epochs_are_durable_numbers(bench: Bench) -> None:
    store = bench.open()
    store.save_accepted_epoch(12)
    store.save_current_epoch(11)
    assert bench.data.durable_content()["version-2/acceptedEpoch"].startswith(b"12\n")
    assert bench.data.durable_content()["version-2/currentEpoch"].startswith(b"11\n")
    store = bench.open()
    assert (store.accepted_epoch, store.current_epoch) == (12, 11)


def test_epochs_do_not_go_back(bench: Bench) -> None:
    store = bench.open()
    store.save_accepted_epoch(5)
    store.save_current_epoch(4)
    for save, epoch in (
        (store.save_accepted_epoch, 4),
        (store.save_current_epoch, 3),
        (store.save_current_epoch, 6),
    ):
        with pytest.raises(InvariantViolation):
            save(epoch)


def test_a_history_beyond_the_current_epoch_raises_it(bench: Bench) -> None:
    """A crash between a leader's history and its epoch must not keep the server down (ZOOKEEPER-1653)."""
    store = bench.open()
    store.save_accepted_epoch(3)
    store.save_current_epoch(1)
    bench.synced(store, [*entries(1, 1, 2), *entries(2, 1, 1)])
    bench.crash()
    store = bench.open()
    assert (store.accepted_epoch, store.current_epoch) == (3, 2)
    assert bench.data.durable_content()["version-2/currentEpoch"].startswith(b"2\n")


def test_without_files_the_epochs_are_those_of_the_history(bench: Bench) -> None:
    store = bench.open()
    bench.synced(store, entries(4, 1, 2))
    store = bench.open()
    assert (store.accepted_epoch, store.current_epoch) == (4, 4)


def test_a_server_that_lost_its_epochs_enters_none_without_a_promise(bench: Bench) -> None:
    """I8, found by the simulator: the promise was taken from the history, and was nowhere."""
    store = bench.open()
    bench.synced(store, entries(4, 1, 2))
    bench.open().save_current_epoch(4)
    assert epochs.decode(bench.data.read("version-2/acceptedEpoch"), "") == 4
    assert epochs.decode(bench.data.read("version-2/currentEpoch"), "") == 4
    bench.data.discard("version-2/acceptedEpoch")
    with pytest.raises(StorageError, match="acceptedEpoch is missing"):
        bench.open()


@pytest.mark.parametrize(
    ("accepted", "current", "why"),
    [
        (b"1", b"2", "has been in epoch 2"),
        (b"1", b"1", "ends at 2:1"),
        (b"", b"1", "not a number"),
        (b"x", b"1", "not a"),
    ],
)
def test_epochs_that_contradict_are_refused(bench: Bench, accepted: bytes, current: bytes, why: str) -> None:
    store = bench.open()
    bench.synced(store, entries(2, 1, 1))
    bench.data.put("version-2/acceptedEpoch", accepted)
    bench.data.put("version-2/currentEpoch", current)
    with pytest.raises(StorageError, match=why):
        bench.open()


def test_apache_reads_and_writes_the_first_line_only(bench: Bench) -> None:
    bench.open()
    bench.data.put("version-2/acceptedEpoch", b"7\n")
    assert bench.open().accepted_epoch == 7


def test_no_flipped_bit_makes_another_epoch(bench: Bench) -> None:
    """A server that claimed an epoch it was never in was elected over those that held what was committed."""
    store = bench.open()
    store.save_accepted_epoch(5)
    store.save_current_epoch(4)
    for name in ("version-2/acceptedEpoch", "version-2/currentEpoch"):
        for place in range(len(bench.data.durable_content()[name])):
            for bit in range(8):
                bench.data.flip(name, place, 1 << bit)
                with pytest.raises(CorruptionError, match=r"not a number|checksum does not hold"):
                    bench.open()
                bench.data.flip(name, place, 1 << bit)
    assert bench.open().current_epoch == 4


def test_a_promise_that_was_lost_is_not_forgotten(bench: Bench) -> None:
    store = bench.open()
    store.save_accepted_epoch(3)
    store.save_current_epoch(3)
    bench.data.discard("version-2/acceptedEpoch")
    with pytest.raises(StorageError, match="acceptedEpoch is missing"):
        bench.open()


# -- failing disks -------------------------------------------------------------------------------------------


def life(store: Store, disk: SimulatedDisk, bench: Bench) -> None:
    """Do one of everything."""
    bench.synced(store, entries(1, 1, 4))
    store.save_accepted_epoch(1)
    store.save_current_epoch(1)
    bench.snapshot(store, entries(1, 1, 4))
    bench.synced(store, entries(1, 5, 9))
    store.truncate(make(1, 6))
    bench.synced(store, entries(1, 7, 8))
    store.install_snapshot(make(1, 20), body_of(entries(1, 1, 20)), 0)
    bench.synced(store, entries(1, 21, 22))


OPERATIONS = (
    "names",
    "read",
    "write",
    "allocate",
    "sync",
    "truncate",
    "remove",
    "write_atomic",
    "write_aside",
)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_every_failing_call_ends_the_server_and_loses_nothing(operation: str, code: int) -> None:
    """In particular a truncation that failed is not passed over (ZOOKEEPER-3701)."""
    met = 0
    for skip in range(60):
        bench = Bench(skip)
        store = bench.open()
        bench.data.fail(operation, code, skip=skip)
        durable = 0
        try:
            life(store, bench.data, bench)
        except StorageError:
            met += 1
            durable = store.zxid_durable
        else:
            break
        bench.crash(Random(skip))
        bench.data.heal()
        again = bench.open()
        assert again.zxid_logged >= min(durable, make(1, 6))
        full = entries(1, 1, 22)
        assert recovered(again) == full[: len(recovered(bench.open()))]
    assert met


def test_a_full_disk_ends_the_server() -> None:
    bench = Bench()
    store = bench.open()
    bench.data.capacity_bytes = 3 * limits.LOG_ALLOCATE_BYTES // 2
    bench.synced(store, entries(1, 1, 2, 400_000))
    with pytest.raises(StorageError, match="No space left"):
        bench.synced(store, entries(1, 3, 6, 400_000))
    durable = store.zxid_durable
    bench.crash()
    bench.data.heal()
    assert bench.open().zxid_logged >= durable > 0
