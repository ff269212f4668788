"""What goes wrong in a run: a schedule of faults drawn from the seed.

A fault begins, lasts and ends; everything it broke is whole again when it has ended. It acts on machines
and on the network only, never inside a server. Names of faults are those of the reference (B1, B7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from random import Random

from ensemble.simulator.clock import Timeline
from ensemble.simulator.disk_faults import SPOILS, arm, empty
from ensemble.simulator.elections import MailRates
from ensemble.simulator.machine import Machine
from ensemble.simulator.network import SimulatedNetwork
from ensemble.simulator.streams import Way, Weather

Undo = Callable[[], None]

KINDS = (
    "kill",
    "power",
    "leader crash",
    "crash at effect",
    "crash at disk effect",
    "crash in boot",
    "crash all",
    "crash storm",
    "halves",
    "isolate leader",
    "isolate one",
    "one-way in",
    "one-way out",
    "bridge",
    "flapping",
    "swizzle",
    "break links",
    "pause",
    "pause leader",
    "pause all",
    "slow ways",
    "slow disk",
    "lossy mail",
    "wall clock",
    "client cut",
    "clock rate",
    "clock jump",
    "rolling restart",
    "disk error",
    *SPOILS,
)
"""The names of all faults."""


@dataclass(slots=True, frozen=True)
class Strike:
    """One fault to come."""

    number: int
    """Names its lane of the tape."""
    begins_us: int
    lasts_us: int
    kind: str


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


class Faults:
    """Draws faults and carries them out."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._undo: dict[int, Undo] = {}
        self._kinds: dict[str, Callable[[], Undo]] = {
            "kill": lambda: self._crash([self._someone()], power=False),
            "power": lambda: self._crash([self._someone()], power=True),
            "leader crash": lambda: self._crash([self._leader()], power=self._chance(0.5)),
            "crash at effect": self._crash_at_effect,
            "crash at disk effect": self._crash_at_disk_effect,
            "crash in boot": self._crash_in_boot,
            "crash all": lambda: self._crash(list(self._stage.machines), power=self._chance(0.7)),
            "crash storm": self._crash_storm,
            "halves": self._halves,
            "isolate leader": lambda: self._isolate(self._leader()),
            "isolate one": lambda: self._isolate(self._someone()),
            "one-way in": lambda: self._one_way(inward=True),
            "one-way out": lambda: self._one_way(inward=False),
            "bridge": self._bridge,
            "flapping": self._flapping,
            "swizzle": self._swizzle,
            "break links": self._break_links,
            "pause": lambda: self._pause([self._someone()]),
            "pause leader": lambda: self._pause([self._leader()]),
            "pause all": lambda: self._pause(list(self._stage.machines)),
            "slow ways": self._slow_ways,
            "slow disk": self._slow_disk,
            "lossy mail": self._lossy_mail,
            "wall clock": self._wall_clock,
            "client cut": self._client_cut,
            "clock rate": self._clock_rate,
            "clock jump": self._clock_jump,
            "rolling restart": self._rolling_restart,
            "disk error": self._disk_error,
            **{kind: partial(self._spoil, kind) for kind in SPOILS},
        }

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
                machine.process.crash_at = None
                if machine.process.paused:
                    machine.process.resume()
            machine.start()

    def begin(self, kind: str, lasts_us: int) -> None:
        """Let one fault of ``kind`` happen now."""
        self._begin(1_000_000 + sum(self._stage.counts.values()), kind, lasts_us)

    def _begin(self, number: int, kind: str, lasts_us: int) -> None:
        stage = self._stage
        if stage.over:
            return
        stage.counts[kind] = stage.counts.get(kind, 0) + 1
        stage.note(f"fault {kind} begins for {lasts_us // 1000} ms")
        stage.rng = stage.lane(f"fault {number}")
        self._undo[number] = self._kinds[kind]()
        stage.timeline.after(lasts_us, lambda: self._end(number))

    def _end(self, number: int) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            undo()

    # -- who ------------------------------------------------------------------------------------------------

    def _chance(self, probability: float) -> bool:
        return self._stage.rng.random() < probability

    def _someone(self) -> int:
        return self._stage.rng.choice(list(self._stage.machines))

    def _leader(self) -> int:
        leader = self._stage.leader()
        return self._someone() if leader is None else leader

    def _others(self, sid: int) -> list[int]:
        return [other for other in self._stage.machines if other != sid]

    # -- crashes --------------------------------------------------------------------------------------------

    def _crash(self, sids: list[int], *, power: bool) -> Undo:
        stage = self._stage
        for sid in sids:
            stage.note(f"server {sid} {'loses power' if power else 'is killed'}")
            stage.machines[sid].die(power=power)
        return lambda: self._start(sids)

    def _start(self, sids: Iterable[int]) -> None:
        for sid in sids:
            self._stage.machines[sid].start()

    def _crash_at_effect(self) -> Undo:
        sid = self._leader() if self._chance(0.4) else self._someone()
        process = self._stage.machines[sid].process
        if process is not None:
            process.crash_at = process.effects + self._stage.rng.randint(1, 40)
        return lambda: self._start([sid])

    def _crash_at_disk_effect(self) -> Undo:
        """Die in the middle of a call of the disk, or of what it has queued."""
        sid = self._leader() if self._chance(0.4) else self._someone()
        disk = self._stage.rng.choice(self._stage.machines[sid].disks)
        disk.crash_before(self._stage.rng.randint(0, 25))
        return lambda: self._start([sid])

    def _crash_in_boot(self) -> Undo:
        sid = self._someone()
        machine = self._stage.machines[sid]
        machine.die(power=True)
        machine.start(crash_after_effects=self._stage.rng.randint(1, 30))
        return lambda: self._start([sid])

    def _crash_storm(self) -> Undo:
        """Crash again and again, each life a little longer."""
        stage = self._stage
        sid = self._someone()
        for strike in range(1, 5):
            stage.timeline.after(strike * stage.tick_us, lambda: self._strike(sid))
        return lambda: self._start([sid])

    def _strike(self, sid: int) -> None:
        if not self._stage.over:
            self._stage.machines[sid].die(power=self._chance(0.5))
            self._stage.machines[sid].start(crash_after_effects=self._stage.rng.randint(20, 200))

    def _rolling_restart(self) -> Undo:
        """Restart one server after the other, as an operator does who upgrades them."""
        stage = self._stage
        for place, sid in enumerate(stage.machines):
            stage.timeline.after(place * 3 * stage.tick_us, partial(self._restart, sid))
        return lambda: None

    def _restart(self, sid: int) -> None:
        if not self._stage.over:
            self._stage.machines[sid].die(power=False)
            self._stage.timeline.after(self._stage.tick_us // 2, lambda: self._start([sid]))

    # -- disks ----------------------------------------------------------------------------------------------

    def _disk_error(self) -> Undo:
        """Let a call of a disk fail once; the server is started again when the fault is over."""
        stage = self._stage
        sid = self._leader() if self._chance(0.3) else self._someone()
        machine = stage.machines[sid]
        if arm(machine, stage.rng) and self._chance(0.7):
            machine.die(power=self._chance(0.5))
            machine.start()

        def undo() -> None:
            for disk in machine.disks:
                disk.heal()
            machine.start()

        return undo

    def _spoil(self, kind: str) -> Undo:
        """Stop a server, and spoil its disks at the end of the fault, where enough others hold the same."""
        stage = self._stage
        sid = self._someone()
        machine = stage.machines[sid]
        machine.die(power=self._chance(0.5))

        def undo() -> None:
            machine.die(power=False)
            for other in self._others(sid):
                stage.network.break_between(sid, other)  # nothing it has said before counts any more
            if stage.may_lose(sid, SPOILS[kind] is empty) and SPOILS[kind](machine, stage.rng):
                stage.counts[f"spoiled: {kind}"] = stage.counts.get(f"spoiled: {kind}", 0) + 1
                stage.note(f"server {sid}: {kind}")
                machine.spoiled = True
                stage.spoiled(sid)
            machine.start()

        return undo

    def tend(self) -> None:
        """Do what operators do: empty the disks of a server that refuses them, when enough others hold the same."""
        stage = self._stage
        for sid, machine in stage.machines.items():
            if machine.refuses and machine.process is None and stage.may_lose(sid, True):
                stage.note(f"server {sid}: its disks are emptied")
                empty(machine)
                machine.refuses = False
                stage.spoiled(sid)
                machine.start()

    # -- partitions ------------------------------------------------------------------------------------------

    def _cut(self, ways: list[Way]) -> Undo:
        """Block some ways: silently, or what was connected breaks at once, at both ends or at one."""
        stage = self._stage
        for way in ways:
            stage.network.conditions.block(way)
        stage.note("cut " + " ".join(f"{a}>{b}" for a, b in ways))
        how = stage.rng.choice(("silent", "silent", "both", "one end", "other end"))
        pairs = {(min(way), max(way)): way for way in ways}
        for a, b in pairs.values():
            if how == "both":
                stage.network.break_between(a, b)
            elif how != "silent":
                stage.network.lose_at(*((a, b) if how == "one end" else (b, a)))

        def undo() -> None:
            for way in ways:
                stage.network.conditions.unblock(way)

        return undo

    def _halves(self) -> Undo:
        sids = list(self._stage.machines)
        self._stage.rng.shuffle(sids)
        left = sids[: len(sids) // 2]
        return self._cut([way for a in left for b in sids if b not in left for way in ((a, b), (b, a))])

    def _isolate(self, sid: int) -> Undo:
        return self._cut([way for other in self._others(sid) for way in ((sid, other), (other, sid))])

    def _one_way(self, *, inward: bool) -> Undo:
        sid = self._leader() if self._chance(0.5) else self._someone()
        return self._cut([(other, sid) if inward else (sid, other) for other in self._others(sid)])

    def _bridge(self) -> Undo:
        """Two servers that do not hear each other, while a third hears both."""
        sids = list(self._stage.machines)
        if len(sids) < 3:
            return self._isolate(self._someone())
        bridge = self._someone()
        rest = self._others(bridge)
        left = rest[: len(rest) // 2]
        return self._cut([way for a in left for b in rest if b not in left for way in ((a, b), (b, a))])

    def _flapping(self) -> Undo:
        """Cut and heal the same server again and again."""
        stage = self._stage
        sid = self._leader() if self._chance(0.5) else self._someone()
        for strike in range(3):
            stage.timeline.after(strike * stage.tick_us, lambda: self._flap(sid))
        return lambda: None

    def _flap(self, sid: int) -> None:
        if not self._stage.over:
            undo = self._isolate(sid)
            self._stage.timeline.after(self._stage.tick_us // 2, undo)

    def _swizzle(self) -> Undo:
        """Clog some servers one by one, and unclog them in another order."""
        stage = self._stage
        sids = stage.rng.sample(list(stage.machines), stage.rng.randint(1, len(stage.machines)))
        for place, sid in enumerate(sids):
            healed = stage.rng.randint(1, len(sids))
            begins = place * stage.tick_us // 4
            ends = begins + (len(sids) - place) * stage.tick_us // 4 + healed * stage.tick_us // 3
            stage.timeline.after(begins, lambda s=sid, d=ends - begins: self._clog(s, d))  # type: ignore[misc]
        return lambda: None

    def _clog(self, sid: int, lasts_us: int) -> None:
        if not self._stage.over:
            self._stage.timeline.after(lasts_us, self._isolate(sid))

    def _break_links(self) -> Undo:
        for a, b in combinations(self._stage.machines, 2):
            if self._chance(0.5):
                self._stage.network.break_between(a, b)
        return lambda: None

    # -- slowness ---------------------------------------------------------------------------------------------

    def _pause(self, sids: list[int]) -> Undo:
        paused = [process for sid in sids if (process := self._stage.machines[sid].process) is not None]
        for process in paused:
            process.paused = True

        def undo() -> None:
            for process in paused:
                if process.alive and process.paused:
                    process.resume()

        return undo

    def _slow_ways(self) -> Undo:
        stage = self._stage
        sid = self._someone()
        extra_us = int(stage.tick_us * stage.rng.choice((0.1, 0.5, 2.0)))
        ways = [
            way for other in self._others(sid) for way in ((sid, other), (other, sid)) if self._chance(0.7)
        ]
        for way in ways:
            stage.weather.slow[way] = extra_us

        def undo() -> None:
            for way in ways:
                stage.weather.slow.pop(way, None)

        return undo

    def _slow_disk(self) -> Undo:
        machine = self._stage.machines[self._someone()]
        factor = self._stage.rng.choice((5, 20, 100, 1000))
        for disk in machine.disks:
            disk.slowness = max(disk.slowness, factor)

        def undo() -> None:
            for disk in machine.disks:
                disk.slowness = 1

        return undo

    def _lossy_mail(self) -> Undo:
        rates = self._stage.mail
        loss, flap = self._stage.rng.choice(((0.2, 0.0), (0.0, 0.3), (0.4, 0.2)))
        rates.loss, rates.flap = loss, flap

        def undo() -> None:
            rates.loss = rates.flap = 0.0

        return undo

    def _wall_clock(self) -> Undo:
        machine = self._stage.machines[self._someone()]
        jump_ms = self._stage.rng.randint(-3_600_000, 3_600_000)
        machine.quartz.wall_offset_ms += jump_ms
        if machine.process is not None:
            machine.process.clock.wall_offset_ms += jump_ms
        return lambda: None

    def _clock_rate(self) -> Undo:
        """Let a clock run fast or slow from now on."""
        machine = self._stage.machines[self._someone()]
        machine.quartz.rate = self._stage.rng.choice((0.8, 0.9, 1.1, 1.2))
        if machine.process is not None:
            machine.process.clock.drift(machine.quartz.rate)
        return lambda: None

    def _clock_jump(self) -> Undo:
        """Let the clock leap ahead by which everything is timed."""
        machine = self._stage.machines[self._someone()]
        if machine.process is not None:
            machine.process.clock.jump(self._stage.tick_us * self._stage.rng.choice((1, 5, 30)))
        return lambda: None

    def _client_cut(self) -> Undo:
        stage = self._stage
        if not stage.clients:
            return lambda: None
        place, sid = stage.rng.choice(stage.clients), self._someone()
        return self._cut([(place, sid), (sid, place)])
