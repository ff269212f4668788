"""Names of files, relative to a data or log directory (Apache's Util and FileTxnSnapLog)."""

from __future__ import annotations

from typing import Protocol

from ensemble.storage.compression import METHODS

DIRECTORY = "version-2"

LOG = "log."
SNAPSHOT = "snapshot."
ACCEPTED_EPOCH = f"{DIRECTORY}/acceptedEpoch"
CURRENT_EPOCH = f"{DIRECTORY}/currentEpoch"

TEMPORARY_SUFFIX = ".tmp"
"""A disk writes a file that is to be replaced as a whole under this suffix first (so does Apache)."""

ASIDE_SUFFIX = ".aside"
"""The same for a file written aside, which may be under way at the same time."""

INSTALLING = f"{DIRECTORY}/installing"
"""Ours: names the zxid of a snapshot that is about to replace the whole history (see ``recovery``)."""

VOID = f"{DIRECTORY}/void"
"""Ours: names the zxid of a snapshot that may still appear, written aside, and must not count."""


class Listing(Protocol):
    """What a directory can be listed by: a disk, or less."""

    def names(self, directory: str) -> list[str]:
        """List the entries of ``directory``, sorted; empty when it does not exist."""


class Readable(Protocol):
    """What files can be read from: a disk, or less."""

    def read(self, name: str) -> bytes:
        """Return the whole content of a file; ``StorageError`` when there is none."""


def log_name(zxid: int) -> str:
    """Return the name of the log file whose first transaction is ``zxid``."""
    return f"{DIRECTORY}/{LOG}{zxid:x}"


def snapshot_name(zxid: int, compression: str = "") -> str:
    """Return the name of the snapshot at ``zxid``, compressed by a method of ``compression.METHODS``."""
    return f"{DIRECTORY}/{SNAPSHOT}{zxid:x}{'.' if compression else ''}{compression}"


def log_files(disk: Listing) -> dict[int, str]:
    """Map the zxid in the name of each log file to its name, in ascending order."""
    return dict(_numbered(disk, LOG, ("",)))


def snapshot_files(disk: Listing) -> list[tuple[int, str]]:
    """List the snapshots, as the zxid and the name of each, in ascending order.

    There may be two of one zxid, compressed in different ways: Apache's server takes one of the same zxid at
    each start.
    """
    return _numbered(disk, SNAPSHOT, METHODS)


def _numbered(disk: Listing, prefix: str, suffixes: tuple[str, ...]) -> list[tuple[int, str]]:
    """List the files of a kind; names that are not ``prefix``, a hexadecimal number and a suffix are left alone."""
    found = []
    for name in disk.names(DIRECTORY):
        number, _, suffix = name.removeprefix(prefix).partition(".")
        if not name.startswith(prefix) or suffix not in suffixes:
            continue
        try:
            found.append((int(number, 16), f"{DIRECTORY}/{name}"))
        except ValueError:
            continue
    return sorted(found)
