"""The ports of a server: everything it can ask of the world, as interfaces.

Below its host a server reads no clock, opens no socket and touches no file. It is *called* when something
happened, and it *asks* for effects, in order, through these ports. The three hosts (runtime, simulator,
classroom) differ only in how they implement them; faults live in those implementations too.

A crash may fall between any two calls of a port. Callbacks given to a port are always called later, from
the host's loop, never from inside the call that handed them over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ensemble.membership import Membership


class Timer(Protocol):
    """A pending call of :meth:`Clock.call_later`."""

    def cancel(self) -> None:
        """Forget the call; harmless when it has already happened."""


class Clock(Protocol):
    """Time and timers."""

    def monotonic_us(self) -> int:
        """Return microseconds from an arbitrary start; never goes back."""

    def wall_ms(self) -> int:
        """Return milliseconds since 1970, as znodes are stamped with."""

    def call_later(self, delay_ms: float, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` once, ``delay_ms`` milliseconds from now."""


Entropy = Callable[[int], bytes]
"""Returns that many random bytes, which nobody else can foresee: what secrets are made of."""


class Disk(Protocol):
    """One directory of files, named relative to it (``"version-2/log.100000001"``).

    Any failure raises ``StorageError`` (from a call) or ends the server through the host (from the queue):
    there is no retrying. ``write`` and ``sync`` are queued and carried out in order; every other call waits
    for the queue, blocks, and is durable (file and directory entry) when it returns.
    """

    def names(self, directory: str) -> list[str]:
        """List the entries of ``directory``, sorted; empty when it does not exist.

        What is listed is durable, and what is not listed is gone for good: a process that died may have
        left changes in memory only.
        """

    def read(self, name: str) -> bytes:
        """Return the whole content of a file; ``StorageError`` when there is none."""

    def write_atomic(self, name: str, data: bytes) -> None:
        """Create or replace a file: temporary, fsync, rename, fsync of the directory."""

    def truncate(self, name: str, size: int) -> None:
        """Cut a file to ``size`` bytes."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Queue: write ``data`` at ``offset``, creating the file (and its directory) when missing."""

    def allocate(self, name: str, size: int) -> None:
        """Queue: extend a file with zeros to ``size`` bytes, so that later syncs need not write metadata."""

    def sync(self, done: Callable[[], None]) -> None:
        """Queue: make everything queued before durable, directory entries included; then call ``done``."""

    def write_aside(self, name: str, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        """Write a file as ``write_atomic`` would, from ``chunks`` *as they are at this call*, without
        holding up the server (the runtime forks); then call ``done``."""


class Link(Protocol):
    """One connection on the quorum port: an ordered stream of bytes that may break at any time."""

    def send(self, data: bytes) -> None:
        """Queue bytes; the host writes them out, in order, at the end of the step."""

    def send_aside(self, chunks: Iterable[bytes]) -> None:
        """Send ``chunks`` *as they are at this call*, without holding up the server (the runtime forks); what
        is sent later comes behind them."""

    def close(self) -> None:
        """Break the connection; no further callback comes from it."""


class Network(Protocol):
    """The way to the other servers."""

    def send_election(self, sid: int, payload: bytes) -> None:
        """Send an election message; only the newest message not yet sent to ``sid`` is kept."""

    def dial(self, sid: int) -> None:
        """Open a link to the quorum port of ``sid``; ``on_link_dialed`` reports it, or its failure."""


class Members(Protocol):
    """Where memberships are kept, and what of a server follows them. ``StorageError`` when they cannot be kept."""

    def save_proposed(self, membership: Membership) -> None:
        """Keep the last membership proposed apart from the one in force; durable on return."""

    def save_active(self, membership: Membership) -> None:
        """Keep the membership in force, and forget a proposed one that is not newer; durable on return."""

    def reach(self, membership: Membership) -> None:
        """Keep links to the servers of a proposed membership too."""

    def follow(self, membership: Membership) -> None:
        """Keep links to these servers, and serve clients where it says."""


class ClientTransport(Protocol):
    """The socket of one client."""

    address: tuple[str, int]
    """Host and port of the client's end."""
    secure: bool
    """Whether the bytes are encrypted on their way (TLS)."""
    subject: str
    """The subject of the certificate that the client proved to own, as an RFC 2253 distinguished name written just
    as Java's X500Principal.getName() does; "" when there is none."""

    def write(self, data: bytes) -> None:
        """Queue bytes; written out at the end of the step."""

    def close(self) -> None:
        """Send what is queued, then close."""

    def pause_reading(self) -> None:
        """Deliver no more bytes until :meth:`resume_reading`."""

    def resume_reading(self) -> None:
        """Undo :meth:`pause_reading`."""
