"""Jute, ZooKeeper's serialization: big-endian, length-prefixed, no tags.

Reading is bounded by the bytes present: a length or a count that promises more than the buffer holds is
refused before anything is allocated. Writing appends to a list of ``bytes`` joined once by the caller.

    int      4 bytes, signed          long     8 bytes, signed          bool   1 byte
    buffer   int length, -1 = null    string   as buffer, UTF-8         vector int count, -1 = null

Source of the facts: Apache's BinaryInputArchive and BinaryOutputArchive. Strings written by Java encode
supplementary characters as surrogate pairs (CESU-8); both spellings are accepted on reading.
"""

from __future__ import annotations

import builtins
from struct import Struct

from ensemble.errors import WireError

INT = Struct(">i")
LONG = Struct(">q")
BOOL = Struct(">?")

pack_int = INT.pack
pack_long = LONG.pack

NULL = pack_int(-1)


class Reader:
    """A cursor over one buffer; every method raises ``WireError`` rather than read past the end."""

    __slots__ = ("buffer", "end", "offset")

    def __init__(
        self, buffer: bytes | bytearray | memoryview, offset: int = 0, end: int | None = None
    ) -> None:
        self.buffer = buffer
        self.offset = offset
        self.end = len(buffer) if end is None else end

    def remaining(self) -> int:
        """Return how many bytes have not been read."""
        return self.end - self.offset

    def _advance(self, size: int) -> int:
        offset = self.offset
        if size > self.end - offset:
            raise WireError(f"{size} bytes expected, {self.end - offset} left")
        self.offset = offset + size
        return offset

    def byte(self) -> int:
        """Read an unsigned byte."""
        return self.buffer[self._advance(1)]

    def bool(self) -> bool:
        """Read a boolean; any non-zero byte is true, as in Java."""
        return self.buffer[self._advance(1)] != 0

    def int(self) -> int:
        """Read a signed 32-bit integer."""
        value: int = INT.unpack_from(self.buffer, self._advance(4))[0]
        return value

    def long(self) -> builtins.int:
        """Read a signed 64-bit integer."""
        value: int = LONG.unpack_from(self.buffer, self._advance(8))[0]
        return value

    def optional_bytes(self) -> bytes | None:
        """Read a buffer; null is ``None``."""
        size = self.int()
        if size == -1:
            return None
        if size < 0:
            raise WireError(f"a buffer of {size} bytes")
        offset = self._advance(size)
        return bytes(self.buffer[offset : offset + size])

    def string(self) -> str:
        """Read a string; null reads as empty, as kazoo sends one for the other."""
        value = self.optional_string()
        return "" if value is None else value

    def optional_string(self) -> str | None:
        """Read a string; null is ``None``."""
        raw = self.optional_bytes()
        return None if raw is None else decode_text(raw)

    def count(self, item_bytes_min: builtins.int) -> builtins.int:
        """Read a vector's count, bounded by the bytes present; null reads as -1.

        ``item_bytes_min`` is the least size of one element (at least 1).
        """
        count = self.int()
        if count < -1 or count * item_bytes_min > self.end - self.offset:
            raise WireError(f"a vector of {count} elements in {self.end - self.offset} bytes")
        return count

    def rest(self) -> bytes:
        """Read all that is left."""
        offset = self._advance(self.end - self.offset)
        return bytes(self.buffer[offset : self.end])

    def finish(self) -> None:
        """Raise ``WireError`` when bytes are left over."""
        if self.offset != self.end:
            raise WireError(f"{self.end - self.offset} bytes left over")


def decode_text(raw: bytes) -> str:
    """Decode UTF-8, or CESU-8 as Java writes it; raise ``WireError`` on anything else."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeError as error:
        raise WireError(f"a string that is not UTF-8: {error}") from None


def pack_bytes(value: bytes | None) -> bytes:
    """Write a buffer; ``None`` is null."""
    return NULL if value is None else pack_int(len(value)) + value


def pack_string(value: str | None) -> bytes:
    """Write a string; ``None`` is null."""
    return NULL if value is None else pack_bytes(value.encode())


def pack_strings(values: list[str] | tuple[str, ...]) -> bytes:
    """Write a vector of strings."""
    return pack_int(len(values)) + b"".join([pack_string(value) for value in values])
