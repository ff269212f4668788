"""Which snapshots and logs nobody needs any more (Apache's PurgeTxnLog)."""

from __future__ import annotations

from collections.abc import Callable

from ensemble.storage.names import log_files, snapshot_files
from ensemble.toolkit.overlay import Files

KEEP_MIN = 3


def plan(data: Files, log: Files, keep: int, sound: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Return the snapshots and the logs to remove, oldest first, so that the newest ``keep`` snapshots stay usable.

    ``sound`` tells of the name of a snapshot whether it can be read: one that cannot does not count.
    """
    snapshots = snapshot_files(data)
    kept: set[int] = set()
    for zxid, name in reversed(snapshots):
        if len(kept) < keep and (zxid in kept or sound(name)):
            kept.add(zxid)
    if not kept:
        return [], []
    oldest = min(kept)
    firsts = list(log_files(log).items())
    # The last log that begins at or before the oldest snapshot may hold what comes after it.
    needed = max([first for first, _ in firsts if first <= oldest], default=0)
    return (
        [name for zxid, name in snapshots if zxid < oldest],
        [name for first, name in firsts if first < needed],
    )
