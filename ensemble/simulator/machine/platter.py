"""Files and names as a disk holds them: what programs see, what is durable, and what a power cut makes of it.

Knows nothing of queues, time, or who writes.
"""

from __future__ import annotations

from random import Random

SECTOR_BYTES = 512
"""What is written as a whole or not at all."""


class File:
    """One file: what the page cache shows, what is durable, and the difference in order."""

    __slots__ = ("cache", "durable", "durable_size", "size", "unsynced")

    def __init__(self) -> None:
        self.cache = bytearray()
        self.size = 0
        """The size as programs see it; ``cache`` leaves out zeros at the end."""
        self.durable = bytearray()
        self.durable_size = 0
        self.unsynced: list[tuple[int, bytes | None]] = []
        """Writes (offset, data), and changes of size (size, None)."""

    def read(self) -> bytes:
        """Return what programs see."""
        return bytes(self.cache).ljust(self.size, b"\0")

    def write(self, offset: int, data: bytes) -> None:
        """Write into the page cache."""
        put(self.cache, offset, data)
        self.size = max(self.size, offset + len(data))
        self.unsynced.append((offset, data))

    def resize(self, size: int) -> None:
        """Cut or extend in the page cache."""
        del self.cache[size:]
        self.size = size
        self.unsynced.append((size, None))

    def sync(self) -> None:
        """Make the page cache durable."""
        for offset, data in self.unsynced:
            self._persist(offset, data)
        self.unsynced.clear()

    def fail_sync(self, rng: Random) -> None:
        """Take the page cache for clean, though by the dice only some of it reached the disk."""
        for offset, data in self.unsynced:
            if rng.random() < 0.5:
                self._persist(offset, data)
        self.unsynced.clear()

    def lose(self, rng: Random) -> None:
        """Lose power: what is not durable is kept, torn or lost by the dice."""
        how = rng.choice(("nothing", "everything", "prefix", "sectors"))
        torn = rng.randrange(len(self.unsynced) + 1)
        for index, (offset, data) in enumerate(self.unsynced):
            if how == "everything" or (how == "prefix" and index < torn):
                self._persist(offset, data)
            elif how == "prefix" and index == torn and data is not None:
                self._persist(offset, data[: rng.randint(0, len(data))])
            elif how == "sectors":
                self._persist_sectors(offset, data, rng)
        self.unsynced.clear()
        self.cache = bytearray(self.durable)
        self.size = self.durable_size

    def _persist(self, offset: int, data: bytes | None) -> None:
        if data is None:
            del self.durable[offset:]
            self.durable_size = offset
        elif data:
            put(self.durable, offset, data)
            self.durable_size = max(self.durable_size, offset + len(data))

    def _persist_sectors(self, offset: int, data: bytes | None, rng: Random) -> None:
        if data is None:
            if rng.random() < 0.5:
                self._persist(offset, None)
            return
        start, end = offset, offset + len(data)
        while start < end:
            stop = min(end, start - start % SECTOR_BYTES + SECTOR_BYTES)
            if rng.random() < 0.5:
                self._persist(start, data[start - offset : stop - offset])
            start = stop


def put(content: bytearray, offset: int, data: bytes) -> None:
    """Place ``data``, with zeros before it where there was nothing."""
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class Directory:
    """All names of a disk: as programs see them, and as they are durable."""

    __slots__ = ("durable", "files", "unsynced")

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.durable: dict[str, File] = {}
        self.unsynced: list[dict[str, File | None]] = []

    def change(self, names: dict[str, File | None]) -> None:
        """Link and unlink (None) names in one indivisible step, as a rename does."""
        _change(self.files, names)
        self.unsynced.append(names)

    def sync(self) -> None:
        """Make all changes durable."""
        for names in self.unsynced:
            _change(self.durable, names)
        self.unsynced.clear()

    def lose(self, rng: Random) -> None:
        """Lose power: the changes up to one of them are kept, as a journal does."""
        for names in self.unsynced[: rng.randint(0, len(self.unsynced))]:
            _change(self.durable, names)
        self.unsynced.clear()
        self.files = dict(self.durable)
        for name in sorted(self.files):
            self.files[name].lose(rng)


def _change(files: dict[str, File], names: dict[str, File | None]) -> None:
    for name, file in names.items():
        if file is None:
            files.pop(name, None)
        else:
            files[name] = file
