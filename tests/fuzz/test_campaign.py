"""Fuzzing in turns: who comes next, what is kept, and what becomes of a target that hangs or breaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.fuzz import drive, ledger
from tests.fuzz.campaign import Campaign, figures_line, fuzz
from tests.fuzz.ledger import Figures
from tests.fuzz.target import Target, held_at_most


def turns(
    had: dict[str, float],
    script: str,
    number: int = 1,
    jobs: int = 1,
    kinds: dict[str, str] | None = None,
) -> list[Figures]:
    """Hold a campaign of so many turns, where each runs ``script`` with the target's name."""
    told: list[Figures] = []
    campaign = Campaign(
        had, lambda name, _: [sys.executable, "-c", script, name], turn_s=10, until=1e12, kinds=kinds
    )

    def tell(figures: Figures) -> None:
        told.append(figures)
        if len(told) == number:
            campaign._until = 0.0

    campaign.run(jobs, tell)
    return told


COUNTS = (
    "import sys; print('the sentence'); "
    'print(\'{"target": "\' + sys.argv[1] + \'", "engine": "e", "seconds": 7200, "inputs": 5, "crashers": 0}\')'
)


def test_the_least_fuzzed_comes_first_and_then_the_next() -> None:
    told = turns({"a": 3.0, "b": 0.5, "c": 1.0}, COUNTS, number=4)
    # b had 0.5 hours and has 2.5 then; c had 1 and has 3.
    assert [figures.target for figures in told] == ["b", "c", "b", "a"]


def test_kinds_are_fuzzed_alike_however_many_targets_they_have() -> None:
    kinds = {"a": "many", "b": "many", "c": "many", "d": "one"}
    told = turns({"a": 0.0, "b": 1.0, "c": 2.0, "d": 0.0}, COUNTS, number=4, kinds=kinds)
    # "many" had 3 hours, "one" has 2 and then 4; a and b had the least of "many".
    assert [figures.target for figures in told] == ["d", "d", "a", "d"]


def test_two_at_the_same_time_are_two_targets() -> None:
    told = turns({"a": 0.0, "b": 9.0}, COUNTS, number=2, jobs=2)
    assert {figures.target for figures in told} == {"a", "b"}


def test_a_turn_that_dies_has_found_something_and_is_not_tried_forever(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = turns({"a": 0.0, "b": 0.001}, "import sys; print('why', file=sys.stderr); sys.exit(70)", number=2)
    assert "a: why" in capsys.readouterr().out
    assert [(figures.target, figures.engine, figures.crashers) for figures in told] == [
        ("a", "exit 70", 1),
        ("b", "exit 70", 1),
    ]


def test_a_turn_comes_out_as_it_went_in() -> None:
    figures = Figures("a", "atheris", 7.5, 3, 0)
    script = f"print('the sentence'); print({figures_line(figures)!r})"
    assert turns({"a": 0.0}, script) == [figures]


def test_hours_add_up_in_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert ledger.hours(path=path)["a"] == 0
    for seconds in (1800.4, 5400):
        ledger.record(Figures("a", "mutator", seconds, 3, 0), path=path)
    ledger.record(Figures("b", "atheris", 36, 3, 1), path=path)
    assert ledger.hours(path=path) == {"a": 2.0, "b": 0.01}


def test_ctrl_c_ends_a_campaign_and_its_turns_say_what_they_did(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--all", "--minutes", "5", "--seconds", "300", "--plain"]
    campaign = subprocess.Popen(
        [*command, "--corpus", str(tmp_path)],
        cwd=ledger.ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    turn = child_of(campaign.pid)
    campaign.send_signal(signal.SIGINT)
    told = campaign.communicate(timeout=60)[0]
    assert campaign.returncode == 130
    assert told.endswith("stopped\n")
    assert not Path(f"/proc/{turn}").exists()
    assert list(tmp_path.iterdir()) == []


def child_of(pid: int) -> int:
    """Return the id of a child process as soon as there is one."""
    while True:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return int(found[0])
        time.sleep(0.05)


def test_a_parser_that_holds_too_much_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "CRASHERS", tmp_path)

    def feed(data: bytes) -> None:
        bytearray(len(data) * 1000)

    target = Target("greedy", "admin input", "Nothing is held.", feed, lambda: [b""], memory=held_at_most)
    tried = drive.Tried(target, 60)
    for _ in range(drive.MEASURED_EVERY):
        tried.feed(bytes(2000))
    assert [path.read_bytes() for path in (tmp_path / "greedy").iterdir()] == [bytes(2000)]
    assert list(tried.broken) == [where for where in tried.broken if where.startswith("AssertionError")]


def test_what_the_interpreter_takes_once_for_itself_is_not_held_for_an_input() -> None:
    taken: list[bytes] = []

    def feed(data: bytes) -> None:
        taken.append(bytes(len(data) * 1000) if not taken else b"")

    drive.measured(feed, bytes(2000), held_at_most(bytes(2000)))
    assert len(taken) == 2


def test_an_input_that_takes_long_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "CRASHERS", tmp_path)
    monkeypatch.setattr(drive, "SLOW_S", -1.0)
    tried = drive.Tried(Target("slow", "admin input", "It is fast.", lambda data: None, lambda: [b""]), 60)
    tried.feed(b"input")
    assert [where.split()[0] for where in tried.broken] == ["Slow"]


def test_an_input_that_never_ends_is_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "CRASHERS", tmp_path)
    monkeypatch.setattr(drive, "HUNG_S", 0.05)

    def feed(data: bytes) -> None:
        while data:
            pass

    tried = drive.Tried(Target("endless", "admin input", "It ends.", feed, lambda: [b""]), 60)
    tried.feed(b"")
    tried.feed(b"input")
    assert [path.read_bytes() for path in (tmp_path / "endless").iterdir()] == [b"input"]


def test_when_the_time_is_up_turns_end_and_tell(tmp_path: Path) -> None:
    command = partial(fuzz, corpus=tmp_path, plain=True)
    told: list[Figures] = []
    campaign = Campaign({"jaas": 0.0}, command, turn_s=1e6, until=time.monotonic() + 5)
    assert campaign.run(1, told.append) is False
    assert [figures.target for figures in told] in (
        ["jaas"],
        [],
    )  # none on a machine too slow to begin in time


def test_what_broke_a_target_is_kept_once_for_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "CRASHERS", tmp_path)

    def feed(data: bytes) -> None:
        if data == b"other":
            raise KeyError
        assert data == b"good"

    tried = drive.Tried(Target("broken", "admin input", "It is good.", feed, lambda: [b""]), 60)
    for data in (b"good", b"bad", b"worse", b"other"):
        tried.feed(data)
    assert {path.read_bytes() for path in (tmp_path / "broken").iterdir()} == {b"bad", b"other"}
    assert (tried.count, len(tried.broken)) == (4, 2)
