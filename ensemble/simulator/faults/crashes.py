"""Servers that die: at any moment, before any effect, again and again, one after the other, all."""

from __future__ import annotations

from functools import partial

from ensemble.simulator.faults.stage import Kind, Stage, Undo, nothing

EFFECTS = (
    "write",
    "allocate",
    "sync",
    "write_aside",
    "write_atomic",
    "truncate",
    "remove",
    "dial",
    "send",
    "send_election",
    "reply",
)
"""What a server asks of its ports."""
_IN_BOOT = ("truncate", "remove", "allocate", "dial", "write_atomic")
"""Those that are mostly asked for in the first moments of a process."""


def _crash(stage: Stage, sids: list[int], *, power: bool) -> Undo:
    for sid in sids:
        stage.note(f"server {sid} {'loses power' if power else 'is killed'}")
        stage.machines[sid].die(power=power)
    return lambda: stage.start(sids)


def _at_effect(stage: Stage) -> Undo:
    sid = stage.one(leading=0.4)
    process = stage.machines[sid].process
    if process is not None:
        process.crash_at = process.effects + stage.rng.randint(1, 40)
    return lambda: stage.start([sid])


def _before_effect(stage: Stage) -> Undo:
    """Die before one of the next effects of a drawn kind, however rare."""
    sid = stage.one(leading=0.4)
    machine = stage.machines[sid]
    effect = stage.rng.choice(EFFECTS + _IN_BOOT)
    if effect in _IN_BOOT and stage.chance(0.7):
        machine.die(power=True)
        machine.start(crash_before=effect, skip=stage.rng.choice((0, 0, 1)))
    elif machine.process is not None:
        machine.process.crash_before(effect, skip=stage.rng.choice((0, 0, 1, 3)))
    return lambda: stage.start([sid])


def _at_disk_effect(stage: Stage) -> Undo:
    """Die in the middle of a call of the disk, or of what it has queued."""
    sid = stage.one(leading=0.4)
    disk = stage.rng.choice(stage.machines[sid].disks)
    disk.crash_before(stage.rng.randint(0, 25))
    return lambda: stage.start([sid])


def _in_boot(stage: Stage) -> Undo:
    sid = stage.someone()
    machine = stage.machines[sid]
    machine.die(power=True)
    machine.start(crash_after_effects=stage.rng.randint(1, 30))
    return lambda: stage.start([sid])


def _storm(stage: Stage) -> Undo:
    """Crash again and again, each life a little longer."""
    sid = stage.someone()
    for strike in range(1, 5):
        stage.timeline.after(strike * stage.tick_us, lambda: _strike(stage, sid))
    return lambda: stage.start([sid])


def _strike(stage: Stage, sid: int) -> None:
    if not stage.over:
        stage.machines[sid].die(power=stage.chance(0.5))
        stage.machines[sid].start(crash_after_effects=stage.rng.randint(20, 200))


def _rolling_restart(stage: Stage) -> Undo:
    """Restart one server after the other, as an operator does who upgrades them."""
    for place, sid in enumerate(stage.machines):
        stage.timeline.after(place * 3 * stage.tick_us, partial(_restart, stage, sid))
    return nothing


def _restart(stage: Stage, sid: int) -> None:
    if not stage.over:
        stage.machines[sid].die(power=False)
        stage.timeline.after(stage.tick_us // 2, lambda: stage.start([sid]))


KINDS: dict[str, Kind] = {
    "kill": lambda stage: _crash(stage, [stage.someone()], power=False),
    "power": lambda stage: _crash(stage, [stage.someone()], power=True),
    "leader crash": lambda stage: _crash(stage, [stage.leading()], power=stage.chance(0.5)),
    "crash at effect": _at_effect,
    "crash before effect": _before_effect,
    "crash at disk effect": _at_disk_effect,
    "crash in boot": _in_boot,
    "crash all": lambda stage: _crash(stage, list(stage.machines), power=stage.chance(0.7)),
    "crash storm": _storm,
    "rolling restart": _rolling_restart,
}
