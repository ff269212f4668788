"""The chaos run on real processes: that it holds, that it can fail, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ensemble.chaos.apache import check
from ensemble.chaos.report import exit_code, lines
from ensemble.chaos.run import Plan, Report, Run
from ensemble.chaos.servers import Make
from ensemble.errors import ConfigError
from tests.processes.conftest import ROOT

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]

SHORT = "kill-leader,kill-all,isolate-leader,one-way-out,pause-one,sync-error,disk-full,power-cut,replace"
WHOLE_S = 600


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "chaos", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(directory)},
    )


def processes_of(directory: Path) -> list[str]:
    """The processes whose environment or command line names a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(directory).encode() in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


def chaos(directory: Path, *arguments: str) -> tuple[int, str]:
    process = start(directory, *arguments)
    said, _ = process.communicate()
    return process.returncode, said


def test_a_short_run_holds_and_leaves_nothing(tmp_path: Path):
    report = tmp_path / "report.json"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code, said = chaos(temporary, "--seconds", "22", "--faults", SHORT, "--report", str(report))
    assert code == 0, said
    assert said.endswith("seed 1: held\n")
    seen = json.loads(report.read_text())
    assert seen["violations"] == []
    assert len(seen["faults"]) >= 5
    assert seen["answered"] > 1000
    assert len(seen["log"]) > 500
    assert seen["checked"]["C4 watches"] > 0
    assert seen["checked"]["C8 locks"] > 0
    reigns = [call["reign"] for call in seen["calls"] if call["op"] == "SYNC" and call["acknowledged"]]
    assert len({reign["epoch"] for reign in reigns}) > 1
    assert all(0 < reign["epoch"] <= reign["newest"] for reign in reigns)
    assert list(temporary.iterdir()) == []
    assert processes_of(temporary) == []
    assert str(temporary) not in Path("/proc/mounts").read_text()


def test_ctrl_c_ends_everything(tmp_path: Path):
    process = start(tmp_path, "--seconds", "60", "--faults", "pause-all,disk-full")
    assert process.stdout is not None
    assert any("..." in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


async def broken(plan: Plan) -> Report:
    """Run what has to be caught, with a few seeds: whether a fault meets the mistake is chance."""
    report = Report(plan)
    for seed in range(1, 5):
        plan.seed = seed
        report = await Run(plan).go()
        if report.violations:
            return report
    return report


async def test_acks_before_the_disk_has_synced_are_caught():
    make = Make(settings={"forceSync": "no"})
    report = await broken(Plan(seconds=6, make=make, faults=["power-cut"], workloads=["set", "register"]))
    assert re.search("C1|C9|C10|I2", "\n".join(report.violations)), report.notes
    assert exit_code(report) == 1


async def test_commits_without_a_quorum_are_caught():
    make = Make(nursery="tests.chaos.commit_alone")
    report = await broken(
        Plan(seconds=6, make=make, faults=["isolate-leader"], workloads=["set", "register"])
    )
    assert re.search("C1|C2|C3|I2", "\n".join(report.violations))


async def test_a_session_taken_over_with_a_wrong_password_is_caught():
    make = Make(nursery="tests.chaos.any_password")
    report = await broken(Plan(seconds=3, make=make, faults=["kill-one"], workloads=["register", "stranger"]))
    assert any("wrong password" in violation for violation in report.violations)


async def test_a_wrong_tree_is_told_znode_by_znode_and_kept(tmp_path: Path):
    make = Make(nursery="tests.chaos.wrong_snapshots", settings={"snapCount": "50"}, disk_faults=False)
    kept = tmp_path / "kept"
    plan = Plan(seconds=2, make=make, faults=["delay"], workloads=["register"], keep=kept)
    report = await Run(plan).go()
    assert any("ends with digest" in violation for violation in report.violations)
    # Each server takes its snapshots when it likes; one whose newest is the first has the model's tree.
    findings = "\n".join(report.findings)
    assert re.search(r"^server \d at 1:\d+: /registers: mtime \d+, not \d+$", findings, re.MULTILINE)
    assert re.search(
        r"^server \d: its snapshots from version-2/snapshot\.1\w+ on lead to a wrong tree, version-2/snapshot\.0 to the "
        r"model's$",
        findings,
        re.MULTILINE,
    )
    assert f"the servers' directories and report.json are in {kept}" in lines(report)
    assert sorted(path.name for path in kept.iterdir()) == ["server-1", "server-2", "server-3"]
    for home in kept.iterdir():
        assert (home / "zoo.cfg").exists()
        assert list((home / "data" / "version-2").glob("log.*"))


async def test_a_run_in_which_too_little_happens_proves_nothing():
    plan = Plan(seconds=2, faults=["kill-one"], workloads=["register"], answers_per_s_min=1e9)
    report = await Run(plan).go()
    assert report.violations == []
    assert "answers a second" in report.void[0]
    assert exit_code(report) == 3


def test_at_least_one_server_is_ours(tmp_path: Path):
    code, said = chaos(tmp_path, "--servers", "3", "--apache", "3")
    assert code == 1
    assert "at least one of 3 servers has to be ours" in said


def test_what_is_to_be_kept_needs_a_folder_of_its_own(tmp_path: Path):
    code, said = chaos(tmp_path, "--keep", str(tmp_path))
    assert code == 1
    assert "it exists already; name a folder that does not" in said


def test_without_apaches_server_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="install libzookeeper-java and a JRE, or leave out --apache"):
        check()


@pytest.mark.slow
@pytest.mark.parametrize("apache", [1, 2])
def test_a_minute_together_with_apaches_servers_holds(tmp_path: Path, apache: int):
    code, said = chaos(tmp_path, "--seconds", "60", "--seed", str(int(time.time())), "--apache", str(apache))
    assert code == 0, said


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("servers", [3, 5])
def test_ten_minutes_hold(tmp_path: Path, servers: int):
    code, said = chaos(
        tmp_path, "--seconds", str(WHOLE_S / 2), "--seed", str(int(time.time())), "--servers", str(servers)
    )
    assert code == 0, said
