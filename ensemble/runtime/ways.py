"""How servers reach each other: plain, or by TLS. Knows nothing of what is said on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol, TypeVar

from ensemble.runtime import listening
from ensemble.runtime.tls.settings import TlsConfig

if TYPE_CHECKING:
    from ensemble.runtime.tls.doorstep import Doorstep

P = TypeVar("P", bound=asyncio.Protocol)


class Listener(Protocol):
    """An open port."""

    def close(self) -> None:
        """Stop listening; connections that exist go on."""


class Ways:
    """Plain connections to other servers, and plain ports for them."""

    def __init__(self, *, keep_alive: bool = False) -> None:
        """``keep_alive`` lets the kernel probe silent connections."""
        self.keep_alive = keep_alive

    async def listen(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        host: str | None,
        port: int,
        *,
        key: str,
        attempts: int = 1,
    ) -> Listener:
        """Listen as :func:`listening.listen` does."""
        return await listening.listen(
            make_protocol, host, port, key=key, keep_alive=self.keep_alive, attempts=attempts
        )

    async def dial(self, host: str, port: int, make_protocol: Callable[[], P]) -> P:
        """Connect; ``OSError`` when that fails."""
        transport, protocol = await asyncio.get_running_loop().create_connection(make_protocol, host, port)
        if self.keep_alive:
            listening.keep_alive(transport)
        return protocol

    def why(self, error: Exception) -> str:
        """Say in a few words why a connection could not be made."""
        return str(error) or "no answer in time"


class SecureWays(Ways):
    """The same by TLS: ports for TLS or for both, connections as ``encrypts`` says."""

    def __init__(
        self, doorstep: Doorstep, *, encrypts: bool, log: Callable[[str], None], keep_alive: bool = False
    ) -> None:
        super().__init__(keep_alive=keep_alive)
        self._doorstep = doorstep
        self._encrypts = encrypts
        self._log = log

    async def listen(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        host: str | None,
        port: int,
        *,
        key: str,
        attempts: int = 1,
    ) -> Listener:
        """Do as :class:`Ways` does."""
        from ensemble.runtime.tls.listener import listen_tls

        return await listen_tls(
            make_protocol,
            host,
            port,
            self._doorstep,
            key=key,
            log=self._log,
            keep_alive=self.keep_alive,
            attempts=attempts,
        )

    async def dial(self, host: str, port: int, make_protocol: Callable[[], P]) -> P:
        """Do as :class:`Ways` does; ``ssl.SSLError`` and ``NotTrusted`` are ``OSError``, too."""
        if not self._encrypts:
            return await super().dial(host, port, make_protocol)
        return await self._doorstep.dial(host, port, make_protocol, keep_alive=self.keep_alive)

    def why(self, error: Exception) -> str:
        """Do as :class:`Ways` does."""
        from ensemble.runtime.tls.doorstep import why

        return why(error)


def ways(
    tls: TlsConfig,
    hosts: Callable[[], Iterable[str]],
    *,
    keep_alive: bool = False,
    log: Callable[[str], None],
) -> Ways:
    """Return the ways that the configuration asks for; ``hosts`` are the names that servers may bear.

    Raises :class:`ConfigError` when a key store cannot be used.
    """
    if tls.quorum is None:
        return Ways(keep_alive=keep_alive)
    # Only now: what reads certificates takes long to import.
    from ensemble.runtime.tls.contexts import TlsContexts
    from ensemble.runtime.tls.doorstep import Doorstep

    contexts = TlsContexts(tls.quorum, log=log)
    return SecureWays(
        Doorstep(contexts, unified=tls.quorum_unified, hosts=hosts),
        encrypts=tls.quorum_dials,
        log=log,
        keep_alive=keep_alive,
    )
