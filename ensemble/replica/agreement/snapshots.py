"""The state on disk: built from a snapshot and the log behind it, and saved as a snapshot when it is time.

A snapshot is due after so many transactions, or so many bytes of them, since the last; or when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable

from ensemble.errors import CorruptionError, WireError
from ensemble.membership import Membership
from ensemble.replica.agreement.history import History
from ensemble.replica.service import Service
from ensemble.tree import snapshot, txns
from ensemble.tree.tree import Tree
from ensemble.zxid import text

SNAP_BYTES_LOOKED_AT_TXNS = 64
"""How often the bytes of the log are compared with their bound: not for every transaction."""
RECENT_TXNS = 16
"""Applied transactions whose zxids are kept to show the end of the log."""


def _staggered(snap_count: int, sid: int, members: Membership) -> int:
    """Spread the snapshots of an ensemble: no two servers take theirs at the same transaction."""
    sids = [server.sid for server in members.servers]
    place = sids.index(sid) if sid in sids else 0
    return snap_count and max(1, snap_count - snap_count * place // (2 * max(1, len(sids))))


def load_tree(store: History, service: Service) -> tuple[Tree, list[int]]:
    """Build the tree that snapshot and log describe; return it with the last zxids of the log."""
    counters, clock = service.counters, service.clock
    began_us = clock.monotonic_us()
    found = store.read_snapshot()
    if found is None:
        raise CorruptionError("no snapshot can be read any more")
    zxid, body = found
    try:
        tree, _ = snapshot.load(body, emulate_353_ttl=service.config.znodes.emulate_353_ttl)
        tree.zxid = zxid
        loaded_us = clock.monotonic_us()
        entries = store.read_after(zxid)
        if entries is None:
            raise CorruptionError(f"the log does not lead on from snapshot {text(zxid)}")
        for _, payload in entries:
            tree.apply(txns.decode(payload))
    except WireError as error:
        raise CorruptionError(f"snapshot {text(zxid)} or the log behind it: {error}") from error
    counters.snapshot_loads.add(loaded_us - began_us)
    counters.txn_loads.add(clock.monotonic_us() - loaded_us)
    counters.txns_loaded.add(len(entries))
    counters.database_loads.add(clock.monotonic_us() - began_us)
    return tree, [logged for logged, _ in entries[-RECENT_TXNS:]]


class Snapshots:
    """The snapshots of one server."""

    def __init__(self, service: Service, store: History) -> None:
        self._service = service
        self._store = store
        config = service.config
        self._snap_count = _staggered(config.snap_count, config.sid, service.view.active)
        self._snap_bytes = _staggered(config.snap_bytes, config.sid, service.view.active)
        self.saved_ms = 0
        """When the newest snapshot was finished (wall clock); 0 when that was before this run, and the host has not
        said."""
        self._saving_since_us = 0
        self._saving_zxid = 0
        self._wanted: list[Callable[[int], None]] = []
        """Who wants a snapshot of the state as it is now."""
        self._saving_for: list[Callable[[int], None]] = []
        self.count_anew()

    def count_anew(self) -> None:
        """Count the transactions since a snapshot from here on."""
        self._unsaved = 0
        self._snap_due = min(self._snap_count, SNAP_BYTES_LOOKED_AT_TXNS)

    def applied(self, count: int) -> None:
        """So many transactions were applied: save a snapshot when it is due."""
        self._unsaved += count
        # Not of a history that is still to be agreed on: it may have to be cut back.
        if self._unsaved >= self._snap_due and self._service.serving:
            if self._unsaved >= self._snap_count or 0 < self._snap_bytes <= self._store.bytes_since_snapshot:
                self._save()
            else:
                self._snap_due = min(self._snap_count, self._unsaved + SNAP_BYTES_LOOKED_AT_TXNS)

    def take(self, done: Callable[[int], None]) -> None:
        """Save the state as it is now, behind a snapshot that is being written; then call ``done`` with its zxid."""
        store = self._store
        if store.snapshot_zxid == self._service.tree.zxid and not store.saving_snapshot:
            done(store.snapshot_zxid)
            return
        self._wanted.append(done)
        self._save()

    def install(self, zxid: int, body: bytes, digest: int) -> None:
        """Put a snapshot in the place of all history, durably."""
        self._store.install_snapshot(zxid, body, digest)
        self.saved_ms = self._service.clock.wall_ms()

    def _save(self) -> None:
        store, service = self._store, self._service
        if store.saving_snapshot:
            return
        self.count_anew()
        self._saving_since_us = service.clock.monotonic_us()
        tree = service.tree
        self._saving_for, self._wanted = self._wanted, []
        self._saving_zxid = tree.zxid
        store.save_snapshot(tree.zxid, snapshot.dump(tree), tree.digest(), self._on_saved)

    def _on_saved(self) -> None:
        service = self._service
        service.counters.snapshots.add(service.clock.monotonic_us() - self._saving_since_us)
        self.saved_ms = service.clock.wall_ms()
        keep = service.config.snap_retain_count
        if keep:
            self._store.purge(keep)
        for done in self._saving_for:
            done(self._saving_zxid)
        self._saving_for = []
        if self._wanted:
            self._save()
