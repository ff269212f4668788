"""Apache's own server, as Debian packages it, for tests that talk to it or compare with it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

JARS = Path("/usr/share/java")
START_S_MAX = 30


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Tell whether a server on ``port`` serves; ``ruok`` is answered a moment too early for that."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"srvr")
            while chunk := connection.recv(4096):
                answer += chunk
            return b"Mode:" in answer
    except OSError:
        return False


def await_answer(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until ``server`` serves; fail the test with its log when it does not."""
    deadline = time.monotonic() + START_S_MAX
    while not answers(port):
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"a server did not start:\n{log.read_text()}")
        time.sleep(0.05)


@contextmanager
def running_apache(
    directory: Path, settings: str = "", properties: tuple[str, ...] = (), jars: tuple[str, ...] = ()
) -> Iterator[int]:
    """Run a standalone server in ``directory`` and give its client port.

    ``settings`` are further lines of its zoo.cfg, ``properties`` further options of its Java, ``jars`` the names of
    what its classes are looked for in first. Skips the test where there is no such server.
    """
    if shutil.which("java") is None or not (JARS / "zookeeper.jar").exists():
        pytest.skip("needs Java and Debian's zookeeper package")
    port = free_port()
    (directory / "zoo.cfg").write_text(
        f"dataDir={directory / 'data'}\n"
        f"clientPort={port}\n"
        "clientPortAddress=127.0.0.1\n"
        "admin.enableServer=false\n"
        "4lw.commands.whitelist=*\n" + settings
    )
    first = "".join(f"{JARS / jar}:" for jar in jars)
    classpath = f"{first}{JARS / 'zookeeper.jar'}:{JARS / 'zookeeper-jute.jar'}:{JARS}/*:{directory}"
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = ["java", "-Xmx256m", *properties, "-cp", classpath, main, "zoo.cfg"]
    log = directory / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
    try:
        await_answer(server, port, log)
        yield port
    finally:
        server.kill()
        server.wait()
