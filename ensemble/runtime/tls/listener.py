"""A port that puts every connection on the doorstep first.

It accepts by itself, because what a transport has read cannot be given back, and on a port for plain
and TLS the first byte decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from ensemble.limits import TLS_DOORSTEP_MAX
from ensemble.quiet_log import Remarks
from ensemble.runtime.clock import monotonic_us
from ensemble.runtime.listening import QUORUM_BACKLOG, insist
from ensemble.runtime.tasks import watched
from ensemble.runtime.tls.doorstep import Doorstep, why

ACCEPT_AGAIN_S = 1.0
"""After the system had no room for another connection."""
ACCEPTED_AT_ONCE_MAX = 100


class TlsListener:
    """The sockets of one port."""

    def __init__(
        self,
        sockets: list[socket.socket],
        doorstep: Doorstep,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        key: str,
        log: Callable[[str], None],
    ) -> None:
        self.failed = 0
        """Connections whose handshake, or certificate, did not pass."""
        self.crowded_out = 0
        """Connections that were closed because too many waited."""
        self._sockets = sockets
        self._doorstep = doorstep
        self._make_protocol = make_protocol
        self._key = key
        self._log = log
        self._remarks = Remarks(log, monotonic_us)
        self._waiting: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        for bound in sockets:
            self._loop.add_reader(bound, self._accept, bound)

    @property
    def handshakes(self) -> int:
        """Handshakes under way, those of other ports of the same doorstep included."""
        return self._doorstep.handshakes

    def close(self) -> None:
        """Stop listening and turn away who waits on the doorstep; connections that passed go on."""
        for bound in self._sockets:
            self._loop.remove_reader(bound)
            bound.close()
        self._sockets.clear()
        for waiting in list(self._waiting):
            waiting.cancel()

    def _accept(self, bound: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE_MAX):
            try:
                connection, address = bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Out of descriptors or memory: asking again at once would only burn the processor.
                self._log(f"{self._key}: a connection cannot be taken: {error.strerror}")
                self._loop.remove_reader(bound)
                self._loop.call_later(ACCEPT_AGAIN_S, self._resume, bound)
                return
            if len(self._waiting) >= TLS_DOORSTEP_MAX:
                connection.close()
                self.crowded_out += 1
                self._complain(address[0], "too many connections wait for their handshake")
                continue
            connection.setblocking(False)
            waiting = watched(self._admit(connection, address[0]))
            self._waiting.add(waiting)
            waiting.add_done_callback(self._waiting.discard)

    def _resume(self, bound: socket.socket) -> None:
        if bound in self._sockets:
            self._loop.add_reader(bound, self._accept, bound)

    async def _admit(self, connection: socket.socket, host: str) -> None:
        try:
            await self._doorstep.admit(connection, self._make_protocol)
        except (OSError, TimeoutError) as error:
            self.failed += 1
            self._complain(host, why(error))

    def _complain(self, host: str, reason: str) -> None:
        self._remarks.say("tls", host, f"{self._key}: {host} is turned away: {reason}")


async def listen_tls(
    make_protocol: Callable[[], asyncio.Protocol],
    host: str | None,
    port: int,
    doorstep: Doorstep,
    *,
    key: str,
    log: Callable[[str], None],
    backlog: int = QUORUM_BACKLOG,
    keep_alive: bool = False,
    attempts: int = 1,
) -> TlsListener:
    """Listen on ``host`` (None: every address); ``key`` is what the operator would change.

    ``keep_alive`` and ``attempts`` are as for a plain port. Raises :class:`ConfigError`.
    """
    sockets = await insist(lambda: _bind(host, port, backlog), host, port, key, attempts)
    if keep_alive:
        for bound in sockets:
            # What is accepted from it inherits the option.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return TlsListener(sockets, doorstep, make_protocol, key=key, log=log)


async def _bind(host: str | None, port: int, backlog: int) -> list[socket.socket]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    bound = []
    with contextlib.ExitStack() as stack:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                listening = stack.enter_context(socket.socket(family, kind, protocol))
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind(address)
            except OSError:
                # A machine without IPv6, and an operator who asked for every address.
                if host is None and family == socket.AF_INET6 and len(found) > 1:
                    continue
                raise
            listening.listen(backlog)
            listening.setblocking(False)
            bound.append(listening)
        stack.pop_all()
    return bound
