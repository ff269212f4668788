"""What the disk and its child do to files; blocking calls, no queue and no loop."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ensemble.errors import StorageError

WRITE_BYTES = 1024 * 1024
"""Small chunks are gathered to writes of about this size."""


_REMEDIES = {
    errno.ENOSPC: "make room on that disk and start again (manage.py purge thins out old snapshots and logs)",
    errno.EDQUOT: "raise the quota of that disk or make room on it, and start again",
    errno.EACCES: "let the user this server runs as read and write there (chown, chmod)",
    errno.EPERM: "let the user this server runs as read and write there (chown, chmod)",
    errno.EROFS: "mount it for writing, or name another directory",
    errno.EEXIST: "a file is in the way of a directory; move it, or name another directory",
    errno.ENOTDIR: "a file is in the way of a directory; move it, or name another directory",
    errno.ELOOP: "put the file itself in place of the symbolic link",
    errno.EIO: "replace the disk, and let this server begin anew from the others",
}
"""What the operator can do, by what the disk said."""


def sentence(error: OSError, path: Path) -> str:
    """Say which file could not be read or written, why, and what mends it where that is known."""
    said = f"{error.filename or path}: {error.strerror or error}"
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{said}; {remedy}" if remedy else said


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` into a ``StorageError`` that names the file."""
    try:
        yield
    except OSError as error:
        raise StorageError(sentence(error, path)) from error


def write_all(file: int, data: bytes, offset: int) -> None:
    """Write all of ``data``, however few bytes each call takes."""
    written = os.pwrite(file, data, offset)
    if written < len(data):
        rest = memoryview(data)
        while written < len(data):
            written += os.pwrite(file, rest[written:], offset + written)


def write_replacing(path: Path, suffix: str, chunks: Iterable[bytes]) -> None:
    """Create or replace ``path``, whole and durable: a temporary file, fsync, rename, fsync of the directory."""
    temporary = path.with_name(path.name + suffix)
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        offset = 0
        for block in gathered(chunks):
            write_all(file, block, offset)
            offset += len(block)
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(temporary, path)
    sync_directory(path.parent)


def gathered(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Join small chunks to blocks of at least ``WRITE_BYTES``, but for the last."""
    block: list[bytes] = []
    size = 0
    for chunk in chunks:
        block.append(chunk)
        size += len(chunk)
        if size >= WRITE_BYTES:
            yield b"".join(block)
            block, size = [], 0
    if block:
        yield b"".join(block)


def read_file(path: Path) -> bytes:
    """Return the content of a file. A symbolic link in its place is refused, here as wherever files are written:
    it would make a server read or overwrite what is elsewhere."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        return file.read()


def directory_bytes(path: Path) -> int:
    """Sum the sizes of the files in a directory; one that disappears meanwhile counts as nothing."""
    total = 0
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


class ReadOnlyFiles:
    """One directory, only read; names are relative to it. Fit for ``toolkit``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def names(self, directory: str) -> list[str]:
        """List the entries of ``directory`` ("" for this one), sorted; empty when it does not exist."""
        path = self.directory / directory
        with storage_errors(path):
            return sorted(os.listdir(path)) if path.is_dir() else []

    def read(self, name: str) -> bytes:
        """Return the whole content of a file; ``StorageError`` when it cannot be read."""
        path = self.directory / name
        with storage_errors(path):
            return read_file(path)


def in_use(directory: Path) -> bool:
    """Tell whether a server of ours runs on ``directory``; one of Apache's cannot be told."""
    with storage_errors(directory):
        descriptor = open_directory(directory)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def open_directory(path: Path) -> int:
    """Open a directory, to sync or to lock it."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_directory(path: Path) -> None:
    """Make a directory's entries durable."""
    descriptor = open_directory(path)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
