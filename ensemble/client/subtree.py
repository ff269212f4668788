"""Whole parts of the tree: a path with its parents, a znode with all below it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from ensemble import paths
from ensemble.client.errors import BadArguments, MultiError, NodeExists, NoNode, NotEmpty
from ensemble.client.operations import Operations
from ensemble.errors import Code
from ensemble.tree.operations import OPEN_ACL, Acl, Create, CreateMode, Op
from ensemble.wire import replies

_BATCH_OPS: Final = 500
"""Deletes sent as one multi: far below a frame, for paths of a kilobyte."""


class Subtrees(Operations):
    """What takes several requests, and is not one step: others may see it half done."""

    async def ensure_path(self, path: str, *, acl: Sequence[Acl] = OPEN_ACL) -> None:
        """Create a persistent znode and its parents, as far as they are missing; ``/`` is the chroot."""
        await self._ensure(self.chroot.inside(path), tuple(acl))

    async def _ensure(self, inside: str, acl: tuple[Acl, ...]) -> None:
        if inside == "/":
            return
        create = Create(inside, b"", acl, CreateMode.PERSISTENT)
        try:
            await self.call(Op.CREATE, create, inside, replies.read_path)
        except NoNode:
            await self._ensure(paths.parent_of(inside), acl)
            await self._ensure(inside, acl)
        except NodeExists:
            return

    async def walk(self, path: str) -> AsyncIterator[str]:
        """Yield ``path`` and all below it, parents before their children. What vanishes meanwhile is passed
        over. Raises ``NoNode`` when there is no ``path``."""
        if await self.exists(path) is None:
            raise NoNode(path)
        waiting = [path]
        while waiting:
            parent = waiting.pop()
            yield parent
            try:
                names = await self.get_children(parent)
            except NoNode:
                continue
            waiting.extend(paths.child_of(parent, name) for name in sorted(names, reverse=True))

    async def delete_recursively(self, path: str) -> int:
        """Delete a znode and all below it; return how many there were.

        Goes on when others create or delete there meanwhile. Raises ``NoNode`` when there is no ``path``.
        """
        if path == "/":
            raise BadArguments(path, "the root cannot be deleted; name what is below it")
        deleted = 0
        found = [each async for each in self.walk(path)]
        while found:
            found.reverse()
            for start in range(0, len(found), _BATCH_OPS):
                deleted += await self._delete_all(found[start : start + _BATCH_OPS])
            try:
                found = [each async for each in self.walk(path)]
            except NoNode:
                break
        return deleted

    async def _delete_all(self, leaves_first: list[str]) -> int:
        """Delete these at once; where somebody was faster, one by one."""
        transaction = self.transaction()
        for path in leaves_first:
            transaction.delete(path)
        try:
            await transaction.commit()
            return len(leaves_first)
        except MultiError as error:
            if error.code not in (Code.NO_NODE, Code.NOT_EMPTY):
                raise
        deleted = 0
        for path in leaves_first:
            try:
                await self.delete(path)
                deleted += 1
            except (NoNode, NotEmpty):
                continue
        return deleted
