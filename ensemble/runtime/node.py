"""One server in the foreground, as a process: what ``manage.py node`` and the supervisor run.

Imports little before it knows that it will serve, so that a wrong configuration is said at once.
Environment: COORDINATOR_ADMIN_TOKEN, the bearer token of the admin port.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import platform
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble.errors import ConfigError, CoordinatorError, StorageError
from ensemble.runtime.config import server as configuration
from ensemble.runtime.stamps import stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ensemble.replica.access.audit import Audit
    from ensemble.runtime.config.server import ServerConfig
    from ensemble.runtime.host import Server

EXIT_CONFIG = 1
EXIT_BUG = 70
EXIT_DISK = 74
"""The exit codes of sysexits.h: EX_SOFTWARE and EX_IOERR."""

TOKEN_VARIABLE = "COORDINATOR_ADMIN_TOKEN"  # noqa: S105 - a name, not a token


def log(text: str) -> None:
    """Write one line of the server's log to stderr."""
    print(stamped(text), file=sys.stderr, flush=True)  # noqa: T201


def main(
    config_path: str, arguments: Iterable[str] = (), *, on_listening: Callable[[], None] = lambda: None
) -> int:
    """Run one server until SIGTERM, Ctrl-C or a failure; return the exit code.

    ``arguments`` are Java properties, each ``key=value``; ``on_listening`` is called once, when all ports are open.
    """
    try:
        config = configuration.load(Path(config_path), arguments)
        if config.admin_port is not None and not os.environ.get(TOKEN_VARIABLE):
            raise ConfigError(
                f"coordinator.adminPort needs a token; set {TOKEN_VARIABLE} in the environment, or drop the key"
            )
    except ConfigError as error:
        return complain(error)
    for warning in config.warnings:
        log(f"config: {warning}")
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(config, on_listening))


def check(config_path: str, arguments: Iterable[str] = ()) -> int:
    """Print the configuration in force and what is wrong with it; return the exit code."""
    from rich.console import Console
    from rich.table import Table

    from ensemble.runtime.config import report

    try:
        config, values = configuration.read(Path(config_path), arguments)
        _open_stores(config)
    except ConfigError as error:
        return complain(error)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("key", "value", "from", ""):
        table.add_column(title, overflow="fold")
    for line in report.lines(values):
        style = "dim" if line.origin == report.DEFAULT or line.remark else None
        table.add_row(line.key, line.value, line.origin, line.remark, style=style)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for warning in config.warnings:
        console.print(f"warning: {warning}", style="yellow")
    role = (
        "stands alone" if config.me is None else f"is server {config.sid} of {len(config.membership.servers)}"
    )
    console.print(f"{config_path} can be used: this server {role}.")
    return 0


def _open_stores(config: ServerConfig) -> None:
    """Open the key stores and trust stores as a start would; :class:`ConfigError`."""
    wanted = [settings for settings in (config.tls.client, config.tls.quorum) if settings]
    if wanted:
        from ensemble.runtime.tls.contexts import make_contexts

        for settings in wanted:
            make_contexts(settings)


async def serve(config: ServerConfig, on_listening: Callable[[], None]) -> int:
    """Run one server on the present event loop; return the exit code."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # Only now: a signal that comes during this import is to end the server as any other does.
    from ensemble.quiet_log import QuietLog
    from ensemble.runtime.clock import monotonic_us
    from ensemble.runtime.host import Server, client_address, describe
    from ensemble.runtime.operators.audit_file import open_audit
    from ensemble.runtime.operators.ports import OperatorPorts

    audit: Audit | None = None
    try:
        audit = open_audit(config.operations, log=log)
        quiet = QuietLog(log, monotonic_us)
        server = Server(config, log=quiet)
        server.replica.service.audit = audit
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(quiet.close)
            stack.push_async_callback(server.stop)
            ports = OperatorPorts(server, config.operations, log=log)
            stack.push_async_callback(ports.close)
            ports.open()
            await server.start()
            await _open_admin(server, stack)
            tune_collector()
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            log(banner(config))
            log(f"server {config.sid}: listening for clients on {client_address(config)}, pid {os.getpid()}")
            if audit is not None:
                audit.started()
            on_listening()
            ports.serve()
            await _until_done(server, stopping)
            log(f"server {config.sid}: stopping")
            if audit is not None:
                audit.stopping()
    except ConfigError as error:
        if audit is not None:
            audit.failed_to_start()
        return complain(error)
    except StorageError as error:
        if audit is not None:
            audit.failed_to_start()
        return complain(f"{error} (dataDir={config.data_dir})")
    if not server.failed.done():
        return 0
    failure = server.failed.exception()
    assert failure is not None
    if not isinstance(failure, CoordinatorError):
        traceback.print_exception(failure)
    complain(describe(failure))
    return EXIT_DISK if isinstance(failure, StorageError) else EXIT_BUG


def banner(config: ServerConfig) -> str:
    """Say what starts here: versions, place in the ensemble, and the settings people look for first."""
    from ensemble.replica.config import VERSION

    place = (
        "a server that stands alone"
        if config.me is None
        else f"one of {len(config.membership.servers)} servers"
    )
    directories = f"dataDir={config.data_dir}"
    if config.log_dir != config.data_dir:
        directories += f" dataLogDir={config.log_dir}"
    return (
        f"server {config.sid}: Coordinator (ZooKeeper {VERSION.partition('-')[0]}) on Python {platform.python_version()}, {place}; "
        f"{directories} tickTime={config.tick_ms} sessions={config.session_timeout_ms_min}-"
        f"{config.session_timeout_ms_max} ms (node --check-config shows the rest)"
    )


def complain(problem: object) -> int:
    """Write the one sentence that stands between the operator and a running server."""
    print(f"error: {problem}", file=sys.stderr, flush=True)  # noqa: T201
    return EXIT_CONFIG


SWITCH_INTERVAL_S = 0.0005
"""How long the disk's thread waits for the interpreter while the loop is busy; Python's default is 5 ms, which
a commit would wait twice."""


def tune_collector() -> None:
    """Leave what start-up made out of every later collection, and collect young objects in larger batches.

    A request makes a handful of objects and no cycles, so the default threshold of 700 only costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def _open_admin(server: Server, stack: contextlib.AsyncExitStack) -> None:
    if server.config.admin_port is None:
        return
    from ensemble.runtime.operators.admin_http import AdminPort

    port = AdminPort(server, os.environ[TOKEN_VARIABLE])
    await port.open(server.config.admin_port)
    stack.push_async_callback(port.close)


async def _until_done(server: Server, stopping: asyncio.Event) -> None:
    stop = asyncio.create_task(stopping.wait())
    waiting: list[asyncio.Future[Any]] = [stop, server.failed]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
