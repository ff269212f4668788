"""Connections for a session: one server after the other, pings, and knowing when one is lost.

The only module of the client that sees a socket and a clock. It gives bytes to a ``Session`` and takes bytes
from it, and knows nothing of what they say. Servers are tried in turn, in an order that each client shuffles
for itself, and a name is looked up anew at every attempt.

With a session time-out of T, as Apache's client has it (ClientCnxn.SendThread): T over the number of servers
for one to accept us; a ping when nothing was sent for T/3, a second less when that is long, and every 10 s at
least; another server when nothing was heard for 2T/3; and after 4T/3 without a word from any server the session
is over, for the servers have ended it by then (ZOOKEEPER-4508).
"""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from socket import SOCK_STREAM
from ssl import SSLCertVerificationError, SSLContext, SSLError
from typing import cast

from ensemble.client.addresses import Address
from ensemble.client.session import Session, State
from ensemble.errors import WireError

_PAUSE_S_MIN = 0.05
_PAUSE_S_MAX = 1.0
"""Between two rounds in which no server accepted us."""

_PING_EARLY_S = 1.0
_PING_S_MAX = 10.0

_SEARCH_S_MIN = 0.1
_SEARCH_S_MAX = 60.0
_SEARCH_ANSWER_S_MAX = 1.0
"""How often a read-only server's client asks others whether they have a quorum, and how long it waits."""


def ping_after_s(timeout_s: float) -> float:
    """Return after which silence of ours a ping is due."""
    third = timeout_s / 3
    return min(third if third <= _PING_EARLY_S else max(_PING_EARLY_S, third - _PING_EARLY_S), _PING_S_MAX)


def _why(error: OSError) -> str:
    """Say why no connection came about; errors of TLS and of time are of the same kind."""
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, SSLError):
        return f"TLS failed: {error.reason or error}"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # uvloop's own text names the call
    return error.strerror or str(error)


def _unanswered(*, lost: bool) -> str:
    if lost:
        return "it closed the connection; its ensemble may have no quorum, or it speaks TLS where we do not"
    return "it took the connection and did not answer"


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
        self._probed_at = self.sent_at
        self._probe: float = 1
        """How many answers confirm that what was sent at that time arrived; none is awaited at infinity."""
        self.confirmed_at = -math.inf
        """When we sent the last thing that the server is known to have received: the session lasts its time-out
        from then on at least."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of asyncio's classes
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
        if self._session.answered >= self._probe:
            self.confirmed_at, self._probe = self._probed_at, math.inf
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def flush(self) -> None:
        out = self._session.take()
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(out)
            self.sent_at = self._time()
            if self._probe == math.inf:
                self._probed_at, self._probe = self.sent_at, self._session.asked

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class Connector:
    """Keeps a session connected until it ends."""

    def __init__(self, addresses: Sequence[Address], session: Session, ssl: SSLContext | None) -> None:
        # S311: this spreads clients over servers, it guards nothing.
        self._addresses = random.sample(addresses, len(addresses))
        self._next = 0
        self._session = session
        self._ssl = ssl
        self._protocol: _Protocol | None = None
        self._flush_due = False
        self._heard_at = 0.0
        """When a server last said something, on connections that are gone."""
        self._confirmed_at = -math.inf
        self.server: Address | None = None
        """The server connected to, or last tried."""
        self.refusals: dict[Address, str] = {}
        """Of each server tried in vain: why, the last time."""

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
        self._heard_at = asyncio.get_running_loop().time()
        tasks = [asyncio.create_task(self._serve_in_turn()), asyncio.create_task(self._expire_unheard())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve_in_turn(self) -> None:
        failures = 0
        while not self._session.state.over:
            self.server = self._turn()
            failures = 0 if await self._serve(self.server) else failures + 1
            if failures and failures % len(self._addresses) == 0:
                rounds = failures // len(self._addresses)
                pause_s = min(_PAUSE_S_MIN * 2 ** min(rounds, 10), _PAUSE_S_MAX)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311

    def _turn(self) -> Address:
        """Return the server whose turn it is."""
        address = self._addresses[self._next % len(self._addresses)]
        self._next += 1
        return address

    async def _expire_unheard(self) -> None:
        """Return when no server was heard of for so long that the session is over."""
        loop = asyncio.get_running_loop()
        while True:
            timeout_s = self._session.timeout_ms / 1000
            left_s = self._last_heard_at() + timeout_s * 4 / 3 - loop.time()
            if self._session.session_id == 0:
                left_s = timeout_s  # there is no session yet that could expire
            elif left_s <= 0:
                self._session.expire()
                return
            await asyncio.sleep(left_s)

    def _last_heard_at(self) -> float:
        """Return when a server last said something; that a socket opened says nothing."""
        if self._protocol is not None and self._protocol.answered.done():
            return self._protocol.heard_at
        return self._heard_at

    def assured_until(self) -> float:
        """Return up to when, in the loop's time, no server can have ended the session."""
        confirmed_at = self._confirmed_at
        if self._protocol is not None:
            confirmed_at = max(confirmed_at, self._protocol.confirmed_at)
        return confirmed_at + self._session.timeout_ms / 1000

    async def _serve(self, address: Address) -> bool:
        """Work with one server for as long as it lasts; tell whether it accepted us at all."""
        patience = self._session.timeout_ms / 1000 / len(self._addresses)
        protocol = await self._open(address, patience)
        if protocol is None:
            return False
        self._protocol = protocol
        try:
            await asyncio.wait(
                (protocol.lost, protocol.answered), timeout=patience, return_when="FIRST_COMPLETED"
            )
            accepted = self._session.state.connected and not protocol.lost.done()
            if accepted:
                await self._keep(protocol)
            else:
                self.refusals[address] = _unanswered(lost=protocol.lost.done())
            return accepted
        finally:
            self._protocol = None
            if protocol.answered.done():
                self._heard_at = protocol.heard_at
            self._confirmed_at = max(self._confirmed_at, protocol.confirmed_at)
            protocol.abort()
            self._session.on_connection_lost()

    async def _open(self, address: Address, patience: float) -> _Protocol | None:
        """Connect to one of the addresses that a name has now, whichever accepts first when tried in turn."""
        loop = asyncio.get_running_loop()
        name, port = address
        found: set[object] = set()
        try:
            async with asyncio.timeout(patience):
                found = {info[4][0] for info in await loop.getaddrinfo(name, port, type=SOCK_STREAM)}
        except OSError as error:
            self.refusals[address] = _why(error)
        hosts = sorted(str(host) for host in found)
        for host in random.sample(hosts, len(hosts)):
            try:
                async with asyncio.timeout(patience / len(hosts)):
                    _, protocol = await loop.create_connection(
                        lambda: _Protocol(self._session),
                        host,
                        port,
                        ssl=self._ssl,
                        server_hostname=name if self._ssl else None,
                    )
                    return protocol
            except OSError as error:
                self.refusals[address] = _why(error)
        return None

    async def _keep(self, protocol: _Protocol) -> None:
        """Ping; return when the connection is lost, the server has fallen silent, or a better one is found."""
        now = asyncio.get_running_loop().time
        timeout_s = self._session.timeout_ms / 1000
        ends: list[asyncio.Future[None]] = [protocol.lost]
        search = None
        if self._session.state is State.CONNECTED_READ_ONLY:
            search = asyncio.create_task(self._find_quorum())
            ends.append(search)
        try:
            while not any(end.done() for end in ends):
                silent_at = protocol.heard_at + timeout_s * 2 / 3
                ping_at = protocol.sent_at + ping_after_s(timeout_s)
                if now() >= silent_at:
                    return
                if now() >= ping_at:
                    self._session.ping()
                    protocol.flush()
                    continue
                left_s = min(silent_at, ping_at) - now()
                await asyncio.wait(ends, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if search is not None:
                search.cancel()

    # --- read-only: is there a quorum elsewhere? ----------------------------------------------------------

    async def _find_quorum(self) -> None:
        """Ask one server after the other; return when it is the turn of one that takes writes."""
        pause_s = _SEARCH_S_MIN
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _SEARCH_S_MAX)
            address = self._addresses[self._next % len(self._addresses)]
            if await self._takes_writes(address):
                return
            self._next += 1

    async def _takes_writes(self, address: Address) -> bool:
        answer = b""
        with suppress(OSError, SSLError):
            async with asyncio.timeout(_SEARCH_ANSWER_S_MAX):
                reader, writer = await asyncio.open_connection(*address, ssl=self._ssl)
                try:
                    writer.write(b"isro")
                    answer = await reader.read()
                finally:
                    writer.close()
        return answer.strip() == b"rw"
