"""C8: what the recipes promise, judged from the log: one holder at a time, later tokens greater, nothing taken twice.

``first_in_line`` knows sequential znodes and zxids only, so any run with a lock can be judged by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush

from ensemble.simulator.checks.checkers import Entry, HistoryViolation, Replay
from ensemble.simulator.checks.model import CHANGED, CREATED, DELETED
from ensemble.simulator.clients.history import Call, History
from ensemble.simulator.clients.recipes import COUNTER, GUARDED, LOCK, NUMBER_DIGITS, QUEUE
from ensemble.tree.operations import Create, Delete, Multi, Op, SetData
from ensemble.zxid import text

Changes = Mapping[str, list[tuple[int, int]]]
"""path -> (zxid, event type), in order."""


def check_recipes(history: History, entries: Iterable[Entry], replay: Replay) -> int:
    """Judge lock, queue and counter; return how many writes a lock guarded."""
    calls = {(call.session, call.cxid): call for call in history.calls if call.is_write}
    logged = {entry.zxid: call for entry in entries if (call := calls.get((entry.session, entry.cxid)))}
    changed = [zxid for zxid, event in replay.changes.get(GUARDED, []) if event == CHANGED]
    tokens = [(zxid, *_token(logged[zxid])) for zxid in changed]
    first_in_line(replay.changes, f"{LOCK}/", [(zxid, holder) for zxid, _, holder in tokens])
    check_fencing([(zxid, czxid) for zxid, czxid, _ in tokens])
    check_queue(history, replay)
    check_counter(history, replay)
    return len(tokens)


def first_in_line(changes: Changes, locks: str, writes: Iterable[tuple[int, str]]) -> None:
    """At every write (zxid, the holder's znode) that a lock guards its writer was the first in line.

    The line are the sequential znodes whose paths begin with ``locks``.
    """
    lives: list[tuple[int, int, int]] = []
    for path, events in changes.items():
        if path.startswith(locks):
            created = next(zxid for zxid, event in events if event == CREATED)
            deleted = next((zxid for zxid, event in events if event == DELETED), 1 << 63)
            lives.append((created, deleted, int(path[-NUMBER_DIGITS:])))
    lives.sort(reverse=True)
    line: list[tuple[int, int]] = []
    """The numbers of those who wait or hold, the least first, and when each leaves."""
    for zxid, holder in sorted(writes):
        while lives and lives[-1][0] < zxid:
            _, deleted, number = lives.pop()
            heappush(line, (number, deleted))
        while line and line[0][1] < zxid:
            heappop(line)
        if not line or line[0][0] != int(holder[-NUMBER_DIGITS:]):
            first = line[0][0] if line else "nobody"
            raise HistoryViolation("C8", f"{holder} wrote at {text(zxid)} while {first} held the lock")


def check_fencing(tokens: Iterable[tuple[int, int]]) -> None:
    """What is guarded is written, zxid after zxid, by holders whose czxids never go back."""
    newest = 0
    for zxid, czxid in tokens:
        if czxid < newest:
            raise HistoryViolation(
                "C8", f"{text(zxid)} is fenced by {text(czxid)}, after a write fenced by {text(newest)}"
            )
        newest = czxid


def check_queue(history: History, replay: Replay) -> None:
    """What was put is taken once, by somebody who asked for it, or is still there."""
    taken: dict[str, Call] = {}
    asked: set[str] = set()
    for call in history.calls:
        if isinstance(call.operation, Delete):
            path = call.operation.path
            asked.add(path)
            if call.answer is not None and not call.answer.error and path.startswith(QUEUE):
                if path in taken:
                    raise HistoryViolation("C8", f"{path} was taken by {taken[path]} and by {call}")
                taken[path] = call
    for call in history.calls:
        if call.op != Op.CREATE or not isinstance(call.operation, Create) or call.answer is None:
            continue
        put = call.answer.path or ""
        if put.startswith(f"{QUEUE}/") and put not in replay.model.nodes and put not in asked:
            raise HistoryViolation("C8", f"{put} is gone and nobody took it: {call}")


def check_counter(history: History, replay: Replay) -> None:
    """Every increment that was acknowledged counts once; one whose outcome nobody learned may."""
    node = replay.model.nodes.get(COUNTER)
    if node is None:
        return
    value = int(node.data or b"0")
    asked = [
        call
        for call in history.calls
        if isinstance(call.operation, SetData) and call.operation.path == COUNTER
    ]
    done = len([call for call in asked if call.answer is not None and not call.answer.error])
    unknown = len([call for call in asked if call.answer is None])
    if not done <= value <= done + unknown:
        raise HistoryViolation(
            "C8", f"the counter is {value}, after {done} increments and {unknown} of unknown outcome"
        )


def _token(call: Call) -> tuple[int, str]:
    """Return what a guarded write carries: the czxid that fences it, and its holder's znode."""
    operation = call.operation
    parts = [part for _, part in operation.ops] if isinstance(operation, Multi) else [operation]
    data = next(part.data for part in parts if isinstance(part, SetData) and part.path == GUARDED)
    czxid, _, holder = (data or b"").decode().partition(" ")
    return int(czxid), holder
