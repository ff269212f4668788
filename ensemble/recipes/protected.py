"""Creating znodes whose answer may get lost, and removing them whatever happens.

A create that ends in ``ConnectionLoss`` may have been carried out. So each name begins with an id of its own,
``_c_<id>-``, by which the znode is found again (the names are those of Apache Curator, whose clients can share a lock
with ours). The look behind a sync sees every request of this session that will ever be carried out: what an old
connection left under way is refused once the session has moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from ensemble import paths
from ensemble.client import (
    ClientError,
    ConnectionLoss,
    CreateMode,
    EventStream,
    KeeperError,
    NodeExists,
    NoNode,
    Retry,
    Stat,
    WatchEnded,
    ZooKeeper,
)

AGAIN: Final = Retry(attempts=None, delay_ms=20, delay_ms_max=1_000)
"""For ever: it ends when the session does."""

TIDY_S_MAX: Final = 1.0
"""How long somebody who gives up waits until nothing is left of the attempt. Without a connection it takes longer,
and goes on by itself."""

_tidying: set[asyncio.Task[None]] = set()
"""Tasks are kept alive by whoever refers to them."""


def new_prefix() -> str:
    """Return the beginning of a name that nobody else uses."""
    return f"_c_{uuid4()}-"


async def ensure(zk: ZooKeeper, path: str) -> None:
    """Create a znode and its parents, as far as they are missing."""
    await AGAIN(zk.ensure_path, path)


async def create(
    zk: ZooKeeper,
    directory: str,
    prefix: str,
    label: str,
    data: bytes,
    mode: CreateMode = CreateMode.EPHEMERAL_SEQUENTIAL,
) -> str:
    """Create ``directory/prefix+label...`` once, and the directory with it; return the path it got."""
    while True:
        try:
            return await zk.create(f"{directory}/{prefix}{label}", data, mode=mode)
        except NoNode:
            await ensure(zk, directory)
        except (ConnectionLoss, NodeExists):
            found = await find(zk, directory, prefix)
            if found is not None:
                return found


async def find(zk: ZooKeeper, directory: str, prefix: str) -> str | None:
    """Return the path of the znode whose name begins with ``prefix``, if it is there."""

    async def look() -> str | None:
        await zk.sync(directory)
        try:
            names = await zk.get_children(directory)
        except NoNode:
            return None
        return next((paths.child_of(directory, name) for name in names if name.startswith(prefix)), None)

    return await AGAIN(look)


async def remove(zk: ZooKeeper, path: str) -> None:
    """Delete a znode; it may be gone already."""
    try:
        await AGAIN(zk.delete, path)
    except NoNode:
        return


async def remove_own(zk: ZooKeeper, path: str, is_own: Callable[[bytes | None, Stat], bool]) -> None:
    """Delete a znode whose path others use too, unless it is another's by now: that is looked at before every
    attempt, since one whose answer was lost may have made room for another's."""

    async def attempt() -> None:
        await zk.sync(path)
        data, stat = await zk.get(path)
        if is_own(data, stat):
            await zk.delete(path)

    with suppress(NoNode):
        await AGAIN(attempt)


async def withdraw(zk: ZooKeeper, directory: str, prefix: str) -> None:
    """Take back what a create by that prefix made or is about to make."""
    found = await find(zk, directory, prefix)
    if found is not None:
        await remove(zk, found)


async def finish(work: Coroutine[Any, Any, None], *, patience_s: float = TIDY_S_MAX) -> None:
    """Tidy up to the end, though the caller is being cancelled or the connection is lost meanwhile."""

    async def tidy() -> None:
        try:
            await work
        except (ClientError, KeeperError):
            return  # the session is over, and its ephemerals with it

    task = asyncio.create_task(tidy())
    _tidying.add(task)
    task.add_done_callback(_tidying.discard)
    await asyncio.wait((task,), timeout=patience_s)


async def heard(zk: ZooKeeper, path: str, changed: EventStream) -> None:
    """Wait until a watch on ``path`` fires, or the session ends (which the next request says)."""
    try:
        await changed
    except WatchEnded:
        return
    finally:
        zk.unwatch(path, changed)
