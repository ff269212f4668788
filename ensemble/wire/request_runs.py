"""The stream of one client's requests, cut into runs: what comes together is kept and answered together.

Requests of certain operations, those a server answers by itself, make one run when they follow each other; they
stay as they came, a stream of frames. Every other request stands alone. Costs one look at each header; what the
requests ask is not known here.
"""

from __future__ import annotations

from collections.abc import Container
from struct import Struct

from ensemble.errors import WireError
from ensemble.jute import pack_int
from ensemble.wire.frames import LENGTH_BYTES, FrameBuffer
from ensemble.wire.requests import HEADER_BYTES, decode_header

Run = tuple[int, int, bytes, int]
"""A request that stands alone: its xid, its op, its frame without the length, and 0. Or a run: xid and op of its
first request, its frames with their lengths, and how many they are."""

_HEAD = Struct(">iii")
_HEAD_BYTES = _HEAD.size
_unpack_head = _HEAD.unpack_from


class RequestBuffer(FrameBuffer):
    """Cuts a stream into runs; ``together`` are the operations that make runs, unless each is to come ``singly``."""

    __slots__ = ("_singly", "_together")

    def __init__(self, limit: int, first_limit: int, *, together: Container[int], singly: bool) -> None:
        super().__init__(limit, first_limit)
        self._together = together
        self._singly = singly

    def feed_runs(self, data: bytes) -> list[Run]:
        """Take the next bytes of the stream as ``feed`` does; return the requests that are now whole.

        A frame without room for a header is refused like a bad length.
        """
        stream = self._joined(data)
        together, singly, limit = self._together, self._singly, self._limit
        runs: list[Run] = []
        first = offset = count = first_xid = first_op = 0
        end = len(stream)
        while offset + _HEAD_BYTES <= end:
            size, xid, op = _unpack_head(stream, offset)
            stop = offset + LENGTH_BYTES + size
            if stop > end or size < HEADER_BYTES or size > limit:
                break
            if op in together:
                if count and singly:
                    runs.append((first_xid, first_op, stream[first:offset], count))
                    count = 0
                if not count:
                    first, first_xid, first_op = offset, xid, op
                count += 1
            else:
                if count:
                    runs.append((first_xid, first_op, stream[first:offset], count))
                    count = 0
                runs.append((xid, op, stream[offset + LENGTH_BYTES : stop], 0))
            offset = stop
        if count:
            runs.append((first_xid, first_op, stream[first:offset], count))
        if offset < end:
            self._keep(stream[offset:], bool(runs))
        return runs

    def run_of(self, frame: bytes) -> Run:
        """Return a frame that was cut by itself as a run of one."""
        xid, op = decode_header(frame)
        if op in self._together:
            return xid, op, pack_int(len(frame)) + frame, 1
        return xid, op, frame, 0

    def _keep(self, rest: bytes, anything: bool) -> None:
        """Keep a request that is not whole, unless it can be seen already that it is none."""
        wanted = LENGTH_BYTES
        if len(rest) >= LENGTH_BYTES:
            size = int.from_bytes(rest[:LENGTH_BYTES], "big", signed=True)
            if size < HEADER_BYTES or size > self._limit:
                self._refuse(size, anything)
                return
            wanted = LENGTH_BYTES + size
        self._hold(rest, wanted)

    def _fault_of(self, size: int) -> WireError:
        if 0 <= size < HEADER_BYTES:
            return WireError(f"a request of {size} bytes")
        return super()._fault_of(size)
