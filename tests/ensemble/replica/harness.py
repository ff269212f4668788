"""A server driven by hand: ports that record, a clock that moves when told, disks in memory.

Nothing happens by itself. ``World.settle`` carries out, in order, everything that was asked of the ports until
there is nothing left; ``World.advance`` moves the clock and fires what is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

from ensemble.errors import StorageError
from ensemble.membership import Membership
from ensemble.replica.config import WORDS_DEFAULT, ReplicaConfig
from ensemble.replica.replica import Connection, Replica
from ensemble.trace import Listener, Trace
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Create,
    CreateMode,
    Delete,
    NoBody,
    Op,
    Operation,
    Read,
    SetData,
    Sync,
)
from ensemble.wire import replies
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import ConnectRequest, encode_connect, encode_request
from tests.ensemble.members import plain

ADDRESS = ("127.0.0.1", 50000)


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


class Server:
    """One replica, its disk and its log lines."""

    def __init__(self, world: World, config: ReplicaConfig, disk: MemoryDisk | None = None) -> None:
        self.world = world
        self.disk = disk or MemoryDisk(world.later)
        self.members = HandMembers()
        self.lines: list[str] = []
        self.trace = Trace(config.sid, world.clock.monotonic_us)
        self.listener = Listener()
        self.trace.listen(self.listener)
        self.replica = Replica(
            config,
            clock=world.clock,
            data_disk=self.disk,
            log_disk=self.disk,
            network=HandNetwork(world, config.sid),
            trace=self.trace,
            entropy=Random(config.sid).randbytes,
            members=self.members,
            log=self.lines.append,
        )

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the trace events of one kind so far."""
        return [event for event in self.listener.events if event["kind"] == kind]


class World:
    """One server or several, and the time they live in."""

    def __init__(self, *, voters: int = 1, **settings: Any) -> None:
        self.clock = ManualClock()
        self.later: deque[Callable[[], None]] = deque()
        self.cut: set[int] = set()
        self.servers: dict[int, Server] = {}
        sids = tuple(range(1, voters + 1))
        if "membership" not in settings and voters > 1:
            settings["membership"] = plain(sids)
        for sid in sids:
            config = ReplicaConfig(sid=sid, **{"tick_ms": 1000, **settings})
            self.servers[sid] = Server(self, config)
        for server in self.servers.values():
            server.replica.start()
            for other in sids:
                if other != server.replica.config.sid:
                    server.replica.on_election_link(other, True)
        self.settle()
        for _ in range(20):
            if all(server.replica.peer.serving for server in self.servers.values()):
                break
            self.advance(100)

    def settle(self) -> None:
        """Carry out everything that was asked for, until nothing is left to do now."""
        for _ in range(100_000):
            for server in self.servers.values():
                server.replica.flush()
            if self.later:
                self.later.popleft()()
                continue
            callback = self.clock.take_due()
            if callback is None:
                return
            callback()
        raise AssertionError("the world does not come to rest")

    def advance(self, ms: int, step_ms: int = 50) -> None:
        """Let time pass, in small steps."""
        while ms > 0:
            self.clock.now_us += min(step_ms, ms) * 1000
            ms -= step_ms
            self.settle()

    def jump(self, ms: int) -> None:
        """Let time pass as if nobody had run in it."""
        self.clock.now_us += ms * 1000
        self.settle()

    @property
    def only(self) -> Server:
        """The server of a standalone world, or the first."""
        return self.servers[1]

    @property
    def leader(self) -> Server:
        """The server that leads."""
        return next(server for server in self.servers.values() if server.replica.service.leading)

    @property
    def follower(self) -> Server:
        """A server that follows."""
        return next(
            server
            for server in self.servers.values()
            if server.replica.peer.serving and not server.replica.service.leading
        )

    def restart(self, sid: int) -> Server:
        """End a server without a word and start it again on its disk."""
        old = self.servers[sid]
        old.replica.stop()
        self.settle()
        old.disk.queue.clear()
        server = self.servers[sid] = Server(self, old.replica.config, old.disk)
        server.replica.start()
        for other in self.servers:
            if other != sid:
                server.replica.on_election_link(other, True)
                self.servers[other].replica.on_election_link(sid, True)
        self.settle()
        for _ in range(20):
            if server.replica.peer.serving:
                break
            self.advance(100)
        return server


class Client:
    """The client's end of a socket: requests in values, answers as they came."""

    def __init__(
        self,
        world: World,
        server: Server | None = None,
        address: tuple[str, int] = ADDRESS,
        subject: str = "",
    ) -> None:
        self.world = world
        self.server = server or world.only
        self.address = address
        self.secure = False
        self.subject = subject
        self.received = b""
        self.closed = False
        self.paused = False
        self.xid = 0
        self.session_id = 0
        self.password = b""
        self.timeout_ms = 0
        self._frames = FrameBuffer(1 << 30)
        self._inbox: list[bytes] = []
        self.connection: Connection | None = self.server.replica.open_client(self)

    # -- ports.ClientTransport

    def write(self, data: bytes) -> None:
        """Take bytes from the server."""
        assert not self.closed, "the server writes to a socket it has closed"
        self.received += data
        self._inbox += self._frames.feed(data) if self.session_id or self.xid >= 0 else []

    def close(self) -> None:
        """The server closes."""
        self.closed = True

    def pause_reading(self) -> None:
        """The server wants no more bytes."""
        self.paused = True

    def resume_reading(self) -> None:
        """The server wants bytes again."""
        self.paused = False

    # -- speaking

    def send(self, data: bytes) -> None:
        """Send bytes; nothing is carried out yet."""
        assert self.connection is not None
        self.connection.on_data(data)

    def ask_word(self, word: bytes) -> str:
        """Send a four-letter word and return the answer as text."""
        self.xid = -1
        self.send(word)
        self.world.settle()
        return self.received.decode()

    def connect(
        self,
        timeout_ms: int = 4000,
        *,
        session_id: int = 0,
        password: bytes = bytes(16),
        zxid: int = 0,
        read_only: bool | None = False,
        behind: bytes = b"",
    ) -> replies.ConnectReply | None:
        """Open a session, with ``behind`` pipelined; return the answer, or None when there was none."""
        request = ConnectRequest(0, zxid, timeout_ms, session_id, password, read_only)
        self.send(encode_connect(request) + behind)
        self.world.settle()
        if not self._inbox:
            return None
        answer = replies.decode_connect_reply(self._inbox.pop(0))
        self.session_id, self.password, self.timeout_ms = (
            answer.session_id,
            answer.password,
            answer.timeout_ms,
        )
        return answer

    def request(self, op: int, operation: Operation, xid: int | None = None) -> bytes:
        """Encode a request with the next xid."""
        if xid is None:
            self.xid += 1
            xid = self.xid
        return encode_request(xid, op, operation)

    def answers(self) -> list[bytes]:
        """Return and forget the frames that have come, events included."""
        inbox, self._inbox = self._inbox, []
        return inbox

    def headers(self) -> list[tuple[int, int, int]]:
        """Return (xid, zxid, error) of each frame that has come, and forget them."""
        return [replies.decode_header(frame) for frame in self.answers()]

    def ask(self, op: int, operation: Operation) -> bytes:
        """Send one request, let the world run, and return the one answer."""
        self.send(self.request(op, operation))
        self.world.settle()
        frames = self.answers()
        assert len(frames) == 1, f"{len(frames)} frames instead of one answer"
        return frames[0]

    def error(self, op: int, operation: Operation) -> int:
        """Ask, and return the error of the answer."""
        return replies.decode_header(self.ask(op, operation))[2]

    # -- shorthand

    def create(
        self, path: str, data: bytes = b"", mode: int = CreateMode.PERSISTENT, acl: tuple[Acl, ...] = OPEN_ACL
    ) -> str:
        """Create a znode and return its path."""
        frame = self.ask(Op.CREATE, Create(path, data, acl, mode))
        assert replies.decode_header(frame)[2] == 0, replies.decode_header(frame)
        return replies.read_path(replies.body_reader(frame))

    def get(self, path: str, watch: bool = False) -> bytes | None:
        """Return the data of a znode."""
        frame = self.ask(Op.GET_DATA, Read(path, watch))
        assert replies.decode_header(frame)[2] == 0, replies.decode_header(frame)
        return replies.read_data(replies.body_reader(frame))[0]

    def children(self, path: str, watch: bool = False) -> list[str]:
        """Return the names of the children of a znode."""
        return sorted(
            replies.read_children(replies.body_reader(self.ask(Op.GET_CHILDREN, Read(path, watch))))
        )

    def set(self, path: str, data: bytes, version: int = -1) -> int:
        """Set the data of a znode; return the error."""
        return self.error(Op.SET_DATA, SetData(path, data, version))

    def delete(self, path: str, version: int = -1) -> int:
        """Delete a znode; return the error."""
        return self.error(Op.DELETE, Delete(path, version))

    def ping(self) -> None:
        """Ping, and expect the answer."""
        self.send(self.request(Op.PING, NoBody(), xid=-2))
        self.world.settle()
        assert [xid for xid, _, _ in self.headers()] == [-2]

    def sync(self, path: str = "/") -> int:
        """Sync; return the error."""
        return self.error(Op.SYNC, Sync(path))

    def lose(self) -> None:
        """Drop the socket from this side."""
        assert self.connection is not None
        self.connection.on_closed()


def client(world: World, server: Server | None = None, **how: Any) -> Client:
    """Return a client with an open session."""
    joined = Client(world, server)
    answer = joined.connect(**how)
    assert answer is not None
    assert answer.timeout_ms > 0
    return joined


__all__ = ["ADDRESS", "WORDS_DEFAULT", "Client", "Server", "World", "client", "replace"]
