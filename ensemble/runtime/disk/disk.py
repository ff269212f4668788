"""The real disk: files under one directory, a thread for what must not hold up the loop.

The thread does nothing but sync, and reports through the loop. A write only fills the page cache, which is
quicker than handing it over: each hand-over costs the thread a wait for the interpreter lock, up to the switch
interval of a busy loop, and a commit waited for four of them (measured: setData 50 outstanding, p50 79 ms to
40 ms). Everything else waits for the thread and then runs in the caller. Whatever fails ends the server: a
failed fsync leaves pages that no later fsync writes (ATC'20), so nothing is retried.

Why not without the thread: a sync by the kernel's own queue (io_submit) was no faster side by side, and tearing
its context down held the sockets of a killed server open, so that fail-over took 240 to 300 ms instead of 14 to 128.

New files become durable with their directory's entry: after a creation, a rename or a removal the directory
is synced too.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from time import perf_counter_ns

from ensemble.errors import StorageError
from ensemble.runtime.disk.aside import Aside
from ensemble.runtime.disk.files import (
    directory_bytes,
    open_directory,
    read_file,
    sentence,
    storage_errors,
    sync_directory,
    write_all,
    write_replacing,
)
from ensemble.storage.names import ASIDE_SUFFIX, TEMPORARY_SUFFIX

SYNC_DURATIONS_KEPT = 1024
FILES_OPEN_MAX = 4

_Work = Callable[[], None]


class FileDisk:
    """One directory (implements ``ports.Disk``).

    ``fail`` is called from the loop, once, with the ``StorageError`` of a queued call; ``wake`` before each
    callback, so that the host knows a step has begun. Two servers cannot open the same directory.

    Without ``force_sync`` a sync is reported when it is asked for: the kernel writes when it likes, and a power
    cut loses what was reported. ``on_slow_sync`` hears, in the loop, of each sync above ``slow_sync_ms``: the file,
    its size, and the milliseconds.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        loop: asyncio.AbstractEventLoop,
        fail: Callable[[StorageError], object],
        wake: Callable[[], object] = lambda: None,
        force_sync: bool = True,
        slow_sync_ms: float = float("inf"),
        on_slow_sync: Callable[[str, int, float], None] = lambda name, size, took_ms: None,
    ) -> None:
        self.directory = Path(directory)
        self.sync_durations_us: deque[int] = deque(maxlen=SYNC_DURATIONS_KEPT)
        """How long the last syncs took, oldest first."""
        self._loop = loop
        self._fail = fail
        self._wake = wake
        self._force_sync = force_sync
        self._slow_sync_us = slow_sync_ms * 1000
        self._on_slow_sync = on_slow_sync
        self._error: StorageError | None = None
        self._closed = False
        self._asides: set[Aside] = set()
        # The caller's own; a sync takes over what is unsynced when it is asked for.
        self._files: dict[str, int] = {}
        self._unsynced_files: dict[str, int] = {}
        self._unsynced_directories: set[Path] = set()
        self._lock = self._open_locked()
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=f"disk {self.directory}", daemon=True)
        self._thread.start()

    # -- ports.Disk, at once -----------------------------------------------------------------------------

    def names(self, directory: str) -> list[str]:
        """See ``ports.Disk``."""
        self._drain()
        path = self.directory / directory
        with storage_errors(path):
            if not path.is_dir():
                return []
            sync_directory(path)
            return sorted(os.listdir(path))

    def read(self, name: str) -> bytes:
        """See ``ports.Disk``."""
        self._drain()
        path = self.directory / name
        with storage_errors(path):
            return read_file(path)

    def written_ms(self, name: str) -> int:
        """Return when a file was last written (wall clock)."""
        self._drain()
        path = self.directory / name
        with storage_errors(path):
            return path.stat().st_mtime_ns // 1_000_000

    def write_atomic(self, name: str, data: bytes) -> None:
        """See ``ports.Disk``."""
        self._drain()
        path = self.directory / name
        with storage_errors(path):
            self._make_directory(path.parent)
            self._forget(name)
            write_replacing(path, TEMPORARY_SUFFIX, (data,))

    def truncate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        self._drain()
        path = self.directory / name
        with storage_errors(path):
            file = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.ftruncate(file, size)
                os.fsync(file)
            finally:
                os.close(file)
            sync_directory(path.parent)

    def remove(self, name: str) -> None:
        """See ``ports.Disk``."""
        self._drain()
        path = self.directory / name
        with storage_errors(path):
            self._forget(name)
            path.unlink()
            sync_directory(path.parent)

    # -- ports.Disk, queued ------------------------------------------------------------------------------

    def write(self, name: str, offset: int, data: bytes) -> None:
        """See ``ports.Disk``; reaches the page cache at once, the disk with the next sync."""
        self._refuse_after_failure()
        try:
            write_all(self._open(name), data, offset)
        except OSError as error:
            # Not ``_filling``: a path and a context for every commit cost 3 % of a leader under lone writers.
            self._error = StorageError(sentence(error, self.directory / name))
            raise self._error from error

    def allocate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        with self._filling(name):
            file = self._open(name)
            present = os.fstat(file).st_size
            if present < size:
                _extend(file, present, size)

    def sync(self, done: Callable[[], None]) -> None:
        """See ``ports.Disk``."""
        files, self._unsynced_files = self._unsynced_files, {}
        directories, self._unsynced_directories = self._unsynced_directories, set()
        self._queue.put(lambda: self._sync(files, directories, done))
        while len(self._files) > FILES_OPEN_MAX:
            oldest = self._files.pop(next(iter(self._files)))
            self._queue.put(partial(os.close, oldest))  # behind the sync that may still need it

    def write_aside(self, name: str, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        """See ``ports.Disk``; a forked child writes the file while this process goes on."""
        path = self.directory / name

        def finished(error: StorageError | None) -> None:
            self._asides.discard(aside)
            if error is None:
                self._call(done)
            else:
                self._report(error)

        with storage_errors(path):
            self._make_directory(path.parent)
            aside = Aside(path, ASIDE_SUFFIX, chunks, self._loop, finished)
        self._asides.add(aside)

    def measure(self, name: str, done: Callable[[int], None]) -> None:
        """Sum the sizes of the files in directory ``name``, on the thread, then call ``done``."""
        path = self.directory / name

        def work() -> None:
            size = directory_bytes(path)
            self._from_thread(lambda: self._call(lambda: done(size)))

        self._queue.put(work)

    # -- for the host ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Carry out what is queued, without its callbacks, and close the files."""
        if self._closed:
            return
        self._closed = True
        for aside in list(self._asides):
            aside.abandon()
        self._queue.put(None)
        self._thread.join()
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        os.close(self._lock)

    def sync_us(self, quantile: float) -> int:
        """Return how long the quantile (0 to 1) of the last syncs took; 0 before the first."""
        durations = sorted(self.sync_durations_us)
        return durations[min(len(durations) - 1, int(quantile * len(durations)))] if durations else 0

    # -- the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if self._error is not None and not isinstance(work, _Barrier):
                continue  # fail-stop: nothing more reaches the files
            try:
                work()
            except StorageError as error:
                self._end_by(error)
            except OSError as error:
                self._end_by(StorageError(sentence(error, self.directory)))

    def _end_by(self, error: StorageError) -> None:
        self._error = error
        self._from_thread(partial(self._report, error))

    def _sync(self, files: dict[str, int], directories: set[Path], done: Callable[[], None]) -> None:
        if not self._force_sync:
            self._from_thread(lambda: self._call(done))
            return
        began = perf_counter_ns()
        for name, file in files.items():
            with storage_errors(self.directory / name):
                os.fdatasync(file)
        for path in directories:
            with storage_errors(path):
                sync_directory(path)
        if files:
            took_us = (perf_counter_ns() - began) // 1000
            self.sync_durations_us.append(took_us)
            if took_us > self._slow_sync_us:
                name, file = next(reversed(files.items()))
                size = os.fstat(file).st_size
                self._from_thread(partial(self._on_slow_sync, name, size, took_us / 1000))
        self._from_thread(lambda: self._call(done))

    def _from_thread(self, call: Callable[[], None]) -> None:
        # The loop may be closed while the last sync of a server that stops is under way.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    # -- the loop's side ---------------------------------------------------------------------------------

    def _call(self, done: Callable[[], None]) -> None:
        if not self._closed and self._error is None:
            self._wake()
            done()

    def _report(self, error: StorageError) -> None:
        self._error = error
        if not self._closed:
            self._fail(error)

    def _open(self, name: str) -> int:
        """Return the descriptor of a file that is about to change."""
        file = self._files.get(name)
        if file is None:
            path = self.directory / name
            self._make_directory(path.parent)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            self._files[name] = file
            self._unsynced_directories.add(path.parent)
        self._unsynced_files[name] = file
        return file

    @contextmanager
    def _filling(self, name: str) -> Iterator[None]:
        """Fail-stop: after one failure nothing more reaches the files, and no sync is reported."""
        self._refuse_after_failure()
        try:
            with storage_errors(self.directory / name):
                yield
        except StorageError as error:
            self._error = error
            raise

    def _refuse_after_failure(self) -> None:
        if self._error is not None:
            raise self._error

    def _drain(self) -> None:
        """Wait until the thread has nothing to do; raise what it failed with."""
        barrier = _Barrier()
        self._queue.put(barrier)
        barrier.passed.wait()
        self._refuse_after_failure()

    def _forget(self, name: str) -> None:
        """Close a file that is about to be replaced or removed."""
        self._unsynced_files.pop(name, None)
        file = self._files.pop(name, None)
        if file is not None:
            os.close(file)

    def _make_directory(self, path: Path) -> None:
        if not path.is_dir():
            path.mkdir(exist_ok=True)
            sync_directory(path.parent)

    def _open_locked(self) -> int:
        with storage_errors(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor = open_directory(self.directory)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise StorageError(
                    f"{self.directory} is in use by another server; stop that one or name another directory"
                ) from None
        return descriptor


class _Barrier:
    """Work that only says it has been reached."""

    __slots__ = ("passed",)

    def __init__(self) -> None:
        self.passed = Event()

    def __call__(self) -> None:
        self.passed.set()


def _extend(file: int, present: int, size: int) -> None:
    try:
        os.posix_fallocate(file, present, size - present)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        # A file system that cannot: zeros without blocks are still zeros.
        os.ftruncate(file, size)
