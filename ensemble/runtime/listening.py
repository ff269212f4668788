"""Opening a port, with every way it can fail said in one sentence."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ensemble.errors import ConfigError

T = TypeVar("T")

QUORUM_BACKLOG = 128
RETRY_S = 1.0
"""Between two attempts to open a port (Apache's election listener: 1 s)."""


async def listen(
    make_protocol: Callable[[], asyncio.BaseProtocol],
    host: str | None,
    port: int,
    *,
    key: str,
    backlog: int = QUORUM_BACKLOG,
    keep_alive: bool = False,
    attempts: int = 1,
) -> asyncio.Server:
    """Listen on ``host`` (None: every address); ``key`` is what the operator would change.

    ``keep_alive`` lets the kernel probe silent connections. ``attempts`` are made ``RETRY_S`` apart; 0 for as
    many as it takes. Raises :class:`ConfigError`.
    """
    server = await insist(lambda: _listen(make_protocol, host, port, backlog), host, port, key, attempts)
    if keep_alive:
        for listening in server.sockets:
            # What is accepted from it inherits the option.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return server


async def insist(
    open_port: Callable[[], Awaitable[T]], host: str | None, port: int, key: str, attempts: int
) -> T:
    """Open a port by ``open_port``, as often as :func:`listen` says; :class:`ConfigError`."""
    made = 0
    while True:
        made += 1
        try:
            return await open_port()
        except OSError as error:
            if made == attempts:
                raise ConfigError(failure_sentence(error, host, port, key)) from None
            await asyncio.sleep(RETRY_S)


async def _listen(
    make_protocol: Callable[[], asyncio.BaseProtocol], host: str | None, port: int, backlog: int
) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(make_protocol, host, port, backlog=backlog, reuse_address=True)
    except OSError as error:
        if host is not None or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise
        any_ipv4 = "0.0.0.0"  # noqa: S104 - a machine without IPv6, and an operator who asked for all
        return await loop.create_server(make_protocol, any_ipv4, port, backlog=backlog, reuse_address=True)


def to_open(host: str | None, places: list[tuple[str, int]]) -> list[tuple[str | None, int]]:
    """Return where to listen for a server of several places: at ``host`` for the first, or everywhere for None."""
    if host is None:
        return [(None, port) for port in dict.fromkeys(port for _, port in places)]
    return [(host, places[0][1]), *places[1:]]


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Let the kernel probe a connection that is silent, so that a dead machine is noticed."""
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def failure_sentence(error: OSError, host: str | None, port: int, key: str) -> str:
    """Say why a port could not be opened, and what to do."""
    where = f"{host} port {port} ({key})" if host else f"port {port} ({key})"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is already in use; stop the process that listens there or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is not an address of this machine; {_other_address(key)}"
    if error.errno == errno.EACCES:
        return f"{where} may not be opened by this user; choose a port above 1023"
    if isinstance(error, socket.gaierror):
        return f"{where} cannot be resolved to an address; {_other_address(key)}"
    return f"{where} cannot be opened: {error.strerror or error}"


_ADDRESS_KEYS = {
    "clientPort": "clientPortAddress",
    "secureClientPort": "secureClientPortAddress",
    "admin.serverPort": "admin.serverAddress",
    "metricsProvider.httpPort": "metricsProvider.httpHost",
}


def _other_address(key: str) -> str:
    """Say how to listen elsewhere than at an address that is none of ours."""
    if address := _ADDRESS_KEYS.get(key):
        return f"correct {address}, or drop it"
    return "correct it or set quorumListenOnAllIPs=true"
