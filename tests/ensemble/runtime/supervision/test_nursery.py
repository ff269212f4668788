"""The parent of server processes, told to start one that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ensemble.runtime.node import EXIT_BUG
from tests.processes.conftest import ROOT

FAILING = """
from ensemble.runtime.supervision import nursery

class Failing(nursery.Nursery):
    def serve(self, sid, config, listening):
        raise RuntimeError(f"server {sid} cannot be one")

nursery.main(Failing)
"""


def test_a_server_that_fails_before_it_is_one_says_why_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    order = {"do": "start", "sid": 3, "config": "zoo.cfg", "log": str(log)}
    with subprocess.Popen(
        [sys.executable, "-c", FAILING], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        print(json.dumps(order), file=nursery.stdin, flush=True)
        events = [json.loads(nursery.stdout.readline()) for _ in range(2)]
    assert [event["event"] for event in events] == ["started", "exited"]
    assert events[1]["code"] == EXIT_BUG
    assert "RuntimeError: server 3 cannot be one" in log.read_text()
