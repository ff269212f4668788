"""Apache's server and ours with the same settings, for whoever asks both the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.apache import await_answer, free_port, running_apache

ROOT = Path(__file__).resolve().parents[2]
NEVER_MS = 100_000_000
SETTINGS = "tickTime=2000\n"
RICH_SETTINGS = SETTINGS + "extendedTypesEnabled=true\nenforceQuota=true\n"


@contextmanager
def running_ours(directory: Path, settings: str = SETTINGS, *, check_ms: int = NEVER_MS) -> Iterator[int]:
    """Run a standalone server of ours in ``directory`` and give its client port.

    It looks for containers to delete every ``check_ms``: never, while a script runs.
    """
    port = free_port()
    config, log = directory / "zoo.cfg", directory / "log"
    config.write_text(
        f"dataDir={directory / 'data'}\n"
        f"clientPort={port}\n"
        "clientPortAddress=127.0.0.1\n"
        "4lw.commands.whitelist=*\n"
        f"znode.container.checkIntervalMs={check_ms}\n" + settings
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


@contextmanager
def running_apaches(directory: Path, settings: str = SETTINGS, *, check_ms: int = NEVER_MS) -> Iterator[int]:
    """Run a standalone server of Apache's likewise; it reads ``check_ms`` from Java's properties only."""
    properties = (f"-Dznode.container.checkIntervalMs={check_ms}",)
    with running_apache(directory, settings, properties) as port:
        yield port


@contextmanager
def running_both(
    directories: pytest.TempPathFactory, settings: str = SETTINGS, *, check_ms: int = NEVER_MS
) -> Iterator[tuple[int, int]]:
    """Run one server of each kind and give the client ports, Apache's first."""
    with (
        running_ours(directories.mktemp("ours"), settings, check_ms=check_ms) as ours,
        running_apaches(directories.mktemp("apache"), settings, check_ms=check_ms) as apache,
    ):
        yield apache, ours
