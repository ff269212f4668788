"""Disks that fail and disks that rot.

A failing call ends its server; that is checked by ``machine``. Content is spoiled only while its server is down,
and only where a quorum of the *others* holds everything that is committed and every promise, so that there is a
good copy to heal from: no protocol of this kind survives the loss of a quorum's disks. A server that refuses to
open what was spoiled stays down until its operator empties its disk, by the same rule.
"""

from __future__ import annotations

import errno
from functools import partial
from random import Random

from ensemble.simulator.faults.rot import SPOILS, empty
from ensemble.simulator.faults.stage import Kind, Stage, Undo
from ensemble.simulator.machine.machine import Machine

_FULL = ("write", "allocate", "write_atomic", "write_aside", "rename", "truncate", "sync", "directory")
_BROKEN = (*_FULL, "read", "names", "remove")
FAILING_CALLS = tuple(
    (operation, code)
    for operations, code in ((_BROKEN, errno.EIO), (_FULL, errno.ENOSPC))
    for operation in operations
)
"""Calls of ``ports.Disk``, and steps within them, with the errno they fail with.

A file system that allocates late can be full when it syncs (ATC'20), and one that copies on write when it truncates
or changes a directory.
"""

_IN_BOOT = ("read", "names", "truncate", "remove", "allocate", "write_atomic", "rename", "directory")
"""Calls that are made, or made too, when a server starts."""
_SELDOM = ("allocate", "write_aside", "write_atomic", "rename", "truncate", "remove")
"""Calls of which a server makes few."""
_DRAWN = (*FAILING_CALLS, *[call for call in FAILING_CALLS if call[0] in _SELDOM])


def arm(machine: Machine, rng: Random) -> bool:
    """Let one of the next calls of a machine's disks fail; tell whether it may take a restart to be met."""
    operation, code = rng.choice(_DRAWN)
    skip = rng.choice((0, 0, 0, 1) if operation in _SELDOM else (0, 0, 1, 2, 5))
    for disk in machine.disks:
        disk.fail(operation, code, skip=skip)
    return operation in _IN_BOOT


def _error(stage: Stage) -> Undo:
    """Let a call of a disk fail once; the server is started again when the fault is over."""
    machine = stage.machines[stage.one(leading=0.3)]
    if arm(machine, stage.rng) and stage.chance(0.7):
        machine.die(power=stage.chance(0.5))
        machine.start()

    def undo() -> None:
        for disk in machine.disks:
            disk.heal()
        machine.start()

    return undo


def _spoil(kind: str, stage: Stage) -> Undo:
    """Stop a server, and spoil its disks at the end of the fault, where enough others hold the same."""
    sid = stage.someone()
    machine = stage.machines[sid]
    machine.die(power=stage.chance(0.5))

    def undo() -> None:
        machine.die(power=False)
        for other in stage.others(sid):
            stage.network.break_between(sid, other)  # nothing it has said before counts any more
        if stage.may_lose(sid, SPOILS[kind] is empty) and SPOILS[kind](machine, stage.rng):
            stage.counts[f"spoiled: {kind}"] = stage.counts.get(f"spoiled: {kind}", 0) + 1
            stage.note(f"server {sid}: {kind}")
            machine.spoiled = True
            stage.spoiled(sid)
        machine.start()

    return undo


def tend(stage: Stage) -> None:
    """Do what operators do: empty the disks of a server that refuses them, when enough others hold the same."""
    for sid, machine in stage.machines.items():
        if machine.refuses and machine.process is None and stage.may_lose(sid, True):
            stage.note(f"server {sid}: its disks are emptied")
            empty(machine)
            machine.refuses = False
            stage.spoiled(sid)
            machine.start()


KINDS: dict[str, Kind] = {"disk error": _error, **{kind: partial(_spoil, kind) for kind in SPOILS}}
