"""What this client watches, and whom it tells. Sans-I/O.

A *watcher* is anything that can be called with a ``WatchEvent``. Ordinary watches are told once; persistent
ones stay until removed. The registry remembers both so that a new connection can ask for them again.
Facts: ZKWatchManager, ZooDefs.AddWatchModes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import NamedTuple

from ensemble import paths
from ensemble.tree.operations import EventType, SetWatches


class WatchEvent(NamedTuple):
    """A watch fired. Type NONE, once, means that the session ended and nothing more will come."""

    type: EventType
    path: str


Watcher = Callable[[WatchEvent], None]


class WatchKind(IntEnum):
    """The tables of the registry."""

    DATA = 0
    EXIST = 1
    CHILD = 2
    PERSISTENT = 3
    RECURSIVE = 4


_TOLD: dict[EventType, tuple[WatchKind, ...]] = {
    EventType.NODE_CREATED: (WatchKind.DATA, WatchKind.EXIST),
    EventType.NODE_DATA_CHANGED: (WatchKind.DATA, WatchKind.EXIST),
    EventType.NODE_CHILDREN_CHANGED: (WatchKind.CHILD,),
    EventType.NODE_DELETED: (WatchKind.DATA, WatchKind.EXIST, WatchKind.CHILD),
}
"""Which ordinary watches an event ends."""

_SET_WATCHES_BYTES = 128 * 1024
"""One setWatches stays below this: a server closes the connection at a frame over its limit, and would do so
again at every reconnect."""


class Watches:
    """The registry."""

    def __init__(self) -> None:
        self._tables: tuple[dict[str, dict[Watcher, None]], ...] = tuple({} for _ in WatchKind)

    def add(self, kind: WatchKind, path: str, watcher: Watcher) -> None:
        """Remember a watch that the server confirmed; adding it again changes nothing."""
        self._tables[kind].setdefault(path, {})[watcher] = None

    def remove(self, kind: WatchKind, path: str, watcher: Watcher) -> None:
        """Forget one watcher; harmless when it is not there."""
        watchers = self._tables[kind].get(path, {})
        watchers.pop(watcher, None)
        if not watchers:
            self._tables[kind].pop(path, None)

    def watchers(self, kind: WatchKind, path: str) -> tuple[Watcher, ...]:
        """Return who watches ``path`` in that way."""
        return tuple(self._tables[kind].get(path, ()))

    def watched(self, path: str) -> bool:
        """Tell whether anybody watches ``path`` itself, in whatever way."""
        return any(path in table for table in self._tables)

    def fire(self, event: WatchEvent) -> list[Watcher]:
        """Return whom to tell of ``event``, each once, and forget the ordinary ones among them."""
        told: dict[Watcher, None] = {}
        for kind in _TOLD.get(event.type, ()):
            told |= self._tables[kind].pop(event.path, {})
        told |= self._tables[WatchKind.PERSISTENT].get(event.path, {})
        recursive = self._tables[WatchKind.RECURSIVE]
        if recursive and event.type != EventType.NODE_CHILDREN_CHANGED:
            path = event.path
            while True:
                told |= recursive.get(path, {})
                if path in ("/", ""):
                    break
                path = paths.parent_of(path)
        return list(told)

    def end(self) -> list[tuple[Watcher, str]]:
        """Forget everything; return each watcher and the path it watched."""
        ended = [
            (watcher, path)
            for table in self._tables
            for path, watchers in table.items()
            for watcher in watchers
        ]
        for table in self._tables:
            table.clear()
        return ended

    def requests(self, relative_zxid: int) -> Iterator[SetWatches]:
        """Yield what to ask a new connection for, in pieces that fit into a frame."""
        lists: tuple[list[str], ...] = ([], [], [], [], [])
        size = 0
        for kind in WatchKind:
            for path in self._tables[kind]:
                lists[kind].append(path)
                size += 4 + len(path.encode())
                if size >= _SET_WATCHES_BYTES:
                    yield SetWatches(relative_zxid, *lists)
                    lists, size = ([], [], [], [], []), 0
        if size:
            yield SetWatches(relative_zxid, *lists)
