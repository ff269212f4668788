"""What an operator may set of the files, and what it does to them."""

from __future__ import annotations

import pytest

from ensemble.errors import CorruptionError, StorageError
from ensemble.storage import snapshots
from ensemble.storage.records import HEADER, MARK_BYTES, encode, scan
from ensemble.storage.settings import StorageSettings
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, body_of, entries, recovered


@pytest.mark.parametrize(
    ("settings", "behind"),
    [
        (StorageSettings(), 13 + 20 + 13 + 8 + 13),
        (StorageSettings(digest=False), 13 + 8 + 13),
        (StorageSettings(last_zxid=False), 13 + 20 + 13),
        (StorageSettings(digest=False, last_zxid=False), 13),
    ],
)
def test_a_snapshot_ends_with_the_sections_asked_for(settings: StorageSettings, behind: int) -> None:
    body = body_of(entries(1, 1, 3)) + b"\0\0\0\x01/"
    data = b"".join(snapshots.encode(5, [body], 7, settings))
    assert len(data) == len(snapshots.HEADER) + len(body) + behind
    assert snapshots.body_of(data, "snapshot.5") == body


@pytest.mark.parametrize(("step", "size"), [(0, None), (4096, 4096), (100_000, 100_000)])
def test_a_log_file_is_extended_in_the_steps_asked_for(step: int, size: int | None) -> None:
    bench = Bench(settings=StorageSettings(log_allocate_bytes=step))
    store = bench.open()
    history = entries(1, 1, 3)
    bench.synced(store, history)
    content = bench.log.read(f"version-2/log.{make(1, 1):x}")
    assert len(content) == (size or scan(content)[1] + MARK_BYTES)
    assert recovered(bench.open()) == history


def test_only_as_many_transactions_stay_in_memory_as_asked_for() -> None:
    bench = Bench(settings=StorageSettings(recent_txns_max=7))
    store = bench.open()
    history = entries(1, 1, 30)
    bench.synced(store, history)
    assert len(store._log.recent) == 7
    assert len(bench.open()._log.recent) == 7
    assert bench.open().read_after(0) == history


def lose_snapshots(bench: Bench) -> None:
    for name in bench.data.names("version-2"):
        if name.startswith("snapshot"):
            bench.data.remove(f"version-2/{name}")


def test_logs_without_a_snapshot_are_trusted_only_when_asked_to() -> None:
    bench = Bench()
    history = entries(0, 1, 5)
    bench.synced(bench.open(), history)
    lose_snapshots(bench)
    with pytest.raises(StorageError, match=r"snapshot\.trust\.empty=true"):
        bench.open()
    bench.settings = StorageSettings(trust_no_snapshot=True)
    assert recovered(bench.open()) == history
    bench.settings = StorageSettings()
    assert recovered(bench.open()) == history


def test_trust_does_not_make_up_for_a_lost_log() -> None:
    bench = Bench(settings=StorageSettings(trust_no_snapshot=True))
    added = entries(0, 5, 9)
    content = HEADER + b"".join([encode(payload) for _, payload in added])
    bench.log.write_atomic("version-2/log.5", content)
    with pytest.raises(CorruptionError, match="a log file is missing"):
        bench.open()


def test_an_empty_directory_becomes_a_tree_only_where_that_is_allowed() -> None:
    bench = Bench(settings=StorageSettings(create=False))
    with pytest.raises(StorageError, match=r"db\.autocreate=false.*named initialize"):
        bench.open()
    bench.settings = StorageSettings()
    bench.synced(bench.open(), entries(1, 1, 2))
    bench.settings = StorageSettings(create=False)
    assert recovered(bench.open()) == entries(1, 1, 2)
