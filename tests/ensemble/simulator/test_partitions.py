"""The shapes of partitions: that each is what its name says."""

from __future__ import annotations

from functools import partial

import pytest

from ensemble.simulator.faults.partitions import SPLIT
from ensemble.simulator.schedules.plan import Plan
from ensemble.simulator.schedules.tape import Tape
from ensemble.simulator.world import World


def world_of(servers: int, seed: int = 1) -> World:
    """A world in which nothing goes wrong by itself."""
    plan = Plan._draw(Tape(seed).lane("plan"))
    plan.servers, plan.observers, plan.faults, plan.lasting, plan.grouped = servers, 0, 0, "", False
    return World(seed, plan=plan)


def heard(world: World) -> dict[int, set[int]]:
    """Whom each server hears, itself included."""
    blocked = world.plan.weather.blocked
    sids = list(world.cast.machines)
    return {sid: {other for other in sids if (other, sid) not in blocked} for sid in sids}


@pytest.mark.parametrize(("servers", "hears"), [(5, 3), (7, 5), (9, 5)])
def test_in_a_ring_everybody_hears_a_majority_and_no_two_the_same(servers: int, hears: int) -> None:
    world = world_of(servers)
    world.faults.begin("majorities ring", 1_000_000)
    groups = heard(world)
    assert {len(group) for group in groups.values()} == {hears}
    assert 2 * hears > servers
    assert len({frozenset(group) for group in groups.values()}) == servers
    assert all((sid in groups[other]) is (other in groups[sid]) for sid in groups for other in groups)
    world.faults.heal()
    assert all(len(group) == servers for group in heard(world).values())


def test_the_ensemble_is_parted_in_the_moment_somebody_is_synchronized() -> None:
    parted = 0
    for seed in range(1, 6):
        world = world_of(3, seed)
        world.trouble(5_000_000)
        world.faults.begin("split in synchronization", 4_000_000)
        counts = world.stage.counts
        if world.timeline.run_until(9_000_000, unless=partial(counts.__contains__, SPLIT)):
            parted += 1
            assert 1 in [len(group) for group in heard(world).values()]
        world.heal()
        assert heard(world) == {sid: {1, 2, 3} for sid in (1, 2, 3)}
        world.converge("after the heal")
    assert parted >= 3
