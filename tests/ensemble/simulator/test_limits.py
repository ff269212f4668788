"""Runs in which servers have little room: their limits are met, and they hold (I12)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

from ensemble.simulator.runs.report import Failure, run_world
from ensemble.simulator.world import World


def narrow() -> Iterator[World]:
    return (world for world in map(World, count(1)) if world.plan.narrow)


def test_with_little_room_clients_are_held_back_and_answered_all_the_same() -> None:
    held = rolled = 0
    for world in islice(narrow(), 6):
        result = run_world(world)
        assert not isinstance(result, Failure), result.text()
        held += result.coverage.get("clients held back", 0)
        for machine in world.cast.machines.values():
            assert machine.process is not None
            assert len(machine.process.replica.store._log.recent) <= 4
            rolled = max(rolled, sum("log." in name for name in machine.log_disk.content()))
    assert held > 50
    assert rolled >= 3


def test_most_runs_have_the_usual_room() -> None:
    narrowed = sum(World(seed).plan.narrow for seed in range(1, 101))
    assert 5 <= narrowed <= 40
