"""Clients that follow recipes: they get on, and C8 notices what must not be."""

from __future__ import annotations

import pytest

from ensemble.simulator.checks.checkers import HistoryViolation, Replay
from ensemble.simulator.checks.exclusion import check_counter, check_fencing, check_queue, first_in_line
from ensemble.simulator.checks.model import CREATED, DELETED, Model, ModelNode
from ensemble.simulator.clients.history import Answer, Call, Expired, History, Replied
from ensemble.simulator.clients.recipes import COUNTER, LOCK, QUEUE
from ensemble.simulator.runs.report import Failure, run_world
from ensemble.simulator.world import World
from ensemble.tree.operations import OPEN_ACL, Create, Delete, Op, SetData

OLDER, NEWER = f"{LOCK}/1.1-0000000001", f"{LOCK}/2.1-0000000002"
LINE = {OLDER: [(10, CREATED), (20, DELETED)], NEWER: [(11, CREATED), (30, DELETED)]}


def acknowledged(op: Op, operation: object, answer: Answer | None) -> Call:
    return Call(0, 1, 1, op, operation, 0, 1, 5, 9, answer)  # type: ignore[arg-type]


def replay(**data: bytes) -> Replay:
    model = Model()
    for name, content in data.items():
        model.nodes[f"/{name}"] = ModelNode(content, 1, 1, 1, 1)
    return Replay(model)


def test_clients_of_the_theme_hold_the_lock_in_turn_and_some_sessions_end_while_they_do() -> None:
    worlds = [world for world in map(World, range(1, 100)) if world.plan.recipes][:6]
    expired = passed_on = 0
    for world in worlds:
        result = run_world(world)
        assert not isinstance(result, Failure), result.text()
        assert result.coverage["write guarded by a lock"] > 0
        streams = world.history.streams.values()
        expired += sum(isinstance(seen, Expired) for stream in streams for seen in stream)
        writers = [
            {seen.call.session for seen in stream if isinstance(seen, Replied) and seen.call.op == Op.MULTI}
            for stream in streams
        ]
        passed_on += sum(bool(sessions) for sessions in writers) >= 2
    assert expired
    assert passed_on >= 5


def test_who_writes_while_another_is_first_in_line_is_caught() -> None:
    first_in_line(LINE, f"{LOCK}/", [(15, OLDER), (25, NEWER)])
    for writes in ([(15, NEWER)], [(25, OLDER)], [(35, NEWER)], [(15, OLDER), (21, NEWER), (22, OLDER)]):
        with pytest.raises(HistoryViolation, match="C8"):
            first_in_line(LINE, f"{LOCK}/", writes)


def test_a_token_that_goes_back_is_caught() -> None:
    check_fencing([(15, 10), (16, 10), (25, 11)])
    with pytest.raises(HistoryViolation, match="C8: 0:26 is fenced by 0:10, after a write fenced by 0:11"):
        check_fencing([(15, 10), (25, 11), (26, 10)])


def test_what_is_gone_from_the_queue_and_nobody_took_is_caught() -> None:
    put = acknowledged(Op.CREATE, Create(f"{QUEUE}/item-", b"", OPEN_ACL, 2), Answer(path=f"{QUEUE}/item-1"))
    take = acknowledged(Op.DELETE, Delete(f"{QUEUE}/item-1", -1), Answer())
    check_queue(History([put, take]), replay())
    with pytest.raises(HistoryViolation, match="nobody took it"):
        check_queue(History([put]), replay())
    with pytest.raises(HistoryViolation, match="was taken by"):
        check_queue(History([put, take, take]), replay())


def test_an_increment_that_is_lost_is_caught_and_one_of_unknown_outcome_may_count() -> None:
    name = COUNTER.removeprefix("/")
    done = acknowledged(Op.SET_DATA, SetData(COUNTER, b"1", 0), Answer())
    unknown = acknowledged(Op.SET_DATA, SetData(COUNTER, b"2", 1), None)
    for value in (b"1", b"2"):
        check_counter(History([done, unknown]), replay(**{name: value}))
    for value in (b"0", b"3"):
        with pytest.raises(HistoryViolation, match="C8: the counter is"):
            check_counter(History([done, unknown]), replay(**{name: value}))
