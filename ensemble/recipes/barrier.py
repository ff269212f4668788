"""Barriers: a gate that somebody opens; and one that opens when enough have come."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import ensemble.recipes.protected as protected
from ensemble.client import CreateMode, EventStream, NodeExists, NoNode, ZooKeeper
from ensemble.recipes.errors import RecipeError


class Barrier:
    """Lets nobody pass while it is closed::

    barrier = Barrier(zk, "/maintenance")
    await barrier.close()       # here
    await barrier.wait()        # there: until somebody opens it
    """

    def __init__(self, zk: ZooKeeper, path: str) -> None:
        self._zk = zk
        self.path = path

    async def close(self) -> None:
        """Close it; it may be closed already. It stays closed when we leave."""
        await protected.ensure(self._zk, self.path)

    async def open(self) -> None:
        """Let everybody pass; it may be open already."""
        await protected.remove(self._zk, self.path)

    async def wait(self) -> None:
        """Wait until it is open."""
        while True:
            changed = EventStream()
            try:
                await protected.AGAIN(self._zk.get, self.path, watch=changed)
            except NoNode:
                return
            await protected.heard(self._zk, self.path, changed)


_HERE: Final = "here-"
_READY: Final = "ready"


class DoubleBarrier:
    """Lets everybody in when ``size`` have come, and everybody out when all are done::

        async with DoubleBarrier(zk, "/round", size=4):
            compute()

    Who fails in between counts as done. Afterwards it can be used again; more than ``size`` never take part at a time.
    """

    def __init__(self, zk: ZooKeeper, path: str, size: int, identifier: bytes = b"") -> None:
        if size < 1:
            raise RecipeError(f"a barrier of {size} never opens; say how many have to come")
        self._zk = zk
        self.path = path
        self.size = size
        self._identifier = identifier
        self._ready = f"{path}/{_READY}"
        self._mine: str | None = None

    async def __aenter__(self) -> Self:
        await self.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.leave()
        elif self._mine is not None:
            mine, self._mine = self._mine, None
            await protected.finish(protected.remove(self._zk, mine))

    async def enter(self) -> None:
        """Wait until enough have come. Cancelled, it leaves no znode behind."""
        if self._mine is not None:
            raise RecipeError("this object is inside already; use one for each who takes part")
        await self._until_nobody_is_left()
        prefix = protected.new_prefix()
        try:
            self._mine = await protected.create(
                self._zk, self.path, prefix, _HERE, self._identifier, CreateMode.EPHEMERAL
            )
            await self._until_ready()
        except BaseException:
            self._mine = None
            await protected.finish(protected.withdraw(self._zk, self.path, prefix))
            raise

    async def leave(self) -> None:
        """Wait until all are done."""
        if self._mine is None:
            raise RecipeError("nobody leaves who did not enter")
        mine, self._mine = self._mine, None
        await protected.remove(self._zk, mine)
        await self._until_nobody_is_left()

    async def _here(self, watch: EventStream) -> list[str]:
        """Return who is inside or waits to be; the watch hears when that changes."""
        try:
            names = await self._zk.get_children(self.path, watch=watch)
        except NoNode:
            await self._zk.ensure_path(self.path)
            return await self._here(watch)
        return [name for name in names if name != _READY]

    async def _until_ready(self) -> None:
        while True:
            changed, opened = EventStream(), EventStream()
            if await protected.AGAIN(self._zk.exists, self._ready, watch=opened) is not None:
                self._zk.unwatch(self._ready, opened)
                return
            if len(await protected.AGAIN(self._here, changed)) >= self.size:
                self._zk.unwatch(self.path, changed)
                await self._open()
                return
            # The znode that opens it is a child as well: one watch hears of both.
            self._zk.unwatch(self._ready, opened)
            await protected.heard(self._zk, self.path, changed)

    async def _open(self) -> None:
        try:
            await protected.AGAIN(self._zk.create, self._ready)
        except NodeExists:
            return

    async def _until_nobody_is_left(self) -> None:
        """Wait until the round before is over: its last takes away what opened it."""
        while True:
            changed = EventStream()
            here = await protected.AGAIN(self._here, changed)
            if await protected.AGAIN(self._zk.exists, self._ready) is None:
                self._zk.unwatch(self.path, changed)
                return
            if not here:
                self._zk.unwatch(self.path, changed)
                await protected.remove(self._zk, self._ready)
                return
            await protected.heard(self._zk, self.path, changed)
