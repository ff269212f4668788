"""A request that waits for its turn, and where answers leave: what a pipeline works with."""

from __future__ import annotations

from typing import Protocol


class Waiting:
    """A request that is not answered yet."""

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


class Outlet(Protocol):
    """What a pipeline needs of its connection."""

    def write(self, data: bytes) -> None:
        """Send an answer, framed."""

    def close(self, why: str) -> None:
        """Close behind what was written."""

    def choke(self) -> None:
        """Call :meth:`Pipeline.resume` in a later step."""

    def call_back(self) -> None:
        """Call :meth:`Pipeline.go_on` in a later step."""
