"""A queue: what is put in comes out once, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import ensemble.recipes.protected as protected
from ensemble.client import Code, CreateMode, EventStream, MultiError, NoNode, Transaction, ZooKeeper
from ensemble.recipes.errors import Lost, RecipeError
from ensemble.recipes.hold import Guard, Hold
from ensemble.recipes.once import Once

PRIORITY: Final = 100
"""That of an item when nobody says otherwise."""
_PRIORITY_MAX: Final = 999


class Item:
    """Something taken out of a queue, not done yet."""

    def __init__(self, name: str, data: bytes, hold: Hold, claimant: bytes) -> None:
        self.name = name
        self.data = data
        self.claimant = claimant
        self.hold = hold
        """Our claim; its ``token`` is greater than that of any who had the item before."""


class Queue:
    """Many put in, many take out::

        jobs = Queue(zk, "/jobs")
        await jobs.put(b"resize 17.png")
        async with jobs.take() as item:
            await resize(item.data)

    An item is put in once and done once, also when connections break in the middle. Items of a lower priority number
    come first, then those that were put in first. Below its path: ``items``, ``claims`` (ephemeral: who works on which
    item) and ``marks``.
    """

    def __init__(self, zk: ZooKeeper, path: str) -> None:
        self._zk = zk
        self.path = path
        self._items, self._claims = f"{path}/items", f"{path}/claims"
        self._once = Once(zk, f"{path}/marks")
        self._laid = False

    async def put(self, *items: bytes, priority: int = PRIORITY) -> None:
        """Put items in, all of them or none. ``SessionExpired``: perhaps."""
        if not 0 <= priority <= _PRIORITY_MAX:
            raise RecipeError(f"priority {priority} is out of range; choose 0 to {_PRIORITY_MAX}")
        await self._lay()

        def fill(transaction: Transaction) -> None:
            for data in items:
                path = f"{self._items}/item-{priority:03}-"
                transaction.create(path, data, mode=CreateMode.PERSISTENT_SEQUENTIAL)

        await self._once.commit(fill)

    async def get(self) -> bytes:
        """Wait for an item, take it out and return its data. It is out then: when it is to come back in case we
        fail, ``take`` it."""
        while True:
            name, data = await self._first()

            def fill(transaction: Transaction, name: str = name) -> None:
                # Nobody is to be working on it.
                transaction.create(f"{self._claims}/{name}").delete(f"{self._claims}/{name}")
                transaction.delete(f"{self._items}/{name}")

            if await self._won(fill):
                return data

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Item]:
        """Wait for an item and claim it. It is out for good when the block ends; when that fails, or our session
        ends, somebody else gets it. A block that outlives its claim is interrupted by :class:`Lost`."""
        item = await self._claim()
        try:
            with Guard(item.hold):
                yield item
            item.hold.let_go()
            await self._done(item)
        except BaseException:
            item.hold.let_go()
            await protected.finish(self._withdraw(item.hold.path, item.claimant))
            raise

    async def size(self) -> int:
        """Return how many items are in, those included that somebody works on."""
        await self._lay()
        return len(await protected.AGAIN(self._zk.get_children, self._items))

    async def close(self) -> None:
        """Leave nothing of our own in the tree; the items stay."""
        await self._once.close()

    # --- one item -----------------------------------------------------------------------------------------

    async def _first(self) -> tuple[str, bytes]:
        """Wait until there is an item that nobody works on; return the first."""
        await self._lay()
        while True:
            changed = EventStream()
            claimed = set(await protected.AGAIN(self._zk.get_children, self._claims, watch=changed))
            there = await protected.AGAIN(self._zk.get_children, self._items, watch=changed)
            for name in sorted(set(there) - claimed):
                try:
                    data, _stat = await protected.AGAIN(self._zk.get, f"{self._items}/{name}")
                except NoNode:
                    continue
                self._unwatch(changed)
                return name, data or b""
            try:
                await protected.heard(self._zk, self._items, changed)
            finally:
                self._unwatch(changed)

    def _unwatch(self, changed: EventStream) -> None:
        self._zk.unwatch(self._items, changed)
        self._zk.unwatch(self._claims, changed)

    async def _claim(self) -> Item:
        while True:
            name, data = await self._first()
            claim, claimant = f"{self._claims}/{name}", protected.new_prefix().encode()

            def fill(
                transaction: Transaction, name: str = name, claim: str = claim, claimant: bytes = claimant
            ) -> None:
                transaction.check(f"{self._items}/{name}")
                transaction.create(claim, claimant, mode=CreateMode.EPHEMERAL)

            try:
                hold = await self._hold(claim) if await self._won(fill) else None
            except BaseException:
                await protected.finish(self._withdraw(claim, claimant))
                raise
            if hold is not None:
                return Item(name, data, hold, claimant)

    async def _won(self, fill: Callable[[Transaction], object]) -> bool:
        """Carry it out; tell whether we were the first."""
        try:
            await self._once.commit(fill)
        except MultiError as error:
            if error.code not in (Code.NO_NODE, Code.NODE_EXISTS):
                raise
            return False
        return True

    async def _hold(self, claim: str) -> Hold | None:
        stat = await protected.AGAIN(self._zk.exists, claim)
        if stat is None:
            return None
        hold = Hold(self._zk, claim, stat.czxid)
        if await hold.confirm():
            return hold
        hold.let_go()
        return None

    async def _withdraw(self, claim: str, claimant: bytes) -> None:
        """Take a claim back, if it is that one."""
        await protected.remove_own(self._zk, claim, lambda data, _: data == claimant)

    async def _done(self, item: Item) -> None:
        def fill(transaction: Transaction) -> None:
            transaction.delete(item.hold.path).delete(f"{self._items}/{item.name}")

        try:
            await self._once.commit(fill)
        except MultiError as error:
            raise Lost(f"{error.path} was gone before the item was done") from error

    async def _lay(self) -> None:
        if not self._laid:
            for path in (self._items, self._claims):
                await protected.ensure(self._zk, path)
            self._laid = True
