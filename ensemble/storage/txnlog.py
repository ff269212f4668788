"""The transaction log of one server: appended, synced in groups, read back, cut.

Appends are buffered. A sync writes what is buffered in one piece and asks the disk once; while it is under
way further appends gather and go with the next. A file is begun only when everything before it is durable,
so a crash can tear the last file alone. Knows nothing of snapshots but the zxids at which they stand.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from operator import itemgetter
from struct import error as StructError
from zlib import adler32

from ensemble.errors import InvariantViolation, StorageError
from ensemble.limits import COMMITTED_LOG_BYTES_MAX
from ensemble.ports import Disk
from ensemble.storage import repeats
from ensemble.storage.gaps import Bridges
from ensemble.storage.names import DIRECTORY, log_name
from ensemble.storage.records import (
    ENTRY_END,
    ENTRY_HEAD,
    HEADER_BYTES,
    MARK_BYTES,
    ZXID,
    ZXID_OFFSET,
    Entry,
    end_of,
    header,
    mark,
    predecessor_in,
    scan,
    zxid_in,
)
from ensemble.storage.settings import DEFAULTS, StorageSettings
from ensemble.zxid import follows, text

_zxid_of_entry = itemgetter(0)
_pack_head = ENTRY_HEAD.pack
_unpack_zxid = ZXID.unpack_from


class TxnLog:
    """The log files of one directory, and the newest transactions in memory.

    ``recent`` holds those after ``base``, without a gap up to ``zxid_logged``; ``base`` itself is held too
    (as an older transaction, or by a snapshot).
    """

    __slots__ = (
        "_batch",
        "_bytes_allocated",
        "_bytes_before",
        "_in_flight",
        "_incarnation",
        "_proved",
        "_recent_bytes",
        "_recovered_from",
        "_roll_due",
        "_settings",
        "_waiting",
        "base",
        "bytes",
        "disk",
        "file",
        "files",
        "recent",
        "zxid_durable",
        "zxid_logged",
    )

    def __init__(
        self,
        disk: Disk,
        files: dict[int, str],
        base: int,
        recent: deque[Entry],
        settings: StorageSettings = DEFAULTS,
        *,
        recovered_from: int = 0,
    ) -> None:
        """Continue a log; ``files`` maps first zxids to names, in order, and everything is durable.

        The files from the one that begins at ``recovered_from`` on were read, and hold each transaction once.
        """
        self.disk = disk
        self._settings = settings
        self.files = files
        self.base = base
        self.recent = recent
        self._recent_bytes = sum([len(payload) for _, payload in recent])
        self.zxid_logged = self.zxid_durable = recent[-1][0] if recent else base
        self.file: str | None = None
        self.bytes = 0
        """Bytes written to ``file``, its zeros and its mark not counted."""
        self._bytes_allocated = 0
        self._bytes_before = 0
        self._roll_due = False
        self._batch: list[bytes] = []
        self._in_flight: list[Callable[[], None]] | None = None
        self._waiting: list[Callable[[], None]] = []
        self._incarnation = 0
        self._recovered_from = self._proved = recovered_from

    # -- writing -----------------------------------------------------------------------------------------

    def append(self, zxid: int, payload: bytes) -> None:
        """Append one transaction; ``InvariantViolation`` unless it follows and carries ``zxid``."""
        last = self.zxid_logged
        if not follows(zxid, last):
            raise InvariantViolation(f"transaction {text(zxid)} appended after {text(last)}")
        try:
            if _unpack_zxid(payload, ZXID_OFFSET)[0] != zxid:
                raise InvariantViolation(f"transaction {text(zxid)} carries {text(zxid_in(payload))}")
        except StructError:
            raise InvariantViolation(f"transaction {text(zxid)} is only {len(payload)} bytes long") from None
        self._batch += (_pack_head(adler32(payload), len(payload)), payload, ENTRY_END)
        self.recent.append((zxid, payload))
        self.zxid_logged = zxid

    def sync(self, done: Callable[[], None]) -> None:
        """Call ``done``, later, when everything appended before this call is durable."""
        if self._in_flight is None:
            self._start_sync([done])
        elif self._batch or self._waiting:
            self._waiting.append(done)
        else:
            self._in_flight.append(done)

    def roll(self) -> None:
        """Begin another file with the next write."""
        self._roll_due = True
        self._bytes_before = -self.bytes

    @property
    def bytes_since_roll(self) -> int:
        """Bytes written since :meth:`roll` was last called, or since opening; file headers included."""
        return self._bytes_before + self.bytes

    def _start_sync(self, callbacks: list[Callable[[], None]]) -> None:
        self._in_flight = callbacks
        self._write_batch()
        upto, incarnation = self.zxid_logged, self._incarnation
        self.disk.sync(lambda: self._on_synced(upto, incarnation))

    def _on_synced(self, upto: int, incarnation: int) -> None:
        callbacks = self._in_flight or []
        self._in_flight = None
        # A truncation since then was durable by itself, and ``upto`` may be gone.
        if incarnation == self._incarnation:
            self.zxid_durable = upto
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._start_sync(waiting)
        for done in callbacks:
            done()

    def _write_batch(self) -> None:
        """Hand the buffered entries to the disk, as one write; nothing written before may be in flight."""
        if not self._batch:
            return
        if self.file is None or self._roll_due or self.bytes >= self._settings.log_file_bytes_max:
            self._begin_file(zxid_in(self._batch[1]))
        assert self.file is not None
        entries = b"".join(self._batch)
        self._batch = []
        size = len(entries)
        if self.bytes + size + MARK_BYTES > self._bytes_allocated:
            self._allocate(self.bytes + size + MARK_BYTES)
        self.disk.write(self.file, self.bytes, entries + mark(size))
        self.bytes += size
        self._recent_bytes += size
        self._trim_recent()

    def _begin_file(self, zxid: int) -> None:
        self._bytes_before += self.bytes
        index = bisect_left(self.recent, zxid, key=_zxid_of_entry)
        predecessor = self.recent[index - 1][0] if index else self.base
        self.file = log_name(zxid)
        self.files[zxid] = self.file
        self.bytes = HEADER_BYTES
        self._bytes_allocated = 0
        self._roll_due = False
        self._allocate(1)
        self.disk.write(self.file, 0, header(predecessor) + mark(0))
        # The header (and the directory's entry) is durable before any transaction, so that recovery need
        # not wonder whether a file without one held something.
        self.disk.sync(_nothing)

    def _allocate(self, size: int) -> None:
        """Extend the file by whole steps, to ``size`` bytes or more."""
        step = self._settings.log_allocate_bytes
        if step and self.file is not None:
            self._bytes_allocated = -(-size // step) * step
            self.disk.allocate(self.file, self._bytes_allocated)

    def _trim_recent(self) -> None:
        recent, txns_max = self.recent, self._settings.recent_txns_max
        while len(recent) > txns_max or (self._recent_bytes > COMMITTED_LOG_BYTES_MAX and len(recent) > 1):
            self.base, payload = recent.popleft()
            self._recent_bytes -= len(payload) + ENTRY_HEAD.size + len(ENTRY_END)

    # -- reading -----------------------------------------------------------------------------------------

    def read_after(self, zxid: int, snapshots: list[int]) -> list[Entry] | None:
        """Return the transactions after ``zxid``, or None when it is not held or not reached back to.

        ``snapshots`` are the zxids at which this server has snapshots; they count as held.
        """
        if zxid >= self.base:
            return self._recent_after(zxid)
        found: list[Entry] = []
        bridges = Bridges(snapshots, zxid)
        previous = zxid if zxid in snapshots else None
        for predecessor, entries in self._files_around(zxid, self.base, snapshots):
            if previous is not None and (predecessor or 0) > previous:
                return None
            for entry in entries:
                if entry[0] < zxid:
                    continue
                if entry[0] == zxid:
                    previous = zxid
                    continue
                if previous is None or not follows(entry[0], previous) or bridges.part(previous, entry[0]):
                    return None
                found.append(entry)
                previous = entry[0]
        if previous != self.base:
            return None
        return found + list(self.recent)

    def last_not_after(self, zxid: int, snapshots: list[int]) -> int | None:
        """Return the greatest zxid held that is <= ``zxid``; ``snapshots`` as in :meth:`read_after`."""
        if zxid >= self.base:
            index = bisect_right(self.recent, zxid, key=_zxid_of_entry)
            return self.recent[index - 1][0] if index else self.base
        held = [snapshot for snapshot in snapshots if snapshot <= zxid]
        for _, entries in self._files_around(zxid, zxid, snapshots):
            held += [found for found, _ in entries]
        return max(held, default=None)

    def _recent_after(self, zxid: int) -> list[Entry] | None:
        recent = self.recent
        index = bisect_right(recent, zxid, key=_zxid_of_entry)
        held = recent[index - 1][0] if index else self.base
        return list(islice(recent, index, None)) if held == zxid else None

    def _files_around(
        self, zxid: int, end: int, snapshots: list[int]
    ) -> Iterator[tuple[int | None, list[Entry]]]:
        """Yield what is on disk from the last file that begins at or before ``zxid`` up to ``end``.

        Each file as the predecessor it names, if any, and its entries.
        """
        if not self._prove(zxid, snapshots):
            return
        firsts = list(self.files)
        start = max(0, bisect_right(firsts, zxid) - 1)
        for first in firsts[start : bisect_right(firsts, end)]:
            data = self.disk.read(self.files[first])
            yield predecessor_in(data), [entry for entry in scan(data)[0] if entry[0] <= end]

    def _prove(self, zxid: int, snapshots: list[int]) -> bool:
        """See to it that what is older than what recovery read holds each transaction once; False when it cannot."""
        if zxid >= self._proved or next(iter(self.files), self._proved) >= self._recovered_from:
            return True
        bridges = Bridges(snapshots, max(snapshots, default=0))
        begin = repeats.take_out_before(self.disk, self.files, zxid, self._recovered_from, bridges)
        self._proved = self._proved if begin is None else min(begin, zxid)
        return begin is not None

    # -- cutting -----------------------------------------------------------------------------------------

    def truncate(self, zxid: int) -> None:
        """Remove everything after ``zxid``, which must be held; durable on return."""
        self.settle()
        # Newest first: whatever a crash leaves is a history without a hole.
        for first in [first for first in reversed(self.files) if first > zxid]:
            self.disk.remove(self.files.pop(first))
        if self.files:
            name = self.files[next(reversed(self.files))]
            entries, end = scan(self.disk.read(name))
            keep = end_of(entries, zxid)
            if keep < end or self.zxid_durable < zxid:
                self._cut(name, keep)
        while self.recent and self.recent[-1][0] > zxid:
            self._recent_bytes -= len(self.recent.pop()[1])
        self.base = min(self.base, zxid)
        self._continue_from(zxid)

    def clear(self, zxid: int) -> None:
        """Remove every file; the log restarts after ``zxid``, where a snapshot stands. Durable on return."""
        self.settle()
        for first in list(self.files):
            self.disk.remove(self.files.pop(first))
        self.recent.clear()
        self._recent_bytes = 0
        self.base = zxid
        self._continue_from(zxid)

    def forget_before(self, zxid: int) -> None:
        """Remove the files that hold nothing after ``zxid``, oldest first."""
        firsts = list(self.files)
        for first in firsts[: max(0, bisect_right(firsts, zxid) - 1)]:
            self.disk.remove(self.files.pop(first))

    def settle(self) -> None:
        """Wait for the disk's queue, then hand over what is buffered."""
        self.disk.names(DIRECTORY)
        self._write_batch()

    def _cut(self, name: str, size: int) -> None:
        """Shorten a file to ``size`` bytes, and leave a mark that says they are durable."""
        self.disk.truncate(name, size)
        self.disk.write(name, size, mark(0))
        self.disk.truncate(name, size + MARK_BYTES)

    def _continue_from(self, zxid: int) -> None:
        self.file = None
        self.bytes = self._bytes_before = 0
        self.zxid_logged = self.zxid_durable = zxid
        self._incarnation += 1
        if (self.recent[-1][0] if self.recent else self.base) != zxid:
            raise StorageError(f"the log cannot be cut at {text(zxid)}, which it does not hold")


def _nothing() -> None:
    """Be told of a sync nobody waits for."""
