"""What waits for its turn, and where answers leave: what a pipeline works with."""

from __future__ import annotations

from typing import Protocol

from ensemble.wire.frames import LENGTH_BYTES


class Waiting:
    """A request that is not answered yet, and is no read."""

    __slots__ = ("asked", "frame", "last", "op", "reply", "since_us", "size", "xid")

    asked: bytes
    """The frame of a write on its way: there for the audit log, and only while there is one."""

    def __init__(self, xid: int, op: int, frame: bytes, since_us: int) -> None:
        self.xid = xid
        self.op = op
        self.frame: bytes | None = frame
        """None once the request is on its way."""
        self.reply: bytes | None = None
        self.last = False
        """The connection closes behind this answer."""
        self.since_us = since_us
        self.size = len(frame)


class WaitingReads:
    """Reads and pings that came together and wait together: a stream of frames, which is answered from its start."""

    __slots__ = ("count", "offset", "since_us", "size", "stream")

    def __init__(self, stream: bytes, offset: int, count: int, since_us: int) -> None:
        """``count`` requests stand in ``stream`` from ``offset`` on."""
        self.stream = stream
        self.offset = offset
        self.count = count
        self.since_us = since_us
        self.size = len(stream) - offset - LENGTH_BYTES * count
        """Bytes of those requests, their lengths not counted."""


class Outlet(Protocol):
    """What a pipeline needs of its connection."""

    def write(self, data: bytes) -> None:
        """Send an answer, framed."""

    def gathering(self) -> list[bytes]:
        """Return what is sent with this step, to append answers to."""

    def close(self, why: str) -> None:
        """Close behind what was written."""

    def choke(self) -> None:
        """Call :meth:`Pipeline.resume` in a later step."""

    def call_back(self) -> None:
        """Call :meth:`Pipeline.go_on` in a later step."""
