"""The process that server processes are forked from.

Importing a server takes longer than starting one. This process imports it once, then forks a child for
each order on its standard input: a server is up in milliseconds, and all of them share the memory of the
code. It is single-threaded and runs no event loop, so a fork is safe. Standard input is orders, standard
output events, both one JSON object a line:

    {"do": "start", "sid": 1, "config": PATH, "log": PATH}      {"event": "started", "sid": 1, "pid": N}
    {"do": "signal", "pid": N, "number": 9}                     {"event": "listening", "sid": 1}
                                                                {"event": "paused", "sid": 1, "pid": N}
                                                                {"event": "resumed", "sid": 1, "pid": N}
                                                                {"event": "exited", "sid": 1, "pid": N, "code": C}

A child is paused when all its threads stand still, whoever sent the signal; on a busy machine that takes a while. A
code below zero is the signal that ended the process. Signals go through here because only the parent knows that a
pid has not yet been given to somebody else. When the input ends, so do the children; when this process is killed,
the kernel kills them.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from ensemble.runtime import node
from ensemble.runtime.children import die_with_parent

STOP_S_MAX = 5.0
READ_BYTES = 65536


class Nursery:
    """Forks, signals and reaps servers."""

    def __init__(self, orders: int, events: int) -> None:
        self._orders = orders
        self._events = events
        self._sids: dict[int, int] = {}
        """The server id of each living child, by pid."""
        self._wakeup, wakeup_end = os.pipe()
        os.set_blocking(wakeup_end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakeup_end, warn_on_full_buffer=False)

    def run(self) -> None:
        """Carry out orders until there are no more, then end the children."""
        held = b""
        while True:
            readable, _, _ = select.select([self._orders, self._wakeup], [], [])
            if self._wakeup in readable:
                os.read(self._wakeup, READ_BYTES)
                self._reap()
            if self._orders in readable:
                data = os.read(self._orders, READ_BYTES)
                if not data:
                    break
                *lines, held = (held + data).split(b"\n")
                for line in lines:
                    self._obey(json.loads(line))
        self._end_children()

    def _obey(self, order: dict[str, Any]) -> None:
        if order["do"] == "start":
            self._start(order["sid"], order["config"], order["log"])
        elif order["pid"] in self._sids:
            os.kill(order["pid"], order["number"])

    def _start(self, sid: int, config: str, log: str) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_server(sid, config, log)
        self._sids[pid] = sid
        self._tell({"event": "started", "sid": sid, "pid": pid})

    def _become_server(self, sid: int, config: str, log: str) -> NoReturn:
        """Run a server in this child, and leave through ``_exit`` whatever happens."""
        code = node.EXIT_BUG
        try:
            die_with_parent()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _redirect(log)
            code = self.serve(sid, config, lambda: self._tell({"event": "listening", "sid": sid}))
        except BaseException:  # noqa: BLE001 - the log is all that tells why there is no server
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def serve(self, sid: int, config: str, listening: Callable[[], None]) -> int:
        """Be the server, in its own process, and return its exit code."""
        return node.main(config, on_listening=listening)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
                if pid == 0:
                    return
                if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
                    event = "paused" if os.WIFSTOPPED(status) else "resumed"
                    self._tell({"event": event, "sid": self._sids[pid], "pid": pid})
                    continue
                code = os.waitstatus_to_exitcode(status)
                self._tell({"event": "exited", "sid": self._sids.pop(pid), "pid": pid, "code": code})

    def _end_children(self) -> None:
        """Ask the children to stop (also those that are paused), and insist after a while."""
        for number, seconds in ((signal.SIGTERM, STOP_S_MAX), (signal.SIGKILL, STOP_S_MAX)):
            for pid in self._sids:
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
            deadline = time.monotonic() + seconds
            while self._sids and (left := deadline - time.monotonic()) > 0:
                if select.select([self._wakeup], [], [], left)[0]:
                    os.read(self._wakeup, READ_BYTES)
                    self._reap()

    def _tell(self, event: dict[str, Any]) -> None:
        # One write of less than PIPE_BUF: lines of parent and children do not mix.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._events, json.dumps(event).encode() + b"\n")


def _redirect(log: str) -> None:
    """Send what the server writes to its log file, and give it nothing to read."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.close(null)


def main(kind: type[Nursery] = Nursery) -> None:
    """Import what servers need, then wait for orders."""
    die_with_parent()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    orders, events = os.dup(0), os.dup(1)
    import uvloop  # noqa: F401 - for the children

    gc.collect()
    gc.freeze()  # or the children's collections would touch, and so copy, every page they share
    kind(orders, events).run()


if __name__ == "__main__":
    main()
