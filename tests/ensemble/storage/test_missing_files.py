"""A log file that is gone from the middle of a history is noticed, whatever its neighbours look like."""

from __future__ import annotations

import pytest

from ensemble.errors import CorruptionError
from ensemble.storage.records import HEADER, encode, predecessor_in
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, body_of, entries, recovered


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
