"""The bytes of a txn log file (Apache's FileTxnLog).

A file is a header ``{int "ZKLG", int 2, long dbid}`` and entries::

    long Adler-32 of the payload | int length | payload | 0x42

A payload begins with ``TxnHeader{long clientId, int cxid, long zxid, ...}``: the zxid at offset 12 is all that
is looked at here. Behind the last entry come zeros: a length of 0 ends the log for every reader.

**The predecessor.** Apache's servers write a dbid of 0 and look at none. Ours hold there the zxid of the
transaction before the file's first: that a file is missing which ends an epoch cannot be told from zxids alone.

**The mark.** Readers ignore the eight checksum bytes in front of that length of 0. Each write of ours ends
with a mark there: the size of the batch just written, and a magic number. The next batch overwrites it. It
costs no further I/O and tells recovery where the last unsynced write began, which is what separates a
write torn by a crash from an entry that was durable and has gone bad (see ``tail``).
"""

from __future__ import annotations

from struct import Struct
from zlib import adler32

from ensemble.zxid import counter_of, follows

_HEADER = Struct(">8sq")
MAGIC = b"ZKLG\0\0\0\2"
HEADER = _HEADER.pack(MAGIC, 0)
"""The header of a file that does not tell its predecessor."""
HEADER_BYTES = len(HEADER)

ENTRY_HEAD = Struct(">qi")
ENTRY_END = b"B"
ENTRY_BYTES_MIN = ENTRY_HEAD.size + len(ENTRY_END)

ZXID = Struct(">q")
ZXID_OFFSET = 12
PAYLOAD_BYTES_MIN = ZXID_OFFSET + ZXID.size

MARK_MAGIC = b"\xc5\x1a\x9e\x77"
MARK = Struct(">i4si")
MARK_BYTES = MARK.size

_ZEROS = bytes(16384)

Entry = tuple[int, bytes]
"""A zxid and the payload that carries it."""


def header(predecessor: int) -> bytes:
    """Return the header of a file whose first transaction comes behind ``predecessor``."""
    return _HEADER.pack(MAGIC, predecessor)


def predecessor_in(data: bytes) -> int | None:
    """Return the zxid that a file's header names, or None when it names no transaction."""
    zxid: int = _HEADER.unpack_from(data)[1]
    return zxid if counter_of(zxid) else None


def encode(payload: bytes) -> bytes:
    """Return one entry."""
    return ENTRY_HEAD.pack(adler32(payload), len(payload)) + payload + ENTRY_END


def mark(batch_bytes: int) -> bytes:
    """Return the mark that ends a write of ``batch_bytes`` bytes of entries."""
    return MARK.pack(batch_bytes, MARK_MAGIC, 0)


def zxid_in(payload: bytes | memoryview) -> int:
    """Return the zxid a payload carries; ``struct.error`` when it is too short to be one."""
    zxid: int = ZXID.unpack_from(payload, ZXID_OFFSET)[0]
    return zxid


def scan(data: bytes, previous: int | None = None, start: int = HEADER_BYTES) -> tuple[list[Entry], int]:
    """Read the entries of a log file, from offset ``start`` on, as far as they are good.

    Good is an entry that is whole, passes its checksum and follows the one before it (``previous`` for the
    first, unless it is None). Returns them and the offset behind the last one; judging what lies there is
    up to ``tail``. The header is not looked at.
    """
    entries: list[Entry] = []
    view = memoryview(data)
    offset, size = start, len(data)
    unpack_head, unpack_zxid = ENTRY_HEAD.unpack_from, ZXID.unpack_from
    while offset + ENTRY_BYTES_MIN <= size:
        checksum, length = unpack_head(data, offset)
        begin = offset + ENTRY_HEAD.size
        end = begin + length
        if length < PAYLOAD_BYTES_MIN or end >= size or data[end] != ENTRY_END[0]:
            break
        if adler32(view[begin:end]) != checksum:
            break
        zxid = unpack_zxid(data, begin + ZXID_OFFSET)[0]
        if previous is not None and not follows(zxid, previous):
            break
        entries.append((zxid, data[begin:end]))
        previous = zxid
        offset = end + 1
    return entries, offset


def end_of(entries: list[Entry], zxid: int) -> int:
    """Return the offset behind the last of ``entries`` (a whole file's) that is not after ``zxid``."""
    return HEADER_BYTES + sum([ENTRY_BYTES_MIN + len(payload) for found, payload in entries if found <= zxid])


def used_bytes(data: bytes) -> int:
    """Return the size of ``data`` without the zeros at its end."""
    size = len(data)
    # Whole blocks first: comparing is far faster than stripping.
    while size and data[max(0, size - len(_ZEROS)) : size] == _ZEROS[: min(size, len(_ZEROS))]:
        size = max(0, size - len(_ZEROS))
    block = max(0, size - len(_ZEROS))
    return block + len(data[block:size].rstrip(b"\0"))
