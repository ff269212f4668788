"""The two epochs of a server, each a decimal number in a file of its own, as in Apache's QuorumPeer.

``acceptedEpoch`` is the greatest epoch promised to a leader, ``currentEpoch`` that of the last leader whose
history this server holds; current <= accepted, always. A second line, which Apache does not read, is the CRC-32
of the first: a flipped bit makes another number of a number, and a server that claims an epoch it was never in
can be elected over those that hold what is committed. Both files are replaced atomically, and accepted is
written first by protocol, so a crash between the two leaves a legal state (ZOOKEEPER-1653).
"""

from __future__ import annotations

from zlib import crc32

from ensemble.errors import CorruptionError, InvariantViolation, StorageError
from ensemble.ports import Disk
from ensemble.storage.names import ACCEPTED_EPOCH, CURRENT_EPOCH, DIRECTORY
from ensemble.zxid import epoch_of, text


class Epochs:
    """The epochs as they are on disk."""

    __slots__ = ("_disk", "_written", "accepted", "current")

    def __init__(self, disk: Disk, zxid: int) -> None:
        """Read the files; ``zxid`` is the last transaction of this server's history.

        Missing files mean the epoch of ``zxid``; but acceptedEpoch is written first, and is not missing alone. A
        current epoch below it is raised: a crash between receiving a leader's history and writing its epoch leaves
        that, and a server whose unbroken history reaches into an epoch holds everything its leader began with.
        """
        self._disk = disk
        present = disk.names(DIRECTORY)
        reached: int = epoch_of(zxid)
        accepted = _read(disk, ACCEPTED_EPOCH, present)
        current = _read(disk, CURRENT_EPOCH, present)
        if accepted is None and current is not None:
            raise StorageError(
                f"{ACCEPTED_EPOCH} is missing, and {CURRENT_EPOCH}, which is always written after it, is there: a file was "
                "lost, and with it what this server has promised. Restore version-2 as a whole, or empty it so that "
                "this server fetches everything from the leader"
            )
        self.accepted = reached if accepted is None else accepted
        self._written = accepted is not None
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
        self._disk.write_atomic(ACCEPTED_EPOCH, encode(epoch))
        self._written = True
        self.accepted = epoch

    def save_current(self, epoch: int) -> None:
        """Enter ``epoch``; durable on return."""
        if not self.current <= epoch <= self.accepted:
            raise InvariantViolation(f"current epoch {epoch} after {self.current}, accepted {self.accepted}")
        if not self._written:
            self.save_accepted(self.accepted)  # it was taken from the history
        self._disk.write_atomic(CURRENT_EPOCH, encode(epoch))
        self.current = epoch


def encode(epoch: int) -> bytes:
    """Return the content of an epoch file."""
    line = b"%d" % epoch
    return b"%b\n%08x" % (line, crc32(line))


def any_written(disk: Disk) -> bool:
    """Tell whether this server ever wrote an epoch."""
    present = disk.names(DIRECTORY)
    return any(f"{DIRECTORY}/{name}" in (ACCEPTED_EPOCH, CURRENT_EPOCH) for name in present)


_LINE_BYTES_MAX = 64
"""More than any epoch needs, and less than what Python's int refuses."""


def decode(raw: bytes, name: str) -> int:
    """Read the content of an epoch file; ``CorruptionError`` when it is not one."""
    line, _, checksum = raw.partition(b"\n")
    if not line.strip().isdigit() or len(line) > _LINE_BYTES_MAX:
        raise CorruptionError(f"{name} holds {raw[:40]!r}, not a number: restore version-2 as a whole")
    # Apache writes no second line.
    if checksum.strip() and checksum != b"%08x" % crc32(line):
        raise CorruptionError(
            f"{name} holds {raw[:40]!r}, whose checksum does not hold: restore version-2 as a whole, or empty it so "
            "that this server fetches everything from the leader"
        )
    return int(line)


def _read(disk: Disk, name: str, present: list[str]) -> int | None:
    if name.removeprefix(f"{DIRECTORY}/") not in present:
        return None
    return decode(disk.read(name), name)
