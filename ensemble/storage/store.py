"""The durable history of one server: its log, its snapshots and the two epochs.

Implements ``zab.ports.History``. Snapshot bodies and transactions are opaque. Any failure is a
``StorageError`` and ends the server: nothing is retried, and a failed truncation is as fatal as a failed
write (ZOOKEEPER-3701).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from ensemble.errors import CorruptionError, InvariantViolation, StorageError
from ensemble.limits import SNAPSHOTS_KEPT
from ensemble.ports import Disk
from ensemble.storage import recovery, snapshots
from ensemble.storage.epochs import Epochs
from ensemble.storage.names import INSTALLING, VOID, snapshot_files, snapshot_name
from ensemble.storage.recovery import Snapshot
from ensemble.storage.settings import DEFAULTS, StorageSettings
from ensemble.storage.txnlog import TxnLog
from ensemble.zxid import text


class Store:
    """The files of one server, open; build it with :meth:`open`."""

    __slots__ = (
        "_aside",
        "_data",
        "_epochs",
        "_log",
        "_opened",
        "_settings",
        "_snapshots",
        "_void",
        "snapshot_zxid",
    )

    def __init__(
        self, data: Disk, log: TxnLog, found: list[int], opened: Snapshot, settings: StorageSettings
    ) -> None:
        """Join what recovery found; ``found`` are the zxids of all usable snapshots, ascending."""
        self._settings = settings
        self._data = data
        self._log = log
        self._snapshots = found
        self._opened: Snapshot | None = opened
        self._epochs = Epochs(data, log.zxid_logged)
        self._aside: int | None = None
        self._void = False
        self.snapshot_zxid = opened.zxid
        """The newest snapshot."""

    @classmethod
    def open(
        cls,
        data: Disk,
        log: Disk,
        *,
        pristine_body: bytes = snapshots.PRISTINE_BODY,
        pristine_digest: int = snapshots.PRISTINE_DIGEST,
        settings: StorageSettings = DEFAULTS,
    ) -> Store:
        """Recover the history in two directories (they may be one).

        In directories in which nothing ever happened a snapshot of the pristine tree is written first, at
        zxid 0, so that a lost snapshot can be told from a fresh start (ZOOKEEPER-3056). ``StorageError`` or
        ``CorruptionError``, with a sentence that names the fix, when what is there cannot be trusted.
        """
        recovery.finish_interrupted(data, log)
        opened, reach = recovery.find_snapshot(data, log, settings)
        if opened is None:
            _write_snapshot(data, 0, [pristine_body], pristine_digest, settings)
            opened = Snapshot(0, pristine_body)
        present = sorted({zxid for zxid, _ in snapshot_files(data)})
        found = [zxid for zxid in present if zxid <= opened.zxid]
        txn_log = recovery.load_log(log, opened.zxid, reach, present, settings)
        return cls(data, txn_log, found, opened, settings)

    # -- zab.ports.History -------------------------------------------------------------------------------

    @property
    def zxid_logged(self) -> int:
        """The last transaction appended, or the snapshot's when none was."""
        return self._log.zxid_logged

    @property
    def zxid_durable(self) -> int:
        """The last transaction known to be on disk."""
        return self._log.zxid_durable

    @property
    def accepted_epoch(self) -> int:
        """The greatest epoch promised to a leader."""
        return self._epochs.accepted

    @property
    def current_epoch(self) -> int:
        """The epoch of the last leader whose history this server holds."""
        return self._epochs.current

    def append(self, zxid: int, payload: bytes) -> None:
        """Append one transaction; not yet durable."""
        self._log.append(zxid, payload)

    def sync(self, done: Callable[[], None]) -> None:
        """Call ``done``, later, when everything appended before this call is durable.

        It is called even if the history was cut meanwhile: ``zxid_durable`` then says what is left.
        """
        self._log.sync(done)

    def read_after(self, zxid: int) -> list[tuple[int, bytes]] | None:
        """Return the transactions after ``zxid``; None when it is not held, or there is a gap behind it."""
        return self._log.read_after(zxid, self._snapshots)

    def last_not_after(self, zxid: int) -> int | None:
        """Return the greatest zxid held that is <= ``zxid``: a transaction in the log, or a snapshot's."""
        return self._log.last_not_after(zxid, self._snapshots)

    def truncate(self, zxid: int) -> None:
        """Remove everything after ``zxid``; durable on return, and ``zxid_logged`` is ``zxid``.

        ``StorageError``, and nothing changed, when ``zxid`` is not held or no older snapshot leads to it.
        """
        if self.last_not_after(zxid) != zxid:
            raise StorageError(f"cannot truncate to {text(zxid)}: this server does not hold that transaction")
        if zxid == self.zxid_logged == self.zxid_durable:
            return
        below = self._snapshot_leading_to(zxid)
        if self._aside is not None and self._aside > zxid:
            self._void_aside()
        # Snapshots first: should we crash on the way, the log still leads to where it led.
        for found, name in reversed(snapshot_files(self._data)):
            if found > zxid:
                self._data.remove(name)
        self._log.truncate(zxid)
        self._snapshots = [found for found in self._snapshots if found <= below]
        self.snapshot_zxid = below
        self._opened = None

    def save_accepted_epoch(self, epoch: int) -> None:
        """Promise ``epoch``; durable on return."""
        self._epochs.save_accepted(epoch)

    def save_current_epoch(self, epoch: int) -> None:
        """Enter ``epoch``; durable on return.

        The history it names must be durable before (ZOOKEEPER-4643). Only the caller knows which that is:
        behind it, proposals of the new epoch may have been appended already.
        """
        self._epochs.save_current(epoch)

    # -- snapshots ---------------------------------------------------------------------------------------

    def read_snapshot(self) -> tuple[int, bytes] | None:
        """Return zxid and body of the newest valid snapshot; None only if all went bad since opening."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            return opened.zxid, opened.body
        for zxid in reversed(self._snapshots):
            body = self._body(zxid)
            if body is not None:
                return zxid, body
        return None

    def save_snapshot(
        self, zxid: int, body_chunks: Iterable[bytes], digest: int, done: Callable[[], None]
    ) -> None:
        """Write a snapshot of the state at ``zxid`` aside, then call ``done``; the log begins another file.

        ``InvariantViolation`` while another one is being written: see :attr:`saving_snapshot`.
        """
        if self._aside is not None:
            raise InvariantViolation(f"snapshot {text(zxid)} while {text(self._aside)} is being written")
        self._aside = zxid
        self._void = False
        self._log.roll()
        name = snapshot_name(zxid, self._settings.compression)
        chunks = snapshots.encode(zxid, body_chunks, digest, self._settings)
        self._data.write_aside(name, chunks, lambda: self._on_saved(done))

    @property
    def saving_snapshot(self) -> bool:
        """Tell whether a snapshot is being written aside."""
        return self._aside is not None

    def install_snapshot(self, zxid: int, body: bytes, digest: int) -> None:
        """Replace the whole history by a leader's snapshot; durable on return.

        A crash on the way leaves the old history or the new one, never a mixture (ZOOKEEPER-3642).
        """
        if self._aside is not None and self._aside != zxid:
            self._void_aside()
        self._log.settle()
        self._data.write_atomic(INSTALLING, recovery.intent(zxid))
        if self._aside == zxid and self._void:
            # It is wanted again: one zxid stands for one state.
            self._data.remove(VOID)
            self._void = False
        _write_snapshot(self._data, zxid, [body], digest, self._settings)
        self._log.clear(zxid)
        for other, name in snapshot_files(self._data):
            if other != zxid:
                self._data.remove(name)
        self._data.remove(INSTALLING)
        self._snapshots = [zxid]
        self.snapshot_zxid = zxid
        self._opened = None

    def purge(self, keep: int = SNAPSHOTS_KEPT) -> None:
        """Remove all but the newest ``keep`` snapshots, and the log files that none of those needs."""
        oldest = self._snapshots[-max(1, keep) :][0]
        # Oldest first, and logs last: what a crash leaves can always be opened.
        for zxid, name in snapshot_files(self._data):
            if zxid < oldest:
                self._data.remove(name)
        self._snapshots = [zxid for zxid in self._snapshots if zxid >= oldest]
        self._log.forget_before(oldest)

    @property
    def log_file(self) -> str | None:
        """The log file being written; None before the first write after opening or rolling over a cut."""
        return self._log.file

    @property
    def log_bytes(self) -> int:
        """The size of that file, without its zeros."""
        return self._log.bytes

    @property
    def bytes_since_snapshot(self) -> int:
        """The size of the log files begun since the last snapshot, without their zeros."""
        return self._log.bytes_since_roll

    def _on_saved(self, done: Callable[[], None]) -> None:
        zxid, self._aside = self._aside, None
        assert zxid is not None
        if self._void:
            self._void = False
            for found, name in snapshot_files(self._data):
                if found == zxid:
                    self._data.remove(name)
            self._data.remove(VOID)
        elif zxid not in self._snapshots:
            self._snapshots = sorted([*self._snapshots, zxid])
            self.snapshot_zxid = self._snapshots[-1]
            self._opened = None
        done()

    def _void_aside(self) -> None:
        """Make sure, across crashes, that the snapshot being written aside will not count."""
        assert self._aside is not None
        self._data.write_atomic(VOID, recovery.intent(self._aside))
        self._void = True

    def _snapshot_leading_to(self, zxid: int) -> int:
        """Return the newest valid snapshot from which the log leads to ``zxid``."""
        for found in reversed(self._snapshots):
            if found > zxid or self._body(found) is None:
                continue
            entries = self.read_after(found)
            if found == zxid or (entries is not None and any(held == zxid for held, _ in entries)):
                return found
        raise StorageError(
            f"cannot truncate to {text(zxid)}: no snapshot before it is left. Empty version-2 of this server so "
            "that it fetches everything from the leader"
        )

    def _body(self, zxid: int) -> bytes | None:
        for found, name in snapshot_files(self._data):
            if found == zxid:
                with suppress(CorruptionError):
                    return snapshots.body_of(self._data.read(name), name)
        return None


def _write_snapshot(disk: Disk, zxid: int, body: list[bytes], digest: int, settings: StorageSettings) -> None:
    name = snapshot_name(zxid, settings.compression)
    disk.write_atomic(name, b"".join(snapshots.encode(zxid, body, digest, settings)))
