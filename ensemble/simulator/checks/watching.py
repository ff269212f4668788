"""C4: one-shot watches fire exactly once, for the first change after they were set, and in time.

"In time" is: before the client sees, on that session, any zxid at or past the change. A watch that a client
carries to another server is told to it by setWatches; what happened in between is found by comparing zxids,
so an exists watch may miss a node that came and went unseen (2.7), and nothing else.

It works on one client's stream and the changes that replaying the log gave; it knows no server.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ensemble.simulator.checks.checkers import HistoryViolation, Replay
from ensemble.simulator.checks.model import CHANGED, CHILDREN, CREATED, DELETED
from ensemble.simulator.clients.history import (
    Attached,
    Expired,
    Fired,
    History,
    Pinged,
    Replied,
    Rewatched,
    Rewatching,
    Seen,
)
from ensemble.tree.operations import Op, Read
from ensemble.zxid import text

_NEVER = 1 << 63
_DATA_EVENTS = (CREATED, DELETED, CHANGED)
_CHILD_EVENTS = (DELETED, CHILDREN)
_FOUND = -1


def check_watches(history: History, replay: Replay) -> None:
    """Check every client's stream."""
    triggers = _Triggers(replay)
    for place, stream in history.streams.items():
        _Stream(place, triggers).run(stream)


class _Triggers:
    """When each path changed, for data and for child watches."""

    def __init__(self, replay: Replay) -> None:
        self._changes = replay.changes
        self._zxids: dict[tuple[str, bool], list[int]] = {}

    def first_after(self, path: str, child: bool, zxid: int) -> int:
        """Return the zxid of the first trigger after ``zxid``."""
        zxids = self._of(path, child)
        at = bisect_right(zxids, zxid)
        return zxids[at] if at < len(zxids) else _NEVER

    def between(self, path: str, child: bool, after: int, until: int) -> bool:
        """Tell whether anything triggered in (after, until]."""
        return self.first_after(path, child, after) <= until

    def events_at(self, path: str, zxid: int) -> list[int]:
        """Return the event types of ``path`` at exactly ``zxid``."""
        changes = self._changes.get(path, [])
        start, end = bisect_left(changes, (zxid, 0)), bisect_left(changes, (zxid + 1, 0))
        return [event for _, event in changes[start:end]]

    def exists(self, path: str, zxid: int) -> bool:
        """Tell whether ``path`` existed after ``zxid``."""
        changes = self._changes.get(path, [])
        for index in range(bisect_left(changes, (zxid + 1, 0)) - 1, -1, -1):
            event = changes[index][1]
            if event != CHILDREN:
                return event != DELETED
        return path in ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")

    def _of(self, path: str, child: bool) -> list[int]:
        zxids = self._zxids.get((path, child))
        if zxids is None:
            wanted = _CHILD_EVENTS if child else _DATA_EVENTS
            zxids = [zxid for zxid, event in self._changes.get(path, []) if event in wanted]
            self._zxids[(path, child)] = zxids
        return zxids


class _Stream:
    """The watches of one client, as they should be."""

    def __init__(self, place: int, triggers: _Triggers) -> None:
        self._place = place
        self._triggers = triggers
        self._pending: dict[tuple[str, bool], int] = {}
        """(path, child watch?) -> the zxid from which it watches."""
        self._exist: dict[str, bool] = {}
        """Data watches set by exists on a missing node."""
        self._found: list[Fired] = []
        self._relative = 0
        self._settling = False

    def run(self, stream: list[Seen]) -> None:
        for seen in stream:
            if isinstance(seen, Fired):
                self._fired(seen)
            elif isinstance(seen, Replied):
                self._seen(seen.call.zxid)
                self._register(seen)
            elif isinstance(seen, Pinged):
                self._seen(seen.zxid)
            elif isinstance(seen, Rewatching):
                self._rewatching(seen)
            elif isinstance(seen, Rewatched):
                self._rewatched(seen.zxid)
            elif isinstance(seen, Attached):
                if not seen.resumed:
                    self._pending, self._exist = {}, {}
                self._relative, self._settling, self._found = seen.relative_zxid, bool(self._pending), []
            elif isinstance(seen, Expired):
                self._pending, self._exist = {}, {}

    def _register(self, seen: Replied) -> None:
        call = seen.call
        if not isinstance(call.operation, Read) or not call.operation.watch or call.answer is None:
            return
        path, child = call.operation.path, call.op in (Op.GET_CHILDREN, Op.GET_CHILDREN2)
        if call.answer.error:
            if call.op != Op.EXISTS:
                return
            self._exist[path] = True
        elif not child:
            self._exist.pop(path, None)
        self._pending.setdefault((path, child), call.zxid)

    def _seen(self, zxid: int) -> None:
        """Nothing that triggered at or before ``zxid`` may still be owed."""
        if self._settling:
            return  # setWatches is still on its way; its reply is judged
        for (path, child), since in self._pending.items():
            if self._triggers.between(path, child, since, zxid):
                due = self._triggers.first_after(path, child, since)
                self._fail(
                    f"{path} changed at {text(due)}, the watch of {text(since)} had not fired by {text(zxid)}"
                )

    def _fired(self, fired: Fired) -> None:
        kinds = [
            child for child in (False, True) if fired.event in (_CHILD_EVENTS if child else _DATA_EVENTS)
        ]
        used = [child for child in kinds if (fired.path, child) in self._pending]
        if not used and self._told_twice(fired):
            return
        if not used:
            self._fail(f"event {fired.event} on {fired.path}, which it did not watch")
        if fired.zxid == _FOUND:
            if not self._settling:
                self._fail(
                    f"event {fired.event} on {fired.path} without a zxid, after setWatches was answered"
                )
            self._found.append(fired)
        elif fired.event not in self._triggers.events_at(fired.path, fired.zxid):
            self._fail(f"event {fired.event} on {fired.path}: no such change at {text(fired.zxid)}")
        for child in used:
            since = self._pending.pop((fired.path, child))
            due = self._triggers.first_after(fired.path, child, since)
            if fired.zxid not in (_FOUND, due):
                self._fail(
                    f"{fired.path} watched from {text(since)} fired for {text(fired.zxid)}, not {text(due)}"
                )

    def _told_twice(self, fired: Fired) -> bool:
        """setWatches tells of a deletion once for the data watch and once for the child watch (as Apache)."""
        return self._settling and fired.event == DELETED and fired in self._found

    def _rewatching(self, seen: Rewatching) -> None:
        """Take the client's word for what it watches: what was sent to it may not have reached it."""
        keys = [(path, False) for path in (*seen.data, *seen.exist)] + [(path, True) for path in seen.child]
        self._pending = {key: self._pending.get(key, self._relative) for key in keys}
        self._exist = dict.fromkeys(seen.exist, True)
        self._settling = bool(keys)

    def _rewatched(self, zxid: int) -> None:
        """Judge what setWatches found at ``zxid``, and what it registered again."""
        self._settling = False
        for fired in self._found:
            self._check_found(fired, zxid)
        self._found = []
        for (path, child), _since in list(self._pending.items()):
            missed = self._triggers.between(path, child, self._relative, zxid)
            blind = path in self._exist and not child and not self._triggers.exists(path, zxid)
            if missed and not blind:
                self._fail(
                    f"{path} changed in ({text(self._relative)}, {text(zxid)}] and setWatches did not tell"
                )
            self._pending[(path, child)] = zxid

    def _check_found(self, fired: Fired, zxid: int) -> None:
        exists = self._triggers.exists(fired.path, zxid)
        child = fired.event == CHILDREN
        changed = self._triggers.between(fired.path, child, self._relative, zxid)
        if exists is (fired.event == DELETED) or (fired.event != DELETED and not changed):
            self._fail(f"setWatches at {text(zxid)} told event {fired.event} on {fired.path}; that is not so")

    def _fail(self, what: str) -> None:
        raise HistoryViolation("C4", f"client {self._place}: {what}")
