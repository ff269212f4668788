"""Virtual time."""

from __future__ import annotations

from collections.abc import Callable

from ensemble.simulator.clock import ServerClock, Timeline


def _now(work: Callable[[], None]) -> None:
    work()


def test_events_happen_by_time_then_by_order_of_scheduling() -> None:
    timeline, seen = Timeline(), []
    timeline.after(20, lambda: seen.append("late"))
    timeline.after(10, lambda: seen.append("first"))
    timeline.after(10, lambda: seen.append("second"))
    assert timeline.run_until(100) is False
    assert seen == ["first", "second", "late"]
    assert timeline.now_us == 100


def test_a_cancelled_event_does_not_happen_and_costs_no_step() -> None:
    timeline, seen = Timeline(), []
    timeline.after(10, lambda: seen.append("gone")).cancel()
    assert timeline.step() is False
    assert not seen
    assert timeline.happened == 0


def test_nothing_happens_before_now() -> None:
    timeline, seen = Timeline(), []
    timeline.run_until(50)
    timeline.at(10, lambda: seen.append(timeline.now_us))
    timeline.step()
    assert seen == [50]


def test_run_until_stops_at_the_event_that_settles_it() -> None:
    timeline, seen = Timeline(), []
    for when in (10, 20, 30):
        timeline.at(when, lambda w=when: seen.append(w))
    assert timeline.run_until(100, unless=lambda: len(seen) == 2) is True
    assert (seen, timeline.now_us) == ([10, 20], 20)


def test_a_fast_clock_sees_more_time_and_its_timers_come_early() -> None:
    timeline, seen = Timeline(), []
    clock = ServerClock(timeline, _now, rate=2.0, offset_us=7)
    clock.call_later(10, lambda: seen.append(timeline.now_us))
    timeline.run_until(10_000)
    assert seen == [5_000]
    assert clock.monotonic_us() == 7 + 20_000


def test_a_timer_cancelled_while_its_server_is_paused_does_not_fire() -> None:
    timeline, seen, held = Timeline(), [], []
    clock = ServerClock(timeline, held.append)
    timer = clock.call_later(1, lambda: seen.append("fired"))
    timeline.run_until(2_000)
    timer.cancel()
    for work in held:
        work()
    assert len(held) == 1
    assert not seen


def test_a_wall_clock_may_jump_back_the_monotonic_one_never() -> None:
    timeline = Timeline()
    clock = ServerClock(timeline, _now)
    timeline.run_until(5_000_000)
    before = clock.wall_ms(), clock.monotonic_us()
    clock.wall_offset_ms -= 60_000
    assert clock.wall_ms() == before[0] - 60_000
    assert clock.monotonic_us() == before[1]
