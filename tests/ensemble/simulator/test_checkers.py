"""Each checker accepts a good history and catches a bad one; watches have a file of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ensemble.errors import Code
from ensemble.simulator.checks import checkers
from ensemble.simulator.checks.checkers import HistoryViolation
from ensemble.simulator.checks.model import Model
from ensemble.simulator.clients.history import (
    Answer,
    Call,
    Expired,
    Replied,
)
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
    SetData,
    Sync,
)
from ensemble.zxid import make
from tests.ensemble.simulator.by_hand import CLIENT, OTHER, SESSION, Run, assert_fails


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
    assert_fails(run, "C1")


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


def test_c1_an_acknowledged_write_that_is_not_in_the_log() -> None:
    run = Run()
    run.reply(run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)), Answer(path="/a"), make(1, 9))
    assert_fails(run, "C1")


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
    assert_fails(run, "C1")


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
    assert_fails(run, "C1")


def test_c1_a_refusal_the_model_does_not_share() -> None:
    run = Run()
    call = run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    zxid = run.txn(SESSION, call.cxid, Op.ERROR, Code.NODE_EXISTS)
    run.reply(call, Answer(Code.NODE_EXISTS), zxid)
    assert_fails(run, "C1")


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
    assert_fails(run, "C1")


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
    assert_fails(run, "C1")


def test_c2_a_zxid_that_goes_back_within_a_session() -> None:
    run = Run()
    run.create("/a")
    read = run.read(Op.EXISTS, "/b")
    run.create("/c")
    run.stream.append(Replied(read))
    assert_fails(run, "C2")


def test_c2_a_session_whose_writes_stand_in_the_log_in_another_order() -> None:
    run = Run()
    first = run.call(Op.SET_DATA, SetData("/", b"1", -1))
    second = run.call(Op.SET_DATA, SetData("/", b"2", -1))
    run.txn(SESSION, second.cxid, Op.SET_DATA)
    run.txn(SESSION, first.cxid, Op.SET_DATA)
    assert_fails(run, "C2")


def test_c3_a_sync_that_misses_a_write_that_had_returned() -> None:
    run = Run()
    before = run.zxid
    run.create("/a")
    sync = run.call(Op.SYNC, Sync("/a"))
    run.stream.clear()  # another session's
    run.reply(sync, Answer(path="/a"), before)
    assert_fails(run, "C3")


def test_c5_a_closed_session_that_acts_again() -> None:
    run = Run()
    run.txn(SESSION, 0, Op.CLOSE_SESSION)
    call = run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    run.txn(SESSION, call.cxid, Op.CREATE)
    assert_fails(run, "C5")


def test_c5_an_expiry_without_a_transaction() -> None:
    run = Run()
    run.stream.append(Expired(SESSION, 0))
    assert_fails(run, "C5")


def test_without_faults_a_session_ends_only_when_its_client_closes_it():
    run = Run()
    run.stream.append(Expired(SESSION, 0))
    with pytest.raises(HistoryViolation, match=r"C5: client 1001: 0x11 expired 0 us after"):
        checkers.check_nobody_expired(run.history)
    run.history.calls.append(Call(CLIENT, SESSION, 1, Op.CLOSE_SESSION, CloseSession(), 0, 1))
    checkers.check_nobody_expired(run.history)
    run.stream.append(Expired(OTHER, 0))
    with pytest.raises(HistoryViolation, match=r"0x22 expired"):
        checkers.check_nobody_expired(run.history)


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
    assert_fails(run, "C6")


def test_c7_a_multi_whose_results_are_not_all_or_nothing() -> None:
    run = Run()
    ops: list[tuple[int, Operation]] = [
        (Op.SET_DATA, SetData("/", b"", -1)),
        (Op.DELETE, Delete("/gone", -1)),
    ]
    call = run.write(Op.MULTI, Multi(ops))
    assert call.answer == Answer(results=[Answer(0), Answer(Code.NO_NODE)])
    call.answer.results = [Answer(stat=(0,) * 11), Answer(Code.NO_NODE)]
    assert_fails(run, "C7")


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
