"""A server driven by hand, over the ports beside this module, and clients that speak to it.

Nothing happens by itself. ``World.settle`` carries out, in order, everything that was asked of the ports until
there is nothing left; ``World.advance`` moves the clock and fires what is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

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
from tests.ensemble.replica.ports import HandMembers, HandNetwork, ManualClock, MemoryDisk

ADDRESS = ("127.0.0.1", 50000)


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
