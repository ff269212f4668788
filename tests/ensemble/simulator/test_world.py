"""Whole runs: they hold, they are the same twice, and they are as hard as they claim."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ensemble.replica.replica import Replica
from ensemble.simulator.checks.checkers import Entry
from ensemble.simulator.clients.workload import PASSING
from ensemble.simulator.runs import runner
from ensemble.simulator.runs.report import Failure, Summary, replay_seed, run_seed
from ensemble.simulator.world import World
from ensemble.tree.operations import Op
from ensemble.zab.quorum import Majority

ROOT = Path(__file__).parents[3]
SEEDS = range(1, 61)
_PRINT_HASH = """
import hashlib
from ensemble.simulator.runs.report import replay_seed
for seed in (3, 8):
    print(hashlib.sha256("\\n".join(replay_seed(seed)[1]).encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def summary() -> Summary:
    return runner.summarize(SEEDS)


def test_every_promise_holds(summary: Summary) -> None:
    assert summary.schedules == len(SEEDS)
    assert not summary.failures, "\n".join(failure.text() for failure in summary.failures)


def test_the_runs_are_not_void(summary: Summary) -> None:
    """A run in which nothing happens proves nothing (etcd asserts a minimum of traffic for that reason)."""
    assert summary.acknowledged >= 30 * len(SEEDS)
    assert summary.committed >= 20 * len(SEEDS)
    assert sum(summary.faults.values()) >= 3 * len(SEEDS)


def test_some_worlds_have_znodes_that_go_by_themselves_and_quotas() -> None:
    worlds = [world for world in map(World, range(1, 40)) if world.plan.mix is PASSING]
    assert len(worlds) >= 3
    reaped = quotas = 0
    for world in worlds:
        world.run()
        reaped += sum([Entry.decode(*each).type == Op.DELETE_CONTAINER for each in world.monitor.committed])
        quotas += sum(
            [len(each.process.replica.tree.quotas) for each in world.cast.machines.values() if each.process]
        )
    assert reaped >= len(worlds)
    assert quotas >= len(worlds)


def test_the_rare_paths_are_reached(summary: Summary) -> None:
    for path in (
        "leading broadcast",
        "following synchronization",
        "truncate log",
        "truncate log in boot",
        "remove snapshot",
        "crash between steps",
        "crash before send",
        "crash before disk effect",
    ):
        assert summary.coverage.get(path, 0) > 0, path


def test_a_seed_is_the_same_run_twice() -> None:
    for seed in (3, 8):
        first, second = replay_seed(seed), replay_seed(seed)
        assert first == second
        assert len(first[1]) > 100


def test_a_seed_is_the_same_run_traced_or_not() -> None:
    assert run_seed(4) == replay_seed(4)[0]


def test_a_seed_is_the_same_run_under_another_hash_seed() -> None:
    here = ["".join(sha256("\n".join(replay_seed(seed)[1]).encode()).hexdigest()) for seed in (3, 8)]
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        printed = subprocess.run(
            [sys.executable, "-c", _PRINT_HASH],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed.stdout.split() == here


def test_different_seeds_are_different_runs() -> None:
    assert replay_seed(3)[1] != replay_seed(8)[1]


def test_several_processes_run_the_same_seeds() -> None:
    alone = sorted(runner.run(range(1, 9)), key=lambda result: result.seed)
    shared = sorted(runner.run(range(1, 9), jobs=2), key=lambda result: result.seed)
    assert alone == shared


def test_a_failure_names_its_seed_its_invariant_and_what_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    init = Majority.__init__

    def short(self: Majority, voters: tuple[int, ...]) -> None:
        init(self, voters)
        self.size, self._index = 1, 0

    monkeypatch.setattr(Majority, "__init__", short)
    failures = [result for result in runner.run(range(1, 6)) if isinstance(result, Failure)]
    assert failures
    text = failures[0].text()
    assert f"seed {failures[0].seed}: {failures[0].invariant}: " in text
    assert "phase=broadcast" in text
    assert "not deterministic" not in text


def test_an_unexpected_error_of_a_server_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Replica) -> None:
        raise ZeroDivisionError("by the test")

    monkeypatch.setattr(Replica, "flush", broken)
    result = run_seed(1, transcript_lines=0)
    assert isinstance(result, Failure)
    assert result.invariant == "ZeroDivisionError"
    assert "by the test" in result.what


def test_a_world_without_faults_answers_everything() -> None:
    plans = ((seed, World(seed).plan) for seed in range(1, 1_000))
    # A restless client leaves a server without waiting for its answers.
    calm = (
        seed
        for seed, plan in plans
        if not (plan.faults or plan.lasting or plan.changes or plan.habits.restless)
    )
    result = run_seed(next(calm))
    assert not isinstance(result, Failure)
    assert not result.faults
    assert result.calls == result.acknowledged


def test_the_command_runs_seeds_and_says_what_came_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("simulate", seeds="1..3")
    printed = capsys.readouterr().out
    assert "3 schedules" in printed
    assert "0 failed" in printed


def test_the_command_replays_one_seed(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("simulate", replay_seed=3, transcript=True)
    printed = capsys.readouterr().out
    assert "seed 3 holds" in printed
    assert "phase=broadcast" in printed


def test_the_command_exits_with_1_on_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init = Majority.__init__

    def short(self: Majority, voters: tuple[int, ...]) -> None:
        init(self, voters)
        self.size, self._index = 1, 0

    monkeypatch.setattr(Majority, "__init__", short)
    with pytest.raises(SystemExit) as left:
        call_command("simulate", seeds="1..4")
    assert left.value.code == 1
    assert "seed 1: I" in capsys.readouterr().out


@pytest.mark.parametrize("seeds", ["x", "5..1", "-3", "1..", ""])
def test_the_command_refuses_seeds_that_are_none(seeds: str) -> None:
    with pytest.raises(CommandError):
        call_command("simulate", seeds=seeds)


def test_the_commands_help_lists_what_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("simulate", "--help")
    printed = capsys.readouterr().out
    for name in ("I1 ", "I4 ", "I10", "I13", "I14", "C1 ", "C4 ", "C9 "):
        assert name in printed, name
