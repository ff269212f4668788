"""The tree, read and written through an ordinary client session: no back door, so it works with any ensemble.

The session is opened when first needed. Ephemerals created here belong to it, and vanish with it when the panel
stops; the pages say so. Reads of many znodes are sent together on the one connection: a page of a hundred
children is one round trip of the list and one of their stats.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

from dashboard.gateway.errors import GatewayError
from dashboard.gateway.kinds import kind_of
from dashboard.gateway.lifetimes import Lifetimes
from dashboard.gateway.publisher import Publisher
from dashboard.gateway.queues import in_order
from dashboard.gateway.session import Session, answered
from dashboard.gateway.subtree import Subtree
from ensemble import paths
from ensemble.admin.schema import LifetimeStatus
from ensemble.client import Quota
from ensemble.errors import Code, KeeperError
from ensemble.tree.operations import CreateMode

PAGE = 100
"""Children on one page of the tree."""
PAGE_MAX = 500
LINE_MAX = 300
"""Sequential znodes of one directory looked at to tell who waits for whom."""
FIND_LISTED_MAX = 2000
FIND_RESULTS_MAX = 200

MODES = {
    "persistent": CreateMode.PERSISTENT,
    "ephemeral": CreateMode.EPHEMERAL,
    "persistent_sequential": CreateMode.PERSISTENT_SEQUENTIAL,
    "ephemeral_sequential": CreateMode.EPHEMERAL_SEQUENTIAL,
}

LIMITS = (
    ("count", "znodes", False),
    ("count_hard", "znodes", True),
    ("data_bytes", "bytes", False),
    ("data_bytes_hard", "bytes", True),
)
"""The limits of a quota: the client's name, of what, and whether writes beyond it are refused."""

Row = dict[str, Any]


class Znodes:
    """Reads and writes znodes for viewers."""

    def __init__(self, publisher: Publisher, lifetimes: Lifetimes) -> None:
        self._lifetimes = lifetimes
        self.session = Session()
        self._subtree = Subtree(self.session)
        self._publisher = publisher
        self._jobs: dict[str, dict[str, Any]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._job_numbers = itertools.count(1)

    def use(self, addresses: Sequence[str]) -> None:
        """Say where the ensemble's clients connect."""
        self.session.addresses = tuple(addresses)

    async def close(self) -> None:
        """Close the session; its ephemerals vanish at once."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.session.close()

    # Reading

    async def children(self, path: str, offset: int = 0, limit: int = PAGE) -> dict[str, Any]:
        """Return one page of a znode's children in name order, with their exact number."""
        _check(path)
        limit = max(1, min(limit, PAGE_MAX))
        client = await self.session.client()
        async with answered():
            names, stat = await client.get_children2(path)
        names.sort()
        page = names[offset : offset + limit]
        rows = await self.rows([paths.child_of(path, name) for name in page])
        return {
            "path": path,
            "total": len(names),
            "offset": offset,
            "rows": rows,
            "shown": min(offset + limit, len(names)),
            "pzxid": str(stat.pzxid),
        }

    async def rows(self, wanted: Sequence[str]) -> list[Row]:
        """Return a row for each path; those deleted in between are left out."""
        client = await self.session.client()
        lifetimes = await self._lifetimes.of(wanted)

        async def one(path: str) -> Row | None:
            try:
                stat = await client.exists(path)
            except KeeperError as error:
                if error.code is Code.NO_AUTH:
                    return {
                        "path": path,
                        "name": paths.name_of(path),
                        "kind": "",
                        "children": 0,
                        "owner": None,
                        "mzxid": "0",
                        "version": None,
                        "length": None,
                    }
                raise
            return None if stat is None else row_of(path, stat, lifetimes.get(path))

        async with answered():
            rows = await asyncio.gather(*(one(path) for path in wanted))
        return [row for row in rows if row is not None]

    async def line(self, directory: str) -> tuple[list[Row], int]:
        """Return the sequential ephemerals of a directory in their order, and how many were not looked at."""
        _check(directory)
        client = await self.session.client()
        async with answered():
            names = in_order(await client.get_children(directory))
        rows = await self.rows([paths.child_of(directory, name) for name in names[:LINE_MAX]])
        return [row for row in rows if row["kind"] == "E#"], len(names[LINE_MAX:])

    async def position(self, path: str) -> int | None:
        """Return the place of a znode among its siblings in name order, or ``None`` if it is not there."""
        _check(path)
        client = await self.session.client()
        async with answered():
            try:
                names = await client.get_children(paths.parent_of(path))
            except KeeperError as error:
                if error.code in (Code.NO_NODE, Code.NO_AUTH):
                    return None
                raise
        name = paths.name_of(path)
        return sum(1 for other in names if other < name) if name in names else None

    async def node(self, path: str) -> dict[str, Any]:
        """Return a znode's data, stat and access list; its stat alone where the access list hides the rest."""
        _check(path)
        async with answered():
            try:
                (data, stat), acl = await asyncio.gather(self._value(path), self._acl(path))
            except KeeperError as error:
                if error.code is not Code.NO_NODE:
                    raise
                # The server the panel reads from may lag behind the one that its viewer has just written to.
                await (await self.session.client()).sync(path)
                (data, stat), acl = await asyncio.gather(self._value(path), self._acl(path))
        lifetime = (await self._lifetimes.of([path])).get(path)
        return {
            **row_of(path, stat, lifetime),
            "lifetime": lifetime,
            "data": data or b"",
            "readable": data is not None,
            "stat": stat_json(stat),
            "acl": acl,
            "own": stat.ephemeral_owner != 0 and self.session.owns(stat.ephemeral_owner),
        }

    async def quota(self, path: str) -> list[dict[str, Any]] | None:
        """Return what is limited at and below a znode, and how much of it is used; None without a quota of its own."""
        _check(path)
        client = await self.session.client()
        async with answered():
            found = await client.get_quota(path)
        if found is None:
            return None
        limits, used = found
        use = {"znodes": used.count, "bytes": used.data_bytes}
        return [
            {"name": name, "what": what, "used": use[what], "limit": getattr(limits, name), "hard": hard}
            for name, what, hard in LIMITS
            if getattr(limits, name) >= 0
        ]

    async def find(self, query: str) -> dict[str, Any]:
        """Find znodes by path prefix (``/a/b…``) or by a part of their name, as far as listing them goes.

        ZooKeeper has no search: a name is looked for by listing znode after znode, breadth first, up to a
        bound. The answer says how many were listed and whether that was all.
        """
        if query.startswith("/"):
            return await self._find_prefix(query)
        found, how_far = await self._subtree.find(query, FIND_LISTED_MAX, FIND_RESULTS_MAX)
        return {"rows": await self.rows(found), **how_far}

    async def count_below(self, path: str) -> dict[str, Any]:
        """Return how many znodes are below ``path``, or that there are more than were counted."""
        _check(path)
        return await self._subtree.count(path)

    # Writing

    async def create(self, path: str, data: bytes, mode: str) -> dict[str, Any]:
        """Create a znode; returns the path it got and the zxid that made it."""
        if mode not in MODES:
            raise GatewayError(f"There is no mode {mode!r}.", "bad_request")
        _check(path, sequential=mode.endswith("sequential"))
        client = await self.session.client()
        async with answered():
            made, stat = await client.create2(path, data, mode=MODES[mode])
        return {"path": made, "zxid": str(stat.czxid)}

    async def set_data(self, path: str, data: bytes, version: int) -> dict[str, Any]:
        """Write a value if its version is still ``version``; a conflict carries what is there now."""
        _check(path)
        client = await self.session.client()
        async with answered():
            try:
                stat = await client.set(path, data, version=version)
            except KeeperError as error:
                if error.code is not Code.BAD_VERSION:
                    raise
                stat = None
        if stat is None:
            now = await self.node(path)
            raise GatewayError(f"Someone else changed {path} since you opened it.", "conflict", now=now)
        return {"path": path, "zxid": str(stat.mzxid), "version": stat.version}

    async def delete(self, path: str, version: int) -> dict[str, Any]:
        """Delete one znode if its version is still ``version``."""
        _check(path)
        client = await self.session.client()
        async with answered():
            await client.delete(path, version=version)
        return {"path": path, "zxid": str(client.zxid_seen)}

    async def delete_tree(self, path: str) -> dict[str, Any]:
        """Begin to delete a znode with all that is below it; returns the job, whose progress is published."""
        _check(path)
        if path == "/" or path == "/zookeeper" or path.startswith("/zookeeper/"):
            raise GatewayError(f"{path} is ZooKeeper's own and stays.", "refused")
        job: dict[str, Any] = {
            "job": str(next(self._job_numbers)),
            "path": path,
            "done": 0,
            "total": None,
            "state": "running",
            "reason": None,
        }
        self._jobs[job["job"]] = job
        task = asyncio.create_task(self._delete_tree(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return dict(job)

    def progress(self) -> dict[str, Any] | None:
        """Return the jobs that run or have just ended (each end is told once)."""
        jobs = [dict(job) for job in self._jobs.values()]
        self._jobs = {key: job for key, job in self._jobs.items() if job["state"] == "running"}
        return {"jobs": jobs} if jobs else None

    async def set_quota(self, path: str, limits: dict[str, int]) -> dict[str, Any]:
        """Put ``limits`` (by the names of :data:`LIMITS`) on a znode, in place of those it had."""
        _check(path)
        if not limits:
            raise GatewayError("A quota has at least one limit.", "bad_request")
        client = await self.session.client()
        async with answered():
            await client.set_quota(path, Quota(**limits))
        return {"path": path, "zxid": str(client.zxid_seen)}

    async def delete_quota(self, path: str) -> dict[str, Any]:
        """Lift all limits on a znode."""
        _check(path)
        client = await self.session.client()
        async with answered():
            try:
                await client.delete_quota(path)
            except KeeperError as error:
                if error.code is not Code.NO_NODE:
                    raise
                raise GatewayError(f"{path} has no quota (any more).", "not_found") from error
        return {"path": path, "zxid": str(client.zxid_seen)}

    async def _delete_tree(self, job: dict[str, Any]) -> None:
        def advance(done: int, total: int) -> None:
            job["done"], job["total"] = done, total
            self._publisher.mark("progress")

        try:
            zxid = await self._subtree.delete(job["path"], advance)
            job["state"], job["zxid"] = "done", str(zxid)
        except GatewayError as error:
            job["state"], job["reason"] = "failed", error.reason
        finally:
            self._publisher.mark("progress")

    async def _value(self, path: str) -> tuple[bytes | None, Any]:
        """Return a znode's data and stat; no data when only its stat may be read (as servers before 3.9 have it)."""
        client = await self.session.client()
        try:
            data, stat = await client.get(path)
        except KeeperError as error:
            if error.code is not Code.NO_AUTH:
                raise
            found = await client.exists(path)
            if found is None:
                raise KeeperError(Code.NO_NODE, path) from error
            return None, found
        return data or b"", stat

    async def _acl(self, path: str) -> list[dict[str, Any]] | None:
        client = await self.session.client()
        try:
            acl, _ = await client.get_acl(path)
        except KeeperError as error:
            if error.code is Code.NO_AUTH:
                return None
            raise
        return [
            {"perms": int(entry.perms), "scheme": entry.identity.scheme, "id": entry.identity.id}
            for entry in acl
        ]

    async def _find_prefix(self, query: str) -> dict[str, Any]:
        parent = query.rpartition("/")[0] or "/"
        prefix = query.rpartition("/")[2]
        _check(parent)
        client = await self.session.client()
        async with answered():
            try:
                names = await client.get_children(parent)
            except KeeperError as error:
                if error.code is not Code.NO_NODE:
                    raise
                names = []
        found = sorted(name for name in names if name.startswith(prefix))
        rows = await self.rows([paths.child_of(parent, name) for name in found[:FIND_RESULTS_MAX]])
        return {"rows": rows, "total": len(found), "listed": len(names), "complete": True, "under": parent}


def row_of(path: str, stat: Any, lifetime: LifetimeStatus | None = None) -> Row:
    """Return what the tree shows of a znode."""
    name = paths.name_of(path)
    kind = kind_of(name, stat.ephemeral_owner, lifetime)
    return {
        "path": path,
        "name": name or "/",
        "kind": kind,
        "children": stat.num_children,
        "owner": f"0x{stat.ephemeral_owner & 0xFFFFFFFFFFFFFFFF:x}" if "E" in kind else None,
        "mzxid": str(stat.mzxid),
        "version": stat.version,
        "length": stat.data_length,
    }


def stat_json(stat: Any) -> dict[str, Any]:
    """Return a stat with its 64-bit ids as strings."""
    return {
        "czxid": str(stat.czxid),
        "mzxid": str(stat.mzxid),
        "pzxid": str(stat.pzxid),
        "ctime_ms": stat.ctime_ms,
        "mtime_ms": stat.mtime_ms,
        "version": stat.version,
        "cversion": stat.cversion,
        "aversion": stat.aversion,
        "data_length": stat.data_length,
        "num_children": stat.num_children,
    }


def _check(path: str, *, sequential: bool = False) -> None:
    try:
        paths.validate(path, sequential=sequential)
    except KeeperError as error:
        raise GatewayError(f"{path!r} is not a path a znode can have.", "bad_request") from error
