"""Locks: one holder; many readers or one writer; so and so many leases."""

from __future__ import annotations

from typing import Final

import ensemble.recipes.protected as protected
from ensemble.client import EventStream, NodeExists, ZooKeeper
from ensemble.recipes.errors import RecipeError
from ensemble.recipes.hold import Hold
from ensemble.recipes.line import NUMBER_DIGITS, Line

# The labels of Apache Curator's locks: its clients can share them with ours.
_LOCK: Final = "lock-"
_LOCK_OF_KAZOO: Final = "__lock__"
_READ: Final = "__READ__"
_WRITE: Final = "__WRIT__"
_LEASE: Final = "lease-"


class Lock(Line):
    """At most one holder at a time::

        lock = Lock(zk, "/locks/printer", b"host-7")
        async with lock as hold:
            await printer.print(document, fence=hold.token)

    Who waits is served in the order of arrival. A block that outlives its hold is interrupted by :class:`Lost`.
    """

    def __init__(self, zk: ZooKeeper, path: str, identifier: bytes = b"") -> None:
        """``identifier`` is what others see of us, in ``contenders`` and in the tree."""
        super().__init__(zk, path, _LOCK, identifier)

    def _counts(self, name: str) -> bool:
        return super()._counts(name) or name[:-NUMBER_DIGITS].endswith(_LOCK_OF_KAZOO)

    def _in_the_way(self, names: list[str], mine: str) -> str | None:
        index = names.index(mine)
        return names[index - 1] if index else None


class _ReadLock(Line):
    def _counts(self, name: str) -> bool:
        return _READ in name or _WRITE in name

    def _in_the_way(self, names: list[str], mine: str) -> str | None:
        writers = [name for name in names[: names.index(mine)] if _WRITE in name]
        return writers[-1] if writers else None


class _WriteLock(Line):
    def _counts(self, name: str) -> bool:
        return _READ in name or _WRITE in name

    def _in_the_way(self, names: list[str], mine: str) -> str | None:
        index = names.index(mine)
        return names[index - 1] if index else None


class ReadWriteLock:
    """Many readers or one writer::

        catalogue = ReadWriteLock(zk, "/locks/catalogue")
        async with catalogue.read: ...
        async with catalogue.write: ...

    In order of arrival: a writer that waits lets no later reader pass.
    """

    def __init__(self, zk: ZooKeeper, path: str, identifier: bytes = b"") -> None:
        """``identifier`` is what others see of us."""
        self.read: Line = _ReadLock(zk, path, _READ, identifier)
        self.write: Line = _WriteLock(zk, path, _WRITE, identifier)


class Semaphore(Line):
    """At most ``leases`` holders at a time, in order of arrival::

        downloads = Semaphore(zk, "/downloads", leases=3)
        async with downloads: ...

    All who use one have to say the same number.
    """

    def __init__(self, zk: ZooKeeper, path: str, leases: int, identifier: bytes = b"") -> None:
        """``identifier`` is what others see of us."""
        if leases < 1:
            raise RecipeError(f"a semaphore of {leases} leases lets nobody in; give it at least one")
        super().__init__(zk, path, _LEASE, identifier)
        self.leases = leases
        self._agreed = False

    async def _acquire(self, *, wait: bool) -> Hold | None:
        if not self._agreed:
            await self._agree()
        return await super()._acquire(wait=wait)

    def _in_the_way(self, names: list[str], mine: str) -> str | None:
        index = names.index(mine)
        return names[index - 1] if index >= self.leases else None

    async def _turn_comes(self, mine: str, wait: bool) -> bool:
        # Any of those before us may leave first, so all who wait look at each departure.
        while True:
            changed = EventStream()
            names = await protected.AGAIN(self._names, changed)
            ours = mine not in names or self._in_the_way(names, mine) is None
            if ours or not wait:
                self._zk.unwatch(self.path, changed)
                return mine in names and ours
            await protected.heard(self._zk, self.path, changed)

    async def _agree(self) -> None:
        """Write down the number, or see that others wrote the same."""
        wanted = str(self.leases).encode()
        await protected.ensure(self._zk, self.path)
        try:
            await protected.AGAIN(self._zk.create, f"{self.path}/leases", wanted)
        except NodeExists:
            found, _stat = await protected.AGAIN(self._zk.get, f"{self.path}/leases")
            if found != wanted:
                said = (found or b"").decode(errors="replace")
                raise RecipeError(
                    f"semaphore {self.path}: others use it with {said} leases, not {self.leases}"
                ) from None
        self._agreed = True
