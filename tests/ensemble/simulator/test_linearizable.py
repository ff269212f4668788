"""The second opinion: it accepts what some order explains, refuses what none does, and agrees with C1 on whole runs."""

from __future__ import annotations

from ensemble.errors import Code
from ensemble.simulator.checks.linearizable import _Write, check_paths, linearizable
from ensemble.simulator.clients.workload import Mix
from ensemble.simulator.world import World
from ensemble.tree.operations import Op

NEVER = 1 << 62


def create(begin: int, end: int, error: int | None = 0) -> _Write:
    return _Write(Op.CREATE, -1, begin, end, error, None)


def change(begin: int, end: int, version: int | None, expected: int = -1, error: int | None = 0) -> _Write:
    return _Write(Op.SET_DATA, expected, begin, end, error, version)


def test_an_order_that_explains_all_answers_is_found() -> None:
    assert linearizable([create(0, 1), change(2, 9, 2), change(3, 8, 1), change(10, 11, 3)])
    assert linearizable([create(0, 5), create(1, 4, Code.NODE_EXISTS)])
    assert linearizable([create(0, 1), change(2, 3, None, 4, Code.BAD_VERSION)])


def test_an_answer_that_no_order_explains_is_refused() -> None:
    assert linearizable([create(0, 1), change(2, 3, 2), change(4, 5, 1)]) is False  # against real time
    assert linearizable([create(0, 1), change(2, 9, 1), change(3, 8, 1)]) is False  # one of them was lost
    assert linearizable([create(0, 1), create(2, 3)]) is False


def test_what_was_never_answered_may_have_happened_or_not() -> None:
    lost = change(2, NEVER, None, error=None)
    assert linearizable([create(0, 1), lost, change(4, 5, 2)])
    assert linearizable([create(0, 1), lost, change(4, 5, 1)])
    assert linearizable([create(0, 1), lost, change(4, 5, 3)]) is False


def test_it_agrees_with_c1_on_whole_runs() -> None:
    judged = 0
    for seed in range(1, 30):
        world = World(seed)
        if world.plan.changes or world.plan.recipes:
            continue
        world.plan.follower = False
        world = World(seed, plan=world.plan)
        world.plan.mix = Mix([3, 8, 2, 0, 0, 0, 1, 1, 0, 0], 3, 0.0, 0.3)
        for client in world.cast.clients:
            client._workload.mix = world.plan.mix
        world.run()
        found, wrong = check_paths(world.history)
        assert wrong is None
        judged += found
    assert judged > 10


def test_a_lost_write_of_a_whole_run_is_noticed() -> None:
    """A setData that was answered as if another had not happened."""
    for seed in range(1, 60):
        world = World(seed)
        world.run()
        for call in world.history.calls:
            answer = call.answer
            if (
                call.op == Op.SET_DATA
                and answer is not None
                and answer.stat is not None
                and answer.stat[4] > 1
            ):
                stat = list(answer.stat)
                stat[4] -= 1
                answer.stat = tuple(stat)  # type: ignore[assignment]
                if check_paths(world.history)[1] is not None:
                    return
                stat[4] += 1
                answer.stat = tuple(stat)  # type: ignore[assignment]
    raise AssertionError("no lost write was noticed")
