"""The ports that clients connect to: plain, TLS, or one for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ensemble.replica.metrics.registry import Registry
from ensemble.runtime.clients import ClientSocket
from ensemble.runtime.config.server import ServerConfig
from ensemble.runtime.listening import listen

if TYPE_CHECKING:
    import asyncio

    from ensemble.runtime.tls.listener import TlsListener


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
            self._plain = await listen(
                self._make_socket,
                config.client_host,
                config.client_port,
                key="clientPort",
                backlog=config.listen_backlog,
                keep_alive=config.cluster.client_keep_alive,
            )

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
        if self._plain:
            self._plain.close()
        for listener in self._secure:
            listener.close()
