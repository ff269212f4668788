"""Disks that fail and disks that rot: who meets it stops, and nothing that was acknowledged is lost."""

from __future__ import annotations

import errno
from random import Random

import pytest

from ensemble.errors import StorageError
from ensemble.simulator.faults import core
from ensemble.simulator.faults.disks import FAILING_CALLS
from ensemble.simulator.faults.rot import SPOILS, empty
from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.simulator.machine.machine import Machine, Process
from ensemble.simulator.runs.report import Failure, run_world
from ensemble.simulator.world import World

STEADY = [
    seed
    for seed in range(1, 60)
    if not (plan := World(seed).plan).changes and (plan.servers, plan.grouped) == (3, False)
][:4]
"""Runs of three voters, in which the membership stays what it is."""


def quiet(seed: int) -> World:
    """Return a world of three or five in which nothing has been decided to go wrong."""
    world = World(seed)
    world.strikes = []
    world.plan.lasting, world.plan.fatal_changes = "", False
    return world


def serving(seed: int) -> tuple[World, Machine]:
    """Return a world that has served for a while, and a follower of it."""
    world = quiet(seed)
    world.trouble(world.plan.trouble_ticks * world.plan.tick_ms * 1000)
    leader = world.leader()
    assert leader is not None
    return world, next(machine for sid, machine in world.cast.machines.items() if sid != leader)


def finish(world: World) -> None:
    world.heal()
    world.converge("after the heal")
    world.restart_all()
    world.converge("after the restart")
    world.judge()


@pytest.mark.parametrize(("operation", "code"), FAILING_CALLS)
def test_a_server_whose_disk_fails_stops_and_the_ensemble_goes_on(operation: str, code: int) -> None:
    world = quiet(3)
    span_us = world.plan.trouble_ticks * world.plan.tick_ms * 1000
    machine = world.cast.machines[1]
    world.timeline.after(span_us // 3, lambda: machine.die(power=True))
    world.timeline.after(
        span_us // 3 + 1, lambda: [disk.fail(operation, code, skip=1) for disk in machine.disks]
    )
    world.timeline.after(span_us // 3 + 2, machine.start)
    world.trouble(span_us)
    met = world.monitor.coverage.get(f"server stops at {operation} {errno.errorcode[code]}", 0)
    assert met == machine.failures()
    assert (machine.process is None) == bool(met)
    finish(world)


def test_a_server_that_goes_on_after_an_error_of_its_disk_is_caught() -> None:
    """Mutant M12."""
    _, machine = serving(3)

    def fail() -> None:
        machine.disks[0].failed.append(("write", errno.EIO))

    assert isinstance(machine.process, Process)
    with pytest.raises(Exception, match="went on after its disk had failed"):
        machine.process.enter(fail)


@pytest.mark.parametrize("kind", SPOILS)
def test_what_is_spoiled_is_refused_or_healed_and_never_guessed(kind: str) -> None:
    spoiled = 0
    for seed in STEADY:
        world, _ = serving(seed)
        world.faults.begin(kind, 1000)
        world.timeline.run_until(world.timeline.now_us + 5_000_000)
        spoiled += world.stage.counts.get(f"spoiled: {kind}", 0)
        finish(world)
    assert spoiled


def test_the_only_good_copy_is_never_spoiled() -> None:
    world, _ = serving(STEADY[0])
    world.heal()
    world.converge("after the heal")
    assert all(world.monitor.may_lose(sid, all_of_it=True) for sid in world.cast.machines)
    voters = world.plan.membership().voters
    for sid in voters[1:]:
        machine = world.cast.machines[sid]
        machine.die(power=False)
        machine.spoiled = True
        world.monitor.spoiled(sid)
    assert not world.monitor.may_lose(voters[0], all_of_it=True)


def test_a_failed_sync_leaves_pages_that_are_clean_and_not_on_the_disk() -> None:
    lost = 0
    for seed in range(8):
        disk = SimulatedDisk(lambda delay_us, callback: None, Random(seed))
        disk.write("version-2/log.1", 0, b"data")
        disk.fail("sync", errno.EIO)
        disk.sync(lambda: None)
        with pytest.raises(StorageError, match="sync"):
            disk.names("version-2")
        disk.detach()
        assert disk.read("version-2/log.1") == b"data"
        disk.names("version-2")
        lost += disk.durable_content()["version-2/log.1"] == b""
    assert 0 < lost < 8


@pytest.mark.parametrize("lasting", core.LASTING)
def test_the_core_gets_on_while_all_others_stay_broken(lasting: str) -> None:
    for seed in STEADY[:2]:
        world = World(seed)
        world.plan.lasting = lasting
        result = run_world(world)
        assert not isinstance(result, Failure), result.text()
        assert result.faults.get(f"for ever {lasting}") == 1


def test_a_core_that_cannot_get_on_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(STEADY[0])
    world.plan.lasting = "dead"
    abandon = core.abandon
    monkeypatch.setattr(core, "abandon", lambda kind, chosen, *rest: abandon(kind, chosen[:1], *rest))
    result = run_world(world)
    assert isinstance(result, Failure)
    assert result.invariant == "C9"
    assert "with dead servers outside" in result.what


def test_a_disk_that_was_emptied_is_judged_like_a_new_one() -> None:
    world = World(3)
    machine = world.cast.machines[1]
    machine.data_disk.put("version-2/log.1", b"rot")
    world.monitor.spoiled(1)
    assert world.monitor._disks[1].spoiled
    empty(machine)
    world.monitor.spoiled(1)
    assert not world.monitor._disks[1].spoiled
