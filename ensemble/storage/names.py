"""Names of files, relative to a data or log directory (Apache's Util and FileTxnSnapLog)."""

from __future__ import annotations

from ensemble.ports import Disk

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


def log_name(zxid: int) -> str:
    """Return the name of the log file whose first transaction is ``zxid``."""
    return f"{DIRECTORY}/{LOG}{zxid:x}"


def snapshot_name(zxid: int) -> str:
    """Return the name of the snapshot at ``zxid``."""
    return f"{DIRECTORY}/{SNAPSHOT}{zxid:x}"


def numbered(disk: Disk, prefix: str) -> dict[int, str]:
    """Map the zxid in the name of each file of a kind to its name, in ascending order.

    Names that are not ``prefix`` and a hexadecimal number (temporary files, compressed snapshots of
    another kind) are left alone.
    """
    found: dict[int, str] = {}
    for name in disk.names(DIRECTORY):
        number, _, compression = name.removeprefix(prefix).partition(".")
        if not name.startswith(prefix) or compression not in ("", "gz", "snappy"):
            continue
        try:
            found[int(number, 16)] = f"{DIRECTORY}/{name}"
        except ValueError:
            continue
    return dict(sorted(found.items()))
