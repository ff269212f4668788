"""One of our own servers as a process, for tests that run against ours and Apache's alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.apache import await_answer, free_port


@contextmanager
def running_ours(directory: Path, settings: str = "") -> Iterator[int]:
    """Run a standalone server in ``directory`` and give its client port.

    ``settings`` are further lines of its zoo.cfg.
    """
    port = free_port()
    config = directory / "zoo.cfg"
    config.write_text(
        f"dataDir={directory / 'data'}\n"
        f"clientPort={port}\n"
        "clientPortAddress=127.0.0.1\n"
        "4lw.commands.whitelist=*\n" + settings
    )
    log = directory / "server.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "ensemble.runtime.node", str(config)]
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        await_answer(server, port, log)
        yield port
    finally:
        server.kill()
        server.wait()
