"""The end of a log file: was a write torn by a crash, or has something durable gone bad?

The first may be dropped, as nobody was told it was durable. The second must not (FAST'18, "Protocol-aware
recovery"): dropping it would silently lose transactions that count towards a quorum. What a crash can do to
the one write that was under way:

* any of its disk sectors may be missing, whatever the order in which they were written. A missing sector
  shows what was there before: zeros, or in the first sector the previous write's mark (see ``records``);
* the file may end anywhere within it.

So an entry that cannot be read is forgiven when it lies in the last write *and* a part of it is missing in
such a way. Anything else is corruption. Where the last write began is known from the mark at its end; if
that is missing too, then the end of the write is, and no whole entry ends the file.
"""

from __future__ import annotations

from zlib import adler32

from ensemble.errors import CorruptionError
from ensemble.storage.records import (
    ENTRY_BYTES_MIN,
    ENTRY_END,
    ENTRY_HEAD,
    HEADER_BYTES,
    MAGIC,
    MARK_BYTES,
    MARK_MAGIC,
    PAYLOAD_BYTES_MIN,
    used_bytes,
)
from ensemble.zxid import text

SECTOR_BYTES = 512
"""What a disk writes as a whole; a file system's pages are multiples of it."""


def has_header(data: bytes, name: str) -> bool:
    """Tell whether a log file begins with its header.

    Without one it holds nothing, as a header is durable before the first entry is written (and Apache's
    is written with it): False for an empty file or a torn header, ``CorruptionError`` for anything else.
    """
    if data.startswith(MAGIC) and len(data) >= HEADER_BYTES:
        return True
    written = data.rstrip(b"\0")
    if len(written) < HEADER_BYTES and MAGIC.startswith(written[: len(MAGIC)]):
        return False
    raise CorruptionError(
        f"{name} does not begin as a transaction log does; restore it or the whole directory"
    )


def batch_start(data: bytes, end: int) -> int | None:
    """Return where the write began that was the last one of a log file.

    ``end`` is the offset behind the last good entry. None when the file shows no mark: it is not ours, or
    the end of the last write is missing.
    """
    used = used_bytes(data)
    start = _marked(data, used - MARK_BYTES + 4)
    return _marked(data, end) if start is None else start


def judge(data: bytes, end: int, zxid: int, name: str) -> None:
    """Raise ``CorruptionError`` unless a crash explains what lies behind ``end`` in log file ``name``.

    ``end`` is the offset behind the last good entry and ``zxid`` that entry's.
    """
    used = used_bytes(data)
    if used <= end or (used == end + MARK_BYTES - 4 and _marked(data, end) is not None):
        return
    if not _is_torn(data, end, used):
        raise CorruptionError(
            f"{name} is corrupt at byte {end}, behind transaction {text(zxid)}, and no crash explains it: "
            "restore the file, or empty version-2 of this server so that it fetches everything from the leader"
        )


def _is_torn(data: bytes, end: int, used: int) -> bool:
    claimed = _claimed_end(data, end, used)
    if _is_whole(data, end, claimed):
        return False  # good in itself: it is the order of transactions that is broken
    start = _marked(data, used - MARK_BYTES + 4)
    if start is not None:
        in_last_write = end >= start
        return in_last_write and (
            _marked(data, end) is not None or _lost_sector(data, end, claimed, first_of_write=end == start)
        )
    if _marked(data, end) is not None:
        return True
    lost = _lost_sector(data, end, claimed, first_of_write=True)
    if _whole_entry_ends_at(data, end, used):
        # The write's end is missing only if nothing but its mark was in the sectors behind.
        return lost and used % SECTOR_BYTES == 0
    return lost or claimed >= used


def _marked(data: bytes, offset: int) -> int | None:
    """Return where the write began that ends with a mark at ``offset``, or None when there is none."""
    if (
        offset < HEADER_BYTES
        or data[offset + 4 : offset + 8] != MARK_MAGIC
        or any(data[offset + 8 : offset + 12])
    ):
        return None
    batch_bytes = int.from_bytes(data[offset : offset + 4], "big")
    return offset - batch_bytes if offset - batch_bytes >= HEADER_BYTES else None


def _claimed_end(data: bytes, offset: int, used: int) -> int:
    """Return where the entry at ``offset`` ends by its own length, or ``used`` when that makes no sense."""
    if offset + ENTRY_HEAD.size > len(data):
        return used
    length = ENTRY_HEAD.unpack_from(data, offset)[1]
    if length == 0:
        return min(used, offset + MARK_BYTES)
    claimed = offset + ENTRY_BYTES_MIN + length
    return claimed if length > 0 and claimed <= len(data) else used


def _is_whole(data: bytes, offset: int, end: int) -> bool:
    """Tell whether ``data[offset:end]`` is one entry that passes its checksum."""
    if not offset + ENTRY_BYTES_MIN + PAYLOAD_BYTES_MIN <= end <= len(data) or data[end - 1] != ENTRY_END[0]:
        return False
    checksum, length = ENTRY_HEAD.unpack_from(data, offset)
    payload = memoryview(data)[offset + ENTRY_HEAD.size : end - 1]
    return bool(length == len(payload) and checksum == adler32(payload))


def _whole_entry_ends_at(data: bytes, start: int, end: int) -> bool:
    """Tell whether some whole entry behind ``start`` ends at ``end``."""
    if data[end - 1] != ENTRY_END[0]:
        return False
    unpack = ENTRY_HEAD.unpack_from
    return any(
        unpack(data, offset)[1] == end - offset - ENTRY_BYTES_MIN and _is_whole(data, offset, end)
        for offset in range(end - ENTRY_BYTES_MIN - PAYLOAD_BYTES_MIN, start, -1)
    )


def _lost_sector(data: bytes, start: int, end: int, *, first_of_write: bool) -> bool:
    """Tell whether a sector under the entry ``data[start:end]`` shows only what was there before the write.

    The four bytes at ``start`` are zero in any entry and prove nothing. The first entry of a write lies on
    the previous mark, which a lost sector may still show: a part of it, if the mark crosses sectors.
    """
    first = start - start % SECTOR_BYTES
    mark_crosses = start + MARK_BYTES > first + SECTOR_BYTES
    if first_of_write and mark_crosses:
        return True
    for sector in range(first, end, SECTOR_BYTES):
        shown = data[max(sector, start + 4) : sector + SECTOR_BYTES]
        if (shown or sector >= len(data)) and not any(shown):
            return True
    return False
