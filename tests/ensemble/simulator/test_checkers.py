"""Each checker accepts a good history and catches a bad one."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

import pytest

from ensemble.errors import Code
from ensemble.simulator import checkers, watching
from ensemble.simulator.checkers import HistoryViolation
from ensemble.simulator.history import (
    Attached,
    Call,
    Expired,
    Fired,
    History,
    Pinged,
    Replied,
    Rewatched,
    Rewatching,
    Seen,
)
from ensemble.simulator.model import CHANGED, CHILDREN, CREATED, DELETED, Answer, Model
from ensemble.tree.operations import (
    OPEN_ACL,
    Check,
    CloseSession,
    Create,
    CreateMode,
    Delete,
    Multi,
    Op,
    Operation,
    Read,
    SetData,
    Sync,
)
from ensemble.zxid import make

_HEADER = Struct(">qiqqi")
SESSION, OTHER = 0x11, 0x22
CLIENT = 1001


class Run:
    """Writes a history by hand: what is logged and what was told are stated apart."""

    def __init__(self) -> None:
        self.history = History()
        self.log: list[tuple[int, bytes]] = []
        self.stream: list[Seen] = self.history.streams.setdefault(CLIENT, [])
        self._cxids: dict[int, int] = {}
        self._now = 0
        self._truth = Model()
        self.txn(SESSION, 0, Op.CREATE_SESSION)
        self._truth.open_session(SESSION)
        self.stream.append(Attached(SESSION, 1, resumed=False, relative_zxid=0))

    @property
    def zxid(self) -> int:
        return self.log[-1][0]

    def txn(self, session: int, cxid: int, kind: int, error: int = 0) -> int:
        zxid = make(1, len(self.log) + 1)
        payload = _HEADER.pack(session, cxid, zxid, 5, kind)
        self.log.append(
            (zxid, payload + (error.to_bytes(4, "big", signed=True) if kind == Op.ERROR else b""))
        )
        return zxid

    def call(self, op: int, operation: Operation, session: int = SESSION) -> Call:
        self._cxids[session] = self._cxids.get(session, 0) + 1
        self._now += 10
        call = Call(CLIENT, session, self._cxids[session], op, operation, self._now, 1)
        self.history.calls.append(call)
        return call

    def reply(self, call: Call, answer: Answer, zxid: int) -> Call:
        self._now += 10
        call.returned_us, call.answer, call.zxid = self._now, answer, zxid
        self.stream.append(Replied(call))
        return call

    def write(self, op: int, operation: Operation, session: int = SESSION) -> Call:
        """A write that is logged and answered as it should be."""
        call = self.call(op, operation, session)
        zxid = make(1, len(self.log) + 1)
        answer = self._truth.write(session, op, operation, zxid, 5)
        self.txn(session, call.cxid, Op.ERROR if answer.error else op, answer.error)
        return self.reply(call, answer, zxid)

    def reap(self, path: str, at_ms: int) -> None:
        """A deletion by the ensemble itself."""
        zxid = make(1, len(self.log) + 1)
        name = path.encode()
        payload = _HEADER.pack(0, 0, zxid, at_ms, Op.DELETE_CONTAINER) + len(name).to_bytes(4, "big") + name
        self.log.append((zxid, payload))
        self._truth.reap(path, zxid, at_ms)

    def read(self, op: int, path: str, *, watch: bool = False) -> Call:
        """A read that is answered as it should be, now."""
        call = self.call(op, Read(path, watch))
        return self.reply(call, self._truth.read(op, Read(path)), self.zxid)

    def create(self, path: str, mode: int = CreateMode.PERSISTENT) -> Call:
        return self.write(Op.CREATE, Create(path, b"x", OPEN_ACL, mode))

    def set(self, path: str) -> Call:
        return self.write(Op.SET_DATA, SetData(path, b"y", -1))

    def judge(self) -> None:
        replay = checkers.check(self.history, self.log)
        watching.check_watches(self.history, replay)


def _fails(run: Run, checker: str) -> None:
    with pytest.raises(HistoryViolation) as caught:
        run.judge()
    assert caught.value.checker == checker, str(caught.value)


def test_containers_and_ttl_znodes_go_when_their_time_is_over() -> None:
    run = Run()
    run.write(Op.CREATE_CONTAINER, Create("/c", b"", OPEN_ACL, CreateMode.CONTAINER))
    run.create("/c/a")
    run.write(Op.DELETE, Delete("/c/a", -1))
    run.write(Op.CREATE_TTL, Create("/t", b"", OPEN_ACL, CreateMode.PERSISTENT_WITH_TTL, 100))
    run.reap("/c", 6)
    run.reap("/t", 106)
    run.read(Op.GET_CHILDREN, "/")
    run.judge()


@pytest.mark.parametrize(
    ("path", "at_ms"),
    [("/t", 105), ("/t-used", 1000), ("/c", 1000), ("/c-used", 1000), ("/p", 1000), ("/no", 9)],
)
def test_nothing_else_goes_by_itself(path: str, at_ms: int) -> None:
    run = Run()
    for name in ("/c", "/c-used"):
        run.write(Op.CREATE_CONTAINER, Create(name, b"", OPEN_ACL, CreateMode.CONTAINER))
    for name in ("/t", "/t-used"):
        run.write(Op.CREATE_TTL, Create(name, b"", OPEN_ACL, CreateMode.PERSISTENT_WITH_TTL, 100))
    for name in ("/p", "/c-used/a", "/t-used/a"):
        run.create(name)
    run.reap(path, at_ms)
    _fails(run, "C1")


def test_a_good_history_passes() -> None:
    run = Run()
    run.create("/a")
    run.create("/a/b", CreateMode.EPHEMERAL)
    run.create("/a/s-", CreateMode.PERSISTENT_SEQUENTIAL)
    run.set("/a")
    run.write(Op.SET_DATA, SetData("/a", b"", 7))
    run.write(Op.MULTI, Multi([(Op.CHECK, Check("/a", 1)), (Op.DELETE, Delete("/a/b", -1))]))
    run.write(Op.MULTI, Multi([(Op.SET_DATA, SetData("/a", b"", -1)), (Op.DELETE, Delete("/gone", -1))]))
    run.read(Op.GET_DATA, "/a")
    run.read(Op.GET_CHILDREN2, "/a")
    run.read(Op.EXISTS, "/none")
    run.write(Op.CLOSE_SESSION, CloseSession())
    run.judge()


# -- C1 ------------------------------------------------------------------------------------------------------


def test_c1_an_acknowledged_write_that_is_not_in_the_log() -> None:
    run = Run()
    run.reply(run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)), Answer(path="/a"), make(1, 9))
    _fails(run, "C1")


def test_c1_a_write_without_a_reply_may_have_happened_or_not() -> None:
    run = Run()
    run.call(Op.CREATE, Create("/never", b"", OPEN_ACL, 0))
    happened = run.call(Op.CREATE, Create("/late", b"", OPEN_ACL, 0))
    run.create("/between")
    happened.cxid = 9  # it was asked last
    run.txn(SESSION, 9, Op.CREATE)
    run.judge()


def test_c1_a_transaction_nobody_asked_for() -> None:
    run = Run()
    run.txn(SESSION, 77, Op.CREATE)
    _fails(run, "C1")


def test_c1_a_write_applied_twice() -> None:
    run = Run()
    call = run.set("/")
    run.txn(SESSION, call.cxid, Op.SET_DATA)
    with pytest.raises(HistoryViolation):
        run.judge()
    with pytest.raises(HistoryViolation, match="second time"):
        checkers.replay_log(run.history, [checkers.Entry.decode(*entry) for entry in run.log], Model())


def test_c1_a_reply_with_the_zxid_of_another_write() -> None:
    run = Run()
    run.create("/a").zxid += 1
    _fails(run, "C1")


def test_c1_a_refusal_the_model_does_not_share() -> None:
    run = Run()
    call = run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    zxid = run.txn(SESSION, call.cxid, Op.ERROR, Code.NODE_EXISTS)
    run.reply(call, Answer(Code.NODE_EXISTS), zxid)
    _fails(run, "C1")


@pytest.mark.parametrize(
    "tamper",
    [
        lambda answer: setattr(answer, "data", b"stale"),
        lambda answer: setattr(answer, "stat", (*answer.stat[:5], answer.stat[5] + 1, *answer.stat[6:])),
        lambda answer: setattr(answer, "error", Code.NO_NODE),
    ],
)
def test_c1_a_read_that_is_not_the_state_at_its_zxid(tamper: Callable[[Answer], None]) -> None:
    run = Run()
    run.create("/a")
    answer = run.read(Op.GET_DATA, "/a").answer
    assert answer is not None
    tamper(answer)
    _fails(run, "C1")


def test_c1_a_stale_read_is_pinned_to_its_own_zxid() -> None:
    run = Run()
    run.create("/a")
    read = run.read(Op.GET_DATA, "/a")
    run.set("/a")
    run.judge()
    read.zxid = run.zxid
    with pytest.raises(HistoryViolation, match="C1"):
        run.judge()


def test_c1_a_later_write_with_a_smaller_zxid() -> None:
    run = Run()
    first, second = run.create("/a"), run.create("/b")
    first.invoked_us, first.returned_us, second.invoked_us, second.returned_us = 300, 400, 100, 200
    _fails(run, "C1")


# -- C2, C3 --------------------------------------------------------------------------------------------------


def test_c2_a_zxid_that_goes_back_within_a_session() -> None:
    run = Run()
    run.create("/a")
    read = run.read(Op.EXISTS, "/b")
    run.create("/c")
    run.stream.append(Replied(read))
    _fails(run, "C2")


def test_c2_a_session_whose_writes_stand_in_the_log_in_another_order() -> None:
    run = Run()
    first = run.call(Op.SET_DATA, SetData("/", b"1", -1))
    second = run.call(Op.SET_DATA, SetData("/", b"2", -1))
    run.txn(SESSION, second.cxid, Op.SET_DATA)
    run.txn(SESSION, first.cxid, Op.SET_DATA)
    _fails(run, "C2")


def test_c3_a_sync_that_misses_a_write_that_had_returned() -> None:
    run = Run()
    before = run.zxid
    run.create("/a")
    sync = run.call(Op.SYNC, Sync("/a"))
    run.stream.clear()  # another session's
    run.reply(sync, Answer(path="/a"), before)
    _fails(run, "C3")


# -- C4 ------------------------------------------------------------------------------------------------------


def test_c4_a_watch_that_fires_once_before_the_change_is_seen() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.read(Op.GET_CHILDREN, "/a", watch=True)
    run.stream.append(Fired(run.zxid + 1, CHANGED, "/a"))
    run.set("/a")
    run.stream.append(Fired(run.zxid + 1, CHILDREN, "/a"))
    run.create("/a/b")
    run.set("/a")
    run.judge()


def test_c4_a_watch_that_never_fires() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.set("/a")
    _fails(run, "C4")


def test_c4_a_ping_also_shows_that_the_event_is_late() -> None:
    run = Run()
    run.read(Op.EXISTS, "/a", watch=True)
    run.txn(OTHER, 0, Op.CREATE_SESSION)
    call = run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    run.txn(SESSION, call.cxid, Op.CREATE)
    run.stream.append(Pinged(run.zxid))
    _fails(run, "C4")


@pytest.mark.parametrize(
    ("event", "path", "offset"),
    [(CHANGED, "/a", 1), (CREATED, "/a", 0), (CHANGED, "/", 0), (DELETED, "/a", 0)],
)
def test_c4_an_event_that_fits_no_change_or_no_watch(event: int, path: str, offset: int) -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.stream.append(Fired(run.zxid + 1 + offset, event, path))
    run.set("/a")
    run.set("/a")
    _fails(run, "C4")


def test_c4_a_watch_that_fires_twice() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.stream += [Fired(run.zxid + 1, CHANGED, "/a"), Fired(run.zxid + 1, CHANGED, "/a")]
    run.set("/a")
    _fails(run, "C4")


def _moved(run: Run, *found: Fired) -> None:
    relative = max(seen.call.zxid for seen in run.stream if isinstance(seen, Replied))
    call = run.call(Op.SET_DATA, SetData("/a", b"", -1), OTHER)
    run.txn(OTHER, 0, Op.CREATE_SESSION)
    run.txn(OTHER, call.cxid, Op.SET_DATA)
    run.stream += [Attached(SESSION, 2, resumed=True, relative_zxid=relative), *found, Rewatched(run.zxid)]


def test_c4_a_client_is_believed_which_watches_it_carries_over() -> None:
    for said, found, holds in (
        (Rewatching(), (), True),
        (Rewatching(data=("/a",)), (Fired(-1, CHANGED, "/a"),), True),
        (Rewatching(data=("/a",)), (), False),
    ):
        run = Run()
        run.create("/a")
        run.read(Op.GET_DATA, "/a", watch=True)
        _moved(run, *found)
        run.stream.insert(
            next(i for i, s in enumerate(run.stream) if isinstance(s, Attached) and s.resumed) + 1, said
        )
        if holds:
            run.judge()
        else:
            _fails(run, "C4")


def test_c4_a_watch_carried_to_another_server_finds_what_it_missed() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    _moved(run, Fired(-1, CHANGED, "/a"))
    run.judge()


@pytest.mark.parametrize("found", [[], [Fired(-1, DELETED, "/a")]])
def test_c4_set_watches_that_tells_nothing_or_something_else(found: list[Fired]) -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    _moved(run, *found)
    _fails(run, "C4")


# -- C5, C6, C7 ----------------------------------------------------------------------------------------------


def test_c5_a_closed_session_that_acts_again() -> None:
    run = Run()
    run.txn(SESSION, 0, Op.CLOSE_SESSION)
    call = run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    run.txn(SESSION, call.cxid, Op.CREATE)
    _fails(run, "C5")


def test_c5_an_expiry_without_a_transaction() -> None:
    run = Run()
    run.stream.append(Expired(SESSION, 0))
    _fails(run, "C5")


def test_c5_the_ephemerals_of_a_closed_session_are_gone() -> None:
    run = Run()
    run.create("/e", CreateMode.EPHEMERAL)
    run.txn(SESSION, 0, Op.CLOSE_SESSION)
    replay = checkers.check(run.history, run.log)
    assert "/e" not in replay.model.nodes


def test_c6_a_sequential_name_that_is_not_the_next() -> None:
    run = Run()
    call = run.create("/s-", CreateMode.PERSISTENT_SEQUENTIAL)
    assert call.answer == Answer(path="/s-0000000000")
    call.answer.path = "/s-0000000001"
    _fails(run, "C6")


def test_c7_a_multi_whose_results_are_not_all_or_nothing() -> None:
    run = Run()
    ops: list[tuple[int, Operation]] = [
        (Op.SET_DATA, SetData("/", b"", -1)),
        (Op.DELETE, Delete("/gone", -1)),
    ]
    call = run.write(Op.MULTI, Multi(ops))
    assert call.answer == Answer(results=[Answer(0), Answer(Code.NO_NODE)])
    call.answer.results = [Answer(stat=(0,) * 11), Answer(Code.NO_NODE)]
    _fails(run, "C7")


def test_a_refused_multi_leaves_no_trace_in_the_model() -> None:
    model = Model()
    model.open_session(SESSION)
    before = model.digest()
    ops: list[tuple[int, Operation]] = [
        (Op.CREATE, Create("/a", b"", OPEN_ACL, 0)),
        (Op.CREATE, Create("/a/b", b"", OPEN_ACL, 0)),
        (Op.SET_DATA, SetData("/a", b"z", 5)),
    ]
    answer = model.write(SESSION, Op.MULTI, Multi(ops), make(1, 1), 1)
    assert answer.results == [Answer(0), Answer(0), Answer(Code.BAD_VERSION)]
    assert model.digest() == before
    assert "/a" not in model.nodes
    assert "a" not in model.nodes["/"].children


def test_the_digest_of_a_pristine_model_is_apaches() -> None:
    assert Model().digest() == 1371985504
