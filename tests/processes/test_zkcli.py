"""Apache's own shell, unmodified, against a real server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes.conftest import RunningEnsemble

SHELL = Path("/usr/share/zookeeper/bin/zkCli.sh")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not SHELL.exists() or shutil.which("java") is None,
        reason="needs Apache's zkCli.sh and Java (Debian: zookeeper)",
    ),
]


def shell(ensemble: RunningEnsemble, *lines: str) -> str:
    """Type lines into zkCli.sh and return all it printed."""
    done = subprocess.run(
        [str(SHELL), "-server", ensemble.addresses],
        input="\n".join([*lines, "quit"]) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_the_commands_everybody_types(three_servers: RunningEnsemble):
    said = shell(
        three_servers,
        "ls /",
        "create /greeting hello",
        "create -e -s /greeting/e- x",
        "create /doomed y",
        "get -s /greeting",
        "set /greeting goodbye",
        "get /greeting",
        "ls -s /greeting",
        "stat /greeting",
        "delete /doomed",
        "ls /",
        "getAcl /greeting",
    )
    for expected in (
        "[zookeeper]",
        "Created /greeting",
        "Created /greeting/e-0000000000",
        "hello",
        "cZxid = 0x1",
        "dataVersion = 0",
        "goodbye",
        "[e-0000000000]",
        "numChildren = 1",
        "dataVersion = 1",
        "[greeting, zookeeper]",
        "'world,'anyone",
        ": cdrwa",
    ):
        assert expected in said, said
    assert "[doomed, greeting, zookeeper]" not in said


def test_a_refusal_reads_as_with_apaches_server(three_servers: RunningEnsemble):
    said = shell(three_servers, "get /missing", "create /a/b x", "delete /zookeeper")
    assert "NoNode for /missing" in said or "Node does not exist: /missing" in said
    assert "Node does not exist: /a/b" in said
