"""Apache's server and ours with the same settings, for whoever asks both the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apache import await_answer, free_port, running_apache

ROOT = Path(__file__).resolve().parents[2]
# Containers are not to be looked for while a script runs; the rest is each server's default.
SETTINGS = "tickTime=2000\nznode.container.checkIntervalMs=100000000\n"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The client port of a standalone server of ours."""
    directory, port = tmp_path_factory.mktemp("ours"), free_port()
    config, log = directory / "zoo.cfg", directory / "log"
    config.write_text(
        f"dataDir={directory / 'data'}\n"
        f"clientPort={port}\n"
        "clientPortAddress=127.0.0.1\n"
        "4lw.commands.whitelist=*\n" + SETTINGS
    )
    command = [sys.executable, str(ROOT / "manage.py"), "node", "--config", str(config)]
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output)
    try:
        await_answer(server, port, log)
        yield port
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The client port of a standalone server of Apache's."""
    with running_apache(tmp_path_factory.mktemp("apache"), SETTINGS) as port:
        yield port
