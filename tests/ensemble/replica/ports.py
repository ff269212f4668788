"""The ports of a server driven by hand: time told to move, a disk in memory, links that wait for the world."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ensemble.errors import StorageError
from ensemble.membership import Membership

if TYPE_CHECKING:
    from tests.ensemble.replica.harness import World


class ManualTimer:
    """A pending call."""

    def __init__(self, due_us: int, callback: Callable[[], None]) -> None:
        self.due_us = due_us
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the call."""
        self.callback = None


class ManualClock:
    """Time that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now_us = 1_000_000_000
        self.timers: list[ManualTimer] = []

    def monotonic_us(self) -> int:
        """Return the present time."""
        return self.now_us

    def wall_ms(self) -> int:
        """Return the present time as milliseconds since 1970."""
        return 1_700_000_000_000 + self.now_us // 1000

    def call_later(self, delay_ms: float, callback: Callable[[], None]) -> ManualTimer:
        """Keep a call until its time."""
        timer = ManualTimer(self.now_us + int(delay_ms * 1000), callback)
        self.timers.append(timer)
        return timer

    def take_due(self) -> Callable[[], None] | None:
        """Return the earliest call that is due, if any."""
        self.timers = [timer for timer in self.timers if timer.callback is not None]
        due = [timer for timer in self.timers if timer.due_us <= self.now_us]
        if not due:
            return None
        timer = min(due, key=lambda each: each.due_us)
        callback, timer.callback = timer.callback, None
        return callback


class MemoryDisk:
    """Files in a dict; writes and syncs wait in a queue until the world runs it."""

    def __init__(self, later: deque[Callable[[], None]]) -> None:
        self.files: dict[str, bytearray] = {}
        self.queue: list[Callable[[], None]] = []
        self._later = later

    def _drain(self) -> None:
        queue, self.queue = self.queue, []
        for step in queue:
            step()

    def names(self, directory: str) -> list[str]:
        """List a directory."""
        self._drain()
        prefix = f"{directory}/" if directory else ""
        inside = [name[len(prefix) :] for name in self.files if name.startswith(prefix)]
        return sorted({name.split("/")[0] for name in inside})

    def read(self, name: str) -> bytes:
        """Return a file."""
        self._drain()
        if name not in self.files:
            raise StorageError(f"{name} does not exist")
        return bytes(self.files[name])

    def write_atomic(self, name: str, data: bytes) -> None:
        """Replace a file."""
        self._drain()
        self.files[name] = bytearray(data)

    def truncate(self, name: str, size: int) -> None:
        """Cut a file."""
        self._drain()
        del self.files[name][size:]

    def remove(self, name: str) -> None:
        """Remove a file."""
        self._drain()
        del self.files[name]

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Queue a write."""

        def carry_out() -> None:
            file = self.files.setdefault(name, bytearray())
            if len(file) < offset:
                file.extend(bytes(offset - len(file)))
            file[offset : offset + len(data)] = data

        self.queue.append(carry_out)

    def allocate(self, name: str, size: int) -> None:
        """Queue an extension; only the end matters here, so nothing is done."""

    def sync(self, done: Callable[[], None]) -> None:
        """Queue a sync."""

        def complete() -> None:
            self._drain()
            done()

        self._later.append(complete)

    def write_aside(self, name: str, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        """Write a file from what ``chunks`` say now."""
        data = b"".join(chunks)

        def complete() -> None:
            self.files[name] = bytearray(data)
            done()

        self._later.append(complete)


class Wire:
    """Both ends of a link on the quorum port; what is sent waits for the world."""

    def __init__(self, world: World, owner: int) -> None:
        self.world = world
        self.owner = owner
        self.other: Wire | None = None
        self.open = True

    def send(self, data: bytes) -> None:
        """Queue bytes for the other end."""
        self.world.later.append(lambda: self._arrive(data))

    def send_aside(self, chunks: Iterable[bytes]) -> None:
        """Queue bytes that a host would make in another process."""
        self.send(b"".join(chunks))

    def _arrive(self, data: bytes) -> None:
        if self.other is not None and self.other.open and self.other.owner not in self.world.cut:
            self.world.servers[self.other.owner].replica.on_link_data(self.other, data)

    def close(self) -> None:
        """Break the link."""
        if not self.open:
            return
        self.open = False
        self.world.later.append(self._hang_up)

    def _hang_up(self) -> None:
        if self.other is not None and self.other.open:
            self.other.open = False
            self.world.servers[self.other.owner].replica.on_link_closed(self.other)


class HandNetwork:
    """The way of one server to the others."""

    def __init__(self, world: World, sid: int) -> None:
        self.world = world
        self.sid = sid

    def send_election(self, sid: int, payload: bytes) -> None:
        """Queue an election message."""
        world = self.world
        if self.sid not in world.cut and sid not in world.cut and sid in world.servers:
            world.later.append(lambda: world.servers[sid].replica.on_election_message(self.sid, payload))

    def dial(self, sid: int) -> None:
        """Queue a call to a quorum port."""
        self.world.later.append(lambda: self._connect(sid))

    def _connect(self, sid: int) -> None:
        world = self.world
        if self.sid in world.cut or sid in world.cut or sid not in world.servers:
            world.servers[self.sid].replica.on_link_dialed(sid, None)
            return
        near, far = Wire(world, self.sid), Wire(world, sid)
        near.other, far.other = far, near
        world.servers[sid].replica.on_link_accepted(far)
        world.servers[self.sid].replica.on_link_dialed(sid, near)


class HandMembers:
    """Where a server keeps memberships, and what it asked of its links and ports."""

    def __init__(self) -> None:
        self.proposed: list[Membership] = []
        self.active: list[Membership] = []
        self.followed: list[Membership] = []

    def save_proposed(self, membership: Membership) -> None:
        self.proposed.append(membership)

    def save_active(self, membership: Membership) -> None:
        self.active.append(membership)

    def reach(self, membership: Membership) -> None:
        assert membership == self.proposed[-1]

    def follow(self, membership: Membership) -> None:
        assert membership == self.active[-1]
        self.followed.append(membership)
