"""The liveness act: some servers stay broken for ever, and the quorum that is left has to get on (C9).

Safety alone would be kept by an ensemble that does nothing. A server that can speak and does not hear, or hears and
is not heard, must not keep the others from agreeing; nor one that is frozen with its connections open, nor one that
answers everybody while its disks do not answer it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ensemble.membership import Membership
from ensemble.simulator.checks.quorums import is_quorum
from ensemble.simulator.machine.machine import Machine
from ensemble.simulator.network.network import SimulatedNetwork

LASTING = ("frozen", "dead", "deaf", "mute", "stuck")
"""What can be wrong for ever with those outside the core."""


def choose(rng: Random, membership: Membership, machines: dict[int, Machine]) -> list[int]:
    """Draw a quorum of voters, no larger than it must be, of those that run; empty when these are none."""
    voters = [sid for sid in membership.voters if machines[sid].process is not None]
    rng.shuffle(voters)
    core: list[int] = []
    for sid in voters:
        core.append(sid)
        if is_quorum(membership, core):
            return sorted(core)
    return []


def abandon(
    kind: str, core: list[int], machines: dict[int, Machine], network: SimulatedNetwork
) -> Callable[[], None]:
    """Break everyone outside ``core`` for good; return what makes them whole after all."""
    outside = [sid for sid in machines if sid not in core]
    if kind == "frozen":
        frozen = [process for sid in outside if (process := machines[sid].process) is not None]
        for process in frozen:
            process.paused = True
        return lambda: _each([process.resume for process in frozen if process.alive])
    if kind == "dead":
        for sid in outside:
            machines[sid].die(power=True)
        return lambda: _each([machines[sid].start for sid in outside])
    if kind == "stuck":
        for sid in outside:
            machines[sid].stick()
        return lambda: _each([machines[sid].release for sid in outside])
    inward = [(inside, sid) for inside in core for sid in outside]
    ways = inward if kind == "deaf" else [(there, here) for here, there in inward]
    conditions = network.conditions
    for way in ways:
        conditions.block(way)
    return lambda: _each([lambda way=way: conditions.unblock(way) for way in ways])  # type: ignore[misc]


def _each(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()
