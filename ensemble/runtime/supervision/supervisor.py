"""The servers of one machine's ensemble, each a process of its own, and what may be done to them.

Processes are forked by the nursery, which this module runs. A server that ends stays down until somebody
starts it: whoever kills a server wants to see what its loss does, and one that failed has said why.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ensemble.admin.schema import EnsembleStatus, ProcessState, ProcessStatus
from ensemble.errors import ConfigError, CoordinatorError
from ensemble.runtime.children import python_path
from ensemble.runtime.node import TOKEN_VARIABLE
from ensemble.runtime.supervision.layout import Layout
from ensemble.runtime.supervision.process import Process
from ensemble.runtime.tasks import watched

START_S_MAX = 15.0
STOP_S_MAX = 8.0
"""A server that has not stopped by then is killed."""


class ActionRefused(CoordinatorError):
    """What was asked makes no sense in the process's state."""


class Unknown(CoordinatorError):
    """There is no such server, or no such action."""


class Supervisor:
    """Starts, signals and observes the server processes of one layout."""

    def __init__(
        self,
        layout: Layout,
        *,
        token: str,
        name: str = "coordinator",
        nursery: str = "ensemble.runtime.supervision.nursery",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``nursery`` is the module that servers are forked from; ``environment`` is added to theirs."""
        self.layout = layout
        self.name = name
        self.processes = {
            seat.sid: Process(seat, layout.config_path(seat.sid), layout.log_path(seat.sid))
            for seat in layout.seats
        }
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the nursery, and with it every server, has ended unasked."""
        self._token = token
        self._module = nursery
        self._environment = dict(environment or {})
        self._changed = asyncio.Condition()
        self._nursery: asyncio.subprocess.Process | None = None
        self._listener: asyncio.Task[None] | None = None
        self._busy: set[int] = set()
        self._actions: dict[str, Callable[[Process], Awaitable[None]]] = {
            "start": self._start,
            "kill": self._kill,
            "stop": self._stop,
            "restart": self._restart,
            "pause": self._pause,
            "resume": self._resume,
        }

    async def open(self) -> None:
        """Start all servers; :class:`ConfigError` with a server's own sentence when one does not come up."""
        self._nursery = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {TOKEN_VARIABLE: self._token, "PYTHONPATH": python_path()} | self._environment,
            # Ctrl-C reaches every process of the terminal's group; the servers are to be stopped by us.
            start_new_session=True,
        )
        self._listener = watched(self._listen(self._nursery))
        for process in self.processes.values():
            self._order_start(process)
        for process in self.processes.values():
            if not await self._is_up(process):
                raise ConfigError(f"server {process.seat.sid} did not start: {process.reason or 'no answer'}")

    async def close(self) -> None:
        """Stop all servers and the nursery."""
        if self._nursery is None:
            return
        assert self._nursery.stdin is not None
        assert self._listener is not None
        self._nursery.stdin.close()
        await self._nursery.wait()
        await self._listener
        self._nursery = None

    def status(self) -> EnsembleStatus:
        """Return the state of all processes."""
        return EnsembleStatus(
            name=self.name,
            data_dir=str(self.layout.directory),
            servers=[process.status() for process in self.processes.values()],
        )

    async def act(self, sid: int, action: str) -> ProcessStatus:
        """Carry out one action and return the process as it is then.

        Raises :class:`Unknown` and :class:`ActionRefused`.
        """
        process, act = self.processes.get(sid), self._actions.get(action)
        if process is None or act is None:
            raise Unknown(f"there is no server {sid} or no action {action}")
        if sid in self._busy:
            raise ActionRefused(f"server {sid} is busy with another action; wait for it to end")
        self._busy.add(sid)
        try:
            await act(process)
        finally:
            self._busy.discard(sid)
        return process.status()

    # -- actions -----------------------------------------------------------------------------------------

    async def _start(self, process: Process) -> None:
        if process.alive:
            raise ActionRefused(f"server {process.seat.sid} is {process.state} already")
        self._order_start(process)
        if not await self._is_up(process):
            raise ActionRefused(f"server {process.seat.sid} did not start: {process.reason or 'no answer'}")

    async def _kill(self, process: Process) -> None:
        self._signal(process, signal.SIGKILL, "killed")
        await self._is_down(process)

    async def _stop(self, process: Process) -> None:
        paused = process.state == "paused"
        self._signal(process, signal.SIGTERM, "stopped")
        if paused:
            self._signal(process, signal.SIGCONT, "stopped")
        if not await self._is_down(process):
            self._signal(process, signal.SIGKILL, "stopped")
            await self._is_down(process)

    async def _restart(self, process: Process) -> None:
        if process.alive:
            await self._stop(process)
        await self._start(process)

    async def _pause(self, process: Process) -> None:
        if process.state != "running":
            raise ActionRefused(f"server {process.seat.sid} is {process.state}, not running")
        self._signal(process, signal.SIGSTOP, None)
        await self._must_become("paused", process)

    async def _resume(self, process: Process) -> None:
        if process.state != "paused":
            raise ActionRefused(f"server {process.seat.sid} is {process.state}, not paused")
        self._signal(process, signal.SIGCONT, None)
        await self._must_become("running", process)

    # -- the nursery -------------------------------------------------------------------------------------

    def _order_start(self, process: Process) -> None:
        process.begin()
        self._order(do="start", sid=process.seat.sid, config=str(process.config), log=str(process.log))

    def _signal(self, process: Process, number: signal.Signals, end: str | None) -> None:
        if process.pid is None:
            raise ActionRefused(f"server {process.seat.sid} is {process.state}; there is no process")
        if end == "killed":
            process.wanted_end = "killed"
        elif end == "stopped":
            process.wanted_end = "stopped"
        self._order(do="signal", pid=process.pid, number=int(number))

    def _order(self, **order: object) -> None:
        if self._nursery is None or self.lost.done():
            raise ActionRefused("the processes' parent has ended; start the ensemble anew")
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(order).encode() + b"\n")

    async def _must_become(self, state: ProcessState, process: Process) -> None:
        """Wait until a signal has had its effect: until then a server may go on, or still stand."""
        before = process.state
        await self._wait(lambda: process.state != before, STOP_S_MAX)
        if process.state != state:
            raise ActionRefused(
                f"server {process.seat.sid} is {process.state}, not {state}, after the signal"
            )

    async def _is_up(self, process: Process) -> bool:
        """Wait until a start has succeeded or failed; tell which."""
        await self._wait(lambda: process.state != "starting", START_S_MAX)
        return process.state == "running"

    async def _is_down(self, process: Process) -> bool:
        """Wait until a process has ended; tell whether it did in time."""
        return await self._wait(lambda: not process.alive, STOP_S_MAX)

    async def _wait(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait for what the nursery reports; tell whether it came in time."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: reached() or self.lost.done())
        except TimeoutError:
            return False
        return reached()

    async def _listen(self, nursery: asyncio.subprocess.Process) -> None:
        assert nursery.stdout is not None
        async for line in nursery.stdout:
            async with self._changed:
                self._take(json.loads(line))
                self._changed.notify_all()
        async with self._changed:
            if not self.lost.done():
                self.lost.set_result(None)
            for process in self.processes.values():
                if process.alive:
                    process.ended(-signal.SIGKILL)
            self._changed.notify_all()

    def _take(self, event: dict[str, Any]) -> None:
        process = self.processes[event["sid"]]
        if event["event"] == "started":
            process.pid = event["pid"]
        elif event["event"] == "listening" and process.state == "starting":
            process.state = "running"
        elif event["event"] == "paused" and process.state == "running":
            process.state = "paused"
        elif event["event"] == "resumed" and process.state == "paused":
            process.state = "running"
        elif event["event"] == "exited" and process.pid == event["pid"]:
            process.ended(event["code"])
