"""What becomes of the content of disks: bits that flip, blocks that are old or misplaced, files that are gone."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.simulator.machine.machine import Machine
from ensemble.simulator.machine.platter import SECTOR_BYTES

Spoil = Callable[[Machine, Random], bool]
"""Spoils something on a machine's disks; False when there is nothing to spoil."""


def _files(machine: Machine, *kinds: str) -> list[tuple[SimulatedDisk, str]]:
    """Return the files of some kinds, each with its disk."""
    return [
        (disk, name)
        for disk in machine.disks
        for name in disk.content()
        if name.startswith("version-2/") and name.rpartition("/")[2].startswith(kinds)
    ]


def _flip(disk: SimulatedDisk, name: str, rng: Random, start: int, end: int) -> bool:
    if end <= start:
        return False
    disk.flip(name, rng.randrange(start, end), 1 << rng.randrange(8))
    return True


def _rot_log_middle(machine: Machine, rng: Random) -> bool:
    files = _files(machine, "log.")
    if not files:
        return False
    disk, name = rng.choice(files)
    return _flip(disk, name, rng, 16, _used(disk, name) * 3 // 4)


def _rot_log_tail(machine: Machine, rng: Random) -> bool:
    files = _files(machine, "log.")
    if not files:
        return False
    disk, name = max(files, key=lambda file: int(file[1].partition("log.")[2], 16))
    used = _used(disk, name)
    return _flip(disk, name, rng, max(0, used - 100), used)


def _rot_snapshot(machine: Machine, rng: Random) -> bool:
    files = _files(machine, "snapshot.")
    if not files:
        return False
    disk, name = rng.choice(files)
    return _flip(disk, name, rng, 0, _used(disk, name))


def _rot_epoch(machine: Machine, rng: Random) -> bool:
    files = _files(machine, "acceptedEpoch", "currentEpoch")
    if not files:
        return False
    disk, name = rng.choice(files)
    return _flip(disk, name, rng, 0, _used(disk, name))


def _stale_block(machine: Machine, rng: Random) -> bool:
    """A sector shows what was there before anything was written: the write was lost."""
    return _replace_sector(machine, rng, lambda disk, name: bytes(SECTOR_BYTES))


def _misdirected_block(machine: Machine, rng: Random) -> bool:
    """A sector shows what was meant for another place."""

    def elsewhere(disk: SimulatedDisk, name: str) -> bytes:
        data = disk.content()[rng.choice(sorted(disk.content()))]
        start = rng.randrange(max(1, len(data) // SECTOR_BYTES)) * SECTOR_BYTES
        return data[start : start + SECTOR_BYTES]

    return _replace_sector(machine, rng, elsewhere)


def _replace_sector(machine: Machine, rng: Random, source: Callable[[SimulatedDisk, str], bytes]) -> bool:
    files = [(disk, name) for disk, name in _files(machine, "log.", "snapshot.") if _used(disk, name)]
    if not files:
        return False
    disk, name = rng.choice(files)
    data = disk.content()[name]
    start = rng.randrange(-(-_used(disk, name) // SECTOR_BYTES)) * SECTOR_BYTES
    block = source(disk, name)[: len(data) - start]
    disk.put(name, data[:start] + block + data[start + len(block) :])
    return True


def _lost_entry(machine: Machine, rng: Random) -> bool:
    """An entry of the directory is gone, and the file with it."""
    files = _files(machine, "log.", "snapshot.", "acceptedEpoch", "currentEpoch")
    if not files:
        return False
    disk, name = rng.choice(files)
    disk.discard(name)
    return True


def empty(machine: Machine, rng: Random | None = None) -> bool:
    """Remove everything: the server, or its disk, was replaced."""
    for disk in machine.disks:
        for name in disk.content():
            disk.discard(name)
    return True


def _one_disk_emptied(machine: Machine, rng: Random) -> bool:
    """Where log and data have disks of their own, one of them is lost."""
    disk = rng.choice(machine.disks)
    for name in disk.content():
        disk.discard(name)
    return True


SPOILS: dict[str, Spoil] = {
    "rot in log middle": _rot_log_middle,
    "rot in log tail": _rot_log_tail,
    "rot in snapshot": _rot_snapshot,
    "rot in epoch file": _rot_epoch,
    "stale block": _stale_block,
    "misdirected block": _misdirected_block,
    "lost directory entry": _lost_entry,
    "lost disk": _one_disk_emptied,
    "replaced server": empty,
}


def _used(disk: SimulatedDisk, name: str) -> int:
    return len(disk.content()[name].rstrip(b"\0"))
