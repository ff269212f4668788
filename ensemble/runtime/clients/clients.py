"""Client sockets: bytes between an event loop's transport and the server's connection.

Writes are gathered and leave once per step. Knows nothing of the protocol; who may connect, and how many,
the server decides when it is asked to open a connection. Every TCP transport of the loop has TCP_NODELAY.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from ensemble.limits import OUTSTANDING_BYTES_PER_CONNECTION_MAX
from ensemble.ports import ClientTransport
from ensemble.runtime.steps import Steps

UNSENT_BYTES_MAX = 4 * OUTSTANDING_BYTES_PER_CONNECTION_MAX
"""A client that does not read gets no answers; watch events still pile up, and beyond this it is dropped."""
CLOSING_S_MAX = 5.0
"""How long a closed connection may take to deliver what was still unsent."""


class Connection(Protocol):
    """The server's end of one client socket."""

    def on_data(self, data: bytes) -> None:
        """Take bytes from the client."""

    def on_closed(self) -> None:
        """Take note that the socket is gone."""

    def on_write_full(self) -> None:
        """The client does not read what is sent."""

    def on_write_drained(self) -> None:
        """The client has caught up."""


class Service(Protocol):
    """Whoever serves clients."""

    def open_client(self, transport: ClientTransport) -> Connection | None:
        """Return the server's end; None when the client is refused."""


class ClientSocket(asyncio.Protocol):
    """One client's socket; :class:`ensemble.ports.ClientTransport` for the server."""

    __slots__ = (
        "_connection",
        "_gathered",
        "_service",
        "_steps",
        "_stuck",
        "_transport",
        "address",
        "secure",
        "subject",
    )

    _transport: asyncio.Transport

    def __init__(self, service: Service, steps: Steps) -> None:
        self.address = ("", 0)
        self.secure = False
        self.subject = ""
        self._service = service
        self._steps = steps
        self._connection: Connection | None = None
        self._gathered: list[bytes] = []
        self._stuck = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the client to the server, or turn it away."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=OUTSTANDING_BYTES_PER_CONNECTION_MAX)
        peer = transport.get_extra_info("peername") or ("", 0)
        self.address = (peer[0], peer[1])
        if transport.get_extra_info("ssl_object") is not None:
            self._identify()
        self._steps.wake()
        self._connection = self._service.open_client(self)
        if self._connection is None:
            self._transport.abort()

    def _identify(self) -> None:
        """Read whose certificate the client has proved to own."""
        # Only now: what reads certificates takes long to import, and most servers never need it.
        from ensemble.runtime.tls.doorstep import certificate_of
        from ensemble.runtime.tls.names import subject_of

        self.secure = True
        certificate = certificate_of(self._transport)
        self.subject = subject_of(certificate) if certificate else ""

    def data_received(self, data: bytes) -> None:
        """Hand the client's bytes to the server, within a step."""
        if self._connection is not None:
            self._steps.wake()
            self._connection.on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server, unless it was the one who closed."""
        self._gathered.clear()
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._steps.wake()
            connection.on_closed()

    def pause_writing(self) -> None:
        """The client does not read; the server is to answer it no further."""
        self._stuck = True
        if self._connection is not None:
            self._steps.wake()
            self._connection.on_write_full()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._stuck = False
        if self._connection is not None:
            self._steps.wake()
            self._connection.on_write_drained()

    def write(self, data: bytes) -> None:
        """Gather bytes for the end of the step."""
        if not self._gathered:
            self._steps.gathered.append(self)
        self._gathered.append(data)

    def flush(self) -> None:
        """Write what was gathered with one call."""
        gathered = self._gathered
        if not gathered:
            return
        self._transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))
        gathered.clear()
        if self._stuck and self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._transport.abort()

    def close(self) -> None:
        """Send what was gathered, then close; the server hears no more of this socket."""
        self._connection = None
        self.flush()
        unsent = self._transport.get_write_buffer_size()
        self._transport.close()
        if unsent:
            asyncio.get_running_loop().call_later(CLOSING_S_MAX, self._transport.abort)

    def pause_reading(self) -> None:
        """Deliver no more bytes for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Undo :meth:`pause_reading`."""
        self._transport.resume_reading()
