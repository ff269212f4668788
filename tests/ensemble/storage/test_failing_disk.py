"""A disk that fails ends the server, and loses nothing that was durable."""

from __future__ import annotations

import errno
from random import Random

import pytest

from ensemble import limits
from ensemble.errors import StorageError
from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.storage.store import Store
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, body_of, entries, recovered


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
