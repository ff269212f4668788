"""A second opinion on the writes of a run, by search and not by zxids (Wing and Gong, with Lowe's memory).

Each path by itself: setData, create, delete and exists/getData are operations on a register that may be absent and has
a version. Reads may be stale in ZooKeeper, so only writes are judged. A write whose answer never came may have
happened at any time after it was asked for, or never. Nothing here looks at a zxid: if this and C1 disagree,
one of them is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import Code
from ensemble.simulator.clients.history import UNKNOWN, Call, History
from ensemble.tree.operations import Create, CreateMode, Delete, Op, SetData

CALLS_MAX = 200
"""A longer history of one path is left out: the search may take exponential time."""
STATES_MAX = 20_000

_ABSENT = -1
_JUDGED = (Code.OK, Code.BAD_VERSION, Code.NO_NODE, Code.NODE_EXISTS)


@dataclass(slots=True, frozen=True)
class _Write:
    """One call on one path; ``error`` None when it was never answered."""

    kind: int
    expected: int
    invoked_us: int
    returned_us: int
    error: int | None
    version: int | None


def check_paths(history: History) -> tuple[int, str | None]:
    """Judge every path that only plain writes have touched; return how many, and what is wrong with one or None."""
    judged = 0
    for path, calls in _by_path(history).items():
        if not 1 < len(calls) <= CALLS_MAX:
            continue
        verdict = linearizable([_write(call) for call in calls])
        if verdict is None:
            continue
        judged += 1
        if not verdict:
            return judged, f"no order of the {len(calls)} writes of {path} explains their answers"
    return judged, None


def _by_path(history: History) -> dict[str, list[Call]]:
    """Group plain writes by path; leave out paths that other transactions change, or that stand below others."""
    calls: dict[str, list[Call]] = {}
    others: set[str] = set()
    for call in history.calls:
        operation = call.operation
        if isinstance(operation, SetData | Delete) or (
            isinstance(operation, Create)
            and operation.mode == CreateMode.PERSISTENT
            and call.op != Op.CREATE_CONTAINER
        ):
            # Any other error changes nothing, and depends on more than this path.
            if call.answer is None or call.answer.error in _JUDGED:
                calls.setdefault(operation.path, []).append(call)
        elif call.is_write:
            others.update(_touched(operation))
            answers = [call.answer, *(call.answer.results or [])] if call.answer is not None else []
            others.update([made for answer in answers if (made := answer.path) is not None])
    return {path: found for path, found in calls.items() if path.count("/") == 1 and path not in others}


def _touched(operation: object) -> list[str]:
    parts = [each for _, each in getattr(operation, "ops", [])] or [operation]
    return [path for each in parts if (path := getattr(each, "path", None)) is not None]


def _write(call: Call) -> _Write:
    operation = call.operation
    expected = getattr(operation, "version", -1)
    kind = (
        Op.CREATE
        if isinstance(operation, Create)
        else Op.DELETE
        if isinstance(operation, Delete)
        else Op.SET_DATA
    )
    answer = call.answer
    stat = answer.stat if answer is not None else None
    returned_us = call.returned_us if answer is not None and call.returned_us != UNKNOWN else 1 << 62
    return _Write(
        kind,
        expected,
        call.invoked_us,
        returned_us,
        None if answer is None else answer.error,
        stat[4] if stat is not None and kind == Op.SET_DATA else None,
    )


def linearizable(writes: list[_Write]) -> bool | None:
    """Tell whether some order in real time explains all answers; None when the search was given up."""
    writes = sorted(writes, key=lambda write: write.invoked_us)
    answered = sum(1 << place for place, write in enumerate(writes) if write.error is not None)
    seen: set[tuple[int, int]] = set()
    stack = [(0, _ABSENT)]
    while stack:
        done, state = stack.pop()
        if done & answered == answered:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        if len(seen) > STATES_MAX:
            return None
        left = [place for place in range(len(writes)) if not done >> place & 1]
        first_return = min([writes[place].returned_us for place in left])
        for place in left:
            write = writes[place]
            if write.invoked_us > first_return:
                break
            after = _after(state, write)
            if after is not None:
                stack.append((done | 1 << place, after))
    return False


def _after(version: int, write: _Write) -> int | None:
    """Return the version behind a write, or None when the write cannot have had its answer here."""
    if write.kind == Op.CREATE:
        error, after = (Code.OK, 0) if version == _ABSENT else (Code.NODE_EXISTS, version)
    elif version == _ABSENT:
        error, after = Code.NO_NODE, _ABSENT
    elif write.expected not in (-1, version):
        error, after = Code.BAD_VERSION, version
    elif write.kind == Op.DELETE:
        error, after = Code.OK, _ABSENT
    else:
        error, after = Code.OK, version + 1
    if write.error is None:
        return after
    wrong_version = write.version is not None and error == Code.OK and after != write.version
    return after if error == write.error and not wrong_version else None
