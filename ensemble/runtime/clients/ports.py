"""The ports that clients connect to: plain, TLS, or one for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ensemble.errors import ConfigError
from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.runtime.clients.clients import ClientSocket
from ensemble.runtime.config.server import ServerConfig
from ensemble.runtime.listening import listen
from ensemble.runtime.tasks import watched

if TYPE_CHECKING:
    import asyncio

    from ensemble.runtime.tls.listener import TlsListener

_ANYWHERE = (None, "0.0.0.0", "::")  # noqa: S104 - how a membership writes it


class ClientPorts:
    """The listeners of one server."""

    def __init__(
        self, config: ServerConfig, make_socket: Callable[[], ClientSocket], *, log: Callable[[str], None]
    ) -> None:
        self._config = config
        self._make_socket = make_socket
        self._log = log
        self._plain: asyncio.Server | None = None
        self._secure: list[TlsListener] = []
        self._at = (config.client_host, config.client_port)
        self._moving: asyncio.Task[None] | None = None

    def register(self, registry: Registry) -> None:
        """Tell of handshakes, where clients may come by TLS."""
        if self._config.tls.client is None:
            return
        secure = self._secure
        registry.gauge("outstanding_tls_handshake", lambda: sum(one.handshakes for one in secure))
        registry.counters["unsuccessful_handshake"] = lambda: sum(one.failed for one in secure)
        registry.counters["tls_handshake_exceeded"] = lambda: sum(one.crowded_out for one in secure)

    async def open(self) -> None:
        """Listen; :class:`ConfigError` when a port cannot be had, or a key store not be used."""
        config = self._config
        if config.tls.client is not None:
            await self._open_secure()
        if config.client_port and not config.tls.client_unified:
            self._plain = await self._listen(config.client_host, config.client_port)

    async def _listen(self, host: str | None, port: int) -> asyncio.Server:
        config = self._config
        return await listen(
            self._make_socket,
            host,
            port,
            key="clientPort",
            backlog=config.listen_backlog,
            keep_alive=config.cluster.client_keep_alive,
        )

    def move(self, host: str | None, port: int) -> None:
        """Listen at another plain port, as a new membership says; clients that are connected stay."""
        host = None if host in _ANYWHERE else host
        if (host, port) == self._at or (self._config.client_host is not None and port == self._at[1]):
            return
        self._at = (host, port)
        if self._config.tls.client_unified:
            self._log(f"clients are served at the new port {port} when this server is started again")
            return
        self._moving = watched(self._move(host, port))

    async def _move(self, host: str | None, port: int) -> None:
        try:
            listener = await self._listen(host, port)
        except ConfigError as error:
            self._log(f"clients are still served at the old port: {error}")
            return
        before, self._plain = self._plain, listener
        if before is not None:
            before.close()
        self._log(f"clients are served at port {port} from now on")

    async def _open_secure(self) -> None:
        from ensemble.runtime.tls.contexts import TlsContexts
        from ensemble.runtime.tls.doorstep import Doorstep
        from ensemble.runtime.tls.listener import listen_tls

        config, tls = self._config, self._config.tls
        assert tls.client is not None
        contexts = TlsContexts(tls.client, log=self._log)
        wanted = []
        if tls.secure_port:
            wanted.append(("secureClientPort", tls.secure_host, tls.secure_port, False))
        if config.client_port and tls.client_unified:
            wanted.append(("clientPort", config.client_host, config.client_port, True))
        for key, host, port, unified in wanted:
            self._secure.append(
                await listen_tls(
                    self._make_socket,
                    host,
                    port,
                    Doorstep(contexts, unified=unified),
                    key=key,
                    log=self._log,
                    backlog=config.listen_backlog,
                    keep_alive=config.cluster.client_keep_alive,
                )
            )

    def close(self) -> None:
        """Stop listening; connections that exist go on."""
        if self._moving is not None:
            self._moving.cancel()
        if self._plain:
            self._plain.close()
        for listener in self._secure:
            listener.close()
