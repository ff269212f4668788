"""An ensemble in the foreground: what ``manage.py ensemble`` and ``manage.py demo`` run.

Servers first; then the supervisor's port; then companions (the panel, the demo's traffic), which are
processes of their own and get addresses and tokens through the environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ensemble.errors import ConfigError
from ensemble.runtime.children import die_with_parent
from ensemble.runtime.node import TOKEN_VARIABLE, complain
from ensemble.runtime.supervision.layout import HOST, Layout, prepare
from ensemble.runtime.supervision.supervisor import Supervisor

SILENCE_S_MAX = 1.0
"""Whoever waits longer is told what for."""
SERVING_S_MAX = 30.0
POLL_S = 0.02
COMPANION_STOP_S_MAX = 5.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line said."""

    servers: int | None
    """How many; None for as many as there are, or three."""
    port: int
    data_dir: Path
    fresh: bool
    name: str = "coordinator"
    reserved_ports: tuple[int, ...] = ()
    """Ports that companions will listen on."""
    observers: int | None = None
    """How many more, without a vote; None for as many as there are."""


@dataclass(frozen=True, slots=True)
class Companion:
    """A process to run beside the servers. When a ``vital`` one ends, everything does.

    ``port``, when given, is where it will listen on loopback; it counts as up when somebody answers there.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    vital: bool = True
    port: int | None = None


def run(
    options: Options,
    say: Say,
    companions: Sequence[Companion] = (),
    announce: Callable[[], None] | None = None,
) -> int:
    """Run until Ctrl-C, SIGTERM or a failure; return the exit code.

    ``announce`` is called once everything serves.
    """
    try:
        return asyncio.run(_run(options, say, companions, announce))
    except ConfigError as error:
        return complain(error)


async def _run(
    options: Options, say: Say, companions: Sequence[Companion], announce: Callable[[], None] | None
) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    layout = prepare(
        options.data_dir,
        servers=options.servers,
        observers=options.observers,
        port=options.port,
        fresh=options.fresh,
        reserved=options.reserved_ports,
    )
    many = counted(len(layout.seats), "server")
    token = secrets.token_urlsafe(24)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(layout.close)
        supervisor = Supervisor(layout, token=token, name=options.name)
        stack.push_async_callback(supervisor.close)
        with patience(say, f"starting {many} ..."):
            await supervisor.open()
            await _open_port(supervisor, token, stack)
            await _until_serving(layout, token, stopping)
        if not stopping.is_set():
            say(f"{many}: {','.join(seat.client_address for seat in layout.seats)}")
            say(f"data: {layout.directory}, what each server says: {layout.directory}/server-N/log")
        environment = _environment(layout, token, options.name)
        children = [await _begin(each, environment, stack) for each in companions]
        with patience(
            say, f"starting the {', the '.join(each.name for each in companions if each.port)} ..."
        ):
            await _until_up(children, stopping)
        if announce and not stopping.is_set() and not _ended(children):
            announce()
        code = await _until_over(supervisor, children, stopping)
        loop.call_later(SILENCE_S_MAX, say, f"stopping {many} ...")
        return code


def counted(number: int, noun: str) -> str:
    """Write a number and what it counts: ``1 server``, ``3 servers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextlib.contextmanager
def patience(say: Say, text: str) -> Iterator[None]:
    """Say ``text`` when what is done within takes longer than :data:`SILENCE_S_MAX`."""
    timer = asyncio.get_running_loop().call_later(SILENCE_S_MAX, say, text)
    try:
        yield
    finally:
        timer.cancel()


async def _open_port(supervisor: Supervisor, token: str, stack: contextlib.AsyncExitStack) -> None:
    # Only now: its imports take longer than the servers' start, which they would hold up.
    from ensemble.runtime.supervision.supervisor_http import SupervisorPort

    port = SupervisorPort(supervisor, token)
    await port.open(supervisor.layout.supervisor_port)
    stack.push_async_callback(port.close)


async def _until_serving(layout: Layout, token: str, stopping: asyncio.Event) -> None:
    """Wait until every server serves clients, or somebody does not want to wait any longer."""
    from ensemble.admin.client import AdminError, ServerAdmin

    async with contextlib.AsyncExitStack() as stack:
        waiting = [
            await stack.enter_async_context(ServerAdmin(seat.admin_url, token)) for seat in layout.seats
        ]
        deadline = asyncio.get_running_loop().time() + SERVING_S_MAX
        while waiting and not stopping.is_set():
            with contextlib.suppress(AdminError):
                if (await waiting[0].status())["serving"]:
                    waiting.pop(0)
                    continue
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigError(
                    f"the servers found no leader in {SERVING_S_MAX:g} s; see the log files in {layout.directory}"
                )
            await asyncio.sleep(POLL_S)


def _environment(layout: Layout, token: str, name: str) -> dict[str, str]:
    """Tell companions where everything is."""
    servers = [f"{seat.sid}={seat.client_address}={seat.admin_url}" for seat in layout.seats]
    return {
        "COORDINATOR_NAME": name,
        "COORDINATOR_SERVERS": ",".join(servers),
        "COORDINATOR_SUPERVISOR_URL": f"http://{HOST}:{layout.supervisor_port}",
        TOKEN_VARIABLE: token,
    }


async def _begin(
    companion: Companion, environment: dict[str, str], stack: contextlib.AsyncExitStack
) -> tuple[Companion, asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        *companion.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,  # what there is to say, the foreground process says
        env=os.environ | environment | companion.environment,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    stack.push_async_callback(_end, child)
    return companion, child


async def _until_up(
    children: list[tuple[Companion, asyncio.subprocess.Process]], stopping: asyncio.Event
) -> None:
    """Wait until every companion with a port answers there, or has ended."""
    deadline = asyncio.get_running_loop().time() + SERVING_S_MAX
    for each, child in children:
        while each.port and child.returncode is None and not stopping.is_set():
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(HOST, each.port)
                writer.close()
                break
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigError(f"the {each.name} did not answer within {SERVING_S_MAX:g} s")
            await asyncio.sleep(POLL_S)


def _ended(children: list[tuple[Companion, asyncio.subprocess.Process]]) -> bool:
    """Tell whether a companion is gone without which nothing goes on."""
    return any(each.vital and child.returncode is not None for each, child in children)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Stop a companion, by its pid."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    try:
        await asyncio.wait_for(child.wait(), COMPANION_STOP_S_MAX)
    except TimeoutError:
        child.kill()
        await child.wait()


async def _until_over(
    supervisor: Supervisor,
    children: list[tuple[Companion, asyncio.subprocess.Process]],
    stopping: asyncio.Event,
) -> int:
    """Wait for the first reason to stop everything; return the exit code it calls for."""
    stop = asyncio.create_task(stopping.wait())
    ends = {asyncio.create_task(child.wait()): each for each, child in children if each.vital}
    reasons: list[asyncio.Future[Any]] = [stop, supervisor.lost, *ends]
    await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    for end in ends:
        end.cancel()
    if stopping.is_set():
        return 0
    if supervisor.lost.done():
        return complain("the servers' parent process ended; the servers ended with it")
    ended = next(each.name for end, each in ends.items() if end.done() and not end.cancelled())
    return complain(f"the {ended} ended; what it wrote above says why")
