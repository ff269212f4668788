"""The committed log of a run, gathered from the data directories of all servers.

Snapshots, purges and replaced disks may remove the beginning of the log from every server in the end, so the
log is read whenever the ensemble is well, up to what the server says it has applied.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter

from ensemble.errors import CorruptionError, StorageError, WireError
from ensemble.simulator.checks.checkers import HistoryViolation
from ensemble.storage.names import log_files, snapshot_files
from ensemble.storage.store import Store
from ensemble.toolkit import txnlog
from ensemble.toolkit.overlay import Files, Overlay
from ensemble.toolkit.snapshot import load
from ensemble.tree import snapshot, txns
from ensemble.tree.tree import Tree
from ensemble.zxid import follows, text


class Book:
    """The committed transactions, without a gap from the first on."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self._payloads: dict[int, bytes] = {}
        self._stale: dict[int, dict[int, bytes]] = {}

    @property
    def newest(self) -> int:
        """The last zxid; 0 when there is none."""
        return self.entries[-1][0] if self.entries else 0

    def collect(self, files: Files, committed: int) -> None:
        """Take what the log of one server adds, up to ``committed``; compare nothing."""
        previous = 0
        for zxid, payload in _logged(files, self.newest):
            if zxid > committed:
                return
            # Behind a snapshot from the leader a log may begin anywhere.
            if previous == self.newest and follows(zxid, previous):
                self.entries.append((zxid, payload))
                self._payloads[zxid] = payload
            previous = zxid

    def note_snapshots(self, sid: int, files: Files) -> None:
        """Keep the snapshots of a server that are named after transactions nobody ever committed."""
        for zxid, name in snapshot_files(files):
            if 0 < zxid < self.newest and zxid not in self._payloads:
                self._stale.setdefault(sid, {})[zxid] = files.read(name)

    def stale(self, sid: int) -> Iterator[tuple[int, Tree]]:
        """Yield the zxids of those, and the trees that the committed transactions after them make of them."""
        for zxid, data in self._stale.get(sid, {}).items():
            with suppress(CorruptionError):
                tree = load(data, f"snapshot {text(zxid)}")
                self._go_on(tree, zxid)
                yield zxid, tree

    def compare(self, sid: int, files: Files, agreed: int) -> None:
        """Raise ``HistoryViolation`` when a server's whole log is not a part of this one (I2), or ends too early.

        Too early is before ``agreed`` (C9), which all servers said they had applied.
        """
        last = 0
        for zxid, payload in _logged(files, 0):
            if self._payloads.get(zxid) != payload:
                known = "is another" if zxid in self._payloads else "was never committed"
                raise HistoryViolation("I2", f"server {sid}: the transaction at {text(zxid)} {known}")
            last = zxid
        if 0 < last < agreed:
            raise HistoryViolation(
                "C9", f"server {sid}: its log ends at {text(last)}, that of all at {text(agreed)}"
            )

    def recover(self, sid: int, files: Files) -> Tree:
        """Return the tree a server would start with, and go on with what it has not logged yet.

        So all trees end at one transaction, which is not before any that a snapshot holds: those of Apache's
        hold effects of transactions later than their names say. ``HistoryViolation`` (C10) when it would not start.
        """
        try:
            store = Store.open(*[Overlay(files)] * 2)
            found = store.read_snapshot()
            assert found is not None, "a store that is open has a snapshot"
            zxid, body = found
            logged = store.read_after(zxid)
            if logged is None:
                raise CorruptionError(f"the log does not lead on from snapshot {text(zxid)}")
            tree, _ = snapshot.load(body)
            for _, payload in logged:
                tree.apply(txns.decode(payload))
            self._go_on(tree, store.zxid_logged)
        except (StorageError, WireError) as error:
            raise HistoryViolation("C10", f"server {sid} would not start again: {error}") from error
        return tree

    def snapshots(self, files: Files) -> Iterator[tuple[str, Tree]]:
        """Yield each sound snapshot file of a server, the newest first, and the tree the whole log makes of it."""
        for zxid, name in reversed(snapshot_files(files)):
            with suppress(CorruptionError):
                tree = load(files.read(name), name)
                self._go_on(tree, zxid)
                yield name, tree

    def _go_on(self, tree: Tree, zxid: int) -> None:
        start = bisect_right(self.entries, zxid, key=itemgetter(0))
        for _, payload in self.entries[start:]:
            tree.apply(txns.decode(payload))


def _logged(files: Files, after: int) -> Iterator[tuple[int, bytes]]:
    """Yield what stands in the logs, from the file on that holds ``after``."""
    names = log_files(files)
    firsts = list(names)
    for index, first in enumerate(firsts):
        if index + 1 < len(firsts) and firsts[index + 1] <= after:
            continue
        name = names[first]
        for entry in txnlog.read(files.read(name), name).entries:
            if not entry.good:
                break
            yield entry.zxid, entry.payload
