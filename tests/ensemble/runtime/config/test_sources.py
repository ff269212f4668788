"""Where values come from: the file, the command line, the dynamic file, and what an operator is told of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.runtime.config import report
from ensemble.runtime.config import server as config
from tests.processes.conftest import ROOT

ALONE = "dataDir={dir}\nclientPort=2181\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "zoo.cfg"
    path.write_text(text.replace("{dir}", str(tmp_path)))
    return path


def test_a_property_of_the_command_line_counts(tmp_path: Path) -> None:
    loaded = config.load(
        write(tmp_path, ALONE), ["zookeeper.snapCount=70", "jute.maxbuffer=2097152", "java.io.tmpdir=/x"]
    )
    assert (loaded.snap_count, loaded.frame_bytes_max) == (70, 2097152)
    assert loaded.warnings == ()


def test_the_file_beats_the_command_line_and_says_so(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, ALONE + "snapCount=50\n"), ["zookeeper.snapCount=70"])
    assert loaded.snap_count == 50
    assert loaded.warnings == ("-Dzookeeper.snapCount=70 loses to snapCount=50 of zoo.cfg",)


def test_the_parsers_own_keys_are_read_from_the_file_only(tmp_path: Path) -> None:
    loaded = config.load(write(tmp_path, ALONE), ["zookeeper.tickTime=70"])
    assert loaded.tick_ms == config.TICK_MS
    (warning,) = loaded.warnings
    assert warning.startswith("-Dzookeeper.tickTime has no effect")


@pytest.mark.parametrize("argument", ["zookeeper.snapCount", "=5", ""])
def test_an_argument_that_is_no_property_is_one_sentence(tmp_path: Path, argument: str) -> None:
    with pytest.raises(ConfigError, match="is not of the form -Dkey=value"):
        config.load(write(tmp_path, ALONE), [argument])


def test_the_report_names_every_value_in_force_and_its_origin(tmp_path: Path) -> None:
    dynamic = tmp_path / "members"
    dynamic.write_text("server.1=a:1:2;2181\nserver.2=b:1:2;2181\nserver.3=c:1:2;2181\n")
    (tmp_path / "myid").write_text("2")
    text = f"dataDir={{dir}}\ninitLimit=10\nsyncLimit=5\ndynamicConfigFile={dynamic}\nnio.x=1\ncolour=blue\n"
    _, values = config.read(write(tmp_path, text), ["zookeeper.snapCount=70"])
    lines = {line.key: line for line in report.lines(values)}
    assert (lines["snapCount"].value, lines["snapCount"].origin) == ("70", "command line")
    assert (lines["server.3"].value, lines["server.3"].origin) == ("c:1:2;2181", "members")
    assert (lines["initLimit"].value, lines["initLimit"].origin) == ("10", "zoo.cfg")
    assert (lines["tickTime"].value, lines["tickTime"].origin) == ("3000", "default")
    assert (lines["maxSessionTimeout"].value, lines["maxSessionTimeout"].origin) == ("60000", "default")
    assert "nothing here it could mean" in lines["nio.x"].remark
    assert "not a key" in lines["colour"].remark
    assert [line.key for line in report.lines(values)][-2:] == ["colour", "nio.x"]


def check(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(ROOT / "manage.py"),
        "node",
        "--config",
        str(path),
        "--check-config",
        *more,
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.process
def test_check_config_prints_and_does_not_start(tmp_path: Path) -> None:
    done = check(write(tmp_path, ALONE), "-Dzookeeper.snapCount=70")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["snapCount", "70", "command", "line"] in rows
    assert ["clientPort", "2181", "zoo.cfg"] in rows
    assert done.stdout.splitlines()[-1].endswith("can be used: this server stands alone.")
    assert not (tmp_path / "version-2").exists()


@pytest.mark.process
def test_check_config_of_a_wrong_file_is_its_sentence(tmp_path: Path) -> None:
    done = check(write(tmp_path, ALONE + "tickTime=soon\n"))
    assert done.returncode == 1
    assert done.stderr == "error: tickTime=soon is not a number of milliseconds; write tickTime=<number>\n"
