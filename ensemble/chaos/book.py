"""The committed log of a run, gathered from the data directories of all servers.

Snapshots, purges and replaced disks may remove the beginning of the log from every server in the end, so the
log is read whenever the ensemble is well, up to what the server says it has applied.
"""

from __future__ import annotations

from collections.abc import Iterator

from ensemble.errors import StorageError, WireError
from ensemble.simulator.checkers import HistoryViolation
from ensemble.storage.names import log_files
from ensemble.storage.store import Store
from ensemble.toolkit import txnlog
from ensemble.toolkit.overlay import Files, Overlay
from ensemble.tree import snapshot, txns
from ensemble.tree.tree import Tree
from ensemble.zxid import follows, text


class Book:
    """The committed transactions, without a gap from the first on."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self._payloads: dict[int, bytes] = {}

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

    def compare(self, sid: int, files: Files, newest: int) -> None:
        """Raise ``HistoryViolation`` (I2) when a server's whole log is not a part of this one."""
        last = 0
        for zxid, payload in _logged(files, 0):
            if zxid > newest:
                break
            if self._payloads.get(zxid) != payload:
                known = "is another" if zxid in self._payloads else "was never committed"
                raise HistoryViolation("I2", f"server {sid}: the transaction at {text(zxid)} {known}")
            last = zxid
        if last not in (0, newest):
            raise HistoryViolation(
                "C9", f"server {sid}: its log ends at {text(last)}, that of all at {text(newest)}"
            )


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


def recover(sid: int, files: Files, newest: int) -> Tree:
    """Return the tree a server would start with, at the transaction ``newest``.

    ``HistoryViolation`` (C10) when it would not start.
    """
    try:
        store = Store.open(*[Overlay(files)] * 2)
        found = store.read_snapshot()
        assert found is not None, "a store that is open has a snapshot"
        zxid, body = found
        tree, _ = snapshot.load(body)
        for each, payload in store.read_after(zxid) or []:
            if each <= newest:
                tree.apply(txns.decode(payload))
    except (StorageError, WireError) as error:
        raise HistoryViolation("C10", f"server {sid} would not start again: {error}") from error
    return tree
