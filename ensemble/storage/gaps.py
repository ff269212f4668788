"""Gaps in Apache's logs that a snapshot bridges.

An Apache server that is given a leader's snapshot keeps its old log, and when its process lives on it even
goes on in the same file: what the snapshot stands for is missing between two transactions. Where the second
begins an epoch they look as if they followed each other; only the snapshot's name tells. Ours never leaves
such a gap *within* a file, and what is read of the log relies on that: so what lies behind one is moved to a
file of its own.

A transaction in the log and a snapshot are both taken by their zxids here; nothing of them is looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import itemgetter

from ensemble.ports import Disk
from ensemble.storage.names import log_name
from ensemble.storage.records import HEADER, HEADER_BYTES, Entry, end_of, mark, scan
from ensemble.zxid import follows

_zxid_of_entry = itemgetter(0)


class Bridges:
    """The snapshots of a server, as what may stand where its log has a gap."""

    def __init__(self, snapshots: Iterable[int], newest: int) -> None:
        """Take the zxids of all snapshots, and that of the newest valid one."""
        self._zxids = sorted(snapshots)
        self._newest = newest

    def part(self, before: int, after: int) -> bool:
        """Tell whether a snapshot stands between two zxids, so that they do not follow each other."""
        index = bisect_right(self._zxids, before)
        return index < len(self._zxids) and self._zxids[index] < after

    def explain(self, before: int, after: int) -> bool:
        """Tell whether transactions missing between two zxids are no loss."""
        if before < after <= self._newest:
            return True  # all of it is in the newest snapshot
        return self.lead(before, after)

    def lead(self, before: int, after: int) -> bool:
        """Tell whether a snapshot stands between two zxids that the second follows."""
        index = bisect_right(self._zxids, before)
        return any(zxid < after and follows(after, zxid) for zxid in self._zxids[index:])

    def last_gap(self, entries: list[Entry], data: bytes, end: int) -> tuple[int | None, int]:
        """Return the offset of the first entry behind the last gap of a log file, and the end of its entries.

        ``entries`` are those up to offset ``end``, where they stop to follow each other. None without a gap,
        or when it is not one that a snapshot bridges.
        """
        gap, begin = None, HEADER_BYTES
        while entries:
            hidden = self._last_hidden(entries)
            if hidden is not None:
                gap = begin - HEADER_BYTES + end_of(entries, hidden)
            behind, stop = scan(data, start=end)
            if not behind or not self.explain(entries[-1][0], behind[0][0]):
                break
            gap = begin = end
            entries, end = behind, stop
        return gap, end

    def _last_hidden(self, entries: list[Entry]) -> int | None:
        """Return the last snapshot that parts two entries which seem to follow each other."""
        first, last = entries[0][0], entries[-1][0]
        among = self._zxids[bisect_right(self._zxids, first) : bisect_left(self._zxids, last)]
        for zxid in reversed(among):
            index = bisect_left(entries, zxid, key=_zxid_of_entry)
            if entries[index][0] != zxid and self.explain(entries[index - 1][0], entries[index][0]):
                return zxid
        return None


def split(disk: Disk, name: str, data: bytes, gap: int, end: int) -> None:
    """Move the entries ``data[gap:end]`` of log file ``name`` to a file of their own.

    A crash between the two steps leaves them in both; the next start then does the same again.
    """
    behind = data[gap:end]
    first = scan(data, start=gap)[0][0][0]
    disk.write_atomic(log_name(first), HEADER + behind + mark(len(behind)))
    disk.truncate(name, gap)
