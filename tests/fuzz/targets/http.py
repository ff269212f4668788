"""Requests to the admin port and to the AdminServer: raw bytes on a connection, answered by the real servers."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from aiohttp import web

from ensemble.admin.schema import FaultCommand, FaultStatus, ServerStatus
from ensemble.replica.agreement.restoring import examine
from ensemble.replica.monitoring.commands.table import Commands
from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.runtime.config.operations import AdminServerSettings
from ensemble.runtime.operators.admin_http import AdminPort
from ensemble.runtime.operators.admin_server import AdminServer
from ensemble.runtime.operators.http_log import http_logger
from ensemble.storage import snapshots
from ensemble.trace import Trace
from tests.ensemble.replica.harness import Server, World
from tests.fuzz.target import Target

TOKEN = "a-token"
_ANSWER = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)
_QUIET_TURNS = 12
"""A connection on which nothing has been said for so many turns of the loop waits for the client."""
_ANSWER_BYTES_MAX = 1 << 20
_SNAPSHOT = Path(__file__)
"""What is sent for a snapshot: any file."""


class _Host:
    """A server of the harness as both ports need it."""

    faults_allowed = True

    def __init__(self, server: Server) -> None:
        self._server = server
        self.replica = server.replica
        self.trace: Trace = server.trace
        self.commands: Commands = server.replica.commands
        self.registry: Registry = server.replica.metrics
        self.counters = server.replica.service.counters

    def status(self) -> ServerStatus:
        return self.replica.status()

    def command_fault(self, command: FaultCommand) -> list[FaultStatus]:
        return []

    def expire_session(self, session_id: int) -> bool:
        known = self.replica.expire_session(session_id)
        self._server.world.settle()
        return known

    def wake(self) -> None:
        return

    async def take_snapshot(self) -> tuple[int, Path]:
        return 1, _SNAPSHOT

    leads = True

    async def restore(self, chunks: AsyncIterator[bytes]) -> int:
        found = examine(b"".join([chunk async for chunk in chunks]))
        return found.zxid

    async def directory_sizes(self) -> tuple[int, int]:
        return 0, 0

    def now_ms(self) -> int:
        return 0


class _Wire(asyncio.Transport):
    """The server's end of a connection, kept in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 50000), "sockname": ("127.0.0.1", 8080)})
        self.answer = bytearray()
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.answer += data

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self._closing = True

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class _Served:
    """Both applications on a loop of their own, made at the first input. Their connections have no sockets."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        host = _Host(World().only)
        settings = AdminServerSettings(
            address="127.0.0.1",
            port=0,
            wanted=True,
            url="/commands",
            tls=None,
            idle_timeout_ms=1000,
            rate_limit_ms=-1,
            snapshot=True,
            restore=True,
        )
        server = AdminServer(host, settings, log=lambda line: None)  # type: ignore[arg-type]
        self._port = AdminPort(host, TOKEN)  # type: ignore[arg-type]
        self.admin_server = self.loop.run_until_complete(self._set_up(server.application()))
        self.admin_port = self.loop.run_until_complete(self._set_up(self._port._application))
        self.failures: list[str] = []
        self.loop.set_exception_handler(lambda loop, context: self.failures.append(str(context)))
        http_logger().addHandler(self._Failures(self.failures))

    class _Failures(logging.Handler):
        """What a handler raised."""

        def __init__(self, failures: list[str]) -> None:
            super().__init__()
            self._failures = failures

        def emit(self, record: logging.LogRecord) -> None:
            self._failures.append(self.format(record))

    async def _set_up(self, application: web.Application) -> web.Server[web.Request]:
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            logger=http_logger(),
            handler_cancellation=True,
        )
        await runner.setup()
        assert runner.server is not None
        return runner.server

    def ask(self, server: web.Server[web.Request], data: bytes) -> bytes:
        """Say ``data`` on a connection, hang up when nothing more comes; return the answer."""
        return self.loop.run_until_complete(self._ask(server, data))

    async def _ask(self, server: web.Server[web.Request], data: bytes) -> bytes:
        wire, connection = _Wire(), server()
        connection.connection_made(wire)
        connection.data_received(data)
        quiet, size = 0, 0
        while quiet < _QUIET_TURNS and len(wire.answer) < _ANSWER_BYTES_MAX and not wire.is_closing():
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(wire.answer) == size else 0
            size = len(wire.answer)
        connection.connection_lost(None)
        for _ in range(_QUIET_TURNS):
            await asyncio.sleep(0)
        return bytes(wire.answer)


_served: _Served | None = None


def _feed(data: bytes) -> None:
    global _served
    if _served is None:
        _served = _Served()
    served = _served
    whole = (
        data[1:].rstrip(b"\r\n") + b"\r\nConnection: close\r\n\r\n" if b"\r\n\r\n" not in data else data[1:]
    )
    served.failures.clear()
    answer = served.ask(served.admin_port if data[:1] == b"\1" else served.admin_server, whole)
    assert served.failures == []
    # Apache's answer to a snapshot that cannot be restored; all else is answered with another status.
    refused = b'"command" : "restore"' in answer
    statuses = [int(status) for status in _ANSWER.findall(answer)]
    assert 500 not in statuses or refused, answer[:300]


def _request(line: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: localhost", *headers, "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _seeds() -> Iterable[bytes]:
    token = f"Authorization: Bearer {TOKEN}"
    for path in (
        "/commands",
        "/commands/monitor",
        "/commands/watches_by_path",
        "/commands/lsnp?x=1",
        "/commands/nope",
        "/metrics",
    ):
        yield b"\0" + _request(f"GET {path}")
    yield b"\0" + _request("GET /commands/stat", "Origin: http://localhost", "Sec-Fetch-Site: same-origin")
    yield b"\0" + _request("GET /commands/snapshot", "Authorization: digest super:secret")
    credential = "Authorization: digest root:x"
    yield b"\0" + _request("GET /commands/snapshot?streaming=false", credential)
    yield b"\0" + _request("GET /commands/snapshot", credential)
    yield b"\0" + _request("POST /commands/restore", body=b"ZKSN")
    whole = b"".join(snapshots.encode(1, [snapshots.PRISTINE_BODY], snapshots.PRISTINE_DIGEST))
    yield b"\0" + _request("POST /commands/restore", credential, body=whole)
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole)
    yield b"\0" + _request("POST /commands/restore", credential, "Transfer-Encoding: chunked") + chunked
    yield b"\0" + b"".join([_request(f"GET /commands/{name}") for name in ("ruok", "conf", "dirs")]).replace(
        b"close", b"keep-alive"
    )
    for path in ("/api/status", "/api/sessions?limit=1", "/api/watches?limit=99", "/commands/srvr"):
        yield b"\1" + _request(f"GET {path}", token)
    yield b"\1" + _request("POST /api/faults", token, body=b'{"what": "cut", "peers": [2]}')
    yield b"\1" + _request("POST /api/sessions/0x1f/expire", token, body=b"{}")


TARGETS = (
    Target(
        "admin",
        "admin input",
        "Whatever is asked of the admin port or of the AdminServer, nothing raises: it is answered, or the connection is "
        "closed.",
        _feed,
        _seeds,
        size_max=8000,
        words=(
            b"Origin: http://[",
            b"9" * 4400,
            b"[" * 3000,
            b"%00",
            b"../",
            b"\r\n",
            b"TRACE",
            b"?limit=",
            b"0x" + b"f" * 40,
            b"stmk?traceMask=-",
            b"Content-Type: text/plain; charset=",
            b"Transfer-Encoding: chunked\r\n",
            b"Content-Length: ",
            b"Expect: 100-continue\r\n",
        ),
        examples=100,
    ),
)
