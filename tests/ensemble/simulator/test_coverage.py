"""What a long run has to reach, and what is said when it does not; and the ledger of recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import call_command

from ensemble.management.commands import simulate
from ensemble.simulator import coverage
from ensemble.simulator.runs import ledger
from ensemble.simulator.runs.report import Summary
from ensemble.simulator.world import World
from ensemble.zab.learner import learner


def test_a_run_counts_the_rows_of_zabs_tables() -> None:
    outcome = World(3).run()
    assert outcome.coverage["learner discovery LEADERINFO"] >= 2
    assert outcome.coverage["leader, learner in discovery ACKEPOCH"] >= 2
    assert outcome.coverage["learner broadcast COMMIT"] > 10
    assert outcome.coverage["leader, learner in broadcast ACK"] > 10


def test_every_row_of_the_learners_table_is_expected_or_has_a_reason() -> None:
    listed = {*coverage.expected(), *coverage.UNREACHABLE}
    for step, table in learner._TABLE.items():
        for kind in table:
            assert f"learner {step.value} {learner.PacketType(kind).name}" in listed
    assert len(listed) > 60


def test_a_row_never_reached_is_named_and_one_that_should_not_be_is_too() -> None:
    counts = dict.fromkeys(coverage.expected(), 1)
    assert coverage.missing(counts) == []
    del counts["learner offered SNAP"]
    counts["learner synced PING"] = 1
    assert coverage.missing(counts) == [
        "learner offered SNAP: never reached",
        "learner synced PING: reached, though it should not be",
    ]


def test_a_long_run_that_misses_a_row_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("simulate", seeds="1..2")
    assert "paths taken" in capsys.readouterr().out
    monkeypatch.setattr(coverage, "SCHEDULES_MIN", 2)
    with pytest.raises(SystemExit) as left:
        call_command("simulate", seeds="1..2")
    assert left.value.code == 1
    assert "never reached" in capsys.readouterr().out


def test_all_paths_are_printed_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("simulate", seeds="1", coverage=True)
    printed = capsys.readouterr().out
    assert "learner offered SNAP" in printed
    assert "learner synced PING cannot be reached: only Apache's leaders" in printed


def test_the_ledger_gets_a_line_for_a_recorded_run(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    summary = Summary()
    summary.add(World(4).run())
    ledger.record(summary, "4..4", 1.6, path=path)
    ledger.record(summary, "4..4", 1.6, path=path)
    first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert first == second
    assert (first["seeds"], first["schedules"], first["failures"], first["seconds"]) == ("4..4", 1, 0, 2)
    assert first["transactions"] == summary.committed > 0
    assert set(first["commit"]) <= set("0123456789abcdef+unkow")


def test_the_command_records_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[str] = []
    monkeypatch.setattr(simulate.ledger, "record", lambda summary, seeds, seconds: recorded.append(seeds))
    call_command("simulate", seeds="5..6")
    assert recorded == []
    call_command("simulate", seeds="5..6", ledger=True)
    assert recorded == ["5..6"]
