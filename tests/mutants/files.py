"""Known ways to get files wrong, each with the test of ``storage`` or ``runtime`` that is to notice.

The simulator's disks lose power and do not rot, and no server in it is told to cut history below a snapshot it has
taken: snapshots are taken of what is committed.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ensemble.errors import InvariantViolation, StorageError
from ensemble.runtime.disk import disk as disk_module
from ensemble.runtime.disk.disk import FileDisk
from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.storage import records, tail
from ensemble.storage.store import Store
from ensemble.storage.txnlog import TxnLog
from ensemble.tree.operations import OPEN_ACL, Op
from ensemble.tree.tree import Outcome, Tree
from ensemble.tree.txns import CloseSessionTxn, CreateSessionTxn, CreateTxn, Txn
from ensemble.zxid import make
from tests.ensemble.storage import test_tail, test_truncating
from tests.ensemble.storage.harness import Bench, body_of, entries, recovered

Patch = pytest.MonkeyPatch
Hunt = Callable[[Path], None]


def keep_newer_snapshots(patch: Patch) -> None:
    """M10 (ZOOKEEPER-4837): a truncation leaves snapshots of what it cut."""
    truncate = Store.truncate

    def keeping(self: Store, zxid: int) -> None:
        remove = SimulatedDisk.remove
        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(
                SimulatedDisk,
                "remove",
                lambda disk, name: None if "snapshot" in name else remove(disk, name),
            )
            truncate(self, zxid)

    patch.setattr(Store, "truncate", keeping)


def swallow_a_failed_truncation(patch: Patch) -> None:
    """M11 (ZOOKEEPER-3701): a truncation that failed is taken for done."""
    truncate = TxnLog.truncate

    def swallow(self: TxnLog, zxid: int) -> None:
        try:
            truncate(self, zxid)
        except StorageError:
            self._continue_from(self.zxid_logged)

    patch.setattr(TxnLog, "truncate", swallow)


def go_on_after_a_failed_sync(patch: Patch) -> None:
    """M12: a sync that failed is reported like any other."""

    def sync(path: int) -> None:
        try:
            fdatasync(path)
        except OSError:
            return

    fdatasync = os.fdatasync
    forgiving: Any = type("Forgiving", (), {**vars(os), "fdatasync": staticmethod(lambda file: sync(file))})
    patch.setattr(disk_module, "os", forgiving)


def ignore_checksums(patch: Patch) -> None:
    """M13: whatever stands in the log is read."""

    class Whatever(int):
        def __ne__(self, other: object) -> bool:
            return False

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

    adler32 = records.adler32
    patch.setattr(records, "adler32", lambda data: Whatever(adler32(data)))


def take_rot_for_a_tear(patch: Patch) -> None:
    """M14: the log ends where it cannot be read any more, whatever was durable behind."""
    patch.setattr(tail, "_is_torn", lambda *_: True)


def bring_back_what_was_cut(patch: Patch) -> None:
    """M17 in the log: a sync asked for before a truncation says what is durable after it."""
    on_synced = TxnLog._on_synced
    patch.setattr(
        TxnLog, "_on_synced", lambda self, upto, incarnation: on_synced(self, upto, self._incarnation)
    )


def close_only_once(patch: Patch) -> None:
    """M21 (ZOOKEEPER-3145): a closeSession that is applied again finds its ephemerals gone, and fails.

    Snapshots stand between two transactions, so that nothing is applied twice to what we wrote; Apache's snapshots
    are fuzzy, and are read too.
    """
    apply = Tree.apply

    def strict(self: Tree, txn: Txn) -> Outcome:
        if isinstance(txn.record, CloseSessionTxn) and any(
            path not in self.nodes for path in txn.record.paths
        ):
            raise InvariantViolation("an ephemeral of the session is gone")
        return apply(self, txn)

    patch.setattr(Tree, "apply", strict)


# -- those who notice ------------------------------------------------------------------------------------------


def hunt_cut_snapshots(_: Path) -> None:
    """What was cut is gone for good, also what a snapshot said of it."""
    for index in range(1, 5):
        bench = Bench()
        store = bench.open()
        bench.snapshot(store, [])
        bench.synced(store, entries(1, 1, 5))
        bench.snapshot(store, entries(1, 1, 5))
        store.truncate(make(1, index))
        bench.crash()
        assert recovered(bench.open()) == entries(1, 1, index)
        assert bench.open().read_snapshot() != (make(1, 5), body_of(entries(1, 1, 5)))


def hunt_failed_truncations(_: Path) -> None:
    """A truncation that was passed over is undone by the next start."""
    bench = Bench()
    store = bench.open()
    bench.synced(store, entries(1, 1, 5))
    bench.data.fail("truncate", errno.ENOSPC)
    with pytest.raises(StorageError):
        store.truncate(make(1, 2))


def hunt_failed_syncs(tmp_path: Path) -> None:
    """A sync that failed is never called durable."""

    def refuse(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async def write() -> list[str]:
        outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def decide(what: str) -> None:
            if not outcome.done():
                outcome.set_result(what)

        disk = FileDisk(
            tmp_path, loop=asyncio.get_running_loop(), fail=lambda _: decide("failed"), wake=lambda: None
        )
        disk.write("version-2/log.1", 0, b"evil")
        disk.sync(lambda: decide("durable"))
        try:
            return [await asyncio.wait_for(outcome, 10)]
        finally:
            disk.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        assert asyncio.run(write()) == ["failed"]


def hunt_flipped_bytes(_: Path) -> None:
    """See the test."""
    test_tail.test_every_flipped_byte_is_noticed_unless_it_is_the_end((0x01,))


def hunt_stale_syncs(_: Path) -> None:
    """See the test."""
    bench = Bench()
    test_truncating.test_a_sync_asked_before_a_cut_is_answered_and_does_not_bring_back_what_is_gone(bench)


def hunt_repeated_transactions(_: Path) -> None:
    """What is applied again to a tree that holds it already changes nothing."""
    ephemeral = CreateTxn("/e", b"", OPEN_ACL, ephemeral=True, parent_cversion=1)
    history = [
        Txn(1, 1, make(1, 1), 0, Op.CREATE_SESSION, CreateSessionTxn(4000)),
        Txn(1, 2, make(1, 2), 0, Op.CREATE, ephemeral),
        Txn(1, 3, make(1, 3), 0, Op.CLOSE_SESSION, CloseSessionTxn(["/e"])),
    ]
    tree = Tree()
    for txn in history:
        tree.apply(txn)
    digest = tree.digest()
    for again in range(len(history)):
        for txn in history[again:]:
            try:
                tree.apply(txn)
            except InvariantViolation as error:
                pytest.fail(str(error))
        assert tree.digest() == digest


MUTANTS: dict[Callable[[Patch], None], Hunt] = {
    keep_newer_snapshots: hunt_cut_snapshots,
    swallow_a_failed_truncation: hunt_failed_truncations,
    go_on_after_a_failed_sync: hunt_failed_syncs,
    ignore_checksums: hunt_flipped_bytes,
    take_rot_for_a_tear: hunt_flipped_bytes,
    bring_back_what_was_cut: hunt_stale_syncs,
    close_only_once: hunt_repeated_transactions,
}
"""Each mutant, and who notices."""
