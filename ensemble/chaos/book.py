"""The committed log of a run, gathered from the data directories of all servers.

Snapshots, purges and replaced disks may remove the beginning of the log from every server in the end, so the
log is read whenever the ensemble is well, up to what the server says it has applied.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Collection, Iterator
from contextlib import suppress
from operator import itemgetter

from ensemble.chaos.stale import StaleState
from ensemble.errors import CorruptionError, StorageError, WireError
from ensemble.simulator.checks.checkers import HistoryViolation
from ensemble.storage.names import log_files, snapshot_files
from ensemble.storage.store import Store
from ensemble.toolkit import txnlog
from ensemble.toolkit.overlay import Files, Overlay
from ensemble.toolkit.snapshot import load
from ensemble.tree import snapshot, txns
from ensemble.tree.tree import Tree
from ensemble.zxid import counter_of, follows, text


class Book:
    """The committed transactions, without a gap from the first on."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self._payloads: dict[int, bytes] = {}
        self._stale: dict[int, dict[int, bytes]] = {}
        self.snapshots_seen: dict[int, set[int]] = {}
        """Zxids of the snapshots that each server has had."""

    @property
    def newest(self) -> int:
        """The last zxid; 0 when there is none."""
        return self.entries[-1][0] if self.entries else 0

    def collect(self, files: Files, committed: int, *, apache: bool = False) -> None:
        """Take what the log of one server adds, up to ``committed``; compare nothing.

        A server of ``apache``'s that is given a snapshot keeps the log it had, with an end that may never have been
        committed: of such a log only what is behind the last gap counts.
        """
        previous = 0
        runs = _runs(_logged(files, self.newest))
        for zxid, payload in itertools.chain.from_iterable(runs[-1:] if apache else runs):
            if zxid > committed:
                return
            # Behind a snapshot from the leader a log may begin anywhere.
            if previous == self.newest and follows(zxid, previous):
                self.entries.append((zxid, payload))
                self._payloads[zxid] = payload
            previous = zxid

    def note_snapshots(self, sid: int, files: Files) -> None:
        """Note which snapshots there are, and keep those of a server that are named after transactions nobody ever committed."""
        seen = self.snapshots_seen.setdefault(sid, set())
        for zxid, name in snapshot_files(files):
            seen.add(zxid)
            # At counter 0 nothing is proposed: an Apache leader that begins an epoch may have that number already.
            if zxid < self.newest and counter_of(zxid) and zxid not in self._payloads:
                self._stale.setdefault(sid, {})[zxid] = files.read(name)

    def stale(self, sid: int, taken_leading: Collection[int]) -> Iterator[StaleState]:
        """Yield what those would lead to that the server took when it was elected, each followed through the log."""
        for zxid, data in self._stale.get(sid, {}).items():
            if zxid not in taken_leading:
                continue
            with suppress(CorruptionError):
                yield StaleState(sid, zxid, load(data, f"snapshot {text(zxid)}"), self.entries)

    def compare(self, sid: int, files: Files, agreed: int, *, apache: bool = False) -> None:
        """Raise ``HistoryViolation`` when a server's whole log is not a part of this one (I2), or ends too early.

        Too early is before ``agreed`` (C9), which all servers said they had applied. What was never committed may
        stand before a gap in a log of ``apache``'s that a snapshot bridges, see :meth:`collect`; and only there may
        a transaction stand a second time.
        """
        entries = list(_logged(files, 0))
        for (before, _), (zxid, _) in itertools.pairwise(entries):
            if zxid <= before and not apache:
                raise HistoryViolation(
                    "I2", f"server {sid}: {text(zxid)} stands in its log behind {text(before)}"
                )
        last, runs = 0, _runs(iter(entries))
        snapshots = self.snapshots_seen.get(sid, ())
        for index, run in enumerate(runs):
            gap = (run[-1][0], runs[index + 1][0][0]) if index < len(runs) - 1 else (0, 0)
            given = apache and any(gap[0] < snapshot < gap[1] for snapshot in snapshots)
            for zxid, payload in run:
                if given and zxid not in self._payloads:
                    break
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


def _runs(entries: Iterator[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
    """Part what stands in a log where it has gaps, each transaction once: Apache's may repeat some (ZOOKEEPER-4712)."""
    runs: list[list[tuple[int, bytes]]] = []
    previous: int | None = None
    seen: dict[int, bytes] = {}
    for zxid, payload in entries:
        if seen.setdefault(zxid, payload) == payload and previous is not None and zxid <= previous:
            continue
        if previous is None or not follows(zxid, previous):
            runs.append([])
        runs[-1].append((zxid, payload))
        previous = zxid
    return runs


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
