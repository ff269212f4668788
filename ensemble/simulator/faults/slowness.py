"""Servers that stand still, ways and disks that take long or for ever, messages that get lost, clocks that are wrong."""

from __future__ import annotations

from ensemble.simulator.faults.stage import Kind, Stage, Undo, nothing


def _pause(stage: Stage, sids: list[int]) -> Undo:
    paused = [process for sid in sids if (process := stage.machines[sid].process) is not None]
    for process in paused:
        process.paused = True

    def undo() -> None:
        for process in paused:
            if process.alive and process.paused:
                process.resume()

    return undo


def _slow_ways(stage: Stage) -> Undo:
    sid = stage.someone()
    extra_us = int(stage.tick_us * stage.rng.choice((0.1, 0.5, 2.0, 20.0)))
    ways = [way for other in stage.others(sid) for way in ((sid, other), (other, sid)) if stage.chance(0.7)]
    for way in ways:
        stage.weather.slow[way] = extra_us

    def undo() -> None:
        for way in ways:
            stage.weather.slow.pop(way, None)

    return undo


def _slow_disk(stage: Stage) -> Undo:
    machine = stage.machines[stage.someone()]
    factor = stage.rng.choice((5, 20, 100, 1000))
    for disk in machine.disks:
        disk.slowness = max(disk.slowness, factor)

    def undo() -> None:
        for disk in machine.disks:
            disk.slowness = 1

    return undo


def _stuck_disk(stage: Stage) -> Undo:
    machine = stage.machines[stage.one(leading=0.5)]
    machine.stick()
    return machine.release


def _lossy_mail(stage: Stage) -> Undo:
    rates = stage.mail
    rates.loss, rates.flap = stage.rng.choice(((0.2, 0.0), (0.0, 0.3), (0.4, 0.2)))

    def undo() -> None:
        rates.loss = rates.flap = 0.0

    return undo


def _wall_clock(stage: Stage) -> Undo:
    machine = stage.machines[stage.someone()]
    jump_ms = stage.rng.randint(-3_600_000, 3_600_000)
    machine.quartz.wall_offset_ms += jump_ms
    if machine.process is not None:
        machine.process.clock.wall_offset_ms += jump_ms
    return nothing


def _clock_rate(stage: Stage) -> Undo:
    """Let a clock run fast or slow from now on."""
    machine = stage.machines[stage.someone()]
    machine.quartz.rate = stage.rng.choice((0.8, 0.9, 1.1, 1.2))
    if machine.process is not None:
        machine.process.clock.drift(machine.quartz.rate)
    return nothing


def _clock_jump(stage: Stage) -> Undo:
    """Let the clock leap ahead by which everything is timed."""
    machine = stage.machines[stage.someone()]
    if machine.process is not None:
        machine.process.clock.jump(stage.tick_us * stage.rng.choice((1, 5, 30)))
    return nothing


KINDS: dict[str, Kind] = {
    "pause": lambda stage: _pause(stage, [stage.someone()]),
    "pause leader": lambda stage: _pause(stage, [stage.leading()]),
    "pause all": lambda stage: _pause(stage, list(stage.machines)),
    "slow ways": _slow_ways,
    "slow disk": _slow_disk,
    "stuck disk": _stuck_disk,
    "lossy mail": _lossy_mail,
    "wall clock": _wall_clock,
    "clock rate": _clock_rate,
    "clock jump": _clock_jump,
}
