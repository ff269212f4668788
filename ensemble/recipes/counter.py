"""A number that many add to."""

from __future__ import annotations

import ensemble.recipes.protected as protected
from ensemble.client import Code, MultiError, NodeExists, Transaction, ZooKeeper
from ensemble.recipes.errors import RecipeError
from ensemble.recipes.once import Once


class Counter:
    """A whole number in a znode::

        visits = Counter(zk, "/visits")
        await visits.add(1)

    Each addition counts once, also when the connection breaks in the middle of it.
    """

    def __init__(self, zk: ZooKeeper, path: str, start: int = 0) -> None:
        """``start`` is its value when it is created."""
        self._zk = zk
        self.path = path
        self._start = start
        self._once = Once(zk, f"{path}/marks")

    async def value(self) -> int:
        """Return the value, as of a moment after this call."""
        await self._ensure()
        await protected.AGAIN(self._zk.sync, self.path)
        return (await self._read())[0]

    async def add(self, amount: int) -> int:
        """Add to it (or, below zero, take away) and return what that made."""
        await self._ensure()
        while True:
            value, version = await self._read()
            text = str(value + amount).encode()

            def fill(transaction: Transaction, text: bytes = text, version: int = version) -> None:
                transaction.set(self.path, text, version=version)

            try:
                await self._once.commit(fill)
                return value + amount
            except MultiError as error:
                if error.code is not Code.BAD_VERSION:
                    raise
                # Somebody was faster; with their value then.

    async def close(self) -> None:
        """Leave nothing of our own in the tree; the number stays."""
        await self._once.close()

    async def _ensure(self) -> None:
        if await protected.AGAIN(self._zk.exists, self.path) is not None:
            return
        parent = self.path.rpartition("/")[0]
        if parent:
            await protected.ensure(self._zk, parent)
        try:
            await protected.AGAIN(self._zk.create, self.path, str(self._start).encode())
        except NodeExists:
            return

    async def _read(self) -> tuple[int, int]:
        data, stat = await protected.AGAIN(self._zk.get, self.path)
        try:
            return int(data or b""), stat.version
        except ValueError:
            raise RecipeError(
                f"{self.path} holds {data!r}, which is no number; choose another path"
            ) from None
