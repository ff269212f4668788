"""The choice of DIFF, TRUNC or SNAP, over every small pair of histories."""

from __future__ import annotations

import itertools

import pytest

from ensemble.zab.leader import synchronization
from ensemble.zab.leader.synchronization import choose
from ensemble.zab.messages import PacketType
from ensemble.zxid import make
from tests.ensemble.zab.harness import MemoryHistory

SHAPES = list(itertools.product(range(4), repeat=3))


def zxids(shape: tuple[int, ...]) -> list[int]:
    """``shape[e]`` proposals of epoch e + 1."""
    return [make(epoch + 1, counter + 1) for epoch, count in enumerate(shape) for counter in range(count)]


def possible(leader: tuple[int, ...], learner: tuple[int, ...]) -> bool:
    """Two histories that ZAB allows: equal until the last epoch that the learner has proposals of."""
    last = max([epoch for epoch, count in enumerate(learner) if count], default=-1)
    return last < 0 or all(leader[epoch] == learner[epoch] for epoch in range(last))


def test_every_choice_brings_the_learner_to_the_committed_history():
    for leader, learner in itertools.product(SHAPES, SHAPES):
        if not possible(leader, learner):
            continue
        ours, theirs = zxids(leader), zxids(learner)
        history = MemoryHistory([(zxid, b"") for zxid in ours])
        for committed in [0, *ours]:
            plan = choose(history, theirs[-1] if theirs else 0, committed)
            expected = [zxid for zxid in ours if zxid <= committed]
            if plan.mode is PacketType.SNAP:
                assert plan.zxid == committed
                continue
            start = theirs
            if plan.mode is PacketType.TRUNC:
                assert plan.zxid in [0, *theirs], (leader, learner, committed)
                start = [zxid for zxid in theirs if zxid <= plan.zxid]
            assert start + [zxid for zxid, _ in plan.txns] == expected, (leader, learner, committed)


def test_a_zxid_of_an_epoch_we_never_saw_needs_a_snapshot():
    history = MemoryHistory([(make(1, 1), b""), (make(3, 1), b"")])
    assert choose(history, make(2, 1), make(3, 1)).mode is PacketType.SNAP


def test_a_learner_behind_our_oldest_log_needs_a_snapshot():
    history = MemoryHistory([(make(1, 6), b"")], base=make(1, 5))
    assert choose(history, make(1, 2), make(1, 6)).mode is PacketType.SNAP


def test_a_learner_that_lacks_more_than_is_sent_one_by_one_needs_a_snapshot(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(synchronization, "DIFF_TXNS_MAX", 3)
    history = MemoryHistory([(make(1, counter), b"") for counter in range(1, 6)])
    plan = choose(history, make(1, 2), make(1, 5))
    assert (plan.mode, len(plan.txns)) == (PacketType.DIFF, 3)
    plan = choose(history, make(1, 1), make(1, 5))
    assert (plan.mode, plan.zxid, plan.txns) == (PacketType.SNAP, make(1, 5), [])


def test_one_that_is_ahead_of_the_committed_is_cut_back():
    history = MemoryHistory([(make(1, counter), b"") for counter in (1, 2, 3)])
    plan = choose(history, make(1, 3), make(1, 2))
    assert (plan.mode, plan.zxid, plan.txns) == (PacketType.TRUNC, make(1, 2), [])
