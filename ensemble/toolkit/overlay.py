"""A disk in memory over one that is only read: what a server would do to its files, without doing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ensemble.errors import StorageError


class Files(Protocol):
    """A directory that is only read; names are relative to it (``"version-2/log.1"``)."""

    def names(self, directory: str) -> list[str]:
        """List the entries of ``directory``, sorted; empty when it does not exist."""

    def read(self, name: str) -> bytes:
        """Return the whole content of a file; ``StorageError`` when there is none."""


class Overlay:
    """A ``ports.Disk`` whose changes stay in memory. What is queued is done at once."""

    def __init__(self, below: Files) -> None:
        self._below = below
        self._changed: dict[str, bytearray] = {}
        self._removed: set[str] = set()

    def names(self, directory: str) -> list[str]:
        """See ``ports.Disk``."""
        prefix = f"{directory}/"
        found = {name for name in self._below.names(directory) if prefix + name not in self._removed}
        return sorted(
            found | {name.removeprefix(prefix) for name in self._changed if name.startswith(prefix)}
        )

    def read(self, name: str) -> bytes:
        """See ``ports.Disk``."""
        if name in self._removed:
            raise StorageError(f"{name}: No such file or directory")
        changed = self._changed.get(name)
        return self._below.read(name) if changed is None else bytes(changed)

    def write_atomic(self, name: str, data: bytes) -> None:
        """See ``ports.Disk``."""
        self._removed.discard(name)
        self._changed[name] = bytearray(data)

    def truncate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        del self._open(name)[size:]

    def remove(self, name: str) -> None:
        """See ``ports.Disk``."""
        self._changed.pop(name, None)
        self._removed.add(name)

    def write(self, name: str, offset: int, data: bytes) -> None:
        """See ``ports.Disk``."""
        content = self._open(name)
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data

    def allocate(self, name: str, size: int) -> None:
        """See ``ports.Disk``."""
        content = self._open(name)
        content.extend(bytes(max(0, size - len(content))))

    def sync(self, done: Callable[[], None]) -> None:
        """See ``ports.Disk``."""
        done()

    def write_aside(self, name: str, chunks: Iterable[bytes], done: Callable[[], None]) -> None:
        """See ``ports.Disk``."""
        self.write_atomic(name, b"".join(chunks))
        done()

    def _open(self, name: str) -> bytearray:
        if name not in self._changed:
            directory, _, last = name.rpartition("/")
            present = name not in self._removed and last in self._below.names(directory)
            self.write_atomic(name, self._below.read(name) if present else b"")
        return self._changed[name]
