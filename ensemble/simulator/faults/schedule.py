"""Which faults come when: drawn from the seed, begun, ended, healed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from ensemble.simulator.faults.crashes import KINDS as CRASHES
from ensemble.simulator.faults.disks import KINDS as DISKS
from ensemble.simulator.faults.disks import tend
from ensemble.simulator.faults.partitions import KINDS as PARTITIONS
from ensemble.simulator.faults.slowness import KINDS as SLOWNESS
from ensemble.simulator.faults.stage import Kind, Stage, Undo

_KINDS: dict[str, Kind] = {**CRASHES, **PARTITIONS, **SLOWNESS, **DISKS}
KINDS = tuple(_KINDS)
"""The names of all faults: those of the reference (B1, B7)."""


@dataclass(slots=True, frozen=True)
class Strike:
    """One fault to come."""

    number: int
    """Names its lane of the tape."""
    begins_us: int
    lasts_us: int
    kind: str


class Faults:
    """Draws faults and carries them out."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._undo: dict[int, Undo] = {}

    def draw(self, count: int, span_us: int, favoured: Sequence[str] = ()) -> list[Strike]:
        """Draw ``count`` faults over ``span_us``: of the ``favoured`` kinds, or of a few drawn ones."""
        stage = self._stage
        rng = stage.rng
        favoured = favoured or rng.sample(KINDS, rng.randint(2, len(KINDS)))
        strikes = []
        for number in range(count):
            kind = rng.choice(favoured)
            lasts_us = int(stage.tick_us * rng.choice((0.1, 0.5, 1, 2, 4, 8)) * (0.5 + rng.random()))
            strikes.append(Strike(number, rng.randrange(span_us), lasts_us, kind))
        return strikes

    def follow(self, strikes: Iterable[Strike]) -> None:
        """Let these faults happen, counted from now."""
        for strike in strikes:
            begin = partial(self._begin, strike.number, strike.kind, strike.lasts_us)
            self._stage.timeline.after(strike.begins_us, begin)

    def heal(self) -> None:
        """End every fault, start every machine; nothing more goes wrong."""
        stage = self._stage
        stage.over = True
        for number in list(self._undo):
            self._end(number)
        for machine in stage.machines.values():
            for disk in machine.disks:
                disk.crash_before(-1)
                disk.heal()
            if machine.process is not None:
                machine.process.live_on()
                if machine.process.paused:
                    machine.process.resume()
            machine.start()

    def begin(self, kind: str, lasts_us: int) -> None:
        """Let one fault of ``kind`` happen now."""
        self._begin(1_000_000 + sum(self._stage.counts.values()), kind, lasts_us)

    def tend(self) -> None:
        """Let operators see to servers that refuse their disks."""
        tend(self._stage)

    def _begin(self, number: int, kind: str, lasts_us: int) -> None:
        stage = self._stage
        if stage.over:
            return
        stage.counts[kind] = stage.counts.get(kind, 0) + 1
        stage.note(f"fault {kind} begins for {lasts_us // 1000} ms")
        stage.rng = stage.lane(f"fault {number}")
        self._undo[number] = _KINDS[kind](stage)
        stage.timeline.after(lasts_us, lambda: self._end(number))

    def _end(self, number: int) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            undo()
