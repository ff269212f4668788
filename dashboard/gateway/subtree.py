"""Walks over many znodes: counting, finding, deleting. Bounded, and honest about the bound.

The tree changes while it is walked; a znode that vanishes meanwhile is skipped, one that appears may be missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from dashboard.gateway.errors import GatewayError
from dashboard.gateway.session import Session, answered
from ensemble import paths
from ensemble.errors import Code, KeeperError

BATCH = 100
"""Requests sent together."""
SOME = 12
"""Znodes named when telling what goes with a deletion."""
DELETE_PASSES_MAX = 4
"""Each pass deletes what the one before found new; a subtree that grows faster than that is given up on."""


class Subtree:
    """Walks the tree below a path."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def walk(self, root: str) -> AsyncIterator[list[str]]:
        """Yield the paths below ``root`` in batches, breadth first: parents always before their children."""
        waiting = [root]
        while waiting:
            batch, waiting = waiting[:BATCH], waiting[BATCH:]
            found: list[str] = []
            for path, names in zip(batch, await self._children_of(batch), strict=True):
                found += [paths.child_of(path, name) for name in sorted(names)]
            yield found
            waiting += found

    async def count(self, root: str) -> dict[str, Any]:
        """Count the znodes below ``root``, by one request that all servers since 3.6 answer, and name some."""
        client = await self._session.client()
        async with answered():
            count = await client.count_all_children(root)
        some: list[str] = []
        if count:
            async for found in self.walk(root):
                some += found[: SOME - len(some)]
                if len(some) >= min(SOME, count):
                    break
        return {"count": count, "some": some}

    async def find(self, part: str, listed_max: int, results_max: int) -> tuple[list[str], dict[str, Any]]:
        """Return paths whose name contains ``part`` (case ignored), and how far was looked."""
        wanted = part.casefold()
        listed = 0
        matches: list[str] = []
        complete = True
        async for found in self.walk("/"):
            listed += len(found)
            matches += [path for path in found if wanted in paths.name_of(path).casefold()]
            if listed >= listed_max:
                complete = False
                break
        return sorted(matches)[:results_max], {
            "total": len(matches),
            "listed": listed,
            "complete": complete,
            "under": None,
        }

    async def delete(self, root: str, advance: Callable[[int, int], None]) -> int:
        """Delete ``root`` and all below it, children first, in batches; returns the last zxid."""
        done = 0
        for _ in range(DELETE_PASSES_MAX):
            order = [root]
            async for found in self.walk(root):
                order += found
            order.reverse()
            total = done + len(order)
            advance(done, total)
            for level in _levels(order):
                for start in range(0, len(level), BATCH):
                    done += await self._delete_batch(level[start : start + BATCH])
                    advance(done, total)
            client = await self._session.client()
            async with answered():
                if await client.exists(root) is None:
                    return int(client.zxid_seen)
        raise GatewayError(
            f"New znodes keep appearing below {root}; {done} were deleted, and it is still there."
        )

    async def _children_of(self, batch: Sequence[str]) -> list[list[str]]:
        client = await self._session.client()

        async def one(path: str) -> list[str]:
            try:
                return list(await client.get_children(path))
            except KeeperError as error:
                if error.code in (Code.NO_NODE, Code.NO_AUTH):
                    return []
                raise

        async with answered():
            return list(await asyncio.gather(*(one(path) for path in batch)))

    async def _delete_batch(self, batch: Sequence[str]) -> int:
        client = await self._session.client()

        async def one(path: str) -> int:
            try:
                await client.delete(path)
            except KeeperError as error:
                if error.code in (Code.NO_NODE, Code.NOT_EMPTY):
                    return 0  # gone already, or someone added below it: the next pass will see
                raise
            return 1

        async with answered():
            return sum(await asyncio.gather(*(one(path) for path in batch)))


def _levels(order: Sequence[str]) -> list[list[str]]:
    """Group paths by depth, deepest first: requests of one level may be answered in any order."""
    by_depth: dict[int, list[str]] = {}
    for path in order:
        by_depth.setdefault(0 if path == "/" else path.count("/"), []).append(path)
    return [by_depth[depth] for depth in sorted(by_depth, reverse=True)]
