"""The real disk: order, durability calls, failures, and the child that writes aside."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ensemble.errors import StorageError
from ensemble.runtime.disk.aside import Aside
from ensemble.runtime.disk.disk import FileDisk
from ensemble.runtime.disk.files import ReadOnlyFiles, write_replacing


class Host:
    """A disk, and what its host was told."""

    def __init__(self, directory: Path) -> None:
        self.failures: list[StorageError] = []
        self.failed = asyncio.Event()
        self.woken = 0
        self.disk = FileDisk(directory, loop=asyncio.get_running_loop(), fail=self._fail, wake=self._wake)

    def _fail(self, error: StorageError) -> None:
        self.failures.append(error)
        self.failed.set()

    def _wake(self) -> None:
        self.woken += 1

    async def synced(self) -> None:
        await told(self.disk.sync)

    async def aside(self, name: str, chunks: list[bytes]) -> None:
        await told(lambda done: self.disk.write_aside(name, chunks, done))


async def told(ask: Callable[[Callable[[], None]], object]) -> None:
    """Wait until a callback comes."""
    event = asyncio.Event()
    ask(event.set)
    await asyncio.wait_for(event.wait(), 10)


def open_files() -> list[str]:
    """Return the paths of the files this process holds open."""
    links = [Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd")]
    return [os.readlink(link) for link in links if link.is_symlink()]


def children() -> set[int]:
    """Return the children of this process that run or wait to be reaped; a browser's driver may be among them."""
    lists = [task / "children" for task in Path("/proc/self/task").iterdir()]
    return {int(pid) for each in lists for pid in each.read_text().split()}


@pytest.fixture
async def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path / "data")
    yield host
    host.disk.close()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that make things durable, in order, by the names of files."""
    made: list[str] = []

    def noted(name: str) -> None:
        real = getattr(os, name)

        def call(first: object, *rest: object) -> object:
            where = os.readlink(f"/proc/self/fd/{first}") if isinstance(first, int) else str(first)
            made.append(f"{name} {Path(where).name}")
            return real(first, *rest)

        monkeypatch.setattr(os, name, call)

    for name in ("fsync", "fdatasync", "rename", "unlink"):
        noted(name)
    return made


async def test_writes_are_carried_out_in_order_and_callbacks_come_later(host: Host) -> None:
    told_at: list[str] = []
    host.disk.write("version-2/log.1", 0, b"aaaa")
    host.disk.write("version-2/log.1", 2, b"bb")
    host.disk.sync(lambda: told_at.append("first"))
    host.disk.write("version-2/log.1", 4, b"cc")
    assert told_at == []
    await host.synced()
    assert told_at == ["first"]
    assert host.disk.read("version-2/log.1") == b"aabbcc"
    assert host.woken == 2
    assert len(host.disk.sync_durations_us) == 2
    assert host.disk.sync_us(0.5) <= host.disk.sync_us(0.99)


async def test_a_new_file_is_synced_with_its_directory_and_later_without(
    host: Host, calls: list[str]
) -> None:
    host.disk.write("version-2/log.1", 0, b"a")
    await host.synced()
    assert calls == ["fsync data", "fdatasync log.1", "fsync version-2"]
    calls.clear()
    host.disk.write("version-2/log.1", 1, b"b")
    await host.synced()
    assert calls == ["fdatasync log.1"]
    calls.clear()
    await host.synced()
    assert calls == []


async def test_atomic_write_and_removal_sync_the_directory(host: Host, calls: list[str]) -> None:
    host.disk.write_atomic("version-2/currentEpoch", b"1")
    assert calls[1:] == ["fsync currentEpoch.tmp", "rename currentEpoch.tmp", "fsync version-2"]
    calls.clear()
    host.disk.remove("version-2/currentEpoch")
    assert calls == ["unlink currentEpoch", "fsync version-2"]
    assert host.disk.names("version-2") == []


async def test_what_is_cut_off_is_cut_off_for_good(host: Host, calls: list[str]) -> None:
    host.disk.write("version-2/log.1", 0, b"keep-cut")
    await host.synced()
    calls.clear()
    host.disk.truncate("version-2/log.1", 4)
    assert calls == ["fsync log.1", "fsync version-2"]
    assert host.disk.read("version-2/log.1") == b"keep"


async def test_names_that_are_told_are_durable(host: Host, calls: list[str]) -> None:
    """A predecessor may have died before it synced the directory: what recovery builds upon must not go later."""
    (host.disk.directory / "version-2").mkdir()
    (host.disk.directory / "version-2" / "log.1").touch()
    assert host.disk.names("version-2") == ["log.1"]
    assert calls == ["fsync version-2"]


async def test_blocking_calls_wait_for_the_queue(host: Host) -> None:
    for offset in range(200):
        host.disk.write("version-2/log.1", offset, b"x")
    host.disk.truncate("version-2/log.1", 150)
    assert host.disk.read("version-2/log.1") == b"x" * 150
    host.disk.write("version-2/log.2", 0, b"y")
    assert host.disk.names("version-2") == ["log.1", "log.2"]


async def test_allocating_extends_by_zeros_and_never_shrinks(host: Host) -> None:
    host.disk.write("version-2/log.1", 0, b"abc")
    host.disk.allocate("version-2/log.1", 10_000)
    host.disk.allocate("version-2/log.1", 5)
    assert host.disk.read("version-2/log.1") == b"abc" + bytes(9_997)


async def test_allocating_where_the_file_system_cannot(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    host.disk.allocate("version-2/log.1", 10_000)
    assert host.disk.read("version-2/log.1") == bytes(10_000)
    assert host.failures == []


def refusing(code: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


async def test_a_failed_sync_ends_the_server_and_nothing_follows(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.disk.write("version-2/log.1", 0, b"good")
    await host.synced()
    told_at: list[str] = []
    monkeypatch.setattr(os, "fdatasync", refusing(errno.EIO))
    host.disk.write("version-2/log.1", 0, b"evil")
    host.disk.sync(lambda: told_at.append("durable"))
    await asyncio.wait_for(host.failed.wait(), 10)
    monkeypatch.undo()
    with pytest.raises(StorageError, match=r"log\.1"):
        host.disk.write("version-2/log.1", 0, b"late")
    host.disk.sync(lambda: told_at.append("late"))
    with pytest.raises(StorageError, match=r"log\.1"):
        host.disk.read("version-2/log.1")
    await asyncio.sleep(0)
    reason = os.strerror(errno.EIO)
    (failure,) = map(str, host.failures)
    assert failure.startswith(f"{host.disk.directory}/version-2/log.1: {reason}; replace the disk")
    assert told_at == []
    assert b"late" not in (host.disk.directory / "version-2/log.1").read_bytes()


async def test_a_directory_that_cannot_be_measured_ends_the_server_and_not_the_thread_alone(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "scandir", refusing(errno.EIO))
    measured: list[int] = []
    host.disk.measure("", measured.append)
    await asyncio.wait_for(host.failed.wait(), 10)
    assert "Input/output error" in str(host.failures[0])
    assert str(host.disk.directory) in str(host.failures[0])
    with pytest.raises(StorageError):
        host.disk.names("")
    assert measured == []


async def test_a_failed_write_raises_and_no_sync_is_reported_after_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_at: list[str] = []
    host.disk.write("version-2/log.1", 0, b"good")
    host.disk.sync(lambda: told_at.append("under way"))
    monkeypatch.setattr(os, "pwrite", refusing(errno.ENOSPC))
    with pytest.raises(StorageError, match="No space left on device; make room"):
        host.disk.write("version-2/log.1", 4, b"evil")
    monkeypatch.undo()
    with pytest.raises(StorageError, match="No space left"):
        host.disk.write("version-2/log.1", 4, b"late")
    with pytest.raises(StorageError, match="No space left"):
        host.disk.read("version-2/log.1")  # waits for the thread: the sync is done by now
    await asyncio.sleep(0)
    assert told_at == []


async def test_a_blocking_call_names_the_file_and_the_reason(host: Host) -> None:
    with pytest.raises(StorageError, match=r"snapshot\.9: No such file or directory"):
        host.disk.read("version-2/snapshot.9")


async def test_short_writes_are_completed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: real(file, bytes(data[:3]), offset))
    host.disk.write("version-2/log.1", 0, b"0123456789")
    assert host.disk.read("version-2/log.1") == b"0123456789"


async def test_one_server_per_directory(host: Host) -> None:
    with pytest.raises(StorageError, match="in use by another server"):
        Host(host.disk.directory)
    host.disk.close()
    again = Host(host.disk.directory)
    again.disk.close()


async def test_nothing_is_called_back_after_closing(host: Host) -> None:
    told_at: list[str] = []
    host.disk.write("version-2/log.1", 0, b"kept")
    host.disk.sync(lambda: told_at.append("durable"))
    host.disk.close()
    await asyncio.sleep(0.01)  # silence is tested
    assert told_at == []
    assert (host.disk.directory / "version-2/log.1").read_bytes() == b"kept"


async def test_old_files_are_closed(host: Host) -> None:
    for number in range(20):
        host.disk.write(f"version-2/log.{number}", 0, b"x")
        await host.synced()
    host.disk.names("version-2")  # waits for what is queued behind the last sync
    held = open_files()
    assert len([path for path in held if path.startswith(str(host.disk.directory / "version-2"))]) <= 4


# -- aside ---------------------------------------------------------------------------------------------------


async def test_aside_sees_the_chunks_as_they_were_at_the_call(host: Host) -> None:
    state = bytearray(b"then")
    chunks = (bytes(state) for _ in range(3))
    done = asyncio.Event()
    host.disk.write_aside("version-2/snapshot.1", chunks, done.set)
    state[:] = b"now!"
    await asyncio.wait_for(done.wait(), 10)
    assert host.disk.read("version-2/snapshot.1") == b"then" * 3
    assert host.disk.names("version-2") == ["snapshot.1"]
    assert host.woken == 1


async def test_the_queue_goes_on_meanwhile_and_no_child_is_left(host: Host) -> None:
    before = children()
    aside = asyncio.ensure_future(host.aside("version-2/snapshot.1", [b"x" * 4_000_000]))
    await asyncio.sleep(0)
    assert children() > before
    host.disk.write("version-2/log.1", 0, b"a")
    await host.synced()
    await aside
    assert len(host.disk.read("version-2/snapshot.1")) == 4_000_000
    assert children() <= before


async def test_a_child_that_fails_is_reported_with_its_reason(host: Host) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"begun"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    host.disk.write_aside("version-2/snapshot.1", chunks(), lambda: pytest.fail("it cannot be done"))
    await asyncio.wait_for(host.failed.wait(), 10)
    assert "snapshot.1: No space left on device; make room on that disk" in str(host.failures[0])
    with pytest.raises(StorageError):
        host.disk.names("version-2")


async def test_a_child_that_is_killed_is_reported(host: Host) -> None:
    def chunks() -> Iterator[bytes]:
        os.kill(os.getpid(), signal.SIGKILL)
        yield b""

    host.disk.write_aside("version-2/snapshot.1", chunks(), lambda: pytest.fail("it cannot be done"))
    await asyncio.wait_for(host.failed.wait(), 10)
    assert "status -9" in str(host.failures[0])


async def test_a_child_keeps_no_socket_open(host: Host) -> None:
    ours, theirs = socket.socketpair()
    release, held = os.pipe()

    def chunks() -> Iterator[bytes]:
        # Inherited descriptors are gone, so the child can only wait for time to pass: for its parent.
        signal.sigtimedwait([signal.SIGUSR1], 10)
        yield b"x"

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    try:
        done = asyncio.Event()
        host.disk.write_aside("version-2/snapshot.1", chunks(), done.set)
        child = next(iter(host.disk._asides))._pid
        ours.close()
        theirs.settimeout(5)
        assert await asyncio.to_thread(theirs.recv, 1) == b""
        os.kill(child, signal.SIGUSR1)
        await asyncio.wait_for(done.wait(), 10)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        theirs.close()
        os.close(release)
        os.close(held)


async def test_closing_abandons_the_child(host: Host) -> None:
    def chunks() -> Iterator[bytes]:
        signal.sigtimedwait([signal.SIGUSR1], 10)
        yield b"x"

    host.disk.write_aside("version-2/snapshot.1", chunks(), lambda: pytest.fail("nobody waits"))
    aside: Aside = next(iter(host.disk._asides))
    host.disk.close()
    with pytest.raises(ProcessLookupError):
        os.kill(aside._pid, 0)
    assert not (host.disk.directory / "version-2/snapshot.1").exists()


async def test_without_force_sync_nothing_waits_for_the_disk(tmp_path: Path, calls: list[str]) -> None:
    disk = FileDisk(tmp_path, loop=asyncio.get_running_loop(), fail=pytest.fail, force_sync=False)
    try:
        disk.write("version-2/log.1", 0, b"abc")
        calls.clear()
        await told(disk.sync)
        assert calls == []
        assert disk.read("version-2/log.1") == b"abc"
    finally:
        disk.close()


async def test_a_slow_sync_is_told_with_the_file_and_how_long_it_took(tmp_path: Path) -> None:
    slow: list[tuple[str, int, float]] = []
    disk = FileDisk(
        tmp_path,
        loop=asyncio.get_running_loop(),
        fail=pytest.fail,
        slow_sync_ms=0,
        on_slow_sync=lambda name, size, took_ms: slow.append((name, size, took_ms)),
    )
    try:
        disk.write("version-2/log.1", 0, b"abc")
        await told(disk.sync)
        await told(disk.sync)  # with nothing to write it is no sync
        ((name, size, took_ms),) = slow
        assert (name, size) == ("version-2/log.1", 3)
        assert took_ms > 0
    finally:
        disk.close()


def test_a_symbolic_link_in_the_place_of_a_file_is_refused_and_what_it_names_stays(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    for name in ("log.1", "snapshot.0", "epoch.tmp"):
        (tmp_path / name).symlink_to(elsewhere)
    with pytest.raises(StorageError, match=r"snapshot\.0"):
        ReadOnlyFiles(tmp_path).read("snapshot.0")
    with pytest.raises(OSError, match="symbolic"):
        write_replacing(tmp_path / "epoch", ".tmp", [b"1"])
    assert elsewhere.read_bytes() == b"precious"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda disk: disk.write("log.1", 0, b"overwritten"),
        lambda disk: disk.allocate("log.1", 100_000),
        lambda disk: disk.read("log.1"),
        lambda disk: disk.truncate("log.1", 0),
    ],
    ids=["write", "allocate", "read", "truncate"],
)
async def test_a_disk_follows_no_symbolic_link(tmp_path: Path, attempt: Callable[[FileDisk], object]) -> None:
    """Each on a disk of its own: behind the first failure a disk refuses everything."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "log.1").symlink_to(elsewhere)
    disk = FileDisk(tmp_path / "data", loop=asyncio.get_running_loop(), fail=lambda error: None)
    with pytest.raises(StorageError, match="symbolic"):
        attempt(disk)
    disk.close()
    assert elsewhere.read_bytes() == b"precious"
