"""Frames: a signed big-endian length, then so many bytes. The client and the election port speak them.

Knows nothing of what a frame holds. Costs O(bytes) however the stream is cut, and refuses a length before
anything is allocated for it.
"""

from __future__ import annotations

from ensemble.errors import WireError
from ensemble.jute import INT, pack_int

LENGTH_BYTES = 4


def frame(body: bytes) -> bytes:
    """Return ``body`` behind its length."""
    return pack_int(len(body)) + body


class FrameBuffer:
    """Cuts a stream into frames.

    ``limit`` is the largest body in bytes; ``first_limit``, when given, bounds the first one instead (a
    ConnectRequest is tiny, and it comes from somebody unknown).
    """

    __slots__ = ("_first_limit", "_limit", "_wanted", "begun", "fault")

    def __init__(self, limit: int, first_limit: int | None = None) -> None:
        self._limit = limit
        self._first_limit = first_limit
        self.begun = bytearray()
        """What there is of an unfinished frame."""
        self._wanted = LENGTH_BYTES
        self.fault: WireError | None = None
        """Set when a bad length stands behind the frames that the last ``feed`` returned: the caller is to
        handle those, then close. A further ``feed`` raises it."""

    @property
    def held(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self.begun)

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream and return the bodies that are now whole.

        Raises ``WireError`` at a negative length or one over the limit; when whole frames stand before it
        they are returned first and the error is left in ``fault``, so that a stream means the same however
        it was cut.
        """
        return self._cut(self._joined(data))

    def _joined(self, data: bytes) -> bytes:
        """Return what there is to cut: nothing while the frame that was begun is not whole."""
        if self.fault is not None:
            raise self.fault
        held = self.begun
        if held:
            held += data
            if len(held) < self._wanted:
                return b""
            data = bytes(held)
            self.begun = bytearray()
        if self._first_limit is not None and len(data) >= LENGTH_BYTES:
            self._check_first(data)
        return data

    def _cut(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        append = frames.append
        length_at = INT.unpack_from
        limit = self._limit
        offset = 0
        end = len(data)
        wanted = LENGTH_BYTES
        # Slicing bytes copies, and for small frames is still cheaper than a memoryview and all that is then
        # done with it.
        while (start := offset + LENGTH_BYTES) <= end:
            (size,) = length_at(data, offset)
            if size < 0 or size > limit:
                self._refuse(size, bool(frames))
                return frames
            stop = start + size
            if stop > end:
                wanted = LENGTH_BYTES + size
                break
            append(data[start:stop])
            offset = stop
        if offset < end:
            self._hold(data[offset:] if offset else data, wanted)
        return frames

    def _hold(self, rest: bytes, wanted: int) -> None:
        """Keep a frame that is not whole; ``wanted`` bytes of it are needed to go on."""
        self.begun += rest
        self._wanted = wanted

    def _check_first(self, data: bytes) -> None:
        (size,) = INT.unpack_from(data)
        limit = self._first_limit
        self._first_limit = None
        if limit is not None and size > limit:
            self._refuse(size, False)

    def _refuse(self, size: int, anything: bool) -> None:
        """Refuse a length: at once, or behind what stands before it, if there is ``anything``."""
        self.fault = self._fault_of(size)
        if not anything:
            raise self.fault

    def _fault_of(self, size: int) -> WireError:
        return WireError(f"a frame of {size} bytes (limit {self._limit})")
