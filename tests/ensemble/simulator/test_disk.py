"""The simulated disk forgets what a real one forgets, and nothing else."""

from __future__ import annotations

import errno
from random import Random

import pytest

from ensemble.errors import StorageError
from ensemble.simulator.clock import Timeline
from ensemble.simulator.machine.disk import SimulatedCrash, SimulatedDisk


class World:
    def __init__(self, seed: int = 0) -> None:
        self.timeline = Timeline()
        self.disk = SimulatedDisk(self.timeline.after, Random(seed))

    def run(self) -> None:
        while self.timeline.step():
            pass

    def synced(self) -> None:
        self.disk.sync(lambda: None)
        self.run()


def test_what_is_synced_survives_and_what_is_not_may_not() -> None:
    kept = set()
    for seed in range(60):
        world = World(seed)
        world.disk.write("d/a", 0, b"durable")
        world.synced()
        world.disk.write("d/a", 7, b"-and-more")
        world.disk.crash()
        content = world.disk.read("d/a")
        assert content.startswith(b"durable")
        kept.add(content)
    assert b"durable" in kept
    assert b"durable-and-more" in kept
    assert any(len(b"durable") < len(content) < len(b"durable-and-more") for content in kept)


def test_a_new_file_may_vanish_until_its_directory_is_synced() -> None:
    outcomes = set()
    for seed in range(40):
        world = World(seed)
        world.disk.write("d/a", 0, b"x")
        world.disk.crash()
        outcomes.add(tuple(world.disk.names("d")))
    assert outcomes == {(), ("a",)}


def test_sectors_of_a_large_write_are_kept_in_any_order() -> None:
    patterns = set()
    for seed in range(200):
        world = World(seed)
        world.disk.allocate("d/a", 4 * 512)
        world.synced()
        world.disk.write("d/a", 0, b"x" * 4 * 512)
        world.disk.crash()
        content = world.disk.read("d/a")
        patterns.add(tuple(content[start : start + 512] == b"x" * 512 for start in range(0, 2048, 512)))
    assert len(patterns) == 16


def test_losing_the_process_keeps_the_page_cache() -> None:
    world = World()
    world.disk.write("d/a", 0, b"x")
    world.disk.sync(lambda: pytest.fail("nobody is there to hear"))
    world.disk.detach()
    world.run()
    assert world.disk.read("d/a") == b"x"


def test_syncs_take_time_and_keep_their_order() -> None:
    world = World()
    told: list[tuple[str, int]] = []
    world.disk.write("d/a", 0, b"1")
    world.disk.sync(lambda: told.append(("first", world.timeline.now_us)))
    world.disk.write("d/a", 0, b"2")
    world.disk.sync(lambda: told.append(("second", world.timeline.now_us)))
    assert told == []
    # The second write waits behind the first sync, as it would in a thread.
    assert world.disk.content()["d/a"] == b"1"
    world.run()
    assert [name for name, _ in told] == ["first", "second"]
    assert 0 < told[0][1] < told[1][1]


def test_a_slow_disk_is_slower() -> None:
    durations = []
    for slowness in (1, 100):
        world = World()
        world.disk.slowness = slowness
        world.disk.write("d/a", 0, b"1")
        world.synced()
        durations.append(world.timeline.now_us)
    assert durations[1] >= 90 * durations[0]


def test_blocking_calls_wait_for_the_queue() -> None:
    world = World()
    told: list[str] = []
    world.disk.write("d/a", 0, b"1")
    world.disk.sync(lambda: told.append("synced"))
    world.disk.write("d/a", 1, b"2")
    assert world.disk.read("d/a") == b"12"
    assert world.disk.durable_content() == {"d/a": b"1"}
    assert told == []
    world.run()
    assert told == ["synced"]


def test_a_crash_before_each_effect_of_an_atomic_write() -> None:
    outcomes = []
    for effect in range(6):
        world = World(effect)
        world.disk.write_atomic("d/a", b"old")
        world.disk.crash_before(effect)
        try:
            world.disk.write_atomic("d/a", b"new")
        except SimulatedCrash:
            world.disk.crash()
        outcomes.append(world.disk.read("d/a"))
    assert outcomes[0] == b"old"
    assert outcomes[-1] == b"new"
    assert set(outcomes) == {b"old", b"new"}


def test_a_rename_is_lost_or_whole_until_the_directory_is_synced() -> None:
    outcomes = set()
    for seed in range(40):
        world = World(seed)
        world.disk.write_atomic("d/a", b"old")
        world.disk.crash_before(4)
        with pytest.raises(SimulatedCrash):
            world.disk.write_atomic("d/a", b"new")
        world.disk.crash()
        outcomes.add((world.disk.read("d/a"), tuple(world.disk.names("d"))))
    assert outcomes == {(b"old", ("a",)), (b"old", ("a", "a.tmp")), (b"new", ("a",))}


def test_aside_is_as_the_chunks_were_and_comes_later() -> None:
    world = World()
    state = [b"then"]
    told: list[str] = []
    world.disk.write_aside("d/s", (chunk for chunk in state), lambda: told.append("done"))
    state[0] = b"now"
    assert world.disk.names("d") == []
    world.run()
    assert told == ["done"]
    assert world.disk.durable_content() == {"d/s": b"then"}


def test_failures_come_once_at_the_call_they_were_ordered_for() -> None:
    world = World()
    world.disk.fail("write_atomic", errno.ENOSPC, part="Epoch", skip=1)
    world.disk.write_atomic("d/snapshot", b"1")
    world.disk.write_atomic("d/currentEpoch", b"1")
    with pytest.raises(StorageError, match="d/currentEpoch: No space left"):
        world.disk.write_atomic("d/currentEpoch", b"2")
    world.disk.write_atomic("d/currentEpoch", b"3")
    assert world.disk.read("d/currentEpoch") == b"3"


def test_after_a_failure_in_the_queue_nothing_reaches_the_disk() -> None:
    world = World()
    failures: list[StorageError] = []
    world.disk.on_failure = failures.append
    world.disk.write("d/a", 0, b"good")
    world.synced()
    world.disk.fail("sync", errno.EIO)
    world.disk.write("d/a", 0, b"lost")
    world.disk.sync(lambda: pytest.fail("it failed"))
    world.run()
    world.disk.write("d/a", 0, b"late")
    assert len(failures) == 1
    with pytest.raises(StorageError, match="failed before"):
        world.disk.read("d/a")
    world.disk.crash()
    assert world.disk.read("d/a") != b"late"


def test_one_seed_one_outcome() -> None:
    def outcome(seed: int) -> dict[str, bytes]:
        world = World(seed)
        for index in range(20):
            world.disk.write(f"d/{index % 3}", index * 100, bytes([index]) * 900)
            if index % 4 == 0:
                world.disk.sync(lambda: None)
                world.timeline.step()
        world.disk.crash()
        return world.disk.content()

    assert [outcome(seed) for seed in range(10)] == [outcome(seed) for seed in range(10)]
    assert len({str(outcome(seed)) for seed in range(10)}) > 5
