"""The admin port and its client, in one process, over a server that is only a description of one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from ensemble.admin import client as admin_client
from ensemble.admin.client import Refused, ServerAdmin, Unreachable
from ensemble.runtime.operators.admin_http import AdminPort, parse_fault, parse_paths
from ensemble.runtime.operators.admin_stream import STATUS_PERIOD_S_MAX, STATUS_PERIOD_S_MIN, _StatusPace
from ensemble.trace import Trace
from tests.ensemble.runtime.harness import free_ports
from tests.waiting import reached

TOKEN = "s3cret"


class Replica:
    """Its lists."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def sessions(self) -> list[Any]:
        return [{"session": f"0x{number:x}"} for number in range(5)]

    def watches(self) -> list[Any]:
        return []

    def lifetimes(self, paths: Iterable[str]) -> list[Any]:
        self.batches.append(list(paths))
        return [
            {"path": path, "kind": "container", "ttl_ms": None} for path in self.batches[-1] if "box" in path
        ]


class Server:
    """What the admin port needs of a host."""

    def __init__(self) -> None:
        self.faults_allowed = True
        self.trace = Trace(1, lambda: 0)
        self.replica = Replica()
        self.commands: list[Any] = []
        self.expired: list[int] = []
        self.fields: dict[str, Any] = {"sid": 1, "role": "leading", "uptime_ms": 0, "znodes": 1}

    def status(self) -> Any:
        self.fields["uptime_ms"] += 1
        return dict(self.fields)

    def command_fault(self, command: Any) -> list[Any]:
        self.commands.append(command)
        return [{"what": "cut", "peers": command.get("peers", [])}]

    def expire_session(self, session_id: int) -> bool:
        self.expired.append(session_id)
        return session_id == 0x10


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    admin = AdminPort(server, TOKEN)
    await admin.open(port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await admin.close()


async def test_lists_are_cut_and_say_so() -> None:
    async with running(Server()) as url, ServerAdmin(url, TOKEN) as admin:
        assert (await admin.status())["sid"] == 1
        sessions, total = await admin.sessions(limit=2)
        assert ([each["session"] for each in sessions], total) == (["0x0", "0x1"], 5)
        assert await admin.watches() == ([], 0)


async def test_however_many_paths_are_asked_for_each_body_is_small_enough() -> None:
    server = Server()
    paths = [f"/{'grüße' * 100}/{number}" for number in range(300)] + ["/box"]
    async with running(server) as url, ServerAdmin(url, TOKEN) as admin:
        assert await admin.lifetimes(paths) == [{"path": "/box", "kind": "container", "ttl_ms": None}]
        assert await admin.lifetimes([]) == []
    assert [path for batch in server.replica.batches for path in batch] == paths
    assert len(server.replica.batches) > 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"paths": "/a"}', '{"paths": [1]}', '{"paths": null}'])
def test_what_is_no_list_of_paths_is_said(text: str) -> None:
    assert isinstance(parse_paths(text), str)


async def test_faults_need_permission_and_sense() -> None:
    server = Server()
    async with running(server) as url, ServerAdmin(url, TOKEN) as admin:
        assert await admin.fault({"what": "cut", "peers": [2]}) == [{"what": "cut", "peers": [2]}]
        assert server.commands == [{"what": "cut", "peers": [2]}]
        server.faults_allowed = False
        with pytest.raises(Refused, match="does not allow faults") as refused:
            await admin.fault({"what": "heal"})
        assert refused.value.status == 403
        assert len(server.commands) == 1


async def test_expiring_a_session() -> None:
    server = Server()
    async with running(server) as url, ServerAdmin(url, TOKEN) as admin:
        await admin.expire_session("0x10")
        for session, status in (("0x11", 404), ("elephant", 400)):
            with pytest.raises(Refused) as refused:
                await admin.expire_session(session)
            assert refused.value.status == status
        server.fields["role"] = "following"
        await admin.expire_session("0x10")  # its own, local one
        with pytest.raises(Refused, match="ask the leader") as refused:
            await admin.expire_session("0x11")
        assert refused.value.status == 409
    assert server.expired == [0x10, 0x11, 0x10, 0x11]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/status", {}, 401),
        ("GET", "/api/status", {"Authorization": "Bearer"}, 401),
        ("GET", "/api/status", {"Authorization": "Bearer s3cre"}, 401),
        ("GET", "/api/status", {"Authorization": TOKEN}, 401),
        ("GET", "/api/status", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("GET", "/api/stream", {}, 401),
        ("POST", "/api/faults", {}, 401),
        ("GET", "/nowhere", {}, 401),
        ("GET", "/nowhere", {"Authorization": f"Bearer {TOKEN}"}, 404),
        ("GET", "/api/faults", {"Authorization": f"Bearer {TOKEN}"}, 405),
        ("TRACE", "/api/status", {"Authorization": f"Bearer {TOKEN}"}, 405),
        ("GET", "/api/sessions/0x10/expire", {"Authorization": f"Bearer {TOKEN}"}, 405),
    ],
)
async def test_who_and_how_is_judged_before_what(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    async with (
        running(Server()) as url,
        aiohttp.ClientSession() as http,
        http.request(method, url + path, headers=headers) as response,
    ):
        assert response.status == status
        assert set(await response.json()) == {"error"}


async def test_a_huge_body_is_refused() -> None:
    async with running(Server()) as url, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.post(url + "/api/faults", headers=headers, data=b"x" * 100_000) as response:
            assert response.status == 413


async def test_the_stream_tells_status_events_and_losses() -> None:
    server = Server()
    async with running(server) as url, ServerAdmin(url, TOKEN) as admin:
        stream = admin.stream()
        assert await anext(stream) == {"type": "link", "up": True, "error": None}
        assert (await anext(stream))["type"] == "status"
        assert server.trace.on
        for number in range(30_000):
            server.trace.emit("applied", zxid=str(number))
        seen, dropped = 0, 0
        while seen + dropped < 30_000:
            frame = await anext(stream)
            if frame["type"] == "events":
                seen, dropped = seen + len(frame["events"]), dropped + frame["dropped"]
        assert (seen, dropped) == (20_000, 10_000)
        await stream.aclose()  # type: ignore[attr-defined]
        await reached(lambda: not server.trace.on)


async def test_the_stream_comes_back_with_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_client, "RETRY_S_MAX", 0.1)
    server = Server()
    (port,) = free_ports(1)
    async with ServerAdmin(f"http://127.0.0.1:{port}", TOKEN) as admin:
        links: list[Any] = []

        async def follow() -> None:
            async for frame in admin.stream():
                links.extend([frame] if frame["type"] == "link" else [])

        following = asyncio.create_task(follow())
        await reached(lambda: links)
        with pytest.raises(Unreachable):
            await admin.status()
        for _ in range(2):
            port_open = AdminPort(server, TOKEN)
            await port_open.open(port)
            await reached(lambda: links[-1]["up"])
            await port_open.close()
            await reached(lambda: not links[-1]["up"])
        await asyncio.sleep(0.3)  # silence is tested: it tries again in this time, and says nothing new
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    states = [up for up, _ in itertools.groupby(link["up"] for link in links)]
    assert states == [False, True, False, True, False]
    assert len(links) < 10  # the same failure is told once
    assert all(link["error"] for link in links if not link["up"])


def test_the_pace_of_statuses() -> None:
    pace = _StatusPace()
    status: Any = {"znodes": 1, "uptime_ms": 1}

    def offered(now_s: float, **fields: int) -> bool:
        return pace.may(now_s) and pace.wants(status | fields, now_s)

    assert offered(0.0)
    assert not offered(STATUS_PERIOD_S_MIN / 2, znodes=2)
    assert offered(STATUS_PERIOD_S_MIN, znodes=2)
    assert not offered(2 * STATUS_PERIOD_S_MIN, znodes=2, uptime_ms=9)
    assert offered(STATUS_PERIOD_S_MIN + STATUS_PERIOD_S_MAX, znodes=2, uptime_ms=10)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"what": "melt"}', '{"what": "cut"}', '{"what": "cut", "peers": "2"}'],
)
def test_nonsense_is_no_fault(text: str) -> None:
    assert isinstance(parse_fault(text), str)


def test_booleans_are_no_server_ids() -> None:
    assert isinstance(parse_fault('{"what": "cut", "peers": [true]}'), str)
    assert parse_fault('{"what": "heal"}') == {"what": "heal", "peers": []}


async def test_numbers_and_nestings_without_end_are_refused_or_passed_over() -> None:
    async with running(Server()) as url, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.get(f"{url}/api/sessions?limit={'9' * 5000}", headers=headers) as response:
            assert (response.status, (await response.json())["total"]) == (200, 5)
        for body in (b"[" * 50_000, b'{"what": "cut", "peers": [' + b"9" * 5000 + b"]}"):
            async with session.post(f"{url}/api/faults", data=body, headers=headers) as response:
                assert response.status == 400
        for session_id in ("0x" + "f" * 40, "-0x1", "-" + "f" * 20):
            async with session.post(f"{url}/api/sessions/{session_id}/expire", headers=headers) as response:
                assert response.status in (400, 404)


@pytest.mark.parametrize(
    ("header", "value", "body"),
    [
        ("Content-Type", "text/plain; charset=nope", b'{"what": "heal"}'),
        ("Content-Type", "text/plain", b'{"what": "heal"} \xff'),
        ("Content-Encoding", "deflate", b'{"what": "heal"}'),
    ],
)
async def test_a_body_that_is_not_as_its_headers_say_is_refused(header: str, value: str, body: bytes) -> None:
    async with running(Server()) as url, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN}", header: value}
        # A body of several pieces: a client that knows its length would encode it itself.
        async with session.post(f"{url}/api/faults", data=pieces(body), headers=headers) as response:
            assert response.status == 400


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Give a body piece by piece."""
    yield body


async def test_so_many_viewers_follow_a_server_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensemble.runtime.operators.admin_http.STREAMS_MAX", 2)
    async with running(Server()) as url, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        first = await session.ws_connect(f"{url}/api/stream", headers=headers)
        second = await session.ws_connect(f"{url}/api/stream", headers=headers)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{url}/api/stream", headers=headers)
        assert refused.value.status == 503
        await first.close()

        async def again() -> bool:
            async with session.get(f"{url}/api/stream", headers=headers) as response:
                return response.status != 503

        await reached(again)
        await second.close()


@pytest.mark.parametrize(("size", "code"), [(10, 1008), (2048, 1009)])
async def test_a_viewer_that_speaks_is_sent_away_and_nothing_long_is_held(size: int, code: int) -> None:
    async with running(Server()) as url, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        viewer = await session.ws_connect(f"{url}/api/stream", headers=headers)
        await viewer.send_str("x" * size)
        while not viewer.closed:
            await viewer.receive(timeout=20)
        assert viewer.close_code == code


async def test_only_the_methods_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(Server()) as url, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "127.0.0.1"}
        for method, path in (
            ("TRACE", "/api/status"),
            ("GET", "/api/faults"),
            ("GET", "/api/sessions/0x1/expire"),
            ("DELETE", "/api/sessions"),
        ):
            async with session.request(method, url + path, headers=headers) as response:
                assert response.status == 405
        async with session.get(f"{url}/api/status", headers={"X-Forwarded-For": "127.0.0.1"}) as response:
            assert response.status == 401
