"""What one connection did last, and how long its answers took: for whoever lists connections (``cons``)."""

from __future__ import annotations

from struct import Struct

from ensemble.measures import Summary
from ensemble.tree.operations import Op

_GET_DATA = int(Op.GET_DATA)
_XID_AND_ZXID = Struct(">iq")
"""In a reply, behind the length of its frame."""


class Activity:
    """Figures of one connection."""

    __slots__ = ("last_cxid", "last_op", "last_response_us", "last_zxid", "latency")

    def __init__(self) -> None:
        self.latency = Summary()
        """Of writes and syncs; reads are answered in the step they come in, or behind one of those."""
        self.reset()

    def reset(self) -> None:
        """Forget what was answered so far (``crst``)."""
        self.latency.reset()
        self.last_op = 0
        self.last_cxid = -1
        self.last_zxid = -1
        self.last_response_us = 0
        """When the last answer was given, by the server's monotonic clock; 0 before the first."""

    def note_run(self, reply: bytes) -> None:
        """Take note of a run of getData that ends with ``reply``."""
        self.last_op = _GET_DATA
        self.last_cxid, self.last_zxid = _XID_AND_ZXID.unpack_from(reply, 4)
