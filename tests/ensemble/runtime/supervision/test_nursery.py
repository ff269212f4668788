"""The parent of server processes, told to start one that fails."""

from __future__ import annotations

import json
import os
import signal
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


IDLE = """
import threading
from ensemble.runtime.supervision import nursery

class Idle(nursery.Nursery):
    def serve(self, sid, config, listening):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        listening()
        threading.Event().wait()
        return 0

nursery.main(Idle)
"""


def test_a_server_is_paused_when_it_stands_still_whoever_made_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", IDLE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None

        def order(**words: object) -> None:
            print(json.dumps(words), file=nursery.stdin, flush=True)

        def event() -> dict[str, object]:
            assert nursery.stdout is not None
            return json.loads(nursery.stdout.readline())

        order(do="start", sid=1, config="zoo.cfg", log=str(tmp_path / "log"))
        pid = event()["pid"]
        assert isinstance(pid, int)
        assert event() == {"event": "listening", "sid": 1}
        order(do="signal", pid=pid, number=int(signal.SIGSTOP))
        assert event() == {"event": "paused", "sid": 1, "pid": pid}
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        assert len(tasks) == 2
        assert {(task / "stat").read_text().rpartition(") ")[2][0] for task in tasks} == {"T"}
        os.kill(pid, signal.SIGCONT)
        assert event() == {"event": "resumed", "sid": 1, "pid": pid}
        order(do="signal", pid=pid, number=int(signal.SIGKILL))
        assert event() == {"event": "exited", "sid": 1, "pid": pid, "code": -signal.SIGKILL}


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
