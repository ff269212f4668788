"""The admin port of one server: the endpoints of ``admin.schema`` on loopback, for bearers of the token.

Reads the server's state between its steps and never changes it but through the host. The peer's address is
the socket's; forwarding headers mean nothing here.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from ensemble.admin.schema import (
    FaultCommand,
    FaultStatus,
    LifetimeStatus,
    ServerStatus,
    SessionStatus,
    WatchStatus,
)
from ensemble.errors import ConfigError
from ensemble.runtime.listening import failure_sentence
from ensemble.runtime.operators.admin_stream import stream
from ensemble.runtime.operators.http_log import http_logger
from ensemble.trace import Trace

LOOPBACK = "127.0.0.1"
BODY_BYTES_MAX = 64 * 1024
STREAMS_MAX = 64
"""Viewers of the live stream; each has a queue of its own."""
LISTED_MAX = 1000
"""Sessions and watches in one answer unless ``?limit=`` says otherwise; ``total`` tells of the rest."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Replica(Protocol):
    """What a server tells about itself."""

    def sessions(self) -> list[SessionStatus]:
        """All sessions of the agreed state."""

    def watches(self) -> list[WatchStatus]:
        """All watches on this server."""

    def lifetimes(self, paths: Iterable[str]) -> list[LifetimeStatus]:
        """Those of ``paths`` that servers delete by themselves."""


class Server(Protocol):
    """The host as the admin port needs it."""

    @property
    def faults_allowed(self) -> bool:
        """Whether the configuration lets faults be commanded."""

    @property
    def trace(self) -> Trace:
        """The stream of events."""

    @property
    def replica(self) -> Replica:
        """The server's lists."""

    def status(self) -> ServerStatus:
        """The server's status now."""

    def command_fault(self, command: FaultCommand) -> list[FaultStatus]:
        """Carry out a fault command."""

    def expire_session(self, session_id: int) -> bool:
        """Close a session; tell whether it is known."""


def refusal(status: int, sentence: str) -> web.Response:
    """Answer with an error in the schema's form."""
    return web.json_response({"error": sentence}, status=status)


def guarded(token: str) -> Middleware:
    """Return the middleware that lets nobody pass without ``token``, and says errors in JSON."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, expected):
            return refusal(401, "this port answers only to its bearer token")
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return refusal(error.status, f"{request.method} {request.path}: {error.reason}")

    return guard


async def listen_on_loopback(application: web.Application, port: int, *, key: str) -> web.AppRunner:
    """Serve ``application``; :class:`ConfigError` when the port cannot be had. The caller cleans up."""
    runner = web.AppRunner(
        application, access_log=None, handle_signals=False, shutdown_timeout=1.0, logger=http_logger()
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port, reuse_address=True).start()
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(failure_sentence(error, LOOPBACK, port, key)) from None
    return runner


class AdminPort:
    """The HTTP side of one server."""

    def __init__(self, server: Server, token: str) -> None:
        self._server = server
        self._runner: web.AppRunner | None = None
        self._streams: set[asyncio.Task[object]] = set()
        self._application = web.Application(middlewares=[guarded(token)], client_max_size=BODY_BYTES_MAX)
        self._application.add_routes(
            [
                web.get("/api/status", self._status),
                web.get("/api/sessions", self._sessions),
                web.get("/api/watches", self._watches),
                web.post("/api/lifetimes", self._lifetimes),
                web.get("/api/stream", self._stream),
                web.post("/api/faults", self._fault),
                web.post("/api/sessions/{session}/expire", self._expire),
                web.get("/commands/{name}", self._command),
            ]
        )

    async def open(self, port: int) -> None:
        """Listen on loopback; :class:`ConfigError` when the port cannot be had."""
        self._runner = await listen_on_loopback(self._application, port, key="coordinator.adminPort")

    async def close(self) -> None:
        """End all streams and answer no more."""
        for task in self._streams:
            task.cancel()
        if self._runner:
            await self._runner.cleanup()

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._server.status())

    async def _sessions(self, request: web.Request) -> web.Response:
        sessions = self._server.replica.sessions()
        return web.json_response({"sessions": sessions[: _limit(request)], "total": len(sessions)})

    async def _watches(self, request: web.Request) -> web.Response:
        watches = self._server.replica.watches()
        return web.json_response({"watches": watches[: _limit(request)], "total": len(watches)})

    async def _lifetimes(self, request: web.Request) -> web.Response:
        paths = parse_paths(await request.text())
        if isinstance(paths, str):
            return refusal(400, paths)
        return web.json_response({"lifetimes": self._server.replica.lifetimes(paths)})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if len(self._streams) >= STREAMS_MAX:
            return refusal(503, f"{STREAMS_MAX} viewers follow this server already; close one")
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            return await stream(request, self._server.status, self._server.trace)
        finally:
            self._streams.discard(task)

    async def _fault(self, request: web.Request) -> web.Response:
        if not self._server.faults_allowed:
            return refusal(403, "this server's configuration does not allow faults (coordinator.faults=true)")
        try:
            text = await request.text()
        except (LookupError, UnicodeDecodeError, web.RequestPayloadError):
            return refusal(400, "the body is not text in the encodings that its headers name")
        command = parse_fault(text)
        if isinstance(command, str):
            return refusal(400, command)
        return web.json_response({"faults": self._server.command_fault(command)})

    async def _expire(self, request: web.Request) -> web.Response:
        text = request.match_info["session"]
        try:
            session_id = int(text, 16)
        except ValueError:
            return refusal(400, "a session id is written as 0x and hexadecimal digits")
        if self._server.expire_session(session_id):
            return web.json_response({"submitted": True})
        if self._server.status()["role"] != "leading":
            return refusal(
                409, "only the leader can expire a session that is not this server's own; ask the leader"
            )
        return refusal(404, f"there is no session {text}")

    async def _command(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in ("ruok", "srvr", "server_stats"):
            return web.json_response({"command": name, "error": f"Unknown command: {name}"})
        answer: dict[str, object] = {"command": "ruok" if name == "ruok" else "server_stats", "error": None}
        if name != "ruok":
            answer["server_stats"] = self._server.status()
        return web.json_response(answer)


def parse_fault(text: str) -> FaultCommand | str:
    """Read a fault command; a string says what is wrong with it."""
    try:
        command = json.loads(text)
    except (ValueError, RecursionError):
        return "the body is not JSON"
    if not isinstance(command, dict) or command.get("what") not in ("cut", "heal"):
        return 'the body needs "what": "cut" or "heal"'
    peers = command.get("peers", [])
    if not isinstance(peers, list) or not all(type(peer) is int for peer in peers):
        return '"peers" is a list of server ids'
    if command["what"] == "cut" and not peers:
        return 'a cut names its "peers"'
    return FaultCommand(what=command["what"], peers=peers)


def parse_paths(text: str) -> list[str] | str:
    """Read a list of paths; a string says what is wrong with it."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return "the body is not JSON"
    paths = asked.get("paths") if isinstance(asked, dict) else None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        return 'the body needs "paths": a list of paths'
    return paths


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else LISTED_MAX
