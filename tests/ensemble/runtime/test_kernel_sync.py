"""Syncs by the kernel: that they happen, are reported, and fail like any other."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from ensemble.errors import StorageError
from ensemble.runtime import kernel_sync
from ensemble.runtime.disk import FileDisk
from ensemble.runtime.kernel_sync import IN_FLIGHT_MAX, KernelSync
from tests.ensemble.runtime.test_election_links import until


def opened() -> KernelSync:
    kernel = KernelSync.opened(asyncio.get_running_loop())
    if kernel is None:
        pytest.skip("this kernel, or its sandbox, has no io_submit with IOCB_CMD_FDSYNC")
    return kernel


async def test_a_file_is_synced_and_reported_from_the_loop(tmp_path: Path) -> None:
    kernel = opened()
    file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    os.write(file, b"x" * 100_000)
    results: list[int] = []
    assert kernel.submit(file, results.append)
    os.close(file)
    assert results == []
    await until(lambda: results == [0])
    kernel.close()


async def test_the_queue_is_bounded_and_empties(tmp_path: Path) -> None:
    kernel = opened()
    file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    results: list[int] = []
    assert all(kernel.submit(file, results.append) for _ in range(IN_FLIGHT_MAX))
    assert not kernel.submit(file, results.append)
    await until(lambda: results == [0] * IN_FLIGHT_MAX)
    assert kernel.submit(file, results.append)
    await until(lambda: len(results) == IN_FLIGHT_MAX + 1)
    os.close(file)
    kernel.close()


async def test_what_cannot_be_synced_is_left_to_somebody_else() -> None:
    kernel = opened()
    read_end, write_end = os.pipe()
    assert not kernel.submit(write_end, lambda _: None)
    os.close(read_end)
    os.close(write_end)
    assert not kernel.submit(write_end, lambda _: None)
    kernel.close()


async def test_nobody_is_called_back_after_the_close(tmp_path: Path) -> None:
    kernel = opened()
    file = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    results: list[int] = []
    kernel.submit(file, results.append)
    kernel.close()
    os.close(file)
    await asyncio.sleep(0.05)
    assert results == []


async def test_other_machines_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_sync.platform, "machine", lambda: "abacus")
    assert KernelSync.opened(asyncio.get_running_loop()) is None


class FakeKernel(KernelSync):
    """Reports when, and what, the test says."""

    def __init__(self) -> None:
        self.pending: list[object] = []

    def submit(self, file: int, done: object) -> bool:  # type: ignore[override]
        self.pending.append(done)
        return True

    def close(self) -> None:
        """Nothing is open."""


async def test_a_disk_reports_syncs_in_the_order_asked(tmp_path: Path) -> None:
    kernel, order, failures = FakeKernel(), [], []
    disk = FileDisk(tmp_path, loop=asyncio.get_running_loop(), fail=failures.append, kernel=kernel)
    disk.write("a", 0, b"new files go by the thread, for their directory")
    disk.sync(lambda: order.append("created"))
    await until(lambda: order == ["created"])
    disk.write("a", 0, b"1")
    disk.sync(lambda: order.append("by the kernel"))
    disk.write("b", 0, b"2")
    disk.sync(lambda: order.append("by the thread"))
    await asyncio.sleep(0.1)
    assert order == ["created"]
    kernel.pending.pop()(0)  # type: ignore[operator]
    await until(lambda: order == ["created", "by the kernel", "by the thread"])
    disk.close()
    assert failures == []


async def test_a_sync_that_fails_ends_the_disk(tmp_path: Path) -> None:
    kernel, done, failures = FakeKernel(), [], []
    disk = FileDisk(tmp_path, loop=asyncio.get_running_loop(), fail=failures.append, kernel=kernel)
    disk.write("a", 0, b"1")
    disk.sync(lambda: done.append(1))
    await until(lambda: done == [1])
    disk.write("a", 0, b"2")
    disk.sync(lambda: done.append(2))
    kernel.pending.pop()(errno.EIO)  # type: ignore[operator]
    assert done == [1]
    (failure,) = failures
    assert isinstance(failure, StorageError)
    assert str(tmp_path / "a") in str(failure)
    with pytest.raises(StorageError):
        disk.read("a")
    disk.close()
