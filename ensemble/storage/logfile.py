"""One log file, read whole: its entries as far as they are good and follow each other."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import CorruptionError
from ensemble.storage import tail
from ensemble.storage.names import Readable
from ensemble.storage.records import HEADER_BYTES, Entry, predecessor_in, scan
from ensemble.zxid import follows, text


@dataclass(slots=True)
class LogFile:
    """A log file; ``end`` is the offset behind its ``entries``, 0 for a file that has no header."""

    name: str
    data: bytes
    entries: list[Entry]
    end: int

    @property
    def written_by_us(self) -> bool:
        """Tell whether it shows a mark; without one it is Apache's, or the end of our last write is missing."""
        return tail.batch_start(self.data, self.end) is not None

    @property
    def goes_on(self) -> bool:
        """Tell whether entries stand behind ``entries`` that are good, and do not follow them."""
        return self.end >= HEADER_BYTES and bool(scan(self.data, start=self.end)[0])

    @property
    def goes_back(self) -> bool:
        """Tell whether what stands behind ``entries`` begins no later than they end."""
        behind = scan(self.data, start=self.end)[0] if self.entries else []
        return bool(behind) and behind[0][0] <= self.entries[-1][0]

    def continues(self, zxid: int) -> bool:
        """Tell whether its first transaction may come behind ``zxid``, and nothing is known of one between."""
        predecessor = predecessor_in(self.data)
        return follows(self.entries[0][0], zxid) and predecessor in (zxid, None)


def read(disk: Readable, name: str, first: int) -> LogFile:
    """Read a log file; ``CorruptionError`` when it is none, or does not begin with transaction ``first``."""
    data = disk.read(name)
    entries, end = scan(data) if tail.has_header(data, name) else ([], 0)
    if entries and entries[0][0] != first:
        raise CorruptionError(
            f"{name} begins with transaction {text(entries[0][0])}: it is not where it belongs"
        )
    return LogFile(name, data, entries, end)
