"""Connections for a session: one server after the other, pings, and knowing when one is lost.

The only module of the client that sees a socket and a clock. It gives bytes to a ``Session`` and takes bytes
from it, and knows nothing of what they say. With a session time-out of T: a ping when nothing was sent for
T/3, another server when nothing was heard for 2T/3, and T over the number of servers for a server to accept
us. Servers are tried in turn from a random one on, so that a crowd of clients spreads.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

from ensemble.client.addresses import Address
from ensemble.client.session import Session, State
from ensemble.errors import WireError

_PAUSE_S_MIN = 0.05
_PAUSE_S_MAX = 1.0
"""Between two rounds in which no server accepted us."""


class _Protocol(asyncio.Protocol):
    """One TCP connection."""

    def __init__(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        self._session = session
        self._time = loop.time
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = loop.create_future()
        self.answered: asyncio.Future[None] = loop.create_future()
        """Done once the server answered our introduction, one way or the other."""
        self.heard_at = self.sent_at = loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._session.on_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._time()
        try:
            self._session.on_data(data)
        except WireError:
            # Whatever is at the other end does not speak the protocol; the next server may.
            self.abort()
            return
        if not self.answered.done() and self._session.state is not State.CONNECTING:
            self.answered.set_result(None)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def flush(self) -> None:
        out = self._session.take()
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(out)
            self.sent_at = self._time()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Connector:
    """Keeps a session connected until it ends."""

    def __init__(self, addresses: Sequence[Address], session: Session) -> None:
        self._addresses = addresses
        self._session = session
        self._protocol: _Protocol | None = None
        self._flush_due = False
        self.server: Address | None = None
        """The server connected to, or last tried."""

    def flush_soon(self) -> None:
        """Write what the session has to say at the end of this turn of the loop: requests made together
        leave together."""
        if not self._flush_due:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._protocol is not None:
            self._protocol.flush()

    async def run(self) -> None:
        """Connect, keep, reconnect; returns when the session ended."""
        # S311: this spreads clients over servers, it guards nothing.
        index = random.randrange(len(self._addresses))  # noqa: S311
        failures = 0
        while self._session.state in (State.CONNECTING, State.CONNECTED):
            self.server = self._addresses[index % len(self._addresses)]
            index += 1
            failures = 0 if await self._serve(self.server) else failures + 1
            if failures and failures % len(self._addresses) == 0:
                rounds = failures // len(self._addresses)
                await asyncio.sleep(min(_PAUSE_S_MIN * 2 ** min(rounds, 10), _PAUSE_S_MAX))

    async def _serve(self, address: Address) -> bool:
        """Work with one server for as long as it lasts; tell whether it accepted us at all."""
        patience = self._session.timeout_ms / 1000 / len(self._addresses)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience):
                _, protocol = await loop.create_connection(lambda: _Protocol(self._session), *address)
        except OSError:  # TimeoutError is one
            return False
        self._protocol = protocol
        try:
            await asyncio.wait(
                (protocol.lost, protocol.answered), timeout=patience, return_when="FIRST_COMPLETED"
            )
            accepted = self._session.state is State.CONNECTED and not protocol.lost.done()
            if accepted:
                await self._keep(protocol)
            return accepted
        finally:
            self._protocol = None
            protocol.abort()
            self._session.on_connection_lost()

    async def _keep(self, protocol: _Protocol) -> None:
        """Ping; return when the connection is lost or the server has fallen silent."""
        now = asyncio.get_running_loop().time
        timeout = self._session.timeout_ms / 1000
        while not protocol.lost.done():
            silent_at = protocol.heard_at + timeout * 2 / 3
            ping_at = protocol.sent_at + timeout / 3
            if now() >= silent_at:
                return
            if now() >= ping_at:
                self._session.ping()
                protocol.flush()
                continue
            await asyncio.wait((protocol.lost,), timeout=min(silent_at, ping_at) - now())
