"""The two epochs: durable, never smaller, and never taken for others."""

from __future__ import annotations

import pytest

from ensemble.errors import CorruptionError, InvariantViolation, StorageError
from ensemble.storage import epochs
from tests.ensemble.storage.harness import Bench, entries


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
        (b"9" * 5000, b"1", "not a number"),
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
