"""One life of a server on which everything happens that makes it use its disks, told the same way every time.

Server 2 leads first; is cut off with proposals that nobody else has, and comes back (TRUNC); loses its power, and
comes back (DIFF); follows a leader that dies, and leads another epoch; loses its disks, and comes back (SNAP); and
all the time snapshots are taken, logs are begun and old files are purged. A ``Call`` names one call of its disks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ensemble.simulator.clients.clients import Habits
from ensemble.simulator.clients.workload import Mix
from ensemble.simulator.faults.rot import empty
from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.simulator.machine.machine import Machine
from ensemble.simulator.network.streams import Weather
from ensemble.simulator.schedules.plan import Plan
from ensemble.simulator.world import World

VICTIM = 2
TICK_MS = 200
SEED = 18
"""One whose server has one disk, and whose leader comes back with proposals to truncate."""
LIFE_TICKS = 32


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the disks of a life, or one step within a call."""

    operation: str
    number: int
    """How many of this operation come before."""
    kind: str
    """What the file is for."""
    phase: str
    """What the server is doing: booting, or its role and ZAB's phase."""


class Life:
    """The world in which the life takes place."""

    def __init__(self) -> None:
        plan = Plan(
            servers=3,
            tick_ms=TICK_MS,
            clients=3,
            requests=40,
            faults=0,
            trouble_ticks=LIFE_TICKS,
            snap_count=3,
            weather=Weather(delay_us_min=50, delay_us_max=1_000, split_probability=0.0),
            habits=Habits(20 * TICK_MS, 60_000, pipeline=1, requests=60, closes=False),
            mix=Mix([3, 5, 1, 1, 1, 1, 0, 0, 0, 0], 3, 0.0, 0.0),
        )
        self.world = World(SEED, plan=plan)
        self.world.strikes = []
        self.machine: Machine = self.world.cast.machines[VICTIM]
        self.calls: list[Call] = []
        self.failed = False

    @property
    def disk(self) -> SimulatedDisk:
        """The disk that holds everything."""
        assert self.machine.log_disk is self.machine.data_disk, "take a seed with one disk"
        return self.machine.data_disk

    def record(self) -> None:
        """Note every call of the disk from now on."""
        may_fail = self.disk.may_fail
        numbers: dict[str, int] = {}

        def noted(operation: str, name: str) -> None:
            number = numbers[operation] = numbers.get(operation, -1) + 1
            self.calls.append(Call(operation, number, _kind_of(name), self.phase()))
            may_fail(operation, name)

        self.disk.may_fail = noted  # type: ignore[method-assign]

    def phase(self) -> str:
        """What the server is doing just now."""
        process = self.machine.process
        if process is None or not self.machine.listening:
            return "booting"
        peer = process.replica.peer
        return f"{peer.role.name.lower()} {peer.phase.value}"

    def live(self) -> None:
        """Live through all of it, or up to the call that fails."""
        world, machine = self.world, self.machine
        for each in world.cast.machines.values():
            each.start()
        for client in world.cast.clients:
            client.start()
        self._at(4, lambda: world.faults.begin("isolate leader", 9 * TICK_MS * 1000))
        self._at(16, lambda: machine.die(power=True))
        self._at(17, machine.start)
        self._at(21, self._kill_another_leader)
        self._at(27, lambda: machine.die(power=True))
        self._at(28, self._replace_disks)
        for tick in range(LIFE_TICKS):
            world.timeline.run_until((tick + 1) * TICK_MS * 1000)
            self.failed = self._is_down()
            if self.failed:
                return

    def _at(self, tick: int, act: Callable[[], object]) -> None:
        self.world.timeline.after(tick * TICK_MS * 1000, lambda: None if self._is_down() else act())

    def _is_down(self) -> bool:
        return self.failed or bool(self.machine.failures())

    def _kill_another_leader(self) -> None:
        leader = self.world.leader()
        if leader is not None and leader != VICTIM:
            self.world.cast.machines[leader].die(power=True)
            self._at(2, self.world.cast.machines[leader].start)

    def _replace_disks(self) -> None:
        self.world.monitor.spoiled(VICTIM)
        empty(self.machine)
        self.machine.start()


def _kind_of(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[0]
