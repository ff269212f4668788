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

    __slots__ = ("_last_cxid", "_last_op", "_last_zxid", "last_response_us", "latency", "run_reply")

    def __init__(self) -> None:
        self.latency = Summary()
        """Of writes and syncs; reads are answered in the step they come in, or behind one of those."""
        self.reset()

    def reset(self) -> None:
        """Forget what was answered so far (``crst``)."""
        self.latency.reset()
        self._last_op = 0
        self._last_cxid = -1
        self._last_zxid = -1
        self.run_reply = b""
        """The last reply of a run of getData: it is looked at when somebody asks, or something else follows."""
        self.last_response_us = 0
        """When the last answer was given, by the server's monotonic clock; 0 before the first."""

    def note(self, op: int, xid: int, zxid: int = -1) -> None:
        """Take note of an answer, and of the transaction it told of, if it was another."""
        if self.run_reply:
            self._settle()
        self._last_op = op
        if xid >= 0:
            self._last_cxid = xid
        if zxid >= 0:
            self._last_zxid = zxid

    @property
    def last_op(self) -> int:
        """The operation last answered; 0 before the first."""
        self._settle()
        return self._last_op

    @property
    def last_cxid(self) -> int:
        """The client's number of the last request answered; -1 before the first."""
        self._settle()
        return self._last_cxid

    @property
    def last_zxid(self) -> int:
        """The last transaction an answer told of; -1 before the first."""
        self._settle()
        return self._last_zxid

    def _settle(self) -> None:
        if self.run_reply:
            self._last_op = _GET_DATA
            self._last_cxid, self._last_zxid = _XID_AND_ZXID.unpack_from(self.run_reply, 4)
            self.run_reply = b""
