"""What simulated clients ask for: a mix drawn from the seed, on few paths so that clients collide.

It does not know what becomes of a request, except for versions and names its client learned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ensemble.simulator.clients.history import Call
from ensemble.tree.operations import (
    OPEN_ACL,
    AddWatch,
    Check,
    Create,
    CreateMode,
    Delete,
    Multi,
    Op,
    Operation,
    Read,
    SetData,
    Sync,
)

KINDS = ("create", "set", "delete", "sequential", "ephemeral", "multi", "get", "exists", "children", "sync")
PASSING_KINDS = ("container", "ttl", "quota")
"""What only some runs ask for: znodes that go by themselves, and counts of what there is."""


@dataclass(slots=True)
class Mix:
    """The weights of the kinds of request, and how wide they spread."""

    weights: list[int]
    paths: int
    watch_probability: float
    stale_version_probability: float
    passing: tuple[int, int, int] = (0, 0, 0)
    """The weights of the kinds that only some runs ask for."""

    @staticmethod
    def draw(rng: Random) -> Mix:
        """Draw a mix: each kind may be absent, or dominate (swarm testing)."""
        weights = [rng.choice((0, 1, 1, 2, 5)) for _ in KINDS]
        weights[0] = max(weights[0], 1)
        weights[1] = max(weights[1], 1)
        return Mix(weights, rng.randint(1, 6), rng.choice((0.0, 0.2, 0.6)), rng.choice((0.0, 0.3)))


SYNC_HEAVY = Mix([2, 6, 0, 0, 0, 0, 1, 0, 0, 12], 2, 0.0, 0.0)
"""Writes that return, and syncs that must have seen them."""

PASSING = Mix([2, 3, 5, 1, 1, 3, 1, 2, 1, 1], 3, 0.3, 0.1, (5, 6, 1))
"""Containers and TTL znodes that come, are used and go, and quotas that count them."""


@dataclass(slots=True)
class Workload:
    """The requests of one client."""

    client: int
    mix: Mix
    rng: Random
    _count: int = 0
    _versions: dict[str, int] = field(default_factory=dict)
    _made: list[str] = field(default_factory=list)

    def next(self) -> tuple[int, Operation]:
        """Return the next request."""
        self._count += 1
        kind = self.rng.choices(KINDS + PASSING_KINDS, [*self.mix.weights, *self.mix.passing])[0]
        if kind == "multi":
            return Op.MULTI, self._multi()
        if kind == "sync":
            return Op.SYNC, Sync(self._path())
        if kind == "quota":
            return Op.MULTI, self._quota()
        if kind in KINDS[:5] or kind in PASSING_KINDS:
            return self._write(kind)
        watch = self.rng.random() < self.mix.watch_probability
        op = {"get": Op.GET_DATA, "exists": Op.EXISTS}.get(kind)
        if op is None:
            op = self.rng.choice((Op.GET_CHILDREN, Op.GET_CHILDREN2))
        return op, Read(self._path(), watch)

    def learn(self, call: Call) -> None:
        """Take from a reply what later requests can use: names that exist, versions."""
        answer = call.answer
        if answer is None or answer.error:
            return
        if answer.path is not None and isinstance(call.operation, Create):
            self._made.append(answer.path)
            del self._made[:-8]
        if answer.stat is not None and isinstance(call.operation, Read | SetData):
            self._versions[call.operation.path] = answer.stat[4]

    def heard(self, path: str) -> None:
        """Be told that a watch fired; nothing follows from it."""

    def attached(self, *, resumed: bool) -> None:
        """Be connected; what was asked before has an unknown outcome, and is not asked again."""

    def _multi(self) -> Multi:
        kinds = KINDS[:5] + PASSING_KINDS[:2] if any(self.mix.passing) else KINDS[:5]
        operations = [self._write(self.rng.choice(kinds)) for _ in range(self.rng.randint(1, 4))]
        if self.rng.random() < 0.3:
            check = Check(self._path(), self._version("/"))
            operations.insert(self.rng.randint(0, len(operations)), (Op.CHECK, check))
        return Multi(operations)

    def _quota(self) -> Multi:
        """Have it counted what there is at the top of a path."""
        where = f"/zookeeper/quota/n{self.rng.randrange(self.mix.paths)}"
        texts = {
            where: b"",
            f"{where}/zookeeper_limits": b"count=1,bytes=1",
            f"{where}/zookeeper_stats": b"count=0,bytes=0",
        }
        return Multi([(Op.CREATE, Create(path, data, OPEN_ACL, 0)) for path, data in texts.items()])

    def _write(self, kind: str) -> tuple[int, Operation]:
        rng, path = self.rng, self._path()
        data = f"{self.client}.{self._count}.{rng.randrange(1 << 20)}".encode()
        if rng.random() < 0.05:
            data = rng.choice((b"", data * 200))
        if kind == "set":
            return Op.SET_DATA, SetData(path, data, self._version(path))
        if kind == "delete":
            return Op.DELETE, Delete(path, self._version(path))
        if kind == "container":
            return Op.CREATE_CONTAINER, Create(path, data, OPEN_ACL, CreateMode.CONTAINER)
        if kind == "ttl":
            modes = (CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
            ttl_ms = rng.choice((50, 400, 2000))
            return Op.CREATE_TTL, Create(path, data, OPEN_ACL, rng.choice(modes), ttl_ms)
        mode = {
            "create": CreateMode.PERSISTENT,
            "sequential": rng.choice((CreateMode.PERSISTENT_SEQUENTIAL, CreateMode.EPHEMERAL_SEQUENTIAL)),
            "ephemeral": CreateMode.EPHEMERAL,
        }[kind]
        if kind == "sequential":
            path += "/s-" if rng.random() < 0.5 else "-"
        return rng.choice((Op.CREATE, Op.CREATE2)), Create(path, data, OPEN_ACL, mode)

    def _path(self) -> str:
        rng = self.rng
        if self._made and rng.random() < 0.25:
            return rng.choice(self._made)
        top = f"/n{rng.randrange(self.mix.paths)}"
        return top if rng.random() < 0.6 else f"{top}/c{rng.randrange(3)}"

    def _version(self, path: str) -> int:
        if self.rng.random() < self.mix.stale_version_probability:
            return self.rng.randrange(4)
        return self._versions.get(path, -1) if self.rng.random() < 0.5 else -1


@dataclass(slots=True)
class Follower:
    """A client that watches one path for as long as its session lasts, and looks around meanwhile."""

    paths: int
    rng: Random
    _watch: AddWatch | None = None
    _added: bool = False

    def next(self) -> tuple[int, Operation]:
        """Return the next request."""
        if self._watch is None:
            top = f"/n{self.rng.randrange(self.paths)}"
            self._watch = AddWatch(*self.rng.choice(((top, 0), (top, 1), (top, 1), ("/", 0))))
        if not self._added:
            return Op.ADD_WATCH, self._watch
        return self.rng.choice(
            ((Op.EXISTS, Read(self._watch.path)), (Op.GET_CHILDREN, Read("/")), (Op.SYNC, Sync("/")))
        )

    def learn(self, call: Call) -> None:
        """Take in that the watch is set."""
        if call.op == Op.ADD_WATCH and call.answer is not None:
            self._added = True

    def heard(self, path: str) -> None:
        """Be told that a watch fired; nothing follows from it."""

    def attached(self, *, resumed: bool) -> None:
        """Be connected: in another session nothing is watched."""
        self._added = self._added and resumed
