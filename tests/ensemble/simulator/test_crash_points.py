"""A server dies before every kind of effect in every phase of its life, with its power or without.

What the others hold stands, they go on, and from its disks it comes back. With the slow suite it dies before each single
effect of that life.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ensemble.simulator.faults.crashes import EFFECTS
from ensemble.simulator.machine.disk import SimulatedCrash
from ensemble.simulator.machine.machine import Process
from tests.ensemble.simulator.lives import VICTIM, Life

Patch = pytest.MonkeyPatch
SAMPLE = 5
"""Of the kinds of effect in the phases, every so many is tried with each change."""


@dataclass(frozen=True, slots=True)
class Point:
    """One effect of a life, before which the server may die."""

    effect: str
    number: int
    """How many effects come before, of all kinds."""
    phase: str


def points() -> list[Point]:
    """Return every effect of the life, in order."""
    found: list[Point] = []
    life = Life()
    effect = Process.effect

    def noted(self: Process, name: str) -> None:
        if self.sid == VICTIM:
            found.append(Point(name, len(found), life.phase()))
        effect(self, name)

    with Patch.context() as patch:
        patch.setattr(Process, "effect", noted)
        life.live()
    return found


def first_of_each_kind(of: list[Point]) -> list[Point]:
    """Return, for each effect in each phase, the first point and the last."""
    ends: dict[tuple[str, str], tuple[Point, Point]] = {}
    for point in of:
        first, _ = ends.get((point.effect, point.phase), (point, point))
        ends[point.effect, point.phase] = (first, point)
    return sorted({point for both in ends.values() for point in both}, key=lambda point: point.number)


def check(point: Point, *, with_power_gone: bool) -> None:
    """Live up to the effect, and die there; then see to the others, and to the server itself."""
    life = Life()
    world, machine = life.world, life.machine
    effect, die, before = Process.effect, machine.die, 0

    def die_so(*, power: bool, effect: str = "") -> None:
        die(power=with_power_gone if effect else power, effect=effect)

    def deadly(self: Process, name: str) -> None:
        nonlocal before
        effect(self, name)
        if self.sid == VICTIM and not life.failed:
            if before == point.number:
                assert name == point.effect, "the life was another one"
                life.failed = True
                raise SimulatedCrash(name)
            before += 1

    case = f"before {point}, {'power lost' if with_power_gone else 'killed'}"
    with Patch.context() as patch:
        patch.setattr(Process, "effect", deadly)
        patch.setattr(machine, "die", die_so)
        life.live()
    assert life.failed, case
    assert machine.process is None, case
    others = [sid for sid in world.cast.machines if sid != VICTIM]
    for sid in others:
        world.cast.machines[sid].start()
    world.go_on(others, f"after a death {case}")
    world.heal()
    world.converge(f"after a death {case}")
    world.judge()


def test_a_server_dies_before_effects_of_all_kinds_in_all_phases() -> None:
    found = points()
    assert {point.effect for point in found} == {*EFFECTS}
    kinds = first_of_each_kind(found)
    assert len({point.phase for point in kinds}) >= 7
    assert len(kinds) > 60
    for place, point in enumerate(kinds[::SAMPLE]):
        check(point, with_power_gone=place % 2 == 0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_server_dies_before_every_kind_of_effect_in_every_phase() -> None:
    for point in first_of_each_kind(points()):
        for with_power_gone in (False, True):
            check(point, with_power_gone=with_power_gone)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_server_dies_before_every_effect() -> None:
    for point in points():
        check(point, with_power_gone=point.number % 2 == 0)
