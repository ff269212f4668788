"""A real Apache ZooKeeper to talk to, once for all tests of the client."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

JARS = Path("/usr/share/java")
START_S_MAX = 30


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"ruok")
            return connection.recv(4) == b"imok"
    except OSError:
        return False


def _start(directory: Path, port: int) -> subprocess.Popen[bytes]:
    (directory / "zoo.cfg").write_text(
        "tickTime=200\n"
        "maxSessionTimeout=60000\n"
        f"dataDir={directory / 'data'}\n"
        f"clientPort={port}\n"
        "clientPortAddress=127.0.0.1\n"
        "admin.enableServer=false\n"
        "4lw.commands.whitelist=*\n"
    )
    classpath = f"{JARS / 'zookeeper.jar'}:{JARS / 'zookeeper-jute.jar'}:{JARS}/*:{directory}"
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = ["java", "-Xmx256m", "-Dzookeeper.extendedTypesEnabled=true", "-cp", classpath, main, "zoo.cfg"]
    with (directory / "server.log").open("wb") as log:
        return subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)


@pytest.fixture(scope="session")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a standalone Apache ZooKeeper of its own, as ``host:port``."""
    if shutil.which("java") is None or not (JARS / "zookeeper.jar").exists():
        pytest.skip("needs Java and Debian's zookeeper package")
    directory = tmp_path_factory.mktemp("apache")
    port = _free_port()
    server = _start(directory, port)
    try:
        deadline = time.monotonic() + START_S_MAX
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"Apache ZooKeeper did not start:\n{(directory / 'server.log').read_text()}")
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
