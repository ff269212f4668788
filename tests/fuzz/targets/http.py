"""Requests to the admin port and to the AdminServer: raw bytes on a socket, answered by the real servers."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterable
from pathlib import Path

from aiohttp import web

from ensemble.admin.schema import FaultCommand, FaultStatus, ServerStatus
from ensemble.replica.commands.table import Commands
from ensemble.replica.metrics.registry import Registry
from ensemble.runtime.config.operations import AdminServerSettings
from ensemble.runtime.operators.admin_http import AdminPort
from ensemble.runtime.operators.admin_server import AdminServer
from ensemble.runtime.operators.http_log import http_logger
from ensemble.trace import Trace
from tests.ensemble.replica.harness import Server, World
from tests.fuzz.target import Target

TOKEN = "a-token"
_ANSWER = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)
_QUIET_S = 0.02
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

    async def directory_sizes(self) -> tuple[int, int]:
        return 0, 0

    def now_ms(self) -> int:
        return 0


class _Served:
    """Both applications on a loop of their own, made at the first input."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        # What a handler raises is answered by 500, which is what is looked for.
        self.loop.set_exception_handler(lambda loop, context: None)
        host = _Host(World().only)
        settings = AdminServerSettings(
            address="127.0.0.1",
            port=0,
            wanted=True,
            url="/commands",
            tls=None,
            idle_timeout_ms=1000,
            rate_limit_ms=0,
            snapshot=True,
            restore=True,
        )
        server = AdminServer(host, settings, log=lambda line: None)  # type: ignore[arg-type]
        self._port = AdminPort(host, TOKEN)  # type: ignore[arg-type]
        self.admin_server = self.loop.run_until_complete(self._listen(server.application()))
        self.admin_port = self.loop.run_until_complete(self._listen(self._port._application))

    async def _listen(self, application: web.Application) -> tuple[str, int]:
        runner = web.AppRunner(application, access_log=None, handle_signals=False, logger=http_logger())
        await runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        return listening.getsockname()[:2]

    def ask(self, where: tuple[str, int], data: bytes) -> bytes:
        return self.loop.run_until_complete(self._ask(where, data))

    async def _ask(self, where: tuple[str, int], data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*where)
        answer = b""
        try:
            writer.write(data)
            while chunk := await asyncio.wait_for(reader.read(65536), _QUIET_S if answer else 0.2):
                answer += chunk
                if len(answer) > 1 << 20 or b"text/event" in answer:
                    break
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return answer


_served: _Served | None = None


def _feed(data: bytes) -> None:
    global _served
    if _served is None:
        _served = _Served()
    where = _served.admin_port if data[:1] == b"\1" else _served.admin_server
    answer = _served.ask(
        where,
        data[1:].rstrip(b"\r\n") + b"\r\nConnection: close\r\n\r\n" if b"\r\n\r\n" not in data else data[1:],
    )
    statuses = [int(status) for status in _ANSWER.findall(answer)]
    assert 500 not in statuses, answer[:300]


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
    yield b"\0" + _request("POST /commands/restore", body=b"ZKSN")
    for path in ("/api/status", "/api/sessions?limit=1", "/api/watches?limit=99", "/commands/srvr"):
        yield b"\1" + _request(f"GET {path}", token)
    yield b"\1" + _request("POST /api/faults", token, body=b'{"what": "cut", "peers": [2]}')
    yield b"\1" + _request("POST /api/sessions/0x1f/expire", token, body=b"{}")


TARGETS = (
    Target(
        "admin",
        "Whatever is asked of the admin port or of the AdminServer, it is answered with a status that is not 500, or "
        "the connection is closed.",
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
        ),
        examples=40,
    ),
)
