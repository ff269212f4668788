"""The two epochs of a server, each a decimal number in a file of its own, as in Apache's QuorumPeer.

``acceptedEpoch`` is the greatest epoch promised to a leader, ``currentEpoch`` that of the last leader whose
history this server holds; current <= accepted, always. Both files are replaced atomically, and accepted is
written first by protocol, so a crash between the two leaves a legal state (ZOOKEEPER-1653).
"""

from __future__ import annotations

from ensemble.errors import CorruptionError, InvariantViolation, StorageError
from ensemble.ports import Disk
from ensemble.storage.names import ACCEPTED_EPOCH, CURRENT_EPOCH, DIRECTORY
from ensemble.zxid import epoch_of, text


class Epochs:
    """The epochs as they are on disk."""

    __slots__ = ("_disk", "accepted", "current")

    def __init__(self, disk: Disk, zxid: int) -> None:
        """Read the files; ``zxid`` is the last transaction of this server's history.

        A missing file means the epoch of ``zxid``. A current epoch below it is raised: a crash between
        receiving a leader's history and writing its epoch leaves that, and a server whose unbroken history
        reaches into an epoch holds everything that epoch's leader began with.
        """
        self._disk = disk
        present = disk.names(DIRECTORY)
        reached: int = epoch_of(zxid)
        accepted = _read(disk, ACCEPTED_EPOCH, present)
        current = _read(disk, CURRENT_EPOCH, present)
        self.accepted = reached if accepted is None else accepted
        self.current = reached if current is None else current
        if self.accepted < max(self.current, reached):
            raise StorageError(
                f"{ACCEPTED_EPOCH} says {self.accepted}, but this server has been in epoch {self.current} and its "
                f"history ends at {text(zxid)}: a file was lost or replaced. Restore version-2 as a whole, or "
                "empty it so that this server fetches everything from the leader"
            )
        if self.current < reached:
            self.save_current(reached)

    def save_accepted(self, epoch: int) -> None:
        """Promise ``epoch``; durable on return."""
        if epoch < self.accepted:
            raise InvariantViolation(f"accepted epoch {epoch} after {self.accepted}")
        self._disk.write_atomic(ACCEPTED_EPOCH, b"%d" % epoch)
        self.accepted = epoch

    def save_current(self, epoch: int) -> None:
        """Enter ``epoch``; durable on return."""
        if not self.current <= epoch <= self.accepted:
            raise InvariantViolation(f"current epoch {epoch} after {self.current}, accepted {self.accepted}")
        self._disk.write_atomic(CURRENT_EPOCH, b"%d" % epoch)
        self.current = epoch


def any_written(disk: Disk) -> bool:
    """Tell whether this server ever wrote an epoch."""
    present = disk.names(DIRECTORY)
    return any(f"{DIRECTORY}/{name}" in (ACCEPTED_EPOCH, CURRENT_EPOCH) for name in present)


def _read(disk: Disk, name: str, present: list[str]) -> int | None:
    if name.removeprefix(f"{DIRECTORY}/") not in present:
        return None
    raw = disk.read(name)
    # Apache reads the first line only.
    line = raw.partition(b"\n")[0].strip()
    if not line.isdigit():
        raise CorruptionError(f"{name} holds {raw[:40]!r}, not a number: restore version-2 as a whole")
    return int(line)
