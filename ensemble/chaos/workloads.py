"""What clients do while servers suffer. Each workload is a few clients, at a bounded pace, until it is told to stop.

They are written as applications are: they try again what may be tried again, open another session when theirs
ended, and do not know that anybody listens. What they must be able to rely on is judged elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, SessionExpiredError

from ensemble.client import (
    BadVersion,
    ClientError,
    CreateMode,
    EventStream,
    MultiError,
    NodeExists,
    NoNode,
    SessionMoved,
    ZooKeeper,
)
from ensemble.errors import CoordinatorError
from ensemble.recipes import Lock, Lost

SESSION_TIMEOUT_MS = 4_000
PAUSE_S = 0.004
"""Between two requests of a client."""
SET_SHARD = 400
STRANGER_PAUSE_S = 0.5
REGISTERS = 5
PASSING = (ClientError, SessionMoved)
"""What every client of a service of several servers has to expect."""


class Surroundings:
    """What a client needs: where the servers are, when to stop, what to draw from."""

    def __init__(self, addresses: str, seed: int, sessions: Callable[[], list[int]] = list) -> None:
        """``sessions`` tells the ids of all sessions so far."""
        self.addresses = addresses
        self.sessions = sessions
        self.stopping = asyncio.Event()
        self.stopped = threading.Event()
        """The same for those who run in threads."""
        self.seed = seed
        self.failures: list[str] = []
        """What a client of ours should never raise."""

    def stop(self) -> None:
        """Let every client come to its end."""
        self.stopping.set()
        self.stopped.set()


Act = Callable[[ZooKeeper, Random, int], Awaitable[None]]


async def keep_at(surroundings: Surroundings, name: str, number: int, begin: Act, act: Act) -> None:
    """Do ``begin`` once per session and ``act`` again and again, with a new session whenever one ended."""
    rng = Random(f"{surroundings.seed} {name} {number}")  # noqa: S311 - to be repeatable
    while not surroundings.stopping.is_set():
        zk = ZooKeeper(surroundings.addresses, session_timeout_ms=SESSION_TIMEOUT_MS)
        try:
            await zk.start()
            while not zk.state.over and not surroundings.stopping.is_set():
                with suppress(*PASSING):
                    await begin(zk, rng, number)
                    while not surroundings.stopping.is_set():
                        await act(zk, rng, number)
                        await asyncio.sleep(rng.uniform(0, 2 * PAUSE_S))
                await asyncio.sleep(PAUSE_S)
        except PASSING:
            await asyncio.sleep(PAUSE_S)
        except CoordinatorError as error:
            surroundings.failures.append(f"{name} {number}: {error!r}")
            await asyncio.sleep(PAUSE_S)
        finally:
            await zk.close()


async def _ensure(zk: ZooKeeper, *paths: str) -> None:
    for path in paths:
        with suppress(NodeExists):
            await zk.create(path, b"")


async def _nothing(zk: ZooKeeper, rng: Random, number: int) -> None:
    return


# -- registers: read, write, compare and set, each sometimes behind a sync -------------------------------------


async def _registers(zk: ZooKeeper, rng: Random, number: int) -> None:
    await _ensure(zk, "/registers", *(f"/registers/{each}" for each in range(REGISTERS)))


async def _register(zk: ZooKeeper, rng: Random, number: int) -> None:
    path = f"/registers/{rng.randrange(REGISTERS)}"
    what = rng.choice(("get", "synced get", "set", "cas", "exists"))
    if what == "synced get":
        await zk.sync(path)
    if what in ("get", "synced get"):
        await zk.get(path)
    elif what == "exists":
        await zk.exists(path)
    elif what == "set":
        await zk.set(path, rng.randbytes(8))
    else:
        _, stat = await zk.get(path)
        with suppress(BadVersion):
            await zk.set(path, rng.randbytes(8), version=stat.version)


# -- a set that only grows ---------------------------------------------------------------------------------------


class _Adder:
    def __init__(self) -> None:
        self._count = 0

    async def __call__(self, zk: ZooKeeper, rng: Random, number: int) -> None:
        shard, self._count = f"/set-{number}-{self._count // SET_SHARD}", self._count + 1
        try:
            await zk.create(f"{shard}/{self._count}", b"")
        except NoNode:
            await _ensure(zk, shard)
        except NodeExists:
            return


# -- a queue: whoever removes an item notes that, in one transaction -----------------------------------------------


async def _queue(zk: ZooKeeper, rng: Random, number: int) -> None:
    await _ensure(zk, "/queue", "/taken")


async def _put_or_take(zk: ZooKeeper, rng: Random, number: int) -> None:
    if rng.random() < 0.5:
        await zk.create("/queue/item-", rng.randbytes(4), mode=CreateMode.PERSISTENT_SEQUENTIAL)
        return
    names, _ = await zk.get_children2("/queue")
    if names:
        # The first few, so that takers are in each other's way.
        name = rng.choice(sorted(names)[:3])
        with suppress(MultiError):
            await zk.transaction().delete(f"/queue/{name}").set("/taken", name.encode()).commit()


# -- sequential names, deleted again ----------------------------------------------------------------------------


async def _sequences(zk: ZooKeeper, rng: Random, number: int) -> None:
    await _ensure(zk, "/sequences")


async def _sequence(zk: ZooKeeper, rng: Random, number: int) -> None:
    path, _ = await zk.create2("/sequences/n-", b"", mode=CreateMode.PERSISTENT_SEQUENTIAL)
    with suppress(NoNode):
        await zk.delete(path)


# -- watches ---------------------------------------------------------------------------------------------------


async def _watch_once(zk: ZooKeeper, rng: Random, number: int) -> None:
    changed = EventStream()
    path = f"/watched/{rng.randrange(4)}"
    kind = rng.choice(("exists", "get", "children"))
    try:
        if kind == "exists":
            await zk.exists(path, watch=changed)
        elif kind == "get":
            await zk.get(path, watch=changed)
        else:
            await zk.get_children("/watched", watch=changed)
    except NoNode:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await changed


async def _watched(zk: ZooKeeper, rng: Random, number: int) -> None:
    await _ensure(zk, "/watched")


async def _change_watched(zk: ZooKeeper, rng: Random, number: int) -> None:
    path = f"/watched/{rng.randrange(4)}"
    with suppress(NoNode, NodeExists):
        await rng.choice((zk.create, zk.set))(path, rng.randbytes(4))
    if rng.random() < 0.3:
        with suppress(NoNode):
            await zk.delete(path)
    await asyncio.sleep(rng.uniform(0, 4 * PAUSE_S))


class _Follower:
    """Hears of everything below a path, for as long as its session lasts."""

    def __init__(self) -> None:
        self._heard = EventStream()

    async def begin(self, zk: ZooKeeper, rng: Random, number: int) -> None:
        self._heard = EventStream()
        await _ensure(zk, "/watched")
        await zk.add_watch("/watched", self._heard, recursive=number % 2 == 0)

    async def act(self, zk: ZooKeeper, rng: Random, number: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await self._heard
        await zk.exists("/watched")


# -- ephemerals, whose sessions end now and then ---------------------------------------------------------------


async def _ephemerals(zk: ZooKeeper, rng: Random, number: int) -> None:
    await _ensure(zk, "/ephemerals")


async def _ephemeral(zk: ZooKeeper, rng: Random, number: int) -> None:
    with suppress(NodeExists):
        await zk.create(f"/ephemerals/{rng.randrange(6)}", b"", mode=CreateMode.EPHEMERAL)
    await zk.get_children("/ephemerals")
    if rng.random() < 0.05:
        # Half of them leave without a word: their ephemerals are to go after the time-out.
        await (zk.close() if rng.random() < 0.5 else zk.detach())


# -- a lock that guards a write --------------------------------------------------------------------------------


async def _locked(zk: ZooKeeper, rng: Random, number: int) -> None:
    with suppress(Lost, MultiError):
        async with Lock(zk, "/lock") as hold:
            for _ in range(rng.randint(1, 3)):
                fence = str(hold.token).encode()
                await zk.transaction().check(hold.path).set("/fenced", fence).commit()
                await asyncio.sleep(rng.uniform(0, 5 * PAUSE_S))


async def _lockable(zk: ZooKeeper, rng: Random, number: int) -> None:
    await _ensure(zk, "/lock", "/fenced")


# -- a stranger, who knows the ids of sessions and not their passwords ---------------------------------------------


async def _break_in(surroundings: Surroundings) -> None:
    rng = Random(surroundings.seed)  # noqa: S311 - to be repeatable
    while not surroundings.stopping.is_set():
        known = surroundings.sessions()
        if known:
            stolen = (rng.choice(known), rng.randbytes(16))
            zk = ZooKeeper(surroundings.addresses, session_timeout_ms=SESSION_TIMEOUT_MS, resume=stolen)
            with suppress(*PASSING):
                await zk.start()
                await zk.detach()
        await asyncio.sleep(STRANGER_PAUSE_S)


# -- a counter kept by kazoo ------------------------------------------------------------------------------------


def _count_with_kazoo(zk: KazooClient, surroundings: Surroundings) -> None:
    zk.start_async()
    try:
        counter = zk.Counter("/counter")
        while not surroundings.stopped.wait(PAUSE_S):
            if not zk.connected:
                continue
            # kazoo opens another session by itself when one has ended.
            with suppress(KazooException, SessionExpiredError):
                counter += 1
    finally:
        zk.stop()
        zk.close()


async def _kazoo(surroundings: Surroundings) -> None:
    quiet = logging.getLogger("kazoo.chaos")
    quiet.setLevel(logging.CRITICAL)  # that connections break is what we are here for
    zk = KazooClient(hosts=surroundings.addresses, timeout=SESSION_TIMEOUT_MS / 1000, logger=quiet)
    counting = asyncio.ensure_future(asyncio.to_thread(_count_with_kazoo, zk, surroundings))
    try:
        await asyncio.shield(counting)
    except asyncio.CancelledError:
        # Its thread may wait for an answer that never comes, and a process does not end before its threads.
        await asyncio.to_thread(zk.stop)
        await counting
        raise


# -- all of them -------------------------------------------------------------------------------------------------


def clients(name: str, surroundings: Surroundings) -> list[Awaitable[None]]:
    """Return the clients of a workload, each to be awaited."""

    def several(count: int, begin: Act, act: Callable[[], Act]) -> list[Awaitable[None]]:
        return [keep_at(surroundings, name, number, begin, act()) for number in range(count)]

    if name == "register":
        return several(3, _registers, lambda: _register)
    if name == "set":
        return several(2, _nothing, _Adder)
    if name == "queue":
        return several(2, _queue, lambda: _put_or_take)
    if name == "sequence":
        return several(2, _sequences, lambda: _sequence)
    if name == "watch":
        return several(2, _watched, lambda: _watch_once) + several(1, _watched, lambda: _change_watched)
    if name == "persistent-watch":
        followers = [_Follower() for _ in range(2)]
        return [
            keep_at(surroundings, name, number, follower.begin, follower.act)
            for number, follower in enumerate(followers)
        ]
    if name == "ephemeral":
        return several(2, _ephemerals, lambda: _ephemeral)
    if name == "lock":
        return several(3, _lockable, lambda: _locked)
    if name == "stranger":
        return [_break_in(surroundings)]
    assert name == "counter"
    return [_kazoo(surroundings)]


WORKLOADS = (
    "register", "set", "queue", "sequence", "watch", "persistent-watch", "ephemeral", "lock", "counter",
    "stranger",
)  # fmt: skip
