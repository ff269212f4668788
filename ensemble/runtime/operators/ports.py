"""The ports that operators and Prometheus ask: their sockets at the start, what answers there a little later.

A port that somebody asked for must be had. The AdminServer's default one may be taken, by another server of this
machine for example; then this server goes on without.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from ensemble.errors import ConfigError
from ensemble.runtime.listening import failure_sentence
from ensemble.runtime.tasks import watched

if TYPE_CHECKING:
    from aiohttp import web

    from ensemble.runtime.config.operations import Operations
    from ensemble.runtime.host import Server
    from ensemble.runtime.tls.contexts import TlsContexts

BACKLOG = 64


class OperatorPorts:
    """The AdminServer and the metrics of one server."""

    def __init__(self, server: Server, settings: Operations, *, log: Callable[[str], None]) -> None:
        self._server = server
        self._settings = settings
        self._log = log
        self._admin: socket.socket | None = None
        self._metrics: socket.socket | None = None
        self._contexts: TlsContexts | None = None
        self._serving: asyncio.Task[None] | None = None
        self._runners: list[web.AppRunner] = []

    def open(self) -> None:
        """Listen; :class:`ConfigError` when a port that was asked for cannot be had."""
        admin, metrics = self._settings.admin_server, self._settings.metrics_address
        if metrics is not None:
            self._metrics = listening_socket(*metrics, key="metricsProvider.httpPort")
        if admin is not None and admin.tls is not None:
            from ensemble.runtime.tls.contexts import TlsContexts

            self._contexts = TlsContexts(admin.tls, log=self._log)
        if admin is not None:
            try:
                self._admin = listening_socket(admin.address, admin.port, key="admin.serverPort")
            except ConfigError as error:
                if admin.wanted:
                    raise
                self._log(f"AdminServer: not there: {error}")

    def serve(self) -> None:
        """Answer on the ports that are open, as soon as the library for it is there."""
        if self._admin is not None or self._metrics is not None:
            self._serving = watched(self._serve())

    async def _serve(self) -> None:
        # In a thread: the server serves its clients meanwhile.
        http = await asyncio.to_thread(importlib.import_module, "ensemble.runtime.operators.admin_server")
        admin = self._settings.admin_server
        if self._admin is not None and admin is not None:
            application = http.AdminServer(self._server, admin, log=self._log).application()
            self._runners.append(
                await http.serve(
                    application,
                    self._admin,
                    idle_timeout_ms=admin.idle_timeout_ms,
                    context=self._contexts and self._contexts.for_incoming(),
                )
            )
            self._log(
                f"AdminServer: http{'s' if admin.tls else ''}://{admin.address}:{admin.port}{admin.url}"
            )
        if self._metrics is not None:
            application = http.metrics_application(self._server.registry)
            self._runners.append(await http.serve(application, self._metrics))
            address, port = self._metrics.getsockname()[:2]
            self._log(f"metrics: http://{address}:{port}/metrics")

    async def close(self) -> None:
        """Answer no more."""
        if self._serving is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving
        for runner in self._runners:
            await runner.cleanup()
        for listening in (self._admin, self._metrics):
            if listening is not None:
                listening.close()


def listening_socket(host: str, port: int, *, key: str) -> socket.socket:
    """Open a socket and listen on it; :class:`ConfigError` names ``key``."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
        except BaseException:
            listening.close()
            raise
    except OSError as error:
        raise ConfigError(failure_sentence(error, host, port, key)) from None
    listening.setblocking(False)
    return listening
