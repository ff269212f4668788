"""The operations a client offers, typed. What carries them is ``zookeeper``.

Every method may raise ``KeeperError`` (the server's answer, or BAD_ARGUMENTS for a path that is none),
``ConnectionLoss``, ``SessionExpired`` or ``ClientClosed``. A ``version`` of -1 matches any. A ``watch`` is
called with one ``WatchEvent``, once, when what was read changes; an ``EventStream`` can be awaited instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from ensemble import paths
from ensemble.client.errors import ClientError
from ensemble.client.events import EventStream
from ensemble.client.transaction import Transaction, create_request
from ensemble.client.watches import Watcher, WatchKind
from ensemble.errors import Code, KeeperError
from ensemble.jute import Reader
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    AddWatch,
    Create,
    CreateMode,
    Delete,
    Identity,
    Multi,
    NoBody,
    Op,
    Operation,
    Read,
    RemoveWatches,
    SetAcl,
    SetData,
    Sync,
)
from ensemble.wire import replies
from ensemble.wire.replies import OpResult, Stat

T = TypeVar("T")

_ANY_VERSION = -1
_ANY_WATCH = 3
_PERSISTENT, _PERSISTENT_RECURSIVE = 0, 1


def _nothing(_reader: Reader) -> None:
    return None


class Operations(ABC):
    """The operations, on top of one method that sends a request and waits for its answer."""

    @abstractmethod
    async def call(
        self,
        op: int,
        operation: Operation,
        path: str | None,
        read: Callable[[Reader], T],
        *,
        watch: Watcher | None = None,
        watch_kind: WatchKind = WatchKind.DATA,
    ) -> T:
        """Send any operation; ``read`` decodes the body of its answer. The watcher is registered when the
        answer says that the server did."""

    @abstractmethod
    def _forget_watch(self, kind: WatchKind, path: str, watcher: Watcher) -> bool:
        """Take a watcher out; tell whether anything still watches that path."""

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
        op, create = create_request(path, data, acl, mode, ttl_ms, stat=False)
        if op == Op.CREATE:
            return await self.call(op, create, path, replies.read_path)
        return (await self._create2(op, create, path))[0]

    async def create2(
        self,
        path: str,
        data: bytes | None = b"",
        *,
        acl: Sequence[Acl] = OPEN_ACL,
        mode: CreateMode = CreateMode.PERSISTENT,
        ttl_ms: int = -1,
    ) -> tuple[str, Stat]:
        """Create a znode and return its path and its stat."""
        op, create = create_request(path, data, acl, mode, ttl_ms, stat=True)
        return await self._create2(op, create, path)

    async def _create2(self, op: int, create: Create, path: str) -> tuple[str, Stat]:
        return await self.call(op, create, path, replies.read_create2)

    async def delete(self, path: str, *, version: int = _ANY_VERSION) -> None:
        """Delete a znode that has no children."""
        paths.validate(path)
        await self.call(Op.DELETE, Delete(path, version), path, _nothing)

    async def set(self, path: str, data: bytes | None, *, version: int = _ANY_VERSION) -> Stat:
        """Set the data of a znode and return its new stat."""
        paths.validate(path)
        return await self.call(Op.SET_DATA, SetData(path, data, version), path, replies.read_stat)

    async def set_acl(self, path: str, acl: Sequence[Acl], *, version: int = _ANY_VERSION) -> Stat:
        """Set the access list of a znode; ``version`` is its ``aversion``."""
        paths.validate(path)
        return await self.call(Op.SET_ACL, SetAcl(path, tuple(acl), version), path, replies.read_stat)

    def transaction(self) -> Transaction:
        """Return an empty transaction: several writes that happen together or not at all."""
        return Transaction(self._multi)

    async def _multi(self, multi: Multi) -> list[OpResult]:
        return await self.call(Op.MULTI, multi, None, replies.read_multi)

    # --- reads ------------------------------------------------------------------------------------------

    async def exists(self, path: str, *, watch: Watcher | None = None) -> Stat | None:
        """Return the stat of a znode, or None when there is none (the watch then waits for it)."""
        paths.validate(path)
        request = Read(path, watch is not None)
        try:
            return await self.call(Op.EXISTS, request, path, replies.read_stat, watch=watch)
        except KeeperError as error:
            if error.code is not Code.NO_NODE:
                raise
            return None

    async def get(self, path: str, *, watch: Watcher | None = None) -> tuple[bytes | None, Stat]:
        """Return data and stat of a znode; data may be null (None), which is not the same as empty."""
        paths.validate(path)
        request = Read(path, watch is not None)
        return await self.call(Op.GET_DATA, request, path, replies.read_data, watch=watch)

    async def children(self, path: str, *, watch: Watcher | None = None) -> list[str]:
        """Return the names of a znode's children, in no particular order."""
        return (await self.children2(path, watch=watch))[0]

    async def children2(self, path: str, *, watch: Watcher | None = None) -> tuple[list[str], Stat]:
        """Return the names of a znode's children, and its stat."""
        paths.validate(path)
        request, kind = Read(path, watch is not None), WatchKind.CHILD
        return await self.call(
            Op.GET_CHILDREN2, request, path, replies.read_children2, watch=watch, watch_kind=kind
        )

    async def get_acl(self, path: str) -> tuple[tuple[Acl, ...], Stat]:
        """Return the access list and the stat of a znode."""
        paths.validate(path)
        return await self.call(Op.GET_ACL, Read(path), path, replies.read_acls)

    async def sync(self, path: str = "/") -> None:
        """Wait until the server we are connected to has caught up with the leader as it was at this call."""
        paths.validate(path)
        await self.call(Op.SYNC, Sync(path), path, replies.read_path)

    async def ephemerals(self, prefix: str = "/") -> list[str]:
        """Return the paths of this session's ephemerals that start with ``prefix``."""
        paths.validate(prefix)
        return await self.call(Op.GET_EPHEMERALS, Read(prefix), prefix, replies.read_children)

    async def count_descendants(self, path: str) -> int:
        """Return how many znodes are below ``path``."""
        paths.validate(path)
        return await self.call(Op.GET_ALL_CHILDREN_NUMBER, Read(path), path, replies.read_number)

    async def who_am_i(self) -> list[Identity]:
        """Return whom the server takes this session to be."""
        return await self.call(Op.WHO_AM_I, NoBody(), None, replies.read_identities)

    # --- watches that stay ------------------------------------------------------------------------------

    @asynccontextmanager
    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[EventStream]:
        """Hear of everything that happens to ``path``, or with ``recursive`` to all below it as well, for
        as long as the block lasts::

            async with zk.watch("/locks", recursive=True) as events:
                async for event in events: ...

        What happens while no server can be reached is not told afterwards.
        """
        paths.validate(path)
        events = EventStream()
        kind = WatchKind.RECURSIVE if recursive else WatchKind.PERSISTENT
        mode = _PERSISTENT_RECURSIVE if recursive else _PERSISTENT
        await self.call(
            Op.ADD_WATCH, AddWatch(path, mode), path, replies.read_number, watch=events, watch_kind=kind
        )
        try:
            yield events
        finally:
            # A server that is not reached, or that has other watches of ours there, goes on telling us until
            # the connection ends; nobody listens any more.
            if not self._forget_watch(kind, path, events):
                with suppress(ClientError, KeeperError):
                    await self.call(Op.REMOVE_WATCHES, RemoveWatches(path, _ANY_WATCH), path, _nothing)
