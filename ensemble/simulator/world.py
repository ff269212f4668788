"""One seed, one whole run: an ensemble, its clients, the faults; then the heal, a restart of everything, and judgement.

    trouble    clients work while faults happen                         I1-I13 after every step
    core       in some runs: part of it stays broken for ever, the rest must get on     C9
    heal       faults end; everything must agree within a bound         C9
    restart    every server dies and comes back from its disks          nothing acknowledged is lost
    judgement  the history of the clients against the committed log     C1-C7, I9

All randomness comes from the choice tape, a lane of it for each party; a seed makes a tape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ensemble.replica.access.config import AccessConfig
from ensemble.replica.config import ReplicaConfig, SessionSettings
from ensemble.simulator import coverage
from ensemble.simulator.checks import checkers, watching
from ensemble.simulator.checks.exclusion import check_recipes
from ensemble.simulator.checks.invariants import Monitor, Violation
from ensemble.simulator.checks.linearizable import check_paths
from ensemble.simulator.checks.quotas import check_quotas
from ensemble.simulator.checks.staying import check_staying_watches, part
from ensemble.simulator.clients.changes import draw_change
from ensemble.simulator.clients.clients import Habits, SimulatedClient, Wants
from ensemble.simulator.clients.history import Call, History
from ensemble.simulator.clients.recipes import Recipes
from ensemble.simulator.clients.workload import Follower, Mix, Workload
from ensemble.simulator.clock import Timeline
from ensemble.simulator.faults import core
from ensemble.simulator.faults.schedule import Faults
from ensemble.simulator.faults.stage import Stage
from ensemble.simulator.machine.machine import Machine, Quartz
from ensemble.simulator.network.elections import MailRates
from ensemble.simulator.network.network import CLIENT_PLACE, SimulatedNetwork
from ensemble.simulator.network.streams import Conditions
from ensemble.simulator.schedules.plan import Plan
from ensemble.simulator.schedules.saved import SavedSchedule, describe, plan_of
from ensemble.simulator.schedules.tape import Tape
from ensemble.simulator.transcript import Transcript
from ensemble.tree.access.access import Policy
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Op
from ensemble.zab.messages import ServerState
from ensemble.zxid import text

SECOND_OPINION_SEEDS = 10
"""Every so many seeds C1 is judged a second time, by search."""
CONVERGE_TICKS = 120
"""C9: after the heal everything agrees within so many ticks, an election's worst backoff included."""

_LITTLE = Mix([1] * 10, 1, 0.0, 0.0)


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


@dataclass(slots=True)
class Cast:
    """Everything that lives in one world."""

    machines: dict[int, Machine] = field(default_factory=dict)
    clients: list[SimulatedClient] = field(default_factory=list)


class World:
    """One run. ``run`` raises a violation, or returns the outcome."""

    def __init__(
        self,
        seed: int,
        *,
        traced: bool = False,
        plan: Plan | None = None,
        saved: SavedSchedule | None = None,
    ) -> None:
        self.seed = seed
        self.tape = Tape(seed) if saved is None else Tape(recorded=saved.lanes)
        self.rng = self.tape.lane("world")
        if saved is not None:
            plan = plan_of(saved.plan)
        self.plan = plan or Plan.draw(self.tape.lane("plan"))
        self.timeline = Timeline()
        self.transcript = Transcript(self.timeline) if traced else None
        mail = MailRates(reconnect_us_max=self.plan.tick_ms * 500)
        self.network = SimulatedNetwork(
            Conditions(self.timeline, self.tape.lane("network"), self.plan.weather), mail
        )
        self.history = History()
        self.monitor = Monitor(self.note)
        self.cast = Cast()
        self._build_machines()
        self._build_clients()
        self.stage = Stage(
            timeline=self.timeline,
            rng=self.tape.lane("faults"),
            lane=self.tape.lane,
            machines=self.cast.machines,
            network=self.network,
            weather=self.plan.weather,
            mail=mail,
            tick_us=self.plan.tick_ms * 1000,
            leader=self.leader,
            clients=[client.place for client in self.cast.clients],
            note=self.note,
            may_lose=self._may_lose,
            spoiled=self.monitor.spoiled,
        )
        self.faults = Faults(self.stage)
        span_us = self.plan.trouble_ticks * self.plan.tick_ms * 1000
        self.strikes = (
            self.faults.draw(self.plan.faults, span_us, self.plan.kinds) if saved is None else saved.strikes
        )

    def _may_lose(self, sid: int, all_of_it: bool) -> bool:
        # While the members change there is no telling which quorum will be asked.
        return not self.plan.changes and self.monitor.may_lose(sid, all_of_it=all_of_it)

    def note(self, line: str) -> None:
        """Write a line of the transcript, if there is one."""
        if self.transcript is not None:
            self.transcript.note(line)

    # -- building -------------------------------------------------------------------------------------------

    def _build_machines(self) -> None:
        plan, rng = self.plan, self.rng
        members = plan.membership()
        admission, storage = plan.room()
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
                admission=admission,
                storage=storage,
            )
            machine = Machine(
                config,
                timeline=self.timeline,
                network=self.network,
                rng=self.tape.lane(f"server {sid}"),
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
        if self.plan.mix is None:
            self.plan.mix = Mix.draw(self.tape.lane("mix"))
        for number in range(self.plan.clients):
            place = CLIENT_PLACE + 1 + number
            rng = self.tape.lane(f"client {place}")
            wants = Recipes(place, rng) if self.plan.recipes else Workload(place, self.plan.mix, rng)
            self.cast.clients.append(self._client(place, self.plan.habits, wants))
        if self.plan.follower:
            place = CLIENT_PLACE + 100
            follower = Follower(self.plan.mix.paths, self.tape.lane(f"client {place}"))
            self.cast.clients.append(self._client(place, self.plan.habits, follower))

    def _client(
        self, place: int, habits: Habits, wants: Wants | None = None, servers: list[int] | None = None
    ) -> SimulatedClient:
        """Make a client; without ``wants`` it asks for nothing but what it is told to ask ``once``."""
        rng = self.tape.lane(f"client {place}")
        return SimulatedClient(
            place,
            servers or list(self.cast.machines),
            timeline=self.timeline,
            network=self.network,
            rng=rng,
            history=self.history,
            habits=habits,
            workload=wants or Workload(place, _LITTLE, rng),
            note=self.note,
        )

    # -- running --------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Live through all acts."""
        coverage.count_into(self.monitor.coverage)
        tick_us = self.plan.tick_ms * 1000
        self.trouble(self.plan.trouble_ticks * tick_us)
        if self.plan.lasting:
            self.get_on(self.plan.lasting)
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
        self.faults.follow(self.strikes)
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
        asking = self._client(place, Habits(self.plan.tick_ms * 20, 1, 1, 0, closes=False))
        asking.once = (Op.RECONFIG, change)
        asking.on_reply = lambda _: asking.leave()
        asking.start()
        self.timeline.after(self.plan.tick_ms * 10_000, asking.leave)
        if self.plan.fatal_changes:
            asking.on_asked = self._interrupt_change

    def _interrupt_change(self) -> None:
        """Let the leader, or all, die before the change can be over."""
        kind = self.rng.choice(("leader crash", "crash all"))
        delay_us = self.rng.randint(100, 2 * self.plan.weather.delay_us_max)
        self.timeline.after(delay_us, lambda: self.faults.begin(kind, self.plan.tick_ms * 500))

    def get_on(self, lasting: str) -> None:
        """C9 without a heal: a core quorum agrees and serves, while everyone else stays broken."""
        self.faults.heal()
        chosen = core.choose(self.rng, self.plan.membership(), self.cast.machines)
        if not chosen:
            return  # too many refuse what their disks hold
        self.note(f"for ever {lasting}: all but {chosen}")
        undo = core.abandon(lasting, chosen, self.cast.machines, self.network)
        self.stage.counts[f"for ever {lasting}"] = 1
        self.go_on(chosen, f"with {lasting} servers outside {chosen}")
        undo()

    def go_on(self, sids: list[int], when: str) -> None:
        """C9: within the bound these servers agree, and one of them answers a new write."""
        deadline_us = self.timeline.now_us + CONVERGE_TICKS * self.plan.tick_ms * 1000
        answered: list[Call] = []
        probe = self._probe(answered, sids)
        probe.start()
        self._until(lambda: bool(answered) and self.apart(sids) is None, deadline_us, when)
        probe.leave()

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

    def _probe(self, answered: list[Call], servers: list[int] | None = None) -> SimulatedClient:
        """Make a client that creates one sequential znode, again with each new connection until it is answered."""
        place = CLIENT_PLACE + 500 + len(self.history.streams)
        habits = Habits(self.plan.tick_ms * 20, 1, 1, 0, closes=False)
        probe = self._client(place, habits, servers=servers)
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
            self.faults.tend()
            self.timeline.run_until(self.timeline.now_us + tick_us)

    def leader(self, sids: Iterable[int] = ()) -> int | None:
        """Return the server that leads, if there is one (the newest epoch's), of some servers or of all."""
        leading = [
            (machine.process.replica.peer.epoch, sid)
            for sid, machine in self.cast.machines.items()
            if machine.process is not None
            and (not sids or sid in sids)
            and machine.running
            and machine.process.replica.peer.role is ServerState.LEADING
        ]
        return max(leading)[1] if leading else None

    def apart(self, sids: Iterable[int]) -> str | None:
        """Say which of some servers does not serve under their one leader, or None."""
        sids = list(sids)
        leader = self.leader(sids)
        if leader is None:
            return "nobody leads"
        for sid in sids:
            machine = self.cast.machines[sid]
            if machine.process is None or not machine.running:
                return f"server {sid} does not run"
            peer = machine.process.replica.peer
            if not peer.serving or peer.leader != leader:
                return f"server {sid} is {peer.role.name}, {peer.phase.value}, leader {peer.leader}"
        return None

    def unsettled(self) -> str | None:
        """Say what is still missing for agreement, or None."""
        missing = self.apart(self.cast.machines)
        if missing is not None:
            return missing
        zxids: dict[int, int] = {}
        digests: dict[int, int] = {}
        for sid, machine in self.cast.machines.items():
            assert machine.process is not None
            tree = machine.process.replica.tree
            zxids[sid], digests[sid] = tree.zxid, tree.digest()
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
        staying, once = part(self.history.streams)
        watching.check_watches(History(self.history.calls, once), replay)
        self.monitor.coverage["event of a watch that stays"] = check_staying_watches(staying, replay)
        if self.plan.recipes:
            entries = [checkers.Entry.decode(*each) for each in self.monitor.committed]
            guarded = check_recipes(self.history, entries, replay)
            self.monitor.coverage["write guarded by a lock"] = guarded
        if self.seed % SECOND_OPINION_SEEDS == 0:
            judged, wrong = check_paths(self.history)
            self.monitor.coverage["paths with a second opinion"] = judged
            if wrong is not None:
                raise Violation("C1", f"a second opinion: {wrong}")
        expected = replay.model.digest()
        for sid, machine in self.cast.machines.items():
            assert machine.process is not None
            digest = machine.process.replica.tree.digest()
            if digest != expected:
                raise Violation(
                    "I9", f"server {sid} ends with digest {digest:#x}, the model with {expected:#x}"
                )

    def recorded(self) -> SavedSchedule:
        """Return what this run was made of, as far as it went."""
        return SavedSchedule(self.seed, describe(self.plan), list(self.strikes), self.tape.taken())

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
            coverage={
                **self.monitor.coverage,
                **{f"fault {kind}": n for kind, n in self.stage.counts.items()},
            },
            virtual_us=self.timeline.now_us,
        )
