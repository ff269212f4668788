"""C4 for watches that stay (addWatch): while a connection lasts every change is told once, in order, and in time.

What happens between two connections is told to nobody: setWatches registers these watches again and looks for nothing
(2.7). In what order the changes of one transaction are told is nobody's promise.

It works on one client's stream and the changes that replaying the log gave; it knows no server.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping

from ensemble.simulator.checks.checkers import HistoryViolation, Replay
from ensemble.simulator.checks.model import CHILDREN
from ensemble.simulator.clients.history import Attached, Fired, Pinged, Replied, Rewatched, Seen
from ensemble.tree.operations import AddWatch, Op
from ensemble.zxid import text

UNTOLD = -1
"""What stands in the events of Apache's servers before 3.9 where later ones say which change it was."""

Streams = Mapping[int, list[Seen]]


def part(streams: Streams) -> tuple[dict[int, list[Seen]], dict[int, list[Seen]]]:
    """Part the streams of clients with a watch that stays from all others."""
    staying = {place: stream for place, stream in streams.items() if _stays(stream)}
    return staying, {place: stream for place, stream in streams.items() if place not in staying}


def check_staying_watches(streams: Streams, replay: Replay, vague: Collection[int] = ()) -> int:
    """Judge each client's one watch; return how many events there were.

    ``vague`` are servers whose events do not say which change they tell of: they are judged by their order.
    """
    for place, stream in streams.items():
        _Staying(place, replay, vague).run(stream)
    return sum(isinstance(seen, Fired) for stream in streams.values() for seen in stream)


def _stays(stream: list[Seen]) -> bool:
    return any(isinstance(seen, Replied) and seen.call.op == Op.ADD_WATCH for seen in stream)


class _Staying:
    """The one persistent watch of a client."""

    def __init__(self, place: int, replay: Replay, vague: Collection[int]) -> None:
        self._place = place
        self._replay = replay
        self._servers = vague
        self._vague = False
        self._watch: AddWatch | None = None
        self._live = False
        self._due: dict[int, list[tuple[int, str]]] = {}
        """zxid -> the events of that transaction."""
        self._zxids: list[int] = []
        self._next = 0
        self._told: list[tuple[int, str]] = []
        """What was told of the next transaction already."""

    def run(self, stream: list[Seen]) -> None:
        for seen in stream:
            if isinstance(seen, Attached):
                self._live = False
                self._vague = seen.server in self._servers
                if not seen.resumed:
                    self._watch = None
            elif isinstance(seen, Rewatched) and self._watch is not None:
                self._begin(seen.zxid)
            elif isinstance(seen, Replied):
                self._seen(seen.call.zxid)
                if seen.call.op == Op.ADD_WATCH and not self._live:
                    assert isinstance(seen.call.operation, AddWatch)
                    self._watch = seen.call.operation
                    self._begin(seen.call.zxid)
            elif isinstance(seen, Pinged):
                self._seen(seen.zxid)
            elif isinstance(seen, Fired):
                self._fired(seen)

    def _begin(self, zxid: int) -> None:
        """From ``zxid`` on everything is to be told."""
        if not self._due:
            for path, changes in self._replay.changes.items():
                for at, event in changes:
                    if self._covers(path, event):
                        self._due.setdefault(at, []).append((event, path))
            self._zxids = sorted(self._due)
        self._next, self._told = bisect_right(self._zxids, zxid), []
        self._live = True

    def _covers(self, path: str, event: int) -> bool:
        assert self._watch is not None
        if path == self._watch.path:
            return self._watch.mode == 0 or event != CHILDREN
        below = f"{self._watch.path.rstrip('/')}/"
        return self._watch.mode == 1 and event != CHILDREN and path.startswith(below)

    def _seen(self, zxid: int) -> None:
        if self._live and self._next < len(self._zxids) and self._zxids[self._next] <= zxid:
            at = self._zxids[self._next]
            self._fail(f"saw {text(zxid)}, and was not told of {self._left()} at {text(at)}")

    def _fired(self, fired: Fired) -> None:
        if not self._live or self._next == len(self._zxids):
            self._fail(f"told of {fired}, and nothing is due")
        due = self._zxids[self._next]
        zxid = due if self._vague and fired.zxid == UNTOLD else fired.zxid
        event = (fired.event, fired.path)
        if zxid != due or event not in self._left():
            self._fail(f"told of {fired}, due is {self._left()} at {text(due)}")
        self._told.append(event)
        if not self._left():
            self._next, self._told = self._next + 1, []

    def _left(self) -> list[tuple[int, str]]:
        """Return what is still to be told of the next transaction."""
        left = list(self._due[self._zxids[self._next]])
        for event in self._told:
            left.remove(event)
        return left

    def _fail(self, what: str) -> None:
        raise HistoryViolation("C4", f"client {self._place}, persistent watch: {what}")
