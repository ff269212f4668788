"""Judging a whole run from its committed log and what its clients saw (C1-C7; C9 is the world's).

ZooKeeper's replies carry zxids, so no search is needed: the log is replayed once against an independent
model, every reply is compared with the model at its zxid, and the rest are sweeps. All of it is O(n log n).

It does not know servers, faults or time-outs. Each checker raises :class:`HistoryViolation`, which names it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct

from ensemble.errors import Code
from ensemble.simulator.checks.model import Change, Model
from ensemble.simulator.clients.history import UNKNOWN, Answer, Attached, Call, Expired, History, Replied
from ensemble.tree.operations import Op, Read
from ensemble.zxid import text

_HEADER = Struct(">qiqqi")
_INT = Struct(">i")

READS = (Op.EXISTS, Op.GET_DATA, Op.GET_CHILDREN, Op.GET_CHILDREN2)


class HistoryViolation(Exception):
    """A promise to clients was broken; ``checker`` is its name in the reference (C1 ...)."""

    def __init__(self, checker: str, what: str) -> None:
        super().__init__(f"{checker}: {what}")
        self.checker = checker


@dataclass(slots=True)
class Entry:
    """One committed transaction: the header of its payload (TxnHeader, 2.11), and the error it carries."""

    zxid: int
    session: int
    cxid: int
    time_ms: int
    type: int
    error: int
    path: str = ""
    """What a deletion that no client asked for is of."""

    @staticmethod
    def decode(zxid: int, payload: bytes) -> Entry:
        """Read the header; ``HistoryViolation`` when it names another zxid than the log does."""
        session, cxid, inside, time_ms, kind = _HEADER.unpack_from(payload)
        if inside != zxid:
            raise HistoryViolation("C1", f"the transaction logged as {text(zxid)} says it is {text(inside)}")
        error = _INT.unpack_from(payload, _HEADER.size)[0] if kind == Op.ERROR else 0
        entry = Entry(zxid, session, cxid, time_ms, kind, error)
        if kind == Op.DELETE_CONTAINER:
            start = _HEADER.size + _INT.size
            entry.path = payload[start : start + _INT.unpack_from(payload, _HEADER.size)[0]].decode()
        return entry


@dataclass(slots=True)
class Late:
    """A request that was answered as of a time before it was made."""

    call: Call
    newest: int
    """The newest transaction of which somebody knew then."""
    violation: HistoryViolation


@dataclass(slots=True)
class Replay:
    """What replaying the log taught: the final model, and every change by path."""

    model: Model
    changes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """path -> (zxid, event type), in order."""

    def note(self, zxid: int, changes: list[Change]) -> None:
        """Remember what one transaction changed."""
        for change in changes:
            self.changes.setdefault(change.path, []).append((zxid, change.event))


def check(history: History, log: Sequence[tuple[int, bytes]], *, local_sessions: bool = False) -> Replay:
    """Run C1 to C7 (C4 is in ``watching``); return the replay, whose model is the final state.

    ``local_sessions`` says that a session may act before it is agreed on.
    """
    entries = [Entry.decode(zxid, payload) for zxid, payload in log]
    check_real_time(history, entries)
    check_sync(history)
    check_session_order(history, entries)
    replay = replay_log(history, entries, Model(local_sessions=local_sessions))
    check_expiry(history, entries, replay)
    return replay


def replay_log(
    history: History,
    entries: list[Entry],
    model: Model,
    foretold: Collection[int] = (),
    explained: Callable[[Call], bool] = lambda read: False,
) -> Replay:
    """C1, C5, C6, C7: what every client was told is what the model says at that zxid.

    ``foretold`` are the zxids of refusals that call a session expired a moment before it is; ``explained`` is asked
    about each read, in the order of zxids, that the model cannot explain.
    """
    calls: dict[tuple[int, int], Call] = {}
    reads: list[Call] = []
    for call in history.calls:
        if call.is_write:
            calls[(call.session, call.cxid)] = call
        elif call.answer is not None and call.op in READS:
            reads.append(call)
    reads.sort(key=lambda call: call.zxid)
    replay = Replay(model)
    next_read = 0
    for entry in entries:
        while next_read < len(reads) and reads[next_read].zxid < entry.zxid:
            _check_read(replay.model, reads[next_read], explained)
            next_read += 1
        _apply(replay, entry, calls, foretold)
    for read in reads[next_read:]:
        _check_read(replay.model, read, explained)
    for call in calls.values():
        ended_at_home = model.local_sessions and call.op == Op.CLOSE_SESSION
        if call.answer is not None and not ended_at_home:
            raise HistoryViolation("C1", f"acknowledged at {text(call.zxid)} and not in the log: {call}")
    return replay


def _apply(
    replay: Replay, entry: Entry, calls: dict[tuple[int, int], Call], foretold: Collection[int]
) -> None:
    model = replay.model
    if entry.type == Op.CREATE_SESSION:
        model.open_session(entry.session)
        return
    if entry.type == Op.DELETE_CONTAINER:
        wrong = model.reap(entry.path, entry.zxid, entry.time_ms)
        if wrong is not None:
            raise HistoryViolation("C1", f"{entry.path} was deleted at {text(entry.zxid)}, but {wrong}")
        replay.note(entry.zxid, model.changes)
        return
    if entry.session == 0 and entry.type == Op.ERROR:
        return  # such a deletion, refused
    call = calls.pop((entry.session, entry.cxid), None)
    if entry.type == Op.CLOSE_SESSION:
        model.close_session(entry.session, entry.zxid)
        expected = Answer()
    elif call is None:
        raise HistoryViolation("C1", f"{text(entry.zxid)} was asked for by nobody, or a second time: {entry}")
    elif call.op == Op.RECONFIG:
        return  # whether it may be depends on who follows the leader; what it does ``invariants`` watches
    elif entry.error == Code.SESSION_MOVED:
        expected = Answer(Code.SESSION_MOVED)
    elif entry.error == Code.SESSION_EXPIRED and (not model.may_act(entry.session) or entry.zxid in foretold):
        expected = Answer(Code.SESSION_EXPIRED)  # a multi, too, may be refused as a whole
    else:
        live = model.may_act(entry.session)
        expected = model.write(entry.session, call.op, call.operation, entry.zxid, entry.time_ms)
        if not live and entry.type not in (Op.ERROR, Op.MULTI):
            raise HistoryViolation(
                "C5", f"session {entry.session:#x} acted after its end at {text(entry.zxid)}"
            )
        if expected.error != entry.error:
            raise HistoryViolation(
                "C1", f"{text(entry.zxid)} error {entry.error}, model {expected.error}: {call}"
            )
    replay.note(entry.zxid, model.changes if expected.error == 0 else [])
    if call is not None and call.answer is not None:
        _check_write(call, entry, expected)


def _check_write(call: Call, entry: Entry, expected: Answer) -> None:
    if call.zxid != entry.zxid:
        raise HistoryViolation("C1", f"{text(entry.zxid)} was answered as {text(call.zxid)}: {call}")
    if call.answer != expected:
        # Names and versions are C6's, the parts of a multi C7's; the comparison is one.
        checker = "C7" if call.op == Op.MULTI else "C6" if _differ_in_name(call, expected) else "C1"
        raise HistoryViolation(
            checker, f"at {text(entry.zxid)} answered {call.answer}, the model says {expected}: {call}"
        )


def _differ_in_name(call: Call, expected: Answer) -> bool:
    return call.answer is not None and call.answer.path != expected.path


def _check_read(model: Model, call: Call, explained: Callable[[Call], bool]) -> None:
    assert isinstance(call.operation, Read)
    expected = model.read(call.op, call.operation)
    if call.answer != expected and not explained(call):
        raise HistoryViolation(
            "C1", f"read at {text(call.zxid)} saw {call.answer}, the model says {expected}: {call}"
        )


def check_real_time(history: History, entries: list[Entry]) -> None:
    """C1: a write that returned before another was invoked has the smaller zxid.

    The end of a local session is no transaction, and so has none.
    """
    logged = {(entry.session, entry.cxid): True for entry in entries}
    writes = [
        call
        for call in history.calls
        if call.is_write and (call.op != Op.CLOSE_SESSION or (call.session, call.cxid) in logged)
    ]
    for late in _out_of_order(history, "C1", writes):
        raise late.violation


def check_sync(history: History) -> None:
    """C3: a sync's zxid is not below that of any write that returned before the sync was invoked."""
    for late in late_syncs(history):
        raise late.violation


def late_syncs(history: History) -> Iterator[Late]:
    """Yield each sync that breaks C3."""
    return _out_of_order(history, "C3", [call for call in history.calls if call.op == Op.SYNC])


def _out_of_order(history: History, checker: str, calls: list[Call]) -> Iterator[Late]:
    """Each of ``calls``, when answered, must be at or after every write that returned before it began."""
    returned = sorted(
        (call.returned_us, call.zxid)
        for call in history.calls
        if call.is_write and call.returned_us != UNKNOWN
    )
    newest, index = 0, 0
    for call in sorted(calls, key=lambda call: call.invoked_us):
        while index < len(returned) and returned[index][0] < call.invoked_us:
            newest = max(newest, returned[index][1])
            index += 1
        if call.answer is not None and (call.zxid < newest or (call.is_write and call.zxid == newest)):
            what = f"{text(newest)} had returned before this began, answered at {text(call.zxid)}: {call}"
            yield Late(call, newest, HistoryViolation(checker, what))


_TOO_LATE = (Code.SESSION_MOVED, Code.SESSION_EXPIRED)
"""What a server asks for that was slow, and whose client has gone elsewhere since: refused, and nobody's answer."""


def check_session_order(history: History, entries: list[Entry]) -> None:
    """C2: zxids never go down within a session; its transactions stand in the log in the order asked."""
    newest: dict[int, int] = {}
    for entry in entries:
        if entry.cxid <= 0 or entry.error in _TOO_LATE:
            continue
        before = newest.get(entry.session, 0)
        if entry.cxid <= before:
            raise HistoryViolation(
                "C2", f"session {entry.session:#x}: cxid {entry.cxid} at {text(entry.zxid)} after {before}"
            )
        newest[entry.session] = entry.cxid
    for stream in history.streams.values():
        zxid, session = 0, 0
        for seen in stream:
            if isinstance(seen, Attached):
                if seen.session != session:
                    zxid, session = 0, seen.session
            elif isinstance(seen, Replied):
                if seen.call.zxid < zxid:
                    raise HistoryViolation(
                        "C2", f"saw {text(zxid)}, then {text(seen.call.zxid)}: {seen.call}"
                    )
                zxid = seen.call.zxid


def check_expiry(history: History, entries: list[Entry], replay: Replay) -> None:
    """C5: who is told that his session expired finds its end in the log; ephemerals have live owners."""
    for _, violation in untrue_ends(history, entries):
        raise violation
    check_owners(replay)


def untrue_ends(history: History, entries: list[Entry]) -> Iterator[tuple[Expired, HistoryViolation]]:
    """Yield where a client was told that a session expired which no transaction ended, and what is to be said of it."""
    ended = {entry.session: True for entry in entries if entry.type == Op.CLOSE_SESSION}
    created = {entry.session: True for entry in entries if entry.type == Op.CREATE_SESSION}
    for place, stream in history.streams.items():
        for seen in stream:
            if isinstance(seen, Expired) and seen.session in created and seen.session not in ended:
                what = f"client {place} was told {seen.session:#x} expired; no txn says so"
                yield seen, HistoryViolation("C5", what)


def check_owners(replay: Replay) -> None:
    """C5: every ephemeral has an owner that lives."""
    for path, node in replay.model.nodes.items():
        if node.owner and node.owner not in replay.model.sessions:
            raise HistoryViolation("C5", f"ephemeral {path} outlives its session {node.owner:#x}")


def check_nobody_expired(history: History) -> None:
    """C5, for a run without faults: no session of a client that keeps it alive expires.

    One that is closed may be called so: a leader that steps down for another membership answers nobody.
    """
    closed = {call.session for call in history.calls if call.op == Op.CLOSE_SESSION}
    for place, stream in history.streams.items():
        for seen in stream:
            if isinstance(seen, Expired) and seen.session not in closed:
                raise HistoryViolation(
                    "C5",
                    f"client {place}: {seen.session:#x} expired {seen.idle_us} us after it was last heard",
                )
