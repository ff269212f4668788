"""How servers reach each other: plain, by TLS, or with SASL first. Knows nothing of what is said on the way.

A greeting is what a caller says before it has to prove itself (on the election port, who it is).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from ensemble.runtime import listening

if TYPE_CHECKING:
    from ensemble.runtime.tls.doorstep import Doorstep

P = TypeVar("P", bound=asyncio.Protocol)


GreetingSize = Callable[[bytes], int | None]
"""Return how many of the bytes are the greeting, None when more have to come; ``WireError`` when they are none."""


def no_greeting(data: bytes) -> int:
    """A caller proves itself at once."""
    return 0


@dataclass(frozen=True, slots=True)
class Port:
    """Where to listen for other servers."""

    host: str | None
    """An address of this machine; None for all of them."""
    number: int
    key: str
    """What it is for: complaints begin with it."""
    attempts: int = 1
    """How often to try while somebody else has it; 0 for ever."""


class Listener(Protocol):
    """An open port."""

    def close(self) -> None:
        """Stop listening; connections that exist go on."""


class Ways:
    """Plain connections to other servers, and plain ports for them."""

    greets = False
    """Whether ``dial`` says the greeting; else the protocol does."""

    def __init__(self, *, keep_alive: bool = False) -> None:
        """``keep_alive`` lets the kernel probe silent connections."""
        self.keep_alive = keep_alive

    async def listen(
        self,
        make_protocol: Callable[[], asyncio.Protocol],
        port: Port,
        *,
        greeting_size: GreetingSize = no_greeting,
    ) -> Listener:
        """Listen as :func:`listening.listen` does."""
        return await listening.listen(
            make_protocol,
            port.host,
            port.number,
            key=port.key,
            keep_alive=self.keep_alive,
            attempts=port.attempts,
        )

    async def dial(self, host: str, port: int, make_protocol: Callable[[], P], *, greeting: bytes = b"") -> P:
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
        port: Port,
        *,
        greeting_size: GreetingSize = no_greeting,
    ) -> Listener:
        """Do as :class:`Ways` does."""
        from ensemble.runtime.tls.listener import listen_tls

        return await listen_tls(
            make_protocol,
            port.host,
            port.number,
            self._doorstep,
            key=port.key,
            log=self._log,
            keep_alive=self.keep_alive,
            attempts=port.attempts,
        )

    async def dial(self, host: str, port: int, make_protocol: Callable[[], P], *, greeting: bytes = b"") -> P:
        """Do as :class:`Ways` does; ``ssl.SSLError`` and ``NotTrusted`` are ``OSError``, too."""
        if not self._encrypts:
            return await super().dial(host, port, make_protocol, greeting=greeting)
        return await self._doorstep.dial(host, port, make_protocol, keep_alive=self.keep_alive)

    def why(self, error: Exception) -> str:
        """Do as :class:`Ways` does."""
        from ensemble.runtime.tls.doorstep import why

        return why(error)
