"""Transactions that Apache's logs hold twice.

Apache's learner that fails on a commit before UPTODATE (ZOOKEEPER-4394) is not shut down (ZOOKEEPER-4712): what
it has logged it does not apply, so it joins again from before all that, is sent it again, and logs it again. Its log
is still open, so the second time stands behind the first in one file; or the log was rolled on the way, and a
file begins within what the file before it holds. Of either there may be several, and a crash may end any of them.

Repeats are taken out when such a log is opened, so that whoever reads or cuts it finds each transaction once, in
order. Nothing is guessed: a repeat has the bytes of what was logged before under its zxid (all of them: 32 bits of
Adler-32 collide, and a digest would have to be computed from the same bytes). What is not like that is left as it
is, and refused as any other log that goes backwards:

* a transaction that is another, or whose first time cannot be read any more;
* a file that shows our mark, as our servers never log anything twice;
* a repeat that stops short, and then another epoch. Whether what it leaves out is history, or was cut off by
  the leader of that epoch, nobody can tell; unless a snapshot stands there. (Where a file of its own begins with
  that epoch, and others hide the short end, it cannot be noticed. Apache's logs are not rolled for an epoch.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import itemgetter

from ensemble.errors import CorruptionError
from ensemble.ports import Disk
from ensemble.storage import logfile, tail
from ensemble.storage.gaps import Bridges
from ensemble.storage.logfile import LogFile
from ensemble.storage.names import Readable
from ensemble.storage.records import HEADER_BYTES, Entry, encode, end_of, scan
from ensemble.zxid import epoch_of, follows

_zxid_of_entry = itemgetter(0)


class Earlier:
    """What stands in the files of a log before one of them; the entries of a single file are held at a time."""

    def __init__(self, disk: Readable, files: dict[int, str]) -> None:
        """``files`` maps first zxids to names, in order."""
        self._disk = disk
        self._files = files
        self._name = ""
        self._payloads: dict[int, bytes] = {}

    def payload(self, zxid: int, before: int) -> bytes | None:
        """Return what a file that begins before zxid ``before`` holds under ``zxid``; None when none does."""
        if zxid in self._payloads:
            return self._payloads[zxid]
        for first, name in reversed(self._files.items()):
            if first <= zxid and first < before and name != self._name:
                self._name, self._payloads = name, dict(scan(self._disk.read(name))[0])
                if zxid in self._payloads:
                    return self._payloads[zxid]
        return None


def newest_in(data: bytes) -> int:
    """Return the greatest zxid among the good entries of a log file, whatever their order; 0 without any."""
    newest, end = 0, HEADER_BYTES
    while True:
        entries, end = scan(data, start=end)
        if not entries:
            return newest
        newest = max(newest, entries[-1][0])


def leads_on(bridges: Bridges, newest: int, previous: int | None, zxid: int) -> bool:
    """Tell whether ``zxid`` may come after all up to ``newest`` when ``previous`` stands right before it."""
    if previous == newest:
        return follows(zxid, newest) or bridges.explain(newest, zxid)
    if epoch_of(zxid) == epoch_of(newest) and follows(zxid, newest):
        return True
    return bridges.lead(newest, zxid)


@dataclass(slots=True)
class _Sifted:
    """A file's own transactions, each once; where reading ended; and the newest transaction read so far."""

    entries: list[Entry]
    end: int
    newest: int


class Repeats:
    """Takes the repeats out of the files of a log, one file after another, in their order."""

    def __init__(self, disk: Disk, files: dict[int, str], bridges: Bridges) -> None:
        """``files`` maps first zxids to names, in order; a file that is removed leaves it."""
        self._disk = disk
        self._files = files
        self._bridges = bridges
        self._earlier = Earlier(disk, files)

    def begin(self, file: LogFile, index: int) -> int:
        """Return the index of the file to start from, when ``file``, the one at ``index``, would be it.

        It holds repeats, then files before it may go further than it does: one that none before it reaches into.
        """
        if not index or not file.goes_back or file.written_by_us:
            return index
        firsts = list(self._files)
        reach = [newest_in(self._disk.read(self._files[first])) for first in firsts[:index]]
        while index and max(reach[:index]) >= firsts[index]:
            index -= 1
        return index

    def take_out(self, file: LogFile, last: int | None, *, keep: bool = False) -> bool:
        """Take the repeats out of a file whose predecessors hold ``last``; tell whether anything was changed.

        False when it has none, or something that is not proved to be one. A file that holds nothing but repeats
        is removed, unless it is to ``keep``. ``CorruptionError`` when no crash explains what is behind them.
        """
        if not file.entries:
            return False
        within = last is not None and file.entries[0][0] <= last
        if not (within or file.goes_on) or file.written_by_us:
            return False
        sifted = self._sift(file, last if within else None)
        if sifted is None:
            return False
        tail.judge(file.data, sifted.end, sifted.newest, file.name)
        if not within:
            self._rewrite(file.name, file.data, sifted.entries)
            return True
        return self._part(file, sifted, keep=keep)

    def _sift(self, file: LogFile, last: int | None) -> _Sifted | None:
        """Read a file that begins at or before ``last``, unless that is None; None without repeats, or with what
        is not proved to be one."""
        kept: list[Entry] = []
        newest = previous = last
        repeated = False
        entries, end = file.entries, file.end
        while entries:
            for entry in entries:
                zxid = entry[0]
                again = newest is not None and zxid <= newest
                if again:
                    repeated = True
                    if not self._is_held(entry, kept, file.entries[0][0]):
                        return None
                elif newest is not None and not leads_on(self._bridges, newest, previous, zxid):
                    return None
                if not kept or zxid > kept[-1][0]:
                    if again and kept and not follows(zxid, kept[-1][0]):
                        return None
                    kept.append(entry)
                newest, previous = zxid if newest is None else max(newest, zxid), zxid
            entries, stop = scan(file.data, start=end)
            end = stop if entries else end
        assert newest is not None
        if not repeated or not self._may_go_on(file.entries[0][0], newest, previous):
            return None
        return _Sifted(kept, end, newest)

    def _may_go_on(self, first: int, newest: int, previous: int | None) -> bool:
        """Tell whether the file behind the one that begins at ``first`` may come after all up to ``newest``."""
        behind = next((each for each in self._files if each > first), 0)
        return previous == newest or behind <= newest or leads_on(self._bridges, newest, previous, behind)

    def _is_held(self, entry: Entry, kept: list[Entry], first: int) -> bool:
        """Tell whether the very same was read before: in the file itself, or else in one before it."""
        zxid, payload = entry
        index = bisect_left(kept, zxid, key=_zxid_of_entry)
        if index < len(kept) and kept[index][0] == zxid:
            return kept[index][1] == payload
        return self._earlier.payload(zxid, first) == payload

    def _part(self, file: LogFile, sifted: _Sifted, *, keep: bool) -> bool:
        """Have two files that overlap hold each transaction once.

        The one that goes further holds what both did. What stays was perhaps never synced, and is made durable
        before the other goes.
        """
        first = sifted.entries[0][0]
        before = list(self._files)[list(self._files).index(first) - 1]
        other = logfile.read(self._disk, self._files[before], before)
        if sifted.entries[-1][0] == sifted.newest:
            self._rewrite(file.name, file.data, sifted.entries)
            self._disk.truncate(other.name, end_of(other.entries, first - 1))
        elif keep:
            return False
        else:
            self._rewrite(other.name, other.data, other.entries)
            self._disk.remove(self._files.pop(first))
        return True

    def _rewrite(self, name: str, data: bytes, entries: list[Entry]) -> None:
        content = data[:HEADER_BYTES] + b"".join([encode(payload) for _, payload in entries])
        self._disk.write_atomic(name, content)


def take_out_before(disk: Disk, files: dict[int, str], zxid: int, last: int, bridges: Bridges) -> int | None:
    """Take the repeats out of the files from the one that holds ``zxid`` on, before the one that begins at ``last``.

    That one stays, and has none within itself. Return where the first of them begins, or None when one of them
    is not sound, or holds what is not proved to be a repeat.
    """
    firsts = list(files)
    index = max(0, bisect_right(firsts, zxid) - 1)
    while index and newest_in(disk.read(files[firsts[index - 1]])) >= firsts[index]:
        index -= 1
    try:
        while (changed := _take_out_once(disk, files, firsts[index], last, bridges)) is True:
            pass
    except CorruptionError:
        return None
    return None if changed is None else firsts[index]


def _take_out_once(disk: Disk, files: dict[int, str], first: int, last: int, bridges: Bridges) -> bool | None:
    """Return True when a file was changed, None when one is not sound."""
    repeats = Repeats(disk, files, bridges)
    held: int | None = None
    for each in [each for each in files if first <= each <= last]:
        file = logfile.read(disk, files[each], each)
        if repeats.take_out(file, held, keep=each == last):
            return True
        if not file.entries or file.goes_on or (held is not None and each <= held):
            return None
        held = file.entries[-1][0]
    return False
