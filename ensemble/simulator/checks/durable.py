"""What a server's disks would hold if the power went now: read from the simulated disks, not from the server.

Parses Apache's log layout on its own (2.11), incrementally: files only grow, except where the server
truncates or removes them, and then it is told to look again.
"""

from __future__ import annotations

from struct import Struct
from zlib import adler32

from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.zxid import follows, text

_DIRECTORY = "version-2"
_LOG = "log."
_SNAPSHOT = "snapshot."
_FILE_HEADER_BYTES = 16
_ENTRY = Struct(">qi")
_ZXID = Struct(">q")
_ZXID_OFFSET = 12


class HoleOnDisk(Exception):
    """Two successive transactions of one log do not follow each other, nor the second a snapshot."""


class DurableHistory:
    """The durable transactions of one server."""

    __slots__ = ("_bridged", "_data", "_log", "_offsets", "_stale", "entries", "last", "snapshot", "spoiled")

    def __init__(self, data: SimulatedDisk, log: SimulatedDisk) -> None:
        self._data = data
        self._log = log
        self._offsets: dict[str, int] = {}
        self._stale = True
        self._bridged: set[int] = set()
        """Transactions with a hole before them, in which a snapshot stood when they became durable."""
        self.entries: dict[int, int] = {}
        """zxid -> checksum of its payload."""
        self.last = 0
        self.snapshot = 0
        """The newest durable snapshot."""
        self.spoiled = False
        """Something on these disks went bad: holes are no fault of the server's."""

    def forget(self) -> None:
        """Look at everything anew next time: something was cut, removed or lost."""
        self._stale = True

    def refresh(self) -> None:
        """Read what became durable since the last call; ``HoleOnDisk`` when it has a hole (I3)."""
        if self._stale:
            self._stale = False
            self._offsets, self.entries, self.last = {}, {}, 0
            self.snapshot = max([0, *_numbers(self._data.durable_names(_DIRECTORY), _SNAPSHOT)])
        for number in _numbers(self._log.durable_names(_DIRECTORY), _LOG):
            name = f"{_DIRECTORY}/{_LOG}{number:x}"
            self._read(name)

    def holds(self, zxid: int, checksum: int) -> bool:
        """Tell whether the transaction is durable here, in the log or below a snapshot."""
        found = self.entries.get(zxid)
        return found == checksum if found is not None else zxid <= self.snapshot

    def epoch(self, name: str) -> int:
        """Return the durable value of an epoch file; 0 when there is none."""
        path = f"{_DIRECTORY}/{name}"
        if name not in self._data.durable_names(_DIRECTORY):
            return 0
        line = bytes(self._data.durable(path)).partition(b"\n")[0]
        return 0 if self.spoiled and not line.isdigit() else int(line)

    def _read(self, name: str) -> None:
        offset = self._offsets.get(name, _FILE_HEADER_BYTES)
        data = self._log.durable(name)
        end = len(data)
        while offset + _ENTRY.size < end:
            checksum, length = _ENTRY.unpack_from(data, offset)
            start = offset + _ENTRY.size
            if length <= 0 or start + length >= end or data[start + length] != 0x42:
                break
            payload = data[start : start + length]
            if adler32(payload) != checksum:
                break
            zxid = _ZXID.unpack_from(payload, _ZXID_OFFSET)[0]
            if self.last and not follows(zxid, self.last) and not self.spoiled and not self._bridges(zxid):
                raise HoleOnDisk(f"{name}: {text(zxid)} behind {text(self.last)}")
            self.entries[zxid] = checksum
            self.last = zxid
            offset = start + length + 1
        self._offsets[name] = offset

    def _bridges(self, zxid: int) -> bool:
        """Tell whether a transaction follows a snapshot.

        A server applies what a quorum has logged, and may die with a snapshot of it before its own disk has.
        """
        snapshots = _numbers(self._data.durable_names(_DIRECTORY), _SNAPSHOT)
        if any(snapshot > self.last and follows(zxid, snapshot) for snapshot in snapshots):
            self._bridged.add(zxid)
        return zxid in self._bridged


def _numbers(names: list[str], prefix: str) -> list[int]:
    numbers = []
    for name in names:
        if name.startswith(prefix):
            try:
                numbers.append(int(name.removeprefix(prefix), 16))
            except ValueError:
                continue  # a temporary file
    return sorted(numbers)
