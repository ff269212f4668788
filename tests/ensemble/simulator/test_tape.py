"""The choice tape: the same choices are the same run, here, from a file and in another process; and less is less."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ensemble.simulator.runs.report import Failure, lines_of, replay_saved, replay_seed, run_seed, run_world
from ensemble.simulator.runs.shrink import Shrinker
from ensemble.simulator.schedules.saved import NotASchedule, SavedSchedule, describe, plan_of, read
from ensemble.simulator.schedules.tape import Lane, Tape
from ensemble.simulator.world import World
from ensemble.zab.quorum import Majority

ROOT = Path(__file__).parents[3]
_PRINT_HASH = """
import hashlib, pathlib, sys
from ensemble.simulator.runs.report import replay_saved
from ensemble.simulator.schedules.saved import read
print(hashlib.sha256("\\n".join(replay_saved(read(pathlib.Path(sys.argv[1])))[1]).encode()).hexdigest())
"""


def one_is_a_quorum(patch: pytest.MonkeyPatch) -> None:
    init = Majority.__init__

    def short(self: Majority, voters: tuple[int, ...]) -> None:
        init(self, voters)
        self.size, self._index = 1, 0

    patch.setattr(Majority, "__init__", short)


def first_failure() -> SavedSchedule:
    for seed in range(1, 20):
        result = run_seed(seed, transcript_lines=0)
        if isinstance(result, Failure):
            assert result.saved is not None
            return result.saved
    raise AssertionError("a broken server was not noticed")


def test_a_lane_gives_what_was_recorded_and_then_draws() -> None:
    lane = Lane((3, 1), "seed")
    assert [lane.draw(10), lane.draw(10)] == [3, 1]
    more = [lane.draw(10) for _ in range(20)]
    assert len(set(more)) > 3
    assert lane.taken == [3, 1, *more]


def test_an_empty_lane_gives_the_least_eventful_choice() -> None:
    lane = Lane()
    assert lane.choice("abc") == "a"
    assert lane.randint(4, 9) == 4
    assert lane.random() > 0.9999  # nothing happens that has a small probability
    assert lane.randbytes(3) == b"\0\0\0"


def test_a_recorded_choice_beyond_its_bound_still_is_a_choice() -> None:
    assert Lane((17,)).draw(10) == 7


def test_lanes_do_not_disturb_each_other() -> None:
    alone, together = Tape(5), Tape(5)
    together.lane("other").random()
    assert alone.lane("one").random() == together.lane("one").random()
    assert alone.lane("one").random() != Tape(6).lane("one").random()


def test_every_choice_of_a_run_is_on_its_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Played from the tape alone, with no seed behind it, a run is the same line by line."""
    for seed in (3, 8, 21):
        world = World(seed, traced=True)
        result = run_world(world)
        saved = world.recorded()
        again = replay_saved(saved)
        assert again == (result, lines_of(world))


def test_a_saved_schedule_is_the_same_run_in_another_process_under_another_hash_seed(tmp_path: Path) -> None:
    world = World(5)
    run_world(world)
    path = world.recorded().save(tmp_path)
    here = sha256("\n".join(replay_seed(5)[1]).encode()).hexdigest()
    for hash_seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, "-c", _PRINT_HASH, str(path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed.stdout.strip() == here


def test_a_plan_is_written_and_read_whole() -> None:
    for seed in range(1, 60):
        plan = World(seed).plan
        assert plan_of(describe(plan)) == plan


def test_a_file_that_holds_no_schedule_is_refused_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(NotASchedule, match="No such file"):
        read(path)
    for text in ("", "[]", "{}", '{"format": 99}'):
        path.write_text(text)
        with pytest.raises(NotASchedule):
            read(path)
    with pytest.raises(CommandError, match="format 99"):
        call_command("simulate", replay=path)


def test_a_failing_schedule_is_made_smaller_and_fails_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    one_is_a_quorum(monkeypatch)
    saved = first_failure()
    told: list[tuple[int, int]] = []
    small = Shrinker(saved, seconds=3, progress=lambda runs, size: told.append((runs, size))).run()
    result, lines = replay_saved(small)
    assert isinstance(result, Failure)
    assert result.invariant == saved.invariant
    assert lines
    assert small.size() < saved.size() / 2
    assert len(small.strikes) <= len(saved.strikes)
    assert told
    assert told[-1] == (len(told), small.size())


def test_a_failure_is_saved_and_replayed_by_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one_is_a_quorum(monkeypatch)
    with pytest.raises(SystemExit):
        call_command("simulate", seeds="1..4", save=tmp_path, no_shrink=True)
    paths = sorted(tmp_path.iterdir())
    assert paths
    assert f"--replay {paths[0]}" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        call_command("simulate", replay=paths[0])
    assert left.value.code == 1
    printed = capsys.readouterr().out
    assert "phase=" in printed
    assert f"{read(paths[0]).invariant}: " in printed
    monkeypatch.undo()
    call_command("simulate", replay=paths[0])
    assert "holds" in capsys.readouterr().out


def test_a_run_that_is_not_the_same_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(range(10**9))
    monkeypatch.setattr(Lane, "random", lambda self: next(drawn) % 97 / 97)
    result = run_seed(100)
    assert isinstance(result, Failure)
    assert result.invariant == "determinism"
