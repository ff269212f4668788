"""The AdminServer: every command over plain HTTP, and the metrics, for whoever reaches the port.

It is served when the server already serves its clients, since aiohttp takes as long to import as all else; until
then connections wait in the socket's backlog. Commands are run within a step of the server.

A browser on this machine must not be led here by a page from elsewhere: requests that say they come from another
origin are refused, and on a loopback address so are those for another host's name (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from ensemble.errors import CorruptionError, StorageError
from ensemble.replica.monitoring.commands.answers import Data
from ensemble.replica.monitoring.commands.table import COMMANDS, Command, Commands, find, framed
from ensemble.replica.monitoring.metrics.exposition import CONTENT_TYPE, exposition
from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.runtime.operators.http_log import http_logger
from ensemble.runtime.operators.restoring import RefusedError

if TYPE_CHECKING:
    import socket
    import ssl

    from ensemble.replica.counters import Counters
    from ensemble.runtime.config.operations import AdminServerSettings

CHUNK_BYTES = 256 * 1024
SNAPSHOT_RATE_DIVISOR = 1000
"""Apache reads the interval as microseconds for snapshots, so that one may be taken every 0.3 s by default."""
SAFE_SITES = frozenset({"", "none", "same-origin"})
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Host(Protocol):
    """The server's host as the AdminServer needs it."""

    @property
    def commands(self) -> Commands:
        """The commands of the server."""

    @property
    def registry(self) -> Registry:
        """Its metrics."""

    @property
    def counters(self) -> Counters:
        """What it counts."""

    def wake(self) -> None:
        """Begin a step."""

    async def directory_sizes(self) -> tuple[int, int]:
        """Measure the directories of snapshots and of logs."""

    async def take_snapshot(self) -> tuple[int, Path]:
        """Save a snapshot of the state; return its zxid and where it is. ``StorageError`` when that fails."""

    async def restore(self, chunks: AsyncIterator[bytes]) -> int:
        """Replace the ensemble's state by a snapshot (``restoring.restore``); return the zxid it then has."""

    @property
    def leads(self) -> bool:
        """Whether this server orders the writes of its ensemble, or stands alone."""

    def now_ms(self) -> int:
        """The monotonic clock."""


class RateLimit:
    """Lets one pass each interval."""

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._passed_ms: int | None = None

    def allows(self, now_ms: int) -> bool:
        """Tell whether another one may pass now; if so, it has."""
        if self._passed_ms is not None and now_ms <= self._passed_ms + self._interval_ms:
            return False
        self._passed_ms = now_ms
        return True


class AdminServer:
    """The HTTP side of the commands."""

    def __init__(self, host: Host, settings: AdminServerSettings, *, log: Callable[[str], None]) -> None:
        self._host = host
        self._settings = settings
        self._log = log
        self._snapshots = RateLimit(settings.rate_limit_ms // SNAPSHOT_RATE_DIVISOR)
        self._restores = RateLimit(settings.rate_limit_ms)
        self._restoring = False

    def application(self) -> web.Application:
        """Build the application."""
        url = self._settings.url
        application = web.Application(middlewares=[guard(loopback=is_loopback(self._settings.address))])
        if self._settings.tls is not None:
            application.on_response_prepare.append(insist_on_tls)
        application.add_routes(
            [
                web.get(url or "/", self._index),
                web.get(f"{url}/", self._index),
                web.get(f"{url}/{{name}}", self._get),
                web.post(f"{url}/{{name}}", self._post),
                *metrics_routes(self._host.registry),
            ]
        )
        return application

    async def _index(self, request: web.Request) -> web.Response:
        url = self._settings.url
        names = sorted(command.name for command in COMMANDS)
        links = "".join([f'<a href="{url}/{name}">{name}</a>\n<br/>\n' for name in names])
        return web.Response(text=links, content_type="text/html")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        if found.name == "restore":
            return answer(framed(found.name, {}, "restore is asked by POST"), 405)
        if found.name == "snapshot":
            return await self._snapshot(request, found)
        sizes = await self._host.directory_sizes() if found.sizes else (0, 0)
        self._host.wake()
        return answer(self._host.commands.run(found, request.query, sizes))

    async def _post(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if isinstance(found, web.Response):
            return found
        if found.name != "restore":
            return answer(framed(found.name, {}, f"{found.name} is asked by GET"), 405)
        return await self._restore(request, found)

    def _find(self, request: web.Request) -> Command | web.Response:
        """Return the command that is asked for, or why it is not run."""
        name = request.match_info["name"]
        obstacle = self._host.commands.obstacle(name)
        if obstacle is not None:
            return answer(obstacle)
        command = find(name)
        assert command is not None
        status, why = self._host.commands.authorize(
            command, request.headers.get("Authorization"), request.remote or "", certified(request)
        )
        return command if not why else answer(framed(name, {}, why), status)

    async def _snapshot(self, request: web.Request, command: Command) -> web.StreamResponse:
        if not self._settings.snapshot:
            return answer(framed(command.name, {}, "switched off by admin.snapshot.enabled=false"), 503)
        if not self._snapshots.allows(self._host.now_ms()):
            self._host.counters.snapshots_limited += 1
            return answer(framed(command.name, {}, TOO_SOON), 429)
        try:
            zxid, path = await self._host.take_snapshot()
            file = path.open("rb")
        except (OSError, StorageError) as error:
            self._host.counters.snapshot_errors += 1
            self._log(f"AdminServer: no snapshot could be taken: {error}")
            return answer(framed(command.name, {}, f"no snapshot could be taken: {error}"), 500)
        with file:
            size = path.stat().st_size
            headers = {"last_zxid": f"0x{zxid:x}", "snapshot_size": str(size)}
            if request.query.get("streaming", "true").lower() != "true":
                return answer(framed(command.name, {}), headers=headers)
            response = web.StreamResponse(headers=headers)
            response.content_type = "application/octet-stream"
            response.content_length = size
            await response.prepare(request)
            while chunk := file.read(CHUNK_BYTES):
                await response.write(chunk)
            return response

    async def _restore(self, request: web.Request, command: Command) -> web.Response:
        if not self._settings.restore:
            return answer(framed(command.name, {}, "switched off by admin.restore.enabled=false"), 503)
        if not request.body_exists:
            return answer(
                framed(command.name, {}, "a snapshot is to be sent as the body of the request"), 400
            )
        if self._restoring:
            return answer(framed(command.name, {}, "another snapshot is being restored"), 409)
        if not self._host.leads:
            return answer(framed(command.name, {}, NOT_LEADING), 409)
        if not self._restores.allows(self._host.now_ms()):
            self._host.counters.restores_limited += 1
            return answer(framed(command.name, {}, TOO_SOON), 429)
        self._restoring = True
        try:
            zxid = await self._host.restore(request.content.iter_chunked(CHUNK_BYTES))
        except web.RequestPayloadError:
            self._host.counters.restore_errors += 1
            return answer(
                framed(command.name, {}, "the body does not come in the encoding that its headers name"), 400
            )
        except (OSError, CorruptionError, RefusedError) as error:
            self._host.counters.restore_errors += 1
            self._log(f"AdminServer: a snapshot is not restored: {error}")
            return answer(framed(command.name, {}, str(error)), 500)
        finally:
            self._restoring = False
        return answer(framed(command.name, {"last_zxid": zxid}))


NOT_LEADING = "this server does not lead; restore on the leader alone, which brings up all others"

TOO_SOON = "asked again too soon; wait for as long as admin.rateLimiterIntervalInMS says, or lower it"


def answer(data: Data, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Write an answer as Apache's server does."""
    text = json.dumps(data, indent=2, separators=(",", " : "), ensure_ascii=False)
    return web.Response(text=text, status=status, headers=headers, content_type="application/json")


def certified(request: web.Request) -> str:
    """Return the subject of the verified certificate that a request came with; "" when there is none."""
    secured = request.get_extra_info("ssl_object")
    certificate = secured.getpeercert(binary_form=True) if secured is not None else None
    if not certificate:
        return ""
    from ensemble.runtime.tls.names import subject_of

    return subject_of(certificate)


async def insist_on_tls(request: web.Request, response: web.StreamResponse) -> None:
    """Tell browsers to come encrypted from now on, as Apache's server does for a day."""
    response.headers["Strict-Transport-Security"] = "max-age=86400; includeSubDomains"


def metrics_routes(registry: Registry) -> list[web.RouteDef]:
    """Return the one route that Prometheus asks."""

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=exposition(registry).encode(), headers={"Content-Type": CONTENT_TYPE})

    return [web.get("/metrics", metrics)]


def metrics_application(registry: Registry) -> web.Application:
    """Build the application that serves the metrics alone."""
    application = web.Application()
    application.add_routes(metrics_routes(registry))
    return application


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def guard(*, loopback: bool) -> Middleware:
    """Return what keeps pages from elsewhere out."""

    @web.middleware
    async def keep_out(request: web.Request, handler: Handler) -> web.StreamResponse:
        why = refusal(request.headers, loopback=loopback)
        if why:
            return answer(framed(request.path.rpartition("/")[2], {}, why), 403)
        return await handler(request)

    return keep_out


class Headers(Protocol):
    """The headers of a request."""

    def get(self, key: str, default: str, /) -> str:
        """Return a header, or the default."""


def refusal(headers: Headers, *, loopback: bool) -> str:
    """Say why a request is not answered; "" when it is."""
    host = headers.get("Host", "")
    if headers.get("Sec-Fetch-Site", "").lower() not in SAFE_SITES:
        return "a page from elsewhere may not ask this server"
    origin = headers.get("Origin", "")
    if origin and _host_of(origin) != host:
        return "a page from elsewhere may not ask this server"
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if loopback and name.lower() not in LOCAL_NAMES and not is_loopback(name):
        return f"this server is not {name[:80]!r}; ask for localhost, or set admin.serverAddress"
    return ""


def _host_of(origin: str) -> str:
    """Return host and port of an origin; "" when it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


async def serve(
    application: web.Application,
    listening: socket.socket,
    *,
    idle_timeout_ms: int = 30_000,
    context: ssl.SSLContext | None = None,
) -> web.AppRunner:
    """Serve ``application`` on a socket that listens already, encrypted by ``context``. The caller cleans up."""
    runner = web.AppRunner(
        application,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=1.0,
        keepalive_timeout=idle_timeout_ms / 1000,
        logger=http_logger(),
    )
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=context).start()
    return runner
