"""Where audit lines go."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.runtime.operators.audit_file import open_audit
from tests.apache import await_answer, free_port
from tests.ensemble.runtime.test_host import load


def test_nothing_is_opened_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert open_audit(load(tmp_path).operations, log=print) is None


def test_lines_go_to_the_log_without_a_file(tmp_path: Path) -> None:
    said: list[str] = []
    audit = open_audit(load(tmp_path, "audit.enable=true").operations, log=said.append)
    assert audit is not None
    audit.started()
    (line,) = said
    assert re.fullmatch(r"audit: user=\S+\toperation=serverStart\tresult=success", line)


def test_a_file_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    operations = load(tmp_path, "audit.enable=true", f"coordinator.auditFile={tmp_path}/no/where").operations
    with pytest.raises(ConfigError, match=r"coordinator\.auditFile=.* cannot be written"):
        open_audit(operations, log=print)


def test_a_server_tells_of_its_start_and_its_stop_in_a_file(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "audit.log"
    (tmp_path / "zoo.cfg").write_text(
        f"dataDir={tmp_path}/data\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
        f"audit.enable=true\ncoordinator.auditFile={file}\n"
    )
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "ensemble.runtime.node", str(tmp_path / "zoo.cfg")]
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        await_answer(server, port, log)
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.wait()
    lines = file.read_text().splitlines()
    assert [line.split("\t")[1:] for line in lines] == [
        ["operation=serverStart", "result=success"],
        ["operation=serverStop", "result=invoked"],
    ]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} user=", lines[0])
    assert file.stat().st_mode & 0o007 == 0
