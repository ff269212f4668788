"""A disk in memory, deterministic, that forgets what real disks forget.

A write goes to the *page cache* and is durable only after a sync; the entry of a new, renamed or removed
file is durable only after a sync of its directory. A crash keeps what was durable and, by the dice, some of
the rest: whole writes, single sectors of them, a write torn at any byte, a directory as it was between any
two changes.

It lives longer than the processes that use it: :meth:`SimulatedDisk.crash` and then simply use it again.
Faults: errors of any call, a full disk, slow syncs, syncs that do not come back, flipped bits, and a crash before any
single effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from random import Random

from ensemble.errors import StorageError
from ensemble.simulator.machine.platter import Directory, File, put
from ensemble.storage.names import ASIDE_SUFFIX, TEMPORARY_SUFFIX

Schedule = Callable[[int, Callable[[], None]], object]
"""Call a function after so many microseconds of virtual time, from the loop."""


class SimulatedCrash(BaseException):
    """The process died here. Not an Exception: nothing in a server may catch it."""


class _Fault:
    __slots__ = ("code", "operation", "part", "skip")

    def __init__(self, operation: str, code: int, part: str, skip: int) -> None:
        self.operation = operation
        self.code = code
        self.part = part
        self.skip = skip


class SimulatedDisk:
    """One disk (implements ``ports.Disk``).

    ``schedule`` gives it virtual time, ``rng`` its dice. Errors in the queue go to ``on_failure``, which
    raises them unless the host has set it to something better.
    """

    SYNC_US = 200
    ASIDE_US = 5_000

    def __init__(self, schedule: Schedule, rng: Random, *, capacity_bytes: int | None = None) -> None:
        self._schedule = schedule
        self._rng = rng
        self._directory = Directory()
        self._queue: list[tuple[str, Callable[[], None]]] = []
        self._incarnation = 0
        self._faults: list[_Fault] = []
        self._crash_at: int | None = None
        self._dead = False
        self.on_failure: Callable[[StorageError], None] = _raise
        self.capacity_bytes = capacity_bytes
        self.failed: list[tuple[str, int]] = []
        """The calls that failed because they were told to, with their errno."""
        self.slowness = 1
        """Syncs take this many times as long."""
        self._stuck = False
        self._held: list[Callable[[], None]] = []
        """What waits for a disk that is stuck."""
        self.on_blocked: Callable[[], None] = lambda: None
        """Told of a call that must be carried out at once, while the disk is stuck: whoever makes it stands still."""
        self.effects = 0
        """Changes to the cache, the directory or the platter so far; a crash may fall before any of them."""

    # -- ports.Disk, at once -----------------------------------------------------------------------------

    def names(self, directory: str) -> list[str]:
        """See ``ports.Disk``."""
        self._drain()
        self.may_fail("names", directory)
        if self._directory.unsynced:
            self._effect()
            self._directory.sync()
        prefix = f"{directory}/"
        return sorted(name.removeprefix(prefix) for name in self._directory.files if name.startswith(prefix))

    def read(self, name: str) -> bytes:
        """See ``ports.Disk``."""
        self._drain()
        self.may_fail("read", name)
        return self._existing(name).read()

    def write_atomic(self, name: str, data: bytes) -> None:
        """See ``ports.Disk``."""
        self._drain()
        self._replace("write_atomic", name, name + TEMPORARY_SUFFIX, data)

    def truncate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        self._drain()
        self.may_fail("truncate", name)
        file = self._existing(name)
        self._effect()
        file.resize(size)
        self._effect()
        file.sync()
        self._effect()
        self._sync_directory(name)

    def remove(self, name: str) -> None:
        """See ``ports.Disk``."""
        self._drain()
        self.may_fail("remove", name)
        self._existing(name)
        self._effect()
        self._directory.change({name: None})
        self._effect()
        self._sync_directory(name)

    # -- ports.Disk, queued ------------------------------------------------------------------------------

    def write(self, name: str, offset: int, data: bytes) -> None:
        """See ``ports.Disk``."""
        self._enqueue("write", lambda: self._write(name, offset, data))

    def allocate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        self._enqueue("allocate", lambda: self._allocate(name, size))

    def sync(self, done: Callable[[], None]) -> None:
        """See ``ports.Disk``."""
        self._enqueue("sync", lambda: self._sync(done))

    def write_aside(self, name: str, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        """See ``ports.Disk``."""
        data = b"".join(chunks)
        incarnation = self._incarnation

        def carry_out() -> None:
            if self._stuck:
                self._held.append(carry_out)
                return
            alive = incarnation == self._incarnation and not self._dead
            if alive and self._guarded(lambda: self._replace("write_aside", name, name + ASIDE_SUFFIX, data)):
                done()

        self._schedule(self.ASIDE_US * self.slowness, carry_out)

    # -- the life of the machine -------------------------------------------------------------------------

    def crash(self, rng: Random | None = None) -> None:
        """Lose power. What was queued is gone, nobody is called back, and the disk is ready for a restart."""
        self.detach()
        self._directory.lose(rng or self._rng)

    def detach(self) -> None:
        """Lose the process but not the power: the page cache stays, the queue and its callbacks go."""
        self._incarnation += 1
        self._queue.clear()
        self._dead = False
        self._crash_at = None

    def crash_before(self, effects: int) -> None:
        """Raise ``SimulatedCrash`` instead of the effect that comes after so many more (0: the next one)."""
        self._crash_at = self.effects + effects

    def fail(self, operation: str, code: int, *, part: str = "", skip: int = 0) -> None:
        """Let one call of ``operation`` fail with ``errno`` ``code``.

        ``operation`` is the name of a method of ``ports.Disk``, or a step within one: ``rename``, or
        ``directory`` (its sync). ``part`` must occur in the file's name (a sync has none), and ``skip`` such
        calls pass before. A write that fails may have written a part; a sync that fails leaves pages that are
        taken for clean, and are not on the disk (ATC'20).
        """
        self._faults.append(_Fault(operation, code, part, skip))

    def heal(self) -> None:
        """Forget the failures not yet met, and the limit of space; answer whoever waits."""
        self._faults.clear()
        self.capacity_bytes = None
        self.release()

    def stick(self) -> None:
        """Answer no sync any more, until :meth:`release`."""
        self._stuck = True

    def release(self) -> None:
        """Go on where it got stuck."""
        if self._stuck:
            self._stuck = False
            held, self._held = self._held, []
            for work in held:
                work()
            self._begin()

    def flip(self, name: str, offset: int, mask: int) -> None:
        """Flip bits of a durable byte; nobody notices before it is read."""
        file = self._existing(name)
        file.sync()
        for content in (file.cache, file.durable):
            put(content, offset, bytes([(content[offset] if offset < len(content) else 0) ^ mask]))

    def put(self, name: str, data: bytes) -> None:
        """Place a durable file, as an operator might; no effect is counted."""
        file = File()
        file.write(0, data)
        file.sync()
        self._directory.change({name: file})
        self._directory.sync()

    def discard(self, name: str) -> None:
        """Lose a file for good, as an operator might; no effect is counted."""
        self._directory.change({name: None})
        self._directory.sync()

    def content(self) -> dict[str, bytes]:
        """Return every file as programs see it, without touching the queue."""
        return {name: file.read() for name, file in sorted(self._directory.files.items())}

    def durable_content(self) -> dict[str, bytes]:
        """Return every file as a crash that loses everything would leave it."""
        files = sorted(self._directory.durable.items())
        return {name: bytes(file.durable).ljust(file.durable_size, b"\0") for name, file in files}

    def durable_names(self, directory: str) -> list[str]:
        """List ``directory`` as a crash that loses everything would leave it, without touching the queue."""
        prefix = f"{directory}/"
        return sorted(
            [name.removeprefix(prefix) for name in self._directory.durable if name.startswith(prefix)]
        )

    def durable(self, name: str) -> bytearray:
        """Return the durable bytes of a durable name, zeros at its end left out; not to be changed."""
        return self._directory.durable[name].durable

    # -- the queue ---------------------------------------------------------------------------------------

    def _enqueue(self, operation: str, work: Callable[[], None]) -> None:
        if self._dead:
            return
        self._queue.append((operation, work))
        if len(self._queue) == 1:
            self._begin()

    def _begin(self) -> None:
        """Start the first item: a sync takes its time, what stands before one does not."""
        while self._queue and not self._dead:
            operation, work = self._queue[0]
            if operation == "sync":
                if self._stuck:
                    return
                self._schedule(self._sync_us(), partial(self._on_time, work, self._incarnation))
                return
            self._queue.pop(0)
            self._guarded(work)

    def _sync_us(self) -> int:
        # Mostly near the mean, now and then ten times as long: a write-back cache being emptied.
        tail = 10 if self._rng.random() < 0.02 else 1
        return int(self.SYNC_US * self.slowness * tail * self._rng.uniform(0.5, 1.5))

    def _on_time(self, work: Callable[[], None], incarnation: int) -> None:
        # A blocking call may have drained the queue meanwhile; then the item is no longer the first.
        if incarnation == self._incarnation and self._queue and self._queue[0][1] is work:
            self._queue.pop(0)
            self._guarded(work)
            self._begin()

    def _drain(self) -> None:
        if self._dead:
            raise StorageError("the disk failed before")
        if self._stuck:
            self.on_blocked()
        while self._queue:
            _, work = self._queue.pop(0)
            try:
                work()
            except StorageError:
                self._dead = True
                raise

    def _guarded(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except StorageError as error:
            self._dead = True
            self._queue.clear()
            self.on_failure(error)
            return False
        return True

    # -- effects -----------------------------------------------------------------------------------------

    def _write(self, name: str, offset: int, data: bytes) -> None:
        self._needs(name, offset + len(data))
        file = self._open(name)
        self._effect()
        try:
            self.may_fail("write", name)
        except StorageError:
            file.write(offset, data[: self._rng.randint(0, len(data))])
            raise
        file.write(offset, data)

    def _allocate(self, name: str, size: int) -> None:
        self.may_fail("allocate", name)
        self._needs(name, size)
        file = self._open(name)
        if file.size < size:
            self._effect()
            file.resize(size)

    def _sync(self, done: Callable[[], None]) -> None:
        try:
            self.may_fail("sync", "")
        except StorageError:
            for name in sorted(self._directory.files):
                self._directory.files[name].fail_sync(self._rng)
            raise
        for name in sorted(self._directory.files):
            file = self._directory.files[name]
            if file.unsynced:
                self._effect()
                file.sync()
        self._effect()
        self._sync_directory("")
        incarnation = self._incarnation

        def report() -> None:
            if incarnation == self._incarnation:
                done()

        self._schedule(0, report)

    def _replace(self, operation: str, name: str, temporary: str, data: bytes) -> None:
        self.may_fail(operation, name)
        self._needs(temporary, len(data))
        file = File()
        self._effect()
        self._directory.change({temporary: file})
        self._effect()
        file.write(0, data)
        self._effect()
        file.sync()
        self._effect()
        self.may_fail("rename", name)
        self._directory.change({name: file, temporary: None})
        self._effect()
        self._sync_directory(name)

    def _sync_directory(self, name: str) -> None:
        self.may_fail("directory", name)
        self._directory.sync()

    def _open(self, name: str) -> File:
        file = self._directory.files.get(name)
        if file is None:
            file = File()
            self._effect()
            self._directory.change({name: file})
        return file

    def _existing(self, name: str) -> File:
        file = self._directory.files.get(name)
        if file is None:
            raise StorageError(f"{name}: {os.strerror(2)}")
        return file

    def _effect(self) -> None:
        if self.effects == self._crash_at:
            self._crash_at = None
            raise SimulatedCrash(f"before disk effect {self.effects}")
        self.effects += 1

    def may_fail(self, operation: str, name: str) -> None:
        """Fail here when told to; every call, and every step within one that can fail by itself, passes here."""
        for fault in self._faults:
            if fault.operation == operation and fault.part in name:
                if fault.skip:
                    fault.skip -= 1
                    continue
                self._faults.remove(fault)
                self.failed.append((operation, fault.code))
                raise StorageError(f"{operation} {name}: {os.strerror(fault.code)}")

    def _needs(self, name: str, size: int) -> None:
        if self.capacity_bytes is None:
            return
        used = sum([file.size for other, file in self._directory.files.items() if other != name])
        if used + size > self.capacity_bytes:
            raise StorageError(f"{name}: {os.strerror(28)}")


def _raise(error: StorageError) -> None:
    raise error
