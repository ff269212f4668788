"""Membership: who is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

import ensemble.recipes.protected as protected
from ensemble import paths
from ensemble.client import CreateMode, EventStream, NoNode, ZooKeeper
from ensemble.recipes.errors import RecipeError

_MEMBER: Final = "member-"


class Party:
    """Those who are there, each with an identifier::

        async with Party(zk, "/workers", b"host-7") as party:
            async for members in party.changes():
                print(members)

    A member leaves with its session at the latest.
    """

    def __init__(self, zk: ZooKeeper, path: str, identifier: bytes = b"") -> None:
        self._zk = zk
        self.path = path
        self._identifier = identifier
        self._mine: str | None = None

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def join(self) -> None:
        """Become a member. Cancelled, it leaves no znode behind."""
        if self._mine is not None:
            raise RecipeError("this object is a member already; use one for each")
        prefix = protected.new_prefix()
        try:
            self._mine = await protected.create(
                self._zk, self.path, prefix, _MEMBER, self._identifier, CreateMode.EPHEMERAL
            )
        except BaseException:
            await protected.finish(protected.withdraw(self._zk, self.path, prefix))
            raise

    async def leave(self) -> None:
        """Be a member no more; harmless for who is none."""
        mine, self._mine = self._mine, None
        if mine is not None:
            await protected.finish(protected.remove(self._zk, mine))

    async def members(self) -> list[bytes]:
        """Return the identifiers of those who are there, sorted."""
        return await self._members(None)

    async def changes(self) -> AsyncIterator[list[bytes]]:
        """Yield who is there, and again whenever that has changed; of several changes at once the last."""
        last = None
        while True:
            changed = EventStream()
            members = await self._members(changed)
            if members != last:
                last = members
                yield members
            await protected.heard(self._zk, self.path, changed)

    async def _members(self, watch: EventStream | None) -> list[bytes]:
        try:
            names = await protected.AGAIN(self._zk.get_children, self.path, watch=watch)
        except NoNode:
            await protected.ensure(self._zk, self.path)
            return await self._members(watch)
        found: list[bytes] = []
        for name in names:
            try:
                data, _stat = await protected.AGAIN(self._zk.get, paths.child_of(self.path, name))
            except NoNode:
                continue
            found.append(data or b"")
        return sorted(found)
