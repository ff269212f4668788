"""Clients of the field, unmodified and in their own languages, tell the same story of a znode's life."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.conftest import RunningEnsemble

HERE = Path(__file__).parent
STORY = """\
created /life
data hello
version 1
watch NODE_DATA_CHANGED /life
multi 3
children a,b
sequential /life/s-0000000002
refused -101
"""
BUILD_SECONDS_MAX = 120
GO_SOURCES = Path("/usr/share/gocode")
C_SHELL = Path("/usr/lib/zookeeper/bin/cli_mt")
C_HEADER = Path("/usr/include/zookeeper/zookeeper.h")

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture
def ensemble(tmp_path: Path) -> Iterator[RunningEnsemble]:
    running = RunningEnsemble(tmp_path / "data")
    try:
        yield running
    finally:
        running.close()


def build(*command: str | Path, directory: Path, **environment: str) -> None:
    """Run a compiler or an installer."""
    environment = {"HOME": str(directory), "PATH": "/usr/local/bin:/usr/bin:/bin", **environment}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX
    )
    assert done.returncode == 0, done.stdout + done.stderr


def tell(*command: str | Path) -> str:
    """Let a client live, and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm")
def test_node_zookeeper_client(ensemble: RunningEnsemble, tmp_path: Path):
    folder = tmp_path / "node"
    shutil.copytree(HERE / "node", folder)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True)
    assert tell("node", folder / "life.js", ensemble.addresses) == STORY


@pytest.mark.skipif(
    shutil.which("go") is None or not (GO_SOURCES / "src/github.com/samuel/go-zookeeper").exists(),
    reason="needs Go and its client (Debian: golang-go golang-github-samuel-go-zookeeper-dev)",
)
def test_go_zookeeper(ensemble: RunningEnsemble, tmp_path: Path):
    program = tmp_path / "life"
    build(
        *("go", "build", "-o", program, HERE / "go" / "life.go"),
        directory=tmp_path,
        GO111MODULE="off",
        GOPATH=str(GO_SOURCES),
        GOCACHE=str(tmp_path / "cache"),
    )
    assert tell(program, ensemble.addresses) == STORY


@pytest.mark.skipif(
    shutil.which("cc") is None or not C_HEADER.exists(),
    reason="needs a C compiler and Apache's C client (Debian: gcc libzookeeper-mt-dev)",
)
def test_the_c_client(ensemble: RunningEnsemble, tmp_path: Path):
    program = tmp_path / "life"
    build("cc", "-DTHREADED", "-o", program, HERE / "c" / "life.c", "-lzookeeper_mt", directory=tmp_path)
    assert tell(program, ensemble.addresses) == STORY


def test_aiozk(ensemble: RunningEnsemble):
    assert tell(sys.executable, HERE / "life_aiozk.py", ensemble.addresses) == STORY


@pytest.mark.skipif(not C_SHELL.exists(), reason="needs the C client's shell (Debian: zookeeper-bin)")
def test_the_c_clients_shell(ensemble: RunningEnsemble):
    shell = subprocess.Popen(
        ["stdbuf", "-oL", str(C_SHELL), "-h", ensemble.addresses],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        converse(shell)
        assert shell.wait(10) == 0
    finally:
        shell.kill()
        shell.communicate()


def converse(shell: subprocess.Popen[str]) -> None:
    """Type a znode's life, waiting for each answer: the watch's event may come before or behind another."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    for typed, answer in (
        ("create /life", "name = /life\n"),
        ("set /life hello", "version=1"),
        ("wexists /life", ""),  # says nothing
        ("create /life/child", "name = /life/child"),
        ("ls /life", "\tchild\n"),
        ("set /life goodbye", "CHANGED_EVENT state = CONNECTED_STATE for path /life"),
        ("get /life", "goodbye\n"),
        ("delete /life/child", "/life/child: rc = 0"),
        ("exists /nowhere", "Error -101 for /nowhere"),
        ("quit", "Quitting..."),
    ):
        shell.stdin.write(typed + "\n")
        shell.stdin.flush()
        said = ""
        while answer not in said:
            line = shell.stdout.readline()
            assert line, f"{typed}: {said}"
            said += line
