"""Opening a port, with every way it can fail said in one sentence."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

from ensemble.errors import ConfigError

QUORUM_BACKLOG = 128


async def listen(
    make_protocol: Callable[[], asyncio.BaseProtocol],
    host: str | None,
    port: int,
    *,
    key: str,
    backlog: int = QUORUM_BACKLOG,
) -> asyncio.Server:
    """Listen on ``host`` (None: every address); ``key`` is what the operator would change.

    Raises :class:`ConfigError`.
    """
    loop = asyncio.get_running_loop()
    try:
        try:
            return await loop.create_server(make_protocol, host, port, backlog=backlog, reuse_address=True)
        except OSError as error:
            if host is not None or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
            any_ipv4 = "0.0.0.0"  # noqa: S104 - a machine without IPv6, and an operator who asked for all
            return await loop.create_server(
                make_protocol, any_ipv4, port, backlog=backlog, reuse_address=True
            )
    except OSError as error:
        raise ConfigError(failure_sentence(error, host, port, key)) from None


def failure_sentence(error: OSError, host: str | None, port: int, key: str) -> str:
    """Say why a port could not be opened, and what to do."""
    where = f"{host or 'every address'} port {port} ({key})"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is already in use; stop the process that listens there or choose another port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} is not an address of this machine; correct it or set quorumListenOnAllIPs=true"
    if error.errno == errno.EACCES:
        return f"{where} may not be opened by this user; choose a port above 1023"
    if isinstance(error, socket.gaierror):
        return f"{where} cannot be resolved to an address; correct the name or set quorumListenOnAllIPs=true"
    return f"{where} cannot be opened: {error.strerror or error}"
