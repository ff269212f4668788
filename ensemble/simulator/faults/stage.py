"""Where faults happen, and who is struck."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from ensemble.simulator.clock import Timeline
from ensemble.simulator.machine.machine import Machine
from ensemble.simulator.network.elections import MailRates
from ensemble.simulator.network.network import SimulatedNetwork
from ensemble.simulator.network.streams import Weather

Undo = Callable[[], None]


@dataclass(slots=True)
class Stage:
    """Where faults happen."""

    timeline: Timeline
    rng: Random
    """The choices of the fault that happens now."""
    lane: Callable[[str], Random]
    """A lane of the choice tape, by name."""
    machines: dict[int, Machine]
    network: SimulatedNetwork
    weather: Weather
    mail: MailRates
    tick_us: int
    leader: Callable[[], int | None]
    """The sid of a server that leads just now, if any."""
    clients: list[int] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    note: Callable[[str], None] = lambda line: None
    may_lose: Callable[[int, bool], bool] = lambda sid, all_of_it: False
    """Whether a part or all of what a server holds can be lost, as enough others hold it."""
    spoiled: Callable[[int], None] = lambda sid: None
    """Told that a server's disks were spoiled."""
    over: bool = False
    """The faults are over: what was still to come does not."""

    def chance(self, probability: float) -> bool:
        """Tell whether something happens."""
        return self.rng.random() < probability

    def someone(self) -> int:
        """Draw a server."""
        return self.rng.choice(list(self.machines))

    def leading(self) -> int:
        """Return the leader; a drawn server when there is none."""
        leader = self.leader()
        return self.someone() if leader is None else leader

    def one(self, leading: float) -> int:
        """Return the leader with this probability, else a drawn server."""
        return self.leading() if self.chance(leading) else self.someone()

    def others(self, sid: int) -> list[int]:
        """Return all servers but one."""
        return [other for other in self.machines if other != sid]

    def start(self, sids: list[int]) -> None:
        """Start servers that do not run."""
        for sid in sids:
            self.machines[sid].start()


Kind = Callable[[Stage], Undo]
"""Lets a fault begin, and returns what ends it."""


def nothing() -> None:
    """End a fault that leaves nothing behind."""
