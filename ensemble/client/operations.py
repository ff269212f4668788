"""Reads and writes, typed: what ZooKeeper offers, under its own names.

Every method may raise ``KeeperError`` (the server's answer, or BAD_ARGUMENTS for a path that is none),
``ConnectionLoss``, ``SessionExpired`` or ``ClientClosed``. A ``version`` of -1 matches any. A ``watch`` is
called with one ``WatchEvent``, once, when what was read changes; an ``EventStream`` can be awaited instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ensemble.client.caller import ANY_VERSION, Caller, nothing
from ensemble.client.errors import NoNode
from ensemble.client.multi import Reads, Transaction, create_request
from ensemble.client.results import AccessList, Children, Created, Data
from ensemble.client.watches import Watcher, WatchKind
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    CreateMode,
    Delete,
    Identity,
    NoBody,
    Op,
    Read,
    Reconfig,
    SetAcl,
    SetData,
    Sync,
)
from ensemble.wire import replies
from ensemble.wire.replies import Stat

CONFIG_PATH: Final = "/zookeeper/config"


class Operations(Caller):
    """Reads and writes, on top of one method that sends a request and waits for its answer."""

    # --- writes -----------------------------------------------------------------------------------------

    async def create(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        acl: Sequence[Acl] = OPEN_ACL,
        mode: CreateMode = CreateMode.PERSISTENT,
        ttl_ms: int = -1,
    ) -> str:
        """Create a znode and return its path, which a sequential mode has completed with a number.

        ``ttl_ms`` belongs to the modes with a TTL, and servers accept these only if configured to.
        """
        op, create = create_request(self.chroot, path, data, acl, mode, ttl_ms, stat=False)
        if op == Op.CREATE:
            return self.chroot.outside(await self.call(op, create, create.path, replies.read_path))
        made, _stat = await self.call(op, create, create.path, replies.read_create2)
        return self.chroot.outside(made)

    async def create2(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        acl: Sequence[Acl] = OPEN_ACL,
        mode: CreateMode = CreateMode.PERSISTENT,
        ttl_ms: int = -1,
    ) -> Created:
        """Create a znode and return its path and its stat (servers of 3.5 and newer)."""
        op, create = create_request(self.chroot, path, data, acl, mode, ttl_ms, stat=True)
        made, stat = await self.call(op, create, create.path, replies.read_create2)
        return Created(self.chroot.outside(made), stat)

    async def delete(self, path: str, *, version: int = ANY_VERSION) -> None:
        """Delete a znode that has no children."""
        inside = self.chroot.inside(path)
        await self.call(Op.DELETE, Delete(inside, version), inside, nothing)

    async def set(self, path: str, data: bytes | None, *, version: int = ANY_VERSION) -> Stat:
        """Set the data of a znode and return its new stat."""
        inside = self.chroot.inside(path)
        return await self.call(Op.SET_DATA, SetData(inside, data, version), inside, replies.read_stat)

    async def set_acl(self, path: str, acl: Sequence[Acl], *, version: int = ANY_VERSION) -> Stat:
        """Set the access list of a znode; ``version`` is its ``aversion``."""
        inside = self.chroot.inside(path)
        return await self.call(Op.SET_ACL, SetAcl(inside, tuple(acl), version), inside, replies.read_stat)

    def transaction(self) -> Transaction:
        """Return an empty transaction: several writes that happen together or not at all."""
        return Transaction(self)

    async def check(self, path: str, *, version: int = ANY_VERSION) -> None:
        """Ask the ensemble, not only this server, whether a znode is there and has that version.

        Raises ``MultiError`` with NO_NODE or BAD_VERSION: servers know a check as part of a multi only.
        """
        await self.transaction().check(path, version=version).commit()

    async def reconfig(
        self, *, joining: str = "", leaving: str = "", members: str = "", config_version: int = ANY_VERSION
    ) -> Data:
        """Change the servers of the ensemble; return the new configuration.

        Either ``joining`` (``server.4=host:2888:3888:participant;2181``, several with commas) and ``leaving``
        (ids, with commas), or ``members``: the whole new list. ``config_version`` is the version it is
        based on. Servers refuse it with RECONFIG_DISABLED unless configured to allow it.
        """
        change = Reconfig(joining, leaving, members, config_version)
        return Data(*await self.call(Op.RECONFIG, change, None, replies.read_data))

    # --- reads ------------------------------------------------------------------------------------------

    async def exists(self, path: str, *, watch: Watcher | None = None) -> Stat | None:
        """Return the stat of a znode, or None when there is none (the watch then waits for it)."""
        inside = self.chroot.inside(path)
        request = Read(inside, watch is not None)
        try:
            return await self.call(Op.EXISTS, request, inside, replies.read_stat, watch=watch)
        except NoNode:
            return None

    async def get(self, path: str, *, watch: Watcher | None = None) -> Data:
        """Return data and stat of a znode; data may be null (None), which is not the same as empty."""
        return await self._get(self.chroot.inside(path), watch)

    async def get_config(self, *, watch: Watcher | None = None) -> Data:
        """Return the ensemble's configuration, ``server.N=...`` lines and a ``version``, which a server that
        stands alone leaves empty. It lies outside of any chroot."""
        return await self._get(CONFIG_PATH, watch)

    async def _get(self, inside: str, watch: Watcher | None) -> Data:
        request = Read(inside, watch is not None)
        return Data(*await self.call(Op.GET_DATA, request, inside, replies.read_data, watch=watch))

    async def get_children(self, path: str, *, watch: Watcher | None = None) -> list[str]:
        """Return the names of a znode's children, in no particular order."""
        return (await self.get_children2(path, watch=watch)).names

    async def get_children2(self, path: str, *, watch: Watcher | None = None) -> Children:
        """Return the names of a znode's children, and its stat."""
        inside = self.chroot.inside(path)
        request, kind = Read(inside, watch is not None), WatchKind.CHILD
        return Children(
            *await self.call(
                Op.GET_CHILDREN2, request, inside, replies.read_children2, watch=watch, watch_kind=kind
            )
        )

    async def get_acl(self, path: str) -> AccessList:
        """Return the access list and the stat of a znode."""
        inside = self.chroot.inside(path)
        return AccessList(*await self.call(Op.GET_ACL, Read(inside), inside, replies.read_acls))

    def multi_read(self) -> Reads:
        """Return an empty list of reads that travel together (servers of 3.6 and newer)."""
        return Reads(self)

    async def sync(self, path: str = "/") -> None:
        """Wait until the server we are connected to has caught up with the leader as it was at this call."""
        inside = self.chroot.inside(path)
        await self.call(Op.SYNC, Sync(inside), inside, replies.read_path)

    async def get_ephemerals(self, prefix: str = "/") -> list[str]:
        """Return the paths of this session's ephemerals that start with ``prefix``."""
        inside = self.chroot.inside(prefix)
        found = await self.call(Op.GET_EPHEMERALS, Read(inside), inside, replies.read_children)
        return [self.chroot.outside(path) for path in found if self.chroot.holds(path)]

    async def count_all_children(self, path: str) -> int:
        """Return how many znodes are below ``path``, at any depth."""
        inside = self.chroot.inside(path)
        return await self.call(Op.GET_ALL_CHILDREN_NUMBER, Read(inside), inside, replies.read_number)

    async def who_am_i(self) -> list[Identity]:
        """Return whom the server takes this session to be."""
        return await self.call(Op.WHO_AM_I, NoBody(), None, replies.read_identities)
