"""What comes to the AdminServer from pages of elsewhere, or is no HTTP at all."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import aiohttp.web
import pytest

from ensemble.runtime.operators.admin_server import refusal, serve
from tests.ensemble.runtime.harness import HOST
from tests.ensemble.runtime.operators.asking import asking


@pytest.mark.parametrize(
    ("headers", "loopback", "kept_out"),
    [
        ({"Host": "localhost:8080"}, True, False),
        ({"Host": "127.0.0.1:8080"}, True, False),
        ({"Host": "[::1]:8080"}, True, False),
        ({"Host": "zk-0.example:8080"}, False, False),
        ({"Host": "rebound.example:8080"}, True, True),
        ({}, True, True),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, True, False),
        ({"Host": "localhost:8080", "Origin": "http://localhost:3000"}, True, True),
        ({"Host": "zk-0.example:8080", "Origin": "null"}, False, True),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "cross-site"}, True, True),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "none"}, True, False),
    ],
)
def test_pages_from_elsewhere_are_kept_out(headers: dict[str, str], loopback: bool, kept_out: bool) -> None:
    assert bool(refusal(headers, loopback=loopback)) is kept_out


async def test_a_page_from_elsewhere_changes_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        status, data = await asked.get("/commands/stat_reset", Origin="http://elsewhere.example")
        assert (status, data["error"]) == (403, "a page from elsewhere may not ask this server")
        assert (await asked.get("/commands/ruok", Host="rebound.example"))[0] == 403


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "\\", "http://" + "a" * 5000])
def test_an_origin_that_is_none_is_elsewhere(origin: str) -> None:
    assert refusal({"Host": "localhost", "Origin": origin}, loopback=True)


SPOILT = b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip"


async def test_what_is_no_http_is_answered_and_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with asking(tmp_path) as asked:
        port = int(asked.url.rpartition(":")[2])
        restore = b"POST /commands/restore HTTP/1.1\r\nHost: localhost\r\n"
        for line, expected in (
            (b"TRACE /commands HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
            (b"\x16\x03\x01 no HTTP\r\n\r\n", 400),
            (b"GET / HTTP/9.9\r\n\r\n", 400),
            # A body that is not what its headers say, of a stranger and of one who may restore.
            (restore + SPOILT, 401),
            (restore + b"Authorization: digest a:b\r\n" + SPOILT, 400),
        ):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(line)
            assert int((await reader.readline()).split()[1]) == expected
            await reader.read()
            writer.close()
            await writer.wait_closed()
        # Where a request comes from is what the socket says.
        status, _ = await asked.get(
            "/commands/ruok", **{"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"}
        )
        assert status == 200
    assert caplog.records == []


async def test_a_failure_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(request: aiohttp.web.Request) -> aiohttp.web.Response:
        raise RuntimeError("our bug")

    application = aiohttp.web.Application()
    application.router.add_get("/", fails)
    listening = socket.create_server((HOST, 0))
    runner = await serve(application, listening)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{HOST}:{listening.getsockname()[1]}/") as response,
    ):
        assert response.status == 500
    await runner.cleanup()
    assert "our bug" in caplog.text
