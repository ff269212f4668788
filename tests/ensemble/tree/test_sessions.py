"""Session ids, Apache's passwords, and expiry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.tree.sessions import ExpiryQueue, first_session_id, password_of


@pytest.mark.parametrize(
    ("session", "password"),
    [
        (0x100000000000001, "054cc74a37327db215e702e20c73f005"),
        (0x1000016FCA2D0000, "c95b5e1d22dc84ff4f12b13c3b0e4ee6"),
        (0x1000016FCA2D0000 - (1 << 64), "c95b5e1d22dc84ff4f12b13c3b0e4ee6"),
    ],
)
def test_passwords_are_those_of_javas_random(session: int, password: str) -> None:
    assert password_of(session).hex() == password


def test_a_session_id_tells_its_server_and_its_time() -> None:
    assert first_session_id(1, 0) == 0x0100000000000000
    assert first_session_id(3, 0x123456789A) == 0x03_123456789A_0000
    assert first_session_id(0, 0xFFFF_123456789A) == 0x00_123456789A_0000
    assert first_session_id(200, 1) == (200 << 56 | 1 << 16) - (1 << 64)


def test_the_one_id_that_means_a_container_is_passed_over() -> None:
    assert first_session_id(128, 0) == -(2**63) + 1


def test_a_session_lives_its_timeout_and_at_most_a_tick_more() -> None:
    queue = ExpiryQueue(2000)
    queue.touch(1, 5000, 1000)
    assert queue.remaining(1, 1000) == 7000
    assert queue.expired(7999) == []
    assert 1 in queue
    assert queue.expired(8000) == [1]
    assert 1 not in queue
    assert queue.expired(99_999) == []
    assert queue.remaining(1, 0) is None


def test_a_touched_session_lives_on_and_a_removed_one_is_not_told() -> None:
    queue = ExpiryQueue(1000)
    for session in (1, 2, 3):
        queue.touch(session, 3000, 0)
    queue.touch(2, 3000, 2000)
    queue.remove(3)
    queue.remove(99)
    assert len(queue) == 2
    assert queue.expired(4000) == [1]
    assert queue.expired(6000) == [2]


def test_the_earliest_come_first() -> None:
    queue = ExpiryQueue(1000)
    queue.touch(1, 5000, 0)
    queue.touch(2, 1000, 0)
    queue.touch(3, 5000, 0)
    assert queue.expired(60_000) == [2, 1, 3]


def test_a_stall_of_our_own_is_given_back() -> None:
    queue = ExpiryQueue(1000)
    queue.touch(1, 3000, 0)
    queue.postpone(10_000)
    assert queue.remaining(1, 10_000) == 4000
    assert queue.expired(13_999) == []
    queue.touch(2, 3000, 13_999)
    assert queue.expired(14_000) == [1]
    assert queue.expired(16_999) == []
    assert queue.expired(17_000) == [2]


steps = st.tuples(st.integers(1, 4), st.integers(0, 3000), st.sampled_from(["touch", "remove", "wait"]))


@given(st.lists(steps, max_size=40), st.integers(1, 700))
def test_expiry_is_never_early_and_never_more_than_a_tick_late(
    script: list[tuple[int, int, str]], tick: int
) -> None:
    queue, deadlines, now = ExpiryQueue(tick), dict[int, int](), 0
    for session, ms, what in script:
        if what == "touch":
            queue.touch(session, ms, now)
            deadlines[session] = now + ms
        elif what == "remove":
            queue.remove(session)
            deadlines.pop(session, None)
        else:
            now += ms
            expired = queue.expired(now)
            assert all(deadlines[each] < now for each in expired)
            for each in expired:
                del deadlines[each]
            assert all(now < deadline + tick for deadline in deadlines.values())
        assert len(queue) == len(deadlines)
        assert queue._deadlines.keys() == {each for bucket in queue._buckets.values() for each in bucket}
