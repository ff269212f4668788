"""One seed, one whole run: an ensemble, its clients, the faults; then the heal, a restart of everything, and judgement.

    trouble    clients work while faults happen                         I1-I13 after every step
    heal       faults end; everything must agree within a bound         C9
    restart    every server dies and comes back from its disks          nothing acknowledged is lost
    judgement  the history of the clients against the committed log     C1-C7, I9

All randomness comes from one ``Random(seed)``, drawn in the order of virtual time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from ensemble.membership import ANYWHERE, Membership, ServerAddress
from ensemble.replica.access_config import AccessConfig
from ensemble.replica.config import ReplicaConfig, SessionSettings, ZnodeConfig
from ensemble.simulator import checkers, watching
from ensemble.simulator.changes import draw_change
from ensemble.simulator.clients import Habits, SimulatedClient
from ensemble.simulator.clock import Timeline
from ensemble.simulator.elections import MailRates
from ensemble.simulator.faults import Faults, Stage
from ensemble.simulator.history import Call, History
from ensemble.simulator.invariants import Monitor, Violation, check_quotas
from ensemble.simulator.machine import Machine, Quartz
from ensemble.simulator.network import CLIENT_PLACE, SimulatedNetwork
from ensemble.simulator.streams import Conditions, Weather
from ensemble.simulator.workload import PASSING, SYNC_HEAVY, Mix, Workload
from ensemble.trace import Event, Listener
from ensemble.tree.access import Policy
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Op
from ensemble.zab.messages import ServerState
from ensemble.zxid import text

_COMMON_FIELDS = ("n", "at", "sid", "kind")
CONVERGE_TICKS = 120
"""C9: after the heal everything agrees within so many ticks, an election's worst backoff included."""


@dataclass(slots=True)
class Plan:
    """What a seed decides before anything happens (swarm testing: each run has its own character)."""

    servers: int
    """How many of them vote."""
    tick_ms: int
    clients: int
    requests: int
    faults: int
    trouble_ticks: int
    snap_count: int
    weather: Weather
    habits: Habits
    kinds: tuple[str, ...] = ()
    """The kinds of faults; none named: a few drawn ones."""
    mix: Mix | None = None
    observers: int = 0
    grouped: bool = False
    """Votes are weighed in three groups."""
    local_sessions: bool = False
    """Sessions are their own server's until they own an ephemeral."""
    znodes: ZnodeConfig = field(default_factory=ZnodeConfig)
    changes: int = 0
    """How often somebody asks for another membership."""
    spares: int = 0
    """Servers that are not members at first."""

    @staticmethod
    def with_spare(members: Membership, sid: int) -> Membership:
        """Return what a server believes that is about to join: the members, and itself."""
        return replace(members, servers=(*members.servers, _address(sid)), groups={})

    def membership(self) -> Membership:
        """Return the ensemble that the plan begins with: voters, then observers."""
        voters = tuple(range(1, self.servers + 1))
        servers = [_address(sid, votes=sid in voters) for sid in range(1, self.servers + self.observers + 1)]
        groups = {number: voters[number - 1 :: 3] for number in (1, 2, 3)} if self.grouped else {}
        return Membership(tuple(servers), 0, groups)

    @staticmethod
    def draw(rng: Random) -> Plan:
        """Draw a plan; some runs have a theme, a hard situation that chance alone would rarely make."""
        plan = Plan._draw(rng)
        theme = rng.random()
        if theme < 0.1:
            plan.stale_leaders()
        elif theme < 0.2:
            plan.unfinished_proposals()
        elif theme < 0.35:
            plan.passing_znodes()
        elif theme < 0.5:
            plan.changing_members(rng)
        return plan

    def stale_leaders(self) -> None:
        """Leaders that are replaced and do not notice, asked by clients who can still reach them."""
        self.kinds = ("isolate leader", "halves")
        self.faults, self.clients, self.mix = 8, 3, SYNC_HEAVY
        self.habits.restless = 0.2
        self._hurry(requests=50)

    def unfinished_proposals(self) -> None:
        """Leaders that die with proposals only they have, snapshots taken all the time."""
        self.kinds = (
            "leader crash",
            "crash at effect",
            "isolate leader",
            "one-way out",
            "slow ways",
            "power",
        )
        self.faults, self.snap_count = 10, 2
        self.habits.pipeline = 16
        self._hurry(requests=100)

    def passing_znodes(self) -> None:
        """Containers and TTL znodes, and leaders that change while they are being deleted."""
        self.mix = PASSING
        self.znodes = ZnodeConfig(
            extended_types=True, container_check_ms=2 * self.tick_ms, containers_per_minute_max=1200
        )

    def changing_members(self, rng: Random) -> None:
        """An ensemble that others join and that some leave, the leader too, while all kinds of things go wrong."""
        self.changes, self.spares = rng.randint(1, 6), rng.randint(1, 2)

    def _hurry(self, *, requests: int) -> None:
        self.habits.requests = requests
        self.habits.closes = False
        self.habits.think_us = self.trouble_ticks * self.tick_ms * 500 // requests

    @staticmethod
    def _draw(rng: Random) -> Plan:
        tick_ms = 200
        servers = rng.choice((3, 3, 3, 3, 5))
        clients = rng.choice((1, 2, 2, 3))
        requests = rng.randint(40, 100) // clients
        weather = Weather(
            delay_us_min=rng.choice((50, 500)),
            delay_us_max=rng.choice((1_000, 5_000, 20_000)),
            split_probability=rng.choice((0.0, 0.05, 0.3)),
        )
        trouble_ticks = rng.randint(15, 40)
        habits = Habits(
            session_timeout_ms=tick_ms * rng.choice((4, 8, 20)),
            think_us=trouble_ticks * tick_ms * rng.choice((200, 400, 600)) // (requests + 1),
            pipeline=rng.choice((1, 1, 4, 16)),
            requests=requests,
            closes=rng.random() < 0.3,
            restless=rng.choice((0.0, 0.0, 0.05)),
        )
        return Plan(
            servers=servers,
            tick_ms=tick_ms,
            clients=clients,
            requests=requests,
            faults=rng.choice((0, *range(3, 11))),
            trouble_ticks=trouble_ticks,
            snap_count=rng.choice((3, 10, 30, 30, 1000, 1000)),
            weather=weather,
            habits=habits,
            observers=rng.choice((0, 0, 0, 1, 2)),
            grouped=rng.random() < 0.1,
        )


def _address(sid: int, *, votes: bool = True) -> ServerAddress:
    return ServerAddress(sid, f"server{sid}", 2888, 3888, votes, ANYWHERE, 2181)


@dataclass(slots=True)
class Outcome:
    """What a run was, when it went well."""

    seed: int
    events: int
    steps: int
    calls: int
    acknowledged: int
    committed: int
    faults: dict[str, int]
    coverage: dict[str, int]
    virtual_us: int


class Transcript(deque[Event]):
    """What happened, as lines of text; kept only when somebody wants it.

    It takes the place of a trace listener's queue, so each event is written when it happens, in true time.
    """

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self.listener = Listener()
        self.listener.events = self
        self.lines: list[str] = []
        self._timeline = timeline

    def note(self, line: str) -> None:
        """Write a line of the world's own."""
        self.lines.append(f"{self._timeline.now_us:>10} {line}")

    def append(self, event: Event) -> None:
        """Write an event of a server's trace."""
        fields = " ".join([f"{key}={value}" for key, value in event.items() if key not in _COMMON_FIELDS])
        self.note(f"server {event['sid']} {event['kind']} {fields}")


@dataclass(slots=True)
class Cast:
    """Everything that lives in one world."""

    machines: dict[int, Machine] = field(default_factory=dict)
    clients: list[SimulatedClient] = field(default_factory=list)


class World:
    """One run. ``run`` raises a violation, or returns the outcome."""

    def __init__(self, seed: int, *, traced: bool = False, plan: Plan | None = None) -> None:
        self.seed = seed
        self.rng = Random(seed)  # noqa: S311 - reproducible, not secret
        self.plan = plan or Plan.draw(self.rng)
        self.timeline = Timeline()
        self.transcript = Transcript(self.timeline) if traced else None
        mail = MailRates(reconnect_us_max=self.plan.tick_ms * 500)
        self.network = SimulatedNetwork(Conditions(self.timeline, self.rng, self.plan.weather), mail)
        self.history = History()
        self.monitor = Monitor(self.note)
        self.cast = Cast()
        self._build_machines()
        self._build_clients()
        self.stage = Stage(
            timeline=self.timeline,
            rng=self.rng,
            machines=self.cast.machines,
            network=self.network,
            weather=self.plan.weather,
            mail=mail,
            tick_us=self.plan.tick_ms * 1000,
            leader=self.leader,
            clients=[client.place for client in self.cast.clients],
            note=self.note,
        )
        self.faults = Faults(self.stage)

    def note(self, line: str) -> None:
        """Write a line of the transcript, if there is one."""
        if self.transcript is not None:
            self.transcript.note(line)

    # -- building -------------------------------------------------------------------------------------------

    def _build_machines(self) -> None:
        plan, rng = self.plan, self.rng
        members = plan.membership()
        for sid in range(1, plan.servers + plan.observers + plan.spares + 1):
            config = ReplicaConfig(
                sid=sid,
                membership=members if members.server(sid) else plan.with_spare(members, sid),
                reconfig_enabled=plan.changes > 0,
                standalone_enabled=False,
                access=AccessConfig(Policy(skip=True)),
                tick_ms=plan.tick_ms,
                sessions=SessionSettings(local=plan.local_sessions, upgrading=True),
                init_limit_ticks=10,
                sync_limit_ticks=5,
                snap_count=plan.snap_count,
                connections_per_address_max=0,
                znodes=plan.znodes,
            )
            machine = Machine(
                config,
                timeline=self.timeline,
                network=self.network,
                rng=rng,
                observer=self.monitor,
                quartz=Quartz(
                    rng.choice((1.0, 1.0, 0.8, 1.2)), rng.randrange(1 << 40), rng.randint(-9_999, 9_999)
                ),
                separate_log=rng.random() < 0.5,
                listener=self.transcript.listener if self.transcript is not None else None,
            )
            self.monitor.add(machine)
            self.cast.machines[sid] = machine

    def _build_clients(self) -> None:
        mix = self.plan.mix or Mix.draw(self.rng)
        for number in range(self.plan.clients):
            self.cast.clients.append(self._client(CLIENT_PLACE + 1 + number, self.plan.habits, mix))

    def _client(self, place: int, habits: Habits, mix: Mix) -> SimulatedClient:
        return SimulatedClient(
            place,
            list(self.cast.machines),
            timeline=self.timeline,
            network=self.network,
            rng=self.rng,
            history=self.history,
            habits=habits,
            workload=Workload(place, mix, self.rng),
            note=self.note,
        )

    # -- running --------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Live through all four acts."""
        tick_us = self.plan.tick_ms * 1000
        self.trouble(self.plan.trouble_ticks * tick_us)
        self.heal()
        self.converge("after the heal")
        self.restart_all()
        self.converge("after the restart of every server")
        self.judge()
        return self.outcome()

    def trouble(self, span_us: int) -> None:
        """Start everything and let faults happen."""
        for machine in self.cast.machines.values():
            self.timeline.after(self.rng.randrange(self.plan.tick_ms * 1000), machine.start)
        for client in self.cast.clients:
            self.timeline.after(self.rng.randrange(self.plan.tick_ms * 2000), client.start)
        self.faults.schedule(self.plan.faults, span_us, self.plan.kinds)
        for _ in range(self.plan.changes):
            self.timeline.after(self.rng.randrange(span_us), self._change_members)
        self.timeline.run_until(span_us)

    def _change_members(self) -> None:
        """Let a client ask for another membership, until it is answered or the trouble is over."""
        leader = self.leader()
        process = None if leader is None else self.cast.machines[leader].process
        if leader is None or process is None:
            return
        change = draw_change(self.rng, process.replica.peer.view.active, list(self.cast.machines), leader)
        place = CLIENT_PLACE + 300 + len(self.history.streams)
        asking = self._client(
            place, Habits(self.plan.tick_ms * 20, 1, 1, 1, closes=False), Mix([1] * 10, 1, 0.0, 0.0)
        )
        asking.once = (Op.RECONFIG, change)
        asking.on_reply = lambda _: asking.leave()
        asking.start()
        self.timeline.after(self.plan.tick_ms * 10_000, asking.leave)

    def heal(self) -> None:
        """End all faults; clients ask for nothing new."""
        self.note("heal")
        self.faults.heal()
        for client in self.cast.clients:
            client.retire()

    def restart_all(self) -> None:
        """Cut the power of every server at once, then start them all from their disks."""
        self.note("every server loses power")
        for machine in self.cast.machines.values():
            machine.die(power=True)
        self.timeline.run_until(self.timeline.now_us + self.plan.tick_ms * 1000)
        for machine in self.cast.machines.values():
            machine.start()

    def converge(self, when: str) -> None:
        """C9: within the bound one leader serves, all agree, and a new write succeeds on each server."""
        tick_us = self.plan.tick_ms * 1000
        deadline_us = self.timeline.now_us + CONVERGE_TICKS * tick_us
        self._until(lambda: self.unsettled() is None, deadline_us, when)
        answered: list[Call] = []
        probe = self._probe(answered)
        probe.start()
        self._until(
            lambda: bool(answered) and self.unsettled() is None, deadline_us, f"{when}, with a new write"
        )
        probe.leave()
        for sid, machine in self.cast.machines.items():
            assert machine.process is not None
            check_quotas(sid, machine.process.replica.tree)

    def _probe(self, answered: list[Call]) -> SimulatedClient:
        """Make a client that creates one sequential znode, again with each new connection until it is answered."""
        place = CLIENT_PLACE + 500 + len(self.history.streams)
        habits = Habits(self.plan.tick_ms * 20, 1, 1, 1, closes=False)
        probe = self._client(place, habits, Mix([1] * 10, 1, 0.0, 0.0))
        probe.once = (
            Op.CREATE2,
            Create(f"/probe-{place}-", b"", OPEN_ACL, CreateMode.PERSISTENT_SEQUENTIAL),
        )
        probe.on_reply = answered.append
        return probe

    def _until(self, settled: Callable[[], bool], deadline_us: int, when: str) -> None:
        tick_us = self.plan.tick_ms * 1000
        while not settled():
            if self.timeline.now_us >= deadline_us:
                raise Violation(
                    "C9", f"not settled {CONVERGE_TICKS} ticks {when}: {self.unsettled() or 'no reply'}"
                )
            self.timeline.run_until(self.timeline.now_us + tick_us)

    def leader(self) -> int | None:
        """Return the server that leads and serves, if there is one (the newest epoch's)."""
        leading = [
            (machine.process.replica.peer.epoch, sid)
            for sid, machine in self.cast.machines.items()
            if machine.process is not None
            and machine.running
            and machine.process.replica.peer.role is ServerState.LEADING
        ]
        return max(leading)[1] if leading else None

    def unsettled(self) -> str | None:
        """Say what is still missing for agreement, or None."""
        leader = self.leader()
        if leader is None:
            return "nobody leads"
        zxids: dict[int, int] = {}
        digests: dict[int, int] = {}
        for sid, machine in self.cast.machines.items():
            if machine.process is None or not machine.running:
                return f"server {sid} does not run"
            replica = machine.process.replica
            if not replica.peer.serving or replica.peer.leader != leader:
                return f"server {sid} is {replica.peer.role.name}, {replica.peer.phase.value}, leader {replica.peer.leader}"
            zxids[sid], digests[sid] = replica.tree.zxid, replica.tree.digest()
        if len({*zxids.values()}) != 1 or len({*digests.values()}) != 1:
            return "applied " + ", ".join(f"{sid}: {text(zxid)}" for sid, zxid in zxids.items())
        waiting = [client.place for client in self.cast.clients if client.waiting]
        return f"clients {waiting} wait for replies" if waiting else None

    # -- judging --------------------------------------------------------------------------------------------

    def judge(self) -> None:
        """Check the clients' history, and that every server's tree is what the model says."""
        replay = checkers.check(self.history, self.monitor.committed, local_sessions=self.plan.local_sessions)
        # A client that changes its server for no reason leaves a local session behind.
        if not self.stage.counts and not self.plan.local_sessions:
            checkers.check_nobody_expired(self.history)
        watching.check_watches(self.history, replay)
        expected = replay.model.digest()
        for sid, machine in self.cast.machines.items():
            assert machine.process is not None
            digest = machine.process.replica.tree.digest()
            if digest != expected:
                raise Violation(
                    "I9", f"server {sid} ends with digest {digest:#x}, the model with {expected:#x}"
                )

    def outcome(self) -> Outcome:
        """Sum the run up."""
        return Outcome(
            seed=self.seed,
            events=self.timeline.happened,
            steps=self.monitor.steps,
            calls=len(self.history.calls),
            acknowledged=self.history.acknowledged(),
            committed=len(self.monitor.committed),
            faults=self.stage.counts,
            coverage=self.monitor.coverage,
            virtual_us=self.timeline.now_us,
        )
