"""Watches that stay, and taking watches back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from ensemble.client.caller import Caller, nothing
from ensemble.client.errors import ClientError, NoWatcher
from ensemble.client.events import EventStream
from ensemble.client.watches import Watcher, WatchKind
from ensemble.errors import KeeperError
from ensemble.tree.operations import AddWatch, Op, RemoveWatches
from ensemble.tree.watches import WatcherType
from ensemble.wire import replies

_PERSISTENT, _PERSISTENT_RECURSIVE = 0, 1

_KINDS: Final[dict[WatcherType, tuple[WatchKind, ...]]] = {
    WatcherType.CHILDREN: (WatchKind.CHILD,),
    WatcherType.DATA: (WatchKind.DATA, WatchKind.EXIST),
    WatcherType.PERSISTENT: (WatchKind.PERSISTENT,),
    WatcherType.PERSISTENT_RECURSIVE: (WatchKind.RECURSIVE,),
    WatcherType.ANY: tuple(WatchKind),
}


class Watching(Caller):
    """Watches that stay until they are taken back (servers of 3.6 and newer)."""

    @abstractmethod
    def _watchers(self, kind: WatchKind, path: str) -> tuple[Watcher, ...]:
        """Return who watches a path of the server."""

    @abstractmethod
    def _forget_watch(self, kind: WatchKind, path: str, watcher: Watcher) -> bool:
        """Take a watcher out; tell whether anything still watches that path."""

    @asynccontextmanager
    async def watch(self, path: str, *, recursive: bool = False) -> AsyncIterator[EventStream]:
        """Hear of everything that happens to ``path``, or with ``recursive`` to all below it as well, for
        as long as the block lasts::

            async with zk.watch("/locks", recursive=True) as events:
                async for event in events: ...

        What happens while no server can be reached is not told afterwards.
        """
        events = EventStream()
        await self.add_watch(path, events, recursive=recursive)
        try:
            yield events
        finally:
            inside = self.chroot.inside(path)
            kind = WatchKind.RECURSIVE if recursive else WatchKind.PERSISTENT
            # A server that is not reached, or that has other watches of ours there, goes on telling us until
            # the connection ends; nobody listens any more.
            if not self._forget_watch(kind, inside, events):
                with suppress(ClientError, KeeperError):
                    await self._remove(inside, WatcherType.ANY)

    async def add_watch(self, path: str, watcher: Watcher, *, recursive: bool = False) -> None:
        """Tell ``watcher`` of everything that happens to ``path``, or with ``recursive`` to all below it as
        well, until it is removed. A recursive watch is not told of changed children: it hears of each."""
        inside = self.chroot.inside(path)
        kind = WatchKind.RECURSIVE if recursive else WatchKind.PERSISTENT
        request = AddWatch(inside, _PERSISTENT_RECURSIVE if recursive else _PERSISTENT)
        await self.call(Op.ADD_WATCH, request, inside, replies.read_number, watch=watcher, watch_kind=kind)

    async def remove_watches(
        self,
        path: str,
        watcher: Watcher | None = None,
        *,
        kind: WatcherType = WatcherType.ANY,
        local: bool = False,
    ) -> None:
        """Take back the watches on ``path`` of one watcher, or of all.

        With ``local`` they are forgotten here even when no server can be told. Raises ``NoWatcher`` when
        there is none.
        """
        inside = self.chroot.inside(path)
        tables = _KINDS[kind]
        found = [
            (table, each)
            for table in tables
            for each in self._watchers(table, inside)
            if watcher is None or each == watcher
        ]
        if not found:
            raise NoWatcher(path)
        others = sum(len(self._watchers(table, inside)) for table in tables) > len(found)
        try:
            # What others still watch the server has to go on telling.
            if not others:
                await self._remove(inside, kind)
        except ClientError:
            if not local:
                raise
        for table, each in found:
            self._forget_watch(table, inside, each)

    def unwatch(self, path: str, watcher: Watcher) -> None:
        """Tell ``watcher`` nothing more of ``path``. The servers are not asked: what they still send goes
        nowhere."""
        inside = self.chroot.inside(path)
        for kind in WatchKind:
            self._forget_watch(kind, inside, watcher)

    async def check_watches(self, path: str, *, kind: WatcherType = WatcherType.ANY) -> bool:
        """Tell whether the server we are connected to holds such a watch of this session."""
        inside = self.chroot.inside(path)
        try:
            await self.call(Op.CHECK_WATCHES, RemoveWatches(inside, kind), inside, nothing)
        except NoWatcher:
            return False
        return True

    async def _remove(self, inside: str, kind: WatcherType) -> None:
        await self.call(Op.REMOVE_WATCHES, RemoveWatches(inside, kind), inside, nothing)
