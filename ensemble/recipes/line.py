"""A line: one ephemeral sequential znode for each who waits or holds, in the order they came.

What is common to locks, leases and elections. Whoever is not served watches the one znode that is in the way, so that
one who leaves wakes one.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import suppress
from typing import Final

import ensemble.recipes.protected as protected
from ensemble import paths
from ensemble.client import EventStream, NoNode, ZooKeeper
from ensemble.recipes.hold import Hold, Holdable

NUMBER_DIGITS: Final = 10
"""What a sequential create adds to a name."""


def number_of(name: str) -> int:
    """Return the number that a sequential create gave to a name."""
    return int(name[-NUMBER_DIGITS:])


class Line(Holdable):
    """Waits for its turn among the children of a directory."""

    def __init__(self, zk: ZooKeeper, path: str, label: str, data: bytes) -> None:
        super().__init__()
        self._zk = zk
        self.path = path
        self._label = label
        self._data = data

    @abstractmethod
    def _in_the_way(self, names: list[str], mine: str) -> str | None:
        """Return the name whose leaving is to be waited for; None when it is the turn of ``mine``."""

    def _counts(self, name: str) -> bool:
        """Tell whether a child of the directory is part of the line."""
        number = name[-NUMBER_DIGITS:]
        return number.isascii() and number.isdigit() and self._label in name

    async def acquire(self) -> Hold:
        """Wait until it is ours. Cancelled, it leaves no znode behind."""
        hold = await self._acquire(wait=True)
        assert hold is not None
        return hold

    async def try_acquire(self) -> Hold | None:
        """Return what is held, or None when that would take waiting."""
        return await self._acquire(wait=False)

    async def release(self, hold: Hold) -> None:
        """Give it back. Harmless when it was lost."""
        lost = hold.lost
        hold.let_go()
        # Who lost it is to hear that at once.
        work = protected.remove(self._zk, hold.path)
        await protected.finish(work, patience_s=0 if lost else protected.TIDY_S_MAX)

    async def contenders(self) -> list[bytes]:
        """Return the data of all in the line, the first of them first."""
        found: list[bytes] = []
        try:
            names = await protected.AGAIN(self._names)
        except NoNode:
            return []
        for name in names:
            try:
                data, _stat = await protected.AGAIN(self._zk.get, paths.child_of(self.path, name))
            except NoNode:
                continue
            found.append(data or b"")
        return found

    async def _names(self, watch: EventStream | None = None) -> list[str]:
        found = await self._zk.get_children(self.path, watch=watch)
        names = [name for name in found if self._counts(name)]
        return sorted(names, key=number_of)

    async def _acquire(self, *, wait: bool) -> Hold | None:
        while True:
            prefix = protected.new_prefix()
            try:
                hold = await self._stand_in_line(prefix, wait)
            except BaseException:
                await protected.finish(protected.withdraw(self._zk, self.path, prefix))
                raise
            if hold is None and not wait:
                await protected.finish(protected.withdraw(self._zk, self.path, prefix))
                return None
            if hold is not None:
                return hold
            # Somebody deleted our znode: to the end of the line.

    async def _stand_in_line(self, prefix: str, wait: bool) -> Hold | None:
        mine = await protected.create(self._zk, self.path, prefix, self._label, self._data)
        if not await self._turn_comes(paths.name_of(mine), wait):
            return None
        stat = await protected.AGAIN(self._zk.exists, mine)
        if stat is None:
            return None
        hold = Hold(self._zk, mine, stat.czxid)
        try:
            if await hold.confirm():
                return hold
        except BaseException:
            hold.let_go()
            raise
        hold.let_go()
        return None

    async def _turn_comes(self, mine: str, wait: bool) -> bool:
        """Wait for our turn; False when our znode is gone, or when it is not our turn and we do not ``wait``."""
        while True:
            names = await protected.AGAIN(self._names)
            if mine not in names:
                return False
            before = self._in_the_way(names, mine)
            if before is None:
                return True
            if not wait:
                return False
            await self._gone(paths.child_of(self.path, before))

    async def _gone(self, path: str) -> None:
        """Wait until something happens to a znode, or it is not there."""
        changed = EventStream()
        # Not exists, whose watch would stay behind at a znode that is gone.
        with suppress(NoNode):
            await protected.AGAIN(self._zk.get, path, watch=changed)
            await protected.heard(self._zk, path, changed)
