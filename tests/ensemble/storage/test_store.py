"""The log as a store keeps it: appended, synced, read back, thinned out, and bounded in memory."""

from __future__ import annotations

import pytest

from ensemble import limits
from ensemble.errors import InvariantViolation
from ensemble.storage import txnlog
from ensemble.storage.settings import StorageSettings
from ensemble.zxid import make
from tests.ensemble.storage.harness import LONG, Bench, body_of, entries, entry, names, recovered


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
