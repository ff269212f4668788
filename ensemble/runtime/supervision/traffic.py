"""A few real clients at a gentle pace, so that a demo has something to show.

Two candidates elect a master, which hands jobs to three workers; four printers share a lock. All of it
happens under ``/demo`` and is bounded in size. Every actor is a client with a session of its own and goes
on with a new one when its session expires.

    /demo/election/candidate-N     ephemeral, sequential: the lowest is the master
    /demo/workers/NAME             ephemeral: who can take jobs
    /demo/jobs/job-N               jobs nobody has yet
    /demo/assigned/NAME/job-N      jobs a worker has
    /demo/done                     how many were done
    /demo/lock/request-N           ephemeral, sequential: the lowest holds the lock

Started with COORDINATOR_SERVERS in the environment, as the panel is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable

from ensemble.client import ClientError, Code, CreateMode, EventStream, KeeperError, MultiError, ZooKeeper

ROOT = "/demo"
ELECTION = f"{ROOT}/election"
WORKERS = f"{ROOT}/workers"
JOBS = f"{ROOT}/jobs"
ASSIGNED = f"{ROOT}/assigned"
DONE = f"{ROOT}/done"
LOCK = f"{ROOT}/lock"

SESSION_TIMEOUT_MS = 6000
JOBS_WAITING_MAX = 20
RETRY_S = 1.0

Scene = Callable[[ZooKeeper, str], Awaitable[None]]


def pause(low_s: float, high_s: float) -> Awaitable[None]:
    """Take a while, but not always the same."""
    return asyncio.sleep(random.uniform(low_s, high_s))  # noqa: S311 - nothing secret about it


async def ensure(zk: ZooKeeper, path: str) -> None:
    """Create a persistent znode unless it is there."""
    try:
        await zk.create(path)
    except KeeperError as error:
        if error.code is not Code.NODE_EXISTS:
            raise


async def lay_stage(zk: ZooKeeper) -> None:
    """Create what all scenes build on."""
    for path in (ROOT, ELECTION, WORKERS, JOBS, ASSIGNED, DONE, LOCK):
        await ensure(zk, path)


async def first_in_line(zk: ZooKeeper, mine: str) -> None:
    """Wait until ``mine`` is the lowest of its siblings, watching only the one before it."""
    parent, _, name = mine.rpartition("/")
    while True:
        before = sorted(other for other in await zk.get_children(parent) if other < name)
        if not before:
            return
        gone = EventStream()
        if await zk.exists(f"{parent}/{before[-1]}", watch=gone):
            await gone


async def candidate(zk: ZooKeeper, name: str) -> None:
    """Stand for election; as master hand out jobs, and take back those of workers that are gone."""
    mine = await zk.create(f"{ELECTION}/candidate-", name.encode(), mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    await first_in_line(zk, mine)
    while True:
        changed = EventStream()
        workers = sorted(await zk.get_children(WORKERS, watch=changed))
        jobs = sorted(await zk.get_children(JOBS, watch=changed))
        for absent in set(await zk.get_children(ASSIGNED)) - set(workers):
            await _take_back(zk, absent)
        if workers:
            for job in jobs:
                await _move(zk, f"{JOBS}/{job}", f"{ASSIGNED}/{random.choice(workers)}/{job}")  # noqa: S311
        await changed


async def _take_back(zk: ZooKeeper, worker: str) -> None:
    for job in await zk.get_children(f"{ASSIGNED}/{worker}"):
        await _move(zk, f"{ASSIGNED}/{worker}/{job}", f"{JOBS}/{job}")
    with contextlib.suppress(KeeperError):
        await zk.delete(f"{ASSIGNED}/{worker}")


async def _move(zk: ZooKeeper, source: str, target: str) -> None:
    """Move a job in one transaction, unless somebody else just did."""
    with contextlib.suppress(MultiError):
        await zk.transaction().delete(source).create(target).commit()


async def worker(zk: ZooKeeper, name: str) -> None:
    """Do the jobs assigned to this worker, one after the other."""
    inbox = f"{ASSIGNED}/{name}"
    await ensure(zk, inbox)
    await zk.create(f"{WORKERS}/{name}", mode=CreateMode.EPHEMERAL)
    done = 0
    while True:
        changed = EventStream()
        jobs = sorted(await zk.get_children(inbox, watch=changed))
        if not jobs:
            await changed
            continue
        await pause(0.3, 1.2)
        done += 1
        report = f"{name} has done {done}".encode()
        with contextlib.suppress(MultiError):
            await zk.transaction().delete(f"{inbox}/{jobs[0]}").set(DONE, report).commit()


async def customer(zk: ZooKeeper, name: str) -> None:
    """Bring a job now and then, as long as not too many wait."""
    while True:
        if len(await zk.get_children(JOBS)) < JOBS_WAITING_MAX:
            await zk.create(f"{JOBS}/job-", name.encode(), mode=CreateMode.PERSISTENT_SEQUENTIAL)
        await pause(0.4, 1.6)


async def printer(zk: ZooKeeper, name: str) -> None:
    """Take the lock, hold it for a while, give it back."""
    while True:
        mine = await zk.create(f"{LOCK}/request-", name.encode(), mode=CreateMode.EPHEMERAL_SEQUENTIAL)
        await first_in_line(zk, mine)
        await pause(0.5, 2.0)
        await zk.delete(mine)
        await pause(0.5, 4.0)


CAST: dict[str, Scene] = {
    "ada": candidate,
    "bob": candidate,
    "worker-1": worker,
    "worker-2": worker,
    "worker-3": worker,
    "customer": customer,
    "printer-1": printer,
    "printer-2": printer,
    "printer-3": printer,
    "printer-4": printer,
}


async def play(servers: str, name: str, scene: Scene) -> None:
    """Play one part for ever: with a new session when the old one expires or a znode went away."""
    while True:
        with contextlib.suppress(ClientError, KeeperError):
            async with ZooKeeper(servers, session_timeout_ms=SESSION_TIMEOUT_MS) as zk:
                await lay_stage(zk)
                await scene(zk, name)
        await asyncio.sleep(RETRY_S)


async def perform(servers: str) -> None:
    """Play all parts until SIGTERM or Ctrl-C."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    parts = [asyncio.create_task(play(servers, name, scene)) for name, scene in CAST.items()]
    await stopping.wait()
    for part in parts:
        part.cancel()
    await asyncio.gather(*parts, return_exceptions=True)


def client_addresses(description: str) -> str:
    """Take the client addresses out of ``COORDINATOR_SERVERS`` (``sid=client=admin,…``)."""
    return ",".join(server.split("=")[1] for server in description.split(",") if server)


if __name__ == "__main__":
    asyncio.run(perform(client_addresses(os.environ["COORDINATOR_SERVERS"])))
