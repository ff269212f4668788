"""What the directories of a server hold, proved; and the repairs that a crash calls for.

Everything starts from the newest snapshot that passes its seals, and continues with the log, whose zxids
must follow each other without a gap (a missing file in the middle is noticed, see ``records``). When a newer
snapshot is bad, an older one will do if the log reaches from there to where the bad one stood.

A crash may interrupt the replacement of the whole history by a leader's snapshot. ``installing`` names that
snapshot beforehand; the replacement counts from the moment the snapshot's file is there, and is completed
here. ``void`` names a snapshot that was being written aside when the history it belongs to was cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from ensemble.errors import CorruptionError, StorageError
from ensemble.limits import COMMITTED_LOG_BYTES_MAX
from ensemble.ports import Disk
from ensemble.storage import epochs, gaps, logfile, snapshots, tail
from ensemble.storage.gaps import Bridges
from ensemble.storage.logfile import LogFile
from ensemble.storage.names import (
    ASIDE_SUFFIX,
    DIRECTORY,
    INSTALLING,
    TEMPORARY_SUFFIX,
    VOID,
    log_files,
    snapshot_files,
)
from ensemble.storage.records import MARK_BYTES, Entry, mark, scan, used_bytes
from ensemble.storage.repeats import Repeats
from ensemble.storage.settings import StorageSettings
from ensemble.storage.txnlog import TxnLog
from ensemble.zxid import text


@dataclass(slots=True)
class Snapshot:
    """A snapshot that passed its seals."""

    zxid: int
    body: bytes


def finish_interrupted(data: Disk, log: Disk) -> None:
    """Complete, or undo, what a crash interrupted."""
    present = {f"{DIRECTORY}/{name}" for name in data.names(DIRECTORY)}
    for name in sorted(present):
        if name.endswith((TEMPORARY_SUFFIX, ASIDE_SUFFIX)):
            data.remove(name)
    if VOID in present:
        _remove_snapshots(data, _zxid_in(data, VOID))
        data.remove(VOID)
    if INSTALLING in present:
        zxid = _zxid_in(data, INSTALLING)
        snapshots_present = snapshot_files(data)
        if any(found == zxid for found, _ in snapshots_present):
            for name in log_files(log).values():
                log.remove(name)
            for other, name in snapshots_present:
                if other != zxid:
                    data.remove(name)
        data.remove(INSTALLING)


def _remove_snapshots(data: Disk, zxid: int) -> None:
    for found, name in snapshot_files(data):
        if found == zxid:
            data.remove(name)


def find_snapshot(data: Disk, log: Disk, settings: StorageSettings) -> tuple[Snapshot | None, int]:
    """Return the newest valid snapshot, and the zxid the log must reach for the sake of newer, bad ones.

    None in a directory in which nothing ever happened; ``StorageError`` when snapshots are missing that
    must have been there, none is valid, or an empty tree is not wanted.
    """
    found = snapshot_files(data)
    wrong: list[str] = []
    for zxid, name in reversed(found):
        try:
            body = snapshots.body_of(data.read(name), name)
        except CorruptionError as error:
            wrong.append(str(error))
            continue
        return Snapshot(zxid, body), found[-1][0] if wrong else zxid
    if wrong:
        raise CorruptionError(
            f"{'; '.join(wrong)}. No other snapshot is left: restore one, or empty version-2 of this server so that "
            "it fetches everything from the leader"
        )
    logged = any(scan(log.read(name))[0] for name in log_files(log).values())
    if settings.trust_no_snapshot and logged:
        return None, 0
    if epochs.any_written(data) or logged:
        raise StorageError(
            "version-2 holds epochs or transaction logs but no snapshot, so some history is missing: restore "
            "the snapshots, or empty version-2 of this server so that it fetches everything from the leader "
            "(logs of ZooKeeper 3.4 that never had a snapshot: snapshot.trust.empty=true, for one start)"
        )
    if not settings.create:
        raise StorageError(
            "there is no data, and db.autocreate=false forbids to begin with an empty tree: restore version-2, or "
            "write an empty file named initialize into dataDir"
        )
    return None, 0


def load_log(
    disk: Disk, snapshot_zxid: int, reach: int, snapshot_zxids: Collection[int], settings: StorageSettings
) -> TxnLog:
    """Return the log that continues from the snapshot at ``snapshot_zxid``, all of it durable.

    ``snapshot_zxids`` are those of all snapshots, good and bad. ``CorruptionError`` when the log has a gap that
    none of them bridges, is corrupt, or does not reach as far as ``reach``.
    """
    bridges = Bridges(snapshot_zxids, snapshot_zxid)
    log: TxnLog | None = None
    while log is None:
        log = _load_log(disk, snapshot_zxid, reach, bridges, settings)
    return log


def _load_log(
    disk: Disk,
    snapshot_zxid: int,
    reach: int,
    bridges: Bridges,
    settings: StorageSettings,
    begin: int | None = None,
) -> TxnLog | None:
    """Return the log, or None when a file of Apache's had to be changed first.

    ``begin`` is the index of the file to start from; None for the one in which the snapshot stands.
    """
    chain = _Chain(snapshot_zxid, bridges, settings.recent_txns_max)
    files = log_files(disk)
    firsts = list(files)
    start = max([index for index, first in enumerate(firsts) if first <= snapshot_zxid], default=0)
    repeats = Repeats(disk, files, bridges)
    for first in firsts[start if begin is None else begin :]:
        file = logfile.read(disk, files[first], first)
        if begin is None and first == firsts[start]:
            begin = repeats.begin(file, start)
            if begin < start:
                return _load_log(disk, snapshot_zxid, reach, bridges, settings, begin)
        if repeats.take_out(file, chain.last) or _split_at_gap(disk, file, bridges):
            return None
        if file.end:
            tail.judge(file.data, file.end, file.entries[-1][0] if file.entries else 0, file.name)
        chain.add(file)
        if not file.entries:
            disk.remove(files.pop(first))
        elif first == firsts[-1]:
            _make_durable(disk, file.name, file.data, file.end)
    chain.finish(reach)
    recovered_from = firsts[begin or 0] if firsts else 0
    return TxnLog(disk, files, chain.base, chain.recent, settings, recovered_from=recovered_from)


def _split_at_gap(disk: Disk, file: LogFile, bridges: Bridges) -> bool:
    """Part a file of Apache's at a gap that a snapshot bridges (see ``gaps``); tell whether there was one."""
    if file.written_by_us:
        return False  # ours has none: the snapshot is of another history
    gap, end = bridges.last_gap(file.entries, file.data, file.end)
    if gap is None:
        return False
    tail.judge(file.data, end, file.entries[-1][0], file.name)
    gaps.split(disk, file.name, file.data, gap, end)
    return True


def _make_durable(disk: Disk, name: str, data: bytes, end: int) -> None:
    """Cut a file behind ``end`` and make what stays durable.

    The process may have died between writing and syncing, so what was read may be in memory only. The last
    write is repeated, because a sync that failed once leaves pages that are taken for clean (ATC'20).
    """
    start = tail.batch_start(data, end)
    if used_bytes(data) > end + MARK_BYTES:
        disk.truncate(name, end)
    if start is None:
        disk.truncate(name, end)
        return
    start = min(start, end)
    disk.write(name, start, data[start:end] + mark(end - start))
    disk.truncate(name, end + MARK_BYTES)


class _Chain:
    """The history as it is put together, file after file."""

    def __init__(self, snapshot_zxid: int, bridges: Bridges, recent_txns_max: int) -> None:
        self.snapshot_zxid = snapshot_zxid
        self._txns_max = recent_txns_max
        self._bridges = bridges
        self.base = snapshot_zxid
        self.recent: deque[Entry] = deque()
        self._bytes = 0
        self.last: int | None = None
        """The last transaction of the last file."""

    def add(self, file: LogFile) -> None:
        """Continue with the entries of one file, which follow each other."""
        entries = file.entries
        if not entries:
            return
        self._link(file)
        if self.last is None and entries[0][0] <= self.snapshot_zxid:
            # What comes before the first entry of the first file is not known: it serves as the base.
            self.base = entries[0][0]
            entries = entries[1:]
        self._extend(entries)

    def finish(self, reach: int) -> None:
        """Settle where the history ends."""
        if self.last is None or self.last < self.snapshot_zxid:
            # The log is behind the snapshot (it was installed, or outlived the log's end).
            self._restart()
        end = self.recent[-1][0] if self.recent else self.base
        if end < reach:
            raise CorruptionError(
                f"the snapshot at {text(reach)} is bad, and the log ends at {text(end)}: restore it, or empty "
                "version-2 of this server so that it fetches everything from the leader"
            )

    def _link(self, file: LogFile) -> None:
        """Prove that a file continues the history: after the last file, or after the snapshot."""
        here, first, entries = self.snapshot_zxid, file.entries[0][0], file.entries
        if self.last is not None and file.continues(self.last) and not self._bridges.part(self.last, first):
            pass
        elif first > here and file.continues(here) and (self.last is None or self.last <= here):
            self._restart()
        elif self.last is not None or first > here:
            before = here if self.last is None else self.last
            raise CorruptionError(
                f"{file.name} does not continue the history, which is known up to {text(before)}: a log file is "
                "missing. Restore it, or empty version-2 of this server so that it fetches everything from the leader"
            )
        if first <= here <= entries[-1][0] and all(zxid != here for zxid, _ in entries):
            raise CorruptionError(
                f"{file.name} passes the snapshot at {text(here)} without holding that transaction"
            )

    def _restart(self) -> None:
        self.recent.clear()
        self._bytes = 0
        self.base = self.snapshot_zxid

    def _extend(self, entries: list[Entry]) -> None:
        recent = self.recent
        self.last = entries[-1][0] if entries else self.base
        if len(entries) > self._txns_max:
            # Only the newest are kept in memory; those before need not pass through.
            recent.clear()
            self._bytes = 0
            self.base = entries[-self._txns_max - 1][0]
            entries = entries[-self._txns_max :]
        recent.extend(entries)
        self._bytes += sum([len(payload) for _, payload in entries])
        while len(recent) > self._txns_max or (self._bytes > COMMITTED_LOG_BYTES_MAX and len(recent) > 1):
            self.base, payload = recent.popleft()
            self._bytes -= len(payload)


def _zxid_in(disk: Disk, name: str) -> int:
    try:
        return int(disk.read(name), 16)
    except ValueError:
        raise CorruptionError(f"{name} does not hold a zxid: restore version-2 as a whole") from None


def intent(zxid: int) -> bytes:
    """Return the content of an ``installing`` or ``void`` file."""
    return b"%x" % zxid
