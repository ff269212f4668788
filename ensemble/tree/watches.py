"""Watches: who, on this server, is to be told what.

A watcher is whatever the server uses for a connection; it only has to be hashable. There are two tables, as
in Apache's DataTree: *data* watches (set by exists and getData) and *child* watches (set by getChildren). An
ordinary watch is told once. A persistent one stays, in both tables; a recursive one stays too, in the data
table, and hears of everything below its path but of no list of children.

The order in which watchers are told is the order in which they came. Who may hear of an event is decided by
the access list that comes with it, not here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from enum import IntEnum
from typing import Generic, TypeVar

from ensemble.tree.operations import EventType, SetWatches
from ensemble.tree.znodes import Znodes

W = TypeVar("W", bound=Hashable)

ONCE = 1
"""An ordinary watch, set by getData or getChildren."""
ON_EXISTS = 2
"""An ordinary data watch, set by exists; kept apart for whoever lists watches."""
PERSISTENT = 4
RECURSIVE = 8

_ORDINARY = ONCE | ON_EXISTS
_ANY = _ORDINARY | PERSISTENT | RECURSIVE
_STAYING = PERSISTENT | RECURSIVE

_DELETED = EventType.NODE_DELETED
_CHILDREN_CHANGED = EventType.NODE_CHILDREN_CHANGED


class WatcherType(IntEnum):
    """Which watches removeWatches and checkWatches speak of (Watcher.WatcherType)."""

    CHILDREN = 1
    DATA = 2
    ANY = 3
    PERSISTENT = 4
    PERSISTENT_RECURSIVE = 5


class _Table(Generic[W]):
    """Watches by path, and the paths of each watcher; a watch is a set of mode bits."""

    __slots__ = ("by_path", "by_watcher", "count", "recursive")

    def __init__(self) -> None:
        self.by_path: dict[str, dict[W, int]] = {}
        self.by_watcher: dict[W, dict[str, None]] = {}
        self.recursive = 0
        self.count = 0

    def add(self, path: str, watcher: W, mode: int) -> None:
        watchers = self.by_path.setdefault(path, {})
        modes = watchers.get(watcher, 0)
        watchers[watcher] = modes | mode
        if not modes:
            self.count += 1
        self.by_watcher.setdefault(watcher, {})[path] = None
        if mode & RECURSIVE and not modes & RECURSIVE:
            self.recursive += 1

    def modes(self, path: str, watcher: W) -> int:
        return self.by_path.get(path, {}).get(watcher, 0)

    def remove(self, path: str, watcher: W, mode: int) -> bool:
        modes = self.modes(path, watcher)
        if not modes & mode:
            return False
        self._keep(path, watcher, modes, modes & ~mode)
        return True

    def _keep(self, path: str, watcher: W, before: int, after: int) -> None:
        watchers = self.by_path[path]
        if before & RECURSIVE and not after & RECURSIVE:
            self.recursive -= 1
        if after:
            watchers[watcher] = after
            return
        del watchers[watcher]
        self.count -= 1
        if not watchers:
            del self.by_path[path]
        paths = self.by_watcher[watcher]
        del paths[path]
        if not paths:
            del self.by_watcher[watcher]

    def forget(self, watcher: W) -> None:
        for path in list(self.by_watcher.get(watcher, ())):
            self.remove(path, watcher, _ANY)

    def fire(self, path: str, told: dict[W, None]) -> None:
        """Add to ``told`` who watches ``path``, and take the ordinary watches away."""
        watchers = self.by_path.get(path)
        if watchers is not None:
            for watcher, modes in list(watchers.items()):
                told[watcher] = None
                if modes & _ORDINARY:
                    self._keep(path, watcher, modes, modes & _STAYING)
        if self.recursive and path != "/":
            self._fire_above(path, told)

    def _fire_above(self, path: str, told: dict[W, None]) -> None:
        while path != "/":
            path = path[: path.rfind("/")] or "/"
            for watcher, modes in self.by_path.get(path, {}).items():
                if modes & RECURSIVE:
                    told[watcher] = None


class Watches(Generic[W]):
    """Every watch of the clients of one server."""

    __slots__ = ("_child", "_data")

    def __init__(self) -> None:
        self._data: _Table[W] = _Table()
        self._child: _Table[W] = _Table()

    # Setting and removing.

    def add_data(self, path: str, watcher: W, mode: int = ONCE) -> None:
        """Watch for creation, deletion and change of data; ``mode`` is ONCE or ON_EXISTS."""
        self._data.add(path, watcher, mode)

    def add_child(self, path: str, watcher: W) -> None:
        """Watch for deletion and for children that come and go."""
        self._child.add(path, watcher, ONCE)

    def add_persistent(self, path: str, watcher: W) -> None:
        """Watch for all of it until removed (addWatch mode 0)."""
        self._data.add(path, watcher, PERSISTENT)
        self._child.add(path, watcher, PERSISTENT)

    def add_recursive(self, path: str, watcher: W) -> None:
        """Watch ``path`` and everything below it until removed (addWatch mode 1)."""
        self._data.add(path, watcher, RECURSIVE)

    def has(self, path: str, watcher: W, type_: int) -> bool:
        """Tell whether ``watcher`` has watches of a :class:`WatcherType` at ``path`` (checkWatches)."""
        data, child = _REMOVED[type_]
        return bool(self._data.modes(path, watcher) & data or self._child.modes(path, watcher) & child)

    def remove(self, path: str, watcher: W, type_: int) -> bool:
        """Remove watches of a :class:`WatcherType`; tell whether there were any (removeWatches)."""
        data, child = _REMOVED[type_]
        removed_data = self._data.remove(path, watcher, data)
        removed_child = self._child.remove(path, watcher, child)
        return removed_data or removed_child

    def forget(self, watcher: W) -> None:
        """Remove everything a watcher has: its connection is gone."""
        self._data.forget(watcher)
        self._child.forget(watcher)

    def set_watches(self, znodes: Znodes, watcher: W, request: SetWatches) -> list[tuple[int, str]]:
        """Take up the watches of a client that has reconnected; return the events it has missed.

        A watch whose event has happened since ``relative_zxid`` is not set again. Persistent watches are only
        set: what they missed is lost by design. An empty path is the root, as with Apache, and hears nothing.
        """
        missed: list[tuple[int, str]] = []
        since = request.relative_zxid
        for path in request.data:
            node = znodes.find(path or "/")
            if node is None:
                missed.append((_DELETED, path))
            elif node.mzxid > since:
                missed.append((EventType.NODE_DATA_CHANGED, path))
            else:
                self.add_data(path, watcher)
        for path in request.exist:
            if znodes.find(path or "/") is not None:
                missed.append((EventType.NODE_CREATED, path))
            else:
                self.add_data(path, watcher, ON_EXISTS)
        for path in request.child:
            node = znodes.find(path or "/")
            if node is None:
                missed.append((_DELETED, path))
            elif node.pzxid > since:
                missed.append((_CHILDREN_CHANGED, path))
            else:
                self.add_child(path, watcher)
        for path in request.persistent:
            self.add_persistent(path, watcher)
        for path in request.persistent_recursive:
            self.add_recursive(path, watcher)
        return missed

    # Firing.

    def fire(self, event_type: int, path: str) -> list[W]:
        """Return who is to be told of an event, each once, and take their ordinary watches away."""
        told: dict[W, None] = {}
        if event_type == _CHILDREN_CHANGED:
            self._child.fire(path, told)
        else:
            self._data.fire(path, told)
            if event_type == _DELETED:
                self._child.fire(path, told)
        return list(told)

    # Counting and listing.

    def __bool__(self) -> bool:
        """Tell whether anybody watches anything."""
        return bool(self._data.by_path or self._child.by_path)

    @property
    def count(self) -> int:
        """How many watches there are: a watcher counts once for each path and table."""
        return self._data.count + self._child.count

    @property
    def paths_count(self) -> int:
        """How many paths are watched."""
        return len(self._data.by_path.keys() | self._child.by_path.keys())

    @property
    def watchers_count(self) -> int:
        """How many watchers there are."""
        return len(self._data.by_watcher.keys() | self._child.by_watcher.keys())

    def count_of(self, watcher: W) -> int:
        """How many watches one watcher has."""
        return len(self._data.by_watcher.get(watcher, ())) + len(self._child.by_watcher.get(watcher, ()))

    def listing(self) -> Iterator[tuple[str, str, W]]:
        """List (path, mode, watcher); the mode is data, exist, child, persistent or recursive."""
        for path, watchers in self._data.by_path.items():
            for watcher, modes in watchers.items():
                for mode in _names(modes, "data"):
                    yield path, mode, watcher
        for path, watchers in self._child.by_path.items():
            for watcher, modes in watchers.items():
                if modes & ONCE:
                    yield path, "child", watcher

    def listing_of(self, watcher: W) -> Iterator[tuple[str, str]]:
        """List (path, mode) of one watcher, as :meth:`listing` does."""
        for path in self._data.by_watcher.get(watcher, ()):
            for mode in _names(self._data.modes(path, watcher), "data"):
                yield path, mode
        for path in self._child.by_watcher.get(watcher, ()):
            if self._child.modes(path, watcher) & ONCE:
                yield path, "child"


def _names(modes: int, once: str) -> Iterator[str]:
    for bit, name in (
        (ONCE, once),
        (ON_EXISTS, "exist"),
        (PERSISTENT, "persistent"),
        (RECURSIVE, "recursive"),
    ):
        if modes & bit:
            yield name


_REMOVED: dict[int, tuple[int, int]] = {
    WatcherType.CHILDREN: (0, _ORDINARY),
    WatcherType.DATA: (_ORDINARY, 0),
    WatcherType.ANY: (_ANY, _ANY),
    WatcherType.PERSISTENT: (PERSISTENT, PERSISTENT),
    WatcherType.PERSISTENT_RECURSIVE: (RECURSIVE, 0),
}
