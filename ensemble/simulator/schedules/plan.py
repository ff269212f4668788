"""What a seed decides before anything happens: who takes part, what they want, and how hard it is made for them.

It does not know what becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from ensemble.membership import ANYWHERE, Membership, ServerAddress
from ensemble.replica.admission.config import AdmissionConfig
from ensemble.replica.config import ZnodeConfig
from ensemble.simulator.clients.clients import Habits
from ensemble.simulator.clients.workload import PASSING, SYNC_HEAVY, Mix
from ensemble.simulator.faults.core import LASTING
from ensemble.simulator.faults.rot import SPOILS
from ensemble.simulator.network.streams import Weather
from ensemble.storage.settings import StorageSettings


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
    fatal_changes: bool = False
    """Servers die in the middle of such a change."""
    recipes: bool = False
    """Clients follow recipes: a lock, a queue, a counter."""
    follower: bool = False
    """One more client has a watch that stays."""
    narrow: bool = False
    """Servers have little room: for requests that are not answered, for transactions in memory, in a log file."""

    @staticmethod
    def with_spare(members: Membership, sid: int) -> Membership:
        """Return what a server believes that is about to join: the members, and itself."""
        return replace(members, servers=(*members.servers, _address(sid)), groups={})

    lasting: str = ""
    """What is wrong for ever, in the liveness act, with those outside the core; "" for no such act."""

    def room(self) -> tuple[AdmissionConfig, StorageSettings]:
        """Return how much room servers have."""
        if not self.narrow:
            return AdmissionConfig(), StorageSettings()
        storage = StorageSettings(log_allocate_bytes=1024, log_file_bytes_max=2048, recent_txns_max=4)
        return AdmissionConfig(unanswered_max=1), storage

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
        elif theme < 0.65:
            plan.failing_disks()
        elif theme < 0.7:
            plan.rare_crashes()
        elif theme < 0.78:
            plan.recipes_at_work()
        plan.narrow = rng.random() < 0.2
        plan.follower = not plan.recipes and rng.random() < 0.4
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
        self.fatal_changes = rng.random() < 0.5
        self.lasting = ""  # while members come and go there is no saying which quorum is the core

    def failing_disks(self) -> None:
        """Disks that fail and disks that rot, while servers come and go and snapshots are taken all the time."""
        self.kinds = (*["disk error"] * 8, *SPOILS, "leader crash", "power", "kill")
        self.faults, self.snap_count = 8, 3

    def rare_crashes(self) -> None:
        """Servers that die before a rare effect, most of all while they are being brought up to date."""
        self.kinds = (
            *["crash before effect"] * 4,
            *["crash at disk effect"] * 2,
            "isolate one",
            "leader crash",
            "power",
            "crash in boot",
        )
        self.faults, self.snap_count = 10, 5

    def recipes_at_work(self) -> None:
        """Clients that share a lock, a queue and a counter, and whose sessions end while they hold it."""
        self.kinds = (
            "client cut",
            "client cut",
            "leader crash",
            "isolate leader",
            "pause leader",
            "power",
            "clock jump",
        )
        self.recipes, self.clients, self.faults = True, 3, 10
        self.habits.session_timeout_ms, self.habits.pipeline = 4 * self.tick_ms, 1
        self._hurry(requests=90)

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
            lasting=rng.choice(("", "", "", "", *LASTING)),
        )


def _address(sid: int, *, votes: bool = True) -> ServerAddress:
    return ServerAddress(sid, f"server{sid}", 2888, 3888, votes, ANYWHERE, 2181)
