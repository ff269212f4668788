"""Losing servers: switching, resuming, silence, and watches set again on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ensemble import limits
from ensemble.client import (
    ConnectionLoss,
    CreateMode,
    EventStream,
    EventType,
    SessionExpired,
    State,
    WatchEvent,
    ZooKeeper,
)
from ensemble.client.connection import ping_after_s
from ensemble.tree.operations import Op
from ensemble.wire import replies, requests
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import ConnectRequest
from tests.relay import Relay

pytestmark = pytest.mark.timeout(30)

TIMEOUT_MS = 300


class FakeServer:
    """Accepts sessions and answers everything with an empty body, until told otherwise."""

    def __init__(self) -> None:
        self.connects: list[ConnectRequest] = []
        self.ops: list[int] = []
        self.accepts = True
        self.silent = False
        self.babbles = False
        self.expires = False
        self.read_only = False
        self.asked = asyncio.Event()
        self.pings = asyncio.Semaphore(0)
        """Released at each ping."""
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        frames = FrameBuffer(2**20)
        connected = False
        try:
            while data := await reader.read(2**16):
                if data == b"isro":
                    self.asked.set()
                    writer.write(b"ro" if self.read_only else b"rw")
                    return
                for frame in frames.feed(data):
                    if connected:
                        self._answer(frame, writer)
                    else:
                        connected = self._greet(frame, writer)
        except ConnectionError:
            return  # the client went away, which is what these tests are about
        finally:
            writer.close()

    def _greet(self, frame: bytes, writer: asyncio.StreamWriter) -> bool:
        request = requests.decode_connect(frame)
        self.connects.append(request)
        if self.expires:
            writer.write(replies.connect_refusal())
        elif self.accepts:
            session_id = request.session_id or 7
            writer.write(replies.connect_reply(request.timeout_ms, session_id, b"p" * 16, self.read_only))
        return self.accepts

    def _answer(self, frame: bytes, writer: asyncio.StreamWriter) -> None:
        xid, op = requests.decode_header(frame)
        self.ops.append(op)
        if op == Op.PING:
            self.pings.release()
        if self.babbles:
            writer.write(b"HTTP/1.1 400 Bad Request")
        elif not self.silent:
            writer.write(replies.reply(xid, len(self.ops), 0, replies.path_body("/")))


@asynccontextmanager
async def servers(count: int) -> AsyncIterator[list[FakeServer]]:
    fakes = [FakeServer() for _ in range(count)]
    for fake in fakes:
        await fake.start()
    try:
        yield fakes
    finally:
        for fake in fakes:
            await fake.stop()


def _client(fakes: list[FakeServer], timeout_ms: int = TIMEOUT_MS) -> ZooKeeper:
    return ZooKeeper([("127.0.0.1", fake.port) for fake in fakes], session_timeout_ms=timeout_ms)


def _serving(zk: ZooKeeper, fakes: list[FakeServer]) -> FakeServer:
    assert zk.server is not None
    return next(fake for fake in fakes if fake.port == zk.server[1])


def _state_reached(zk: ZooKeeper) -> Callable[[State], Awaitable[None]]:
    """Return a way to wait for a state that is entered after this call."""
    seen: asyncio.Queue[State] = asyncio.Queue()
    zk.listen(seen.put_nowait)

    async def reached(state: State) -> None:
        async with asyncio.timeout(5):
            while await seen.get() is not state:
                continue

    return reached


async def test_another_server_takes_over_the_session() -> None:
    async with servers(2) as fakes, _client(fakes) as zk:
        await zk.sync()
        reached = _state_reached(zk)
        first = _serving(zk, fakes)
        await first.stop()
        await reached(State.CONNECTED)
        second = _serving(zk, fakes)
        assert second is not first
        resumed = second.connects[-1]
        assert (resumed.session_id, resumed.password, resumed.last_zxid_seen) == (7, b"p" * 16, zk.zxid_seen)
        assert zk.zxid_seen > 0
        await zk.sync()
        await first.start()


async def test_a_silent_server_is_left_within_two_thirds_of_the_timeout() -> None:
    timeout_ms = 1200
    async with servers(2) as fakes, _client(fakes, timeout_ms) as zk:
        await zk.sync()
        reached = _state_reached(zk)
        first = _serving(zk, fakes)
        loop = asyncio.get_running_loop()
        first.silent = True
        since = loop.time()
        with pytest.raises(ConnectionLoss):
            await zk.sync()
        waited = loop.time() - since
        assert timeout_ms / 1000 / 2 < waited < timeout_ms / 1000
        await reached(State.CONNECTED)
        assert _serving(zk, fakes) is not first


async def test_a_server_that_talks_nonsense_is_left_at_once() -> None:
    async with servers(2) as fakes, _client(fakes, 60_000) as zk, asyncio.timeout(10):
        reached = _state_reached(zk)
        first = _serving(zk, fakes)
        first.babbles = True
        with pytest.raises(ConnectionLoss):
            await zk.sync()
        await reached(State.CONNECTED)
        assert _serving(zk, fakes) is not first


async def test_an_idle_client_pings() -> None:
    async with servers(1) as fakes, _client(fakes) as zk:
        async with asyncio.timeout(5):
            for _ in range(5):
                await fakes[0].pings.acquire()
        assert zk.state is State.CONNECTED
        assert len(fakes[0].connects) == 1


async def test_a_server_that_accepts_the_socket_but_not_us_is_passed_by() -> None:
    async with servers(2) as fakes:
        fakes[0].accepts = False
        for _ in range(4):  # whichever server is tried first
            async with _client(fakes) as zk:
                assert _serving(zk, fakes) is fakes[1]


async def test_requests_wait_for_a_connection() -> None:
    async with servers(1) as fakes, _client(fakes) as zk:
        reached = _state_reached(zk)
        await fakes[0].stop()
        await reached(State.CONNECTING)
        waiting = asyncio.create_task(zk.sync())
        abandoned = asyncio.create_task(zk.create("/never", b""))
        await asyncio.sleep(0)
        abandoned.cancel()
        await fakes[0].start()
        async with asyncio.timeout(5):
            await waiting
        assert Op.CREATE not in fakes[0].ops
        assert abandoned.cancelled()


async def test_states_that_nobody_reads_are_bounded_and_the_last_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "STATES_UNREAD_MAX", 4)
    async with servers(1) as fakes, _client(fakes, timeout_ms=10_000) as zk:
        states = zk.states()
        assert await anext(states) is State.CONNECTED
        reached = _state_reached(zk)
        for _ in range(4):
            fakes[0].cut()
            await reached(State.CONNECTED)
        fakes[0].expires = True
        fakes[0].cut()
        await reached(State.EXPIRED)
        unread = [state async for state in states]
    assert unread == [State.CONNECTING, State.CONNECTED, State.CONNECTING, State.EXPIRED]


async def test_expiry_while_away() -> None:
    async with servers(1) as fakes, _client(fakes) as zk:
        reached = _state_reached(zk)
        fakes[0].expires = True
        fakes[0].cut()
        await reached(State.EXPIRED)
        with pytest.raises(SessionExpired):
            await zk.sync()


async def test_a_session_that_no_server_heard_of_for_long_is_over() -> None:
    async with servers(1) as fakes, _client(fakes) as zk:
        (fake,) = fakes
        fake.accepts = False  # the socket opens, and nobody speaks
        lost_at = asyncio.get_running_loop().time()
        fake.cut()
        async with asyncio.timeout(5):
            seen = [state async for state in zk.states()]
        took_s = asyncio.get_running_loop().time() - lost_at
        assert seen[-2:] == [State.CONNECTING, State.EXPIRED]
        # Heard last at most a ping before it was cut.
        assert took_s * 1000 > TIMEOUT_MS * 0.9
        with pytest.raises(SessionExpired):
            await zk.get("/")


async def test_a_read_only_client_goes_to_the_quorum_when_there_is_one() -> None:
    async with servers(2) as fakes:
        for fake in fakes:
            fake.read_only = True
        async with ZooKeeper(
            [("127.0.0.1", fake.port) for fake in fakes], session_timeout_ms=20_000, read_only=True
        ) as zk:
            assert zk.state is State.CONNECTED_READ_ONLY
            reached = _state_reached(zk)
            other = next(fake for fake in fakes if fake is not _serving(zk, fakes))
            await other.asked.wait()
            other.read_only = False
            async with asyncio.timeout(10):
                await reached(State.CONNECTED)
            assert _serving(zk, fakes) is other
            assert [connect.session_id for connect in other.connects] == [0]


async def test_a_name_is_looked_up_at_every_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    async with servers(1) as (fake,):
        loop, asked = asyncio.get_running_loop(), []
        look_up = loop.getaddrinfo

        async def moved(host: str, port: int, **options: Any) -> Any:
            if host == "zoo.example":
                asked.append(host)
                host = "127.0.0.1" if len(asked) > 2 else "127.0.0.2"
            return await look_up(host, port, **options)

        monkeypatch.setattr(loop, "getaddrinfo", moved)
        async with ZooKeeper(f"zoo.example:{fake.port}", session_timeout_ms=5000):
            assert len(asked) == 3


@pytest.mark.parametrize(
    ("timeout_s", "ping_s"), [(0.3, 0.1), (3, 1), (4.5, 1), (10, 10 / 3 - 1), (30, 9), (60, 10)]
)
def test_pings_are_due_as_those_of_apaches_client(timeout_s: float, ping_s: float) -> None:
    assert ping_after_s(timeout_s) == pytest.approx(ping_s)


async def test_a_raising_listener_is_reported_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))

    def broken(state: State) -> None:
        raise RuntimeError(state.value)

    async with servers(1) as fakes, _client(fakes) as zk:
        zk.listen(broken)
        reached = _state_reached(zk)
        fakes[0].cut()
        await reached(State.CONNECTED)
        await zk.sync()
    assert str(reported[0]["exception"]) == "connecting"


# --- a real server, behind a wire that can be cut ------------------------------------------------------


@pytest.mark.process
async def test_watches_hear_of_what_happened_while_the_connection_was_lost(server: str) -> None:
    async with Relay(server).listening() as relay, ZooKeeper(server) as other, _through(relay) as zk:
        base = await other.create("/away-", mode=CreateMode.PERSISTENT_SEQUENTIAL)
        session_id = zk.session_id
        await zk.create(f"{base}/mine", mode=CreateMode.EPHEMERAL)
        data, exist, child, later = (EventStream() for _ in range(4))
        await zk.get(base, watch=data)
        await zk.exists(f"{base}/a", watch=exist)
        await zk.get_children(base, watch=child)
        await zk.exists(f"{base}/later", watch=later)
        async with zk.watch(base, recursive=True) as events, asyncio.timeout(10):
            reached = _state_reached(zk)
            relay.open = False
            relay.cut()
            await reached(State.CONNECTING)
            await other.set(base, b"new")
            await other.create(f"{base}/a")
            relay.open = True
            await reached(State.CONNECTED)
            assert await data == WatchEvent(EventType.NODE_DATA_CHANGED, base)
            assert await exist == WatchEvent(EventType.NODE_CREATED, f"{base}/a")
            assert await child == WatchEvent(EventType.NODE_CHILDREN_CHANGED, base)
            await other.create(f"{base}/later")
            created = WatchEvent(EventType.NODE_CREATED, f"{base}/later")
            assert await later == created
            while await events != created:
                continue
        assert zk.session_id == session_id
        assert await zk.get_ephemerals(base) == [f"{base}/mine"]


def _through(relay: Relay) -> ZooKeeper:
    return ZooKeeper([("127.0.0.1", relay.port)])
