"""Host 1: one real server on one event loop.

It gives the replica its ports (clock, disks, network, clients), ends each step of the loop with one flush,
and stops the server at once when its disk fails or its state is not what it must be. What the replica does
with all this it does not know.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ensemble.admin.schema import FaultCommand, FaultStatus, ServerStatus
from ensemble.errors import InvariantViolation, StorageError
from ensemble.membership import bracketed
from ensemble.replica.config import ReplicaConfig
from ensemble.replica.counters import Counters
from ensemble.replica.monitoring.commands.table import Commands
from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.replica.replica import Replica
from ensemble.runtime.clients.clients import ClientSocket
from ensemble.runtime.clients.ports import ClientPorts
from ensemble.runtime.clock import LoopClock
from ensemble.runtime.config import directories
from ensemble.runtime.config.server import ServerConfig
from ensemble.runtime.disk.disk import FileDisk
from ensemble.runtime.lag import LoopLag
from ensemble.runtime.links.network import LoopNetwork
from ensemble.runtime.members import MemberFiles
from ensemble.runtime.operators import environment, process_figures, restoring
from ensemble.runtime.steps import Steps
from ensemble.storage.compression import METHODS
from ensemble.storage.names import DIRECTORY, snapshot_files, snapshot_name
from ensemble.trace import Trace
from ensemble.wire.four_letter import WORDS

Log = Callable[[str], None]

SNAPSHOT_S_MAX = 600
"""How long whoever asked for a snapshot waits for it."""


class Server:
    """One server, from its configuration to its last byte."""

    def __init__(self, config: ServerConfig, *, log: Log) -> None:
        """Open the disks; ``StorageError`` when what is on them cannot be trusted."""
        self.config = config
        self.log = log
        loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = loop.create_future()
        """Ends with the error that stopped this server."""
        self._steps = Steps(loop)
        self._lag = LoopLag(loop)
        clock = LoopClock(loop, self._steps.wake)
        self.trace = Trace(config.sid, clock.monotonic_us)
        self.network = LoopNetwork(
            self._steps, log=log, settings=config.cluster, tls=config.tls, sasl=config.quorum_sasl
        )
        self._disks = self._open_disks(loop)
        members = MemberFiles(config.sid, config.reconfig.path, config.membership, self.network, log=log)
        self.replica = Replica(
            replica_config(config),
            clock=clock,
            data_disk=self._disks[0],
            log_disk=self._disks[-1],
            network=self.network,
            trace=self.trace,
            entropy=os.urandom,
            members=members,
            log=log,
        )
        self._clients = ClientPorts(config, lambda: ClientSocket(self.replica, self._steps), log=log)
        members.clients = self._clients
        directories.forget_permission(config.data_dir)
        process_figures.register(self.replica.metrics, self._lag)
        self._clients.register(self.replica.metrics)
        self.replica.service.measure_directories = self._measure_directories
        self.replica.application.snapshots.saved_ms = self._snapshot_saved_ms()

    async def start(self) -> None:
        """Open the ports and take part; :class:`ConfigError` when a port cannot be had."""
        config = self.config
        asyncio.get_running_loop().set_exception_handler(self._on_exception)
        self._steps.begin(self.replica.flush)
        if config.me is not None:
            proposed = config.reconfig.proposed
            known = {each.sid: each for each in (proposed.servers if proposed else ())}
            known |= {each.sid: each for each in config.membership.servers}
            await self.network.open(
                config.me, known.values(), self.replica, strangers=config.reconfig.enabled
            )
        await self._clients.open()
        self._lag.start()
        self._steps.wake()
        self.replica.start()

    async def stop(self) -> None:
        """Take leave of clients and servers, and close the files."""
        self._clients.close()
        if not self.failed.done():
            self.replica.stop()
        self._steps.end()
        self._lag.stop()
        await self.network.close()
        for disk in self._disks:
            disk.close()

    # -- for the admin port ------------------------------------------------------------------------------

    @property
    def faults_allowed(self) -> bool:
        """Whether the configuration lets faults be commanded."""
        return self.config.faults_allowed

    def status(self) -> ServerStatus:
        """Return the server's status, with what only its host knows."""
        status = self.replica.status()
        status["pid"] = os.getpid()
        status["loop_lag_us"] = self._lag.worst_us
        status["client_address"] = client_address(self.config)
        status["faults"] = self.network.faults()
        return status

    # -- for the AdminServer -----------------------------------------------------------------------------

    @property
    def commands(self) -> Commands:
        """The AdminServer's commands."""
        return self.replica.commands

    @property
    def registry(self) -> Registry:
        """Every metric of this server."""
        return self.replica.metrics

    @property
    def counters(self) -> Counters:
        """What this server counts."""
        return self.replica.service.counters

    def wake(self) -> None:
        """Begin a step."""
        self._steps.wake()

    def now_ms(self) -> int:
        """Return the monotonic clock."""
        return self.replica.service.now_ms()

    async def directory_sizes(self) -> tuple[int, int]:
        """Measure the directories of snapshots and of logs, on the disks' threads."""
        measured: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()

        def done(data_bytes: int, log_bytes: int) -> None:
            if not measured.done():
                measured.set_result((data_bytes, log_bytes))

        self._measure_directories(done)
        return await measured

    async def take_snapshot(self) -> tuple[int, Path]:
        """Save the state as it is now; return its zxid and the file. ``StorageError`` when there is none."""
        saved: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(zxid: int) -> None:
            if not saved.done():
                saved.set_result(zxid)

        self._steps.wake()
        self.replica.take_snapshot(done)
        try:
            zxid = await asyncio.wait_for(saved, SNAPSHOT_S_MAX)
        except TimeoutError:
            raise StorageError(f"a snapshot was not written within {SNAPSHOT_S_MAX} s") from None
        paths = [self.config.data_dir / snapshot_name(zxid, method) for method in METHODS]
        for path in paths:
            if path.exists():
                return zxid, path
        raise StorageError(f"{paths[0]} is gone")

    async def restore(self, chunks: AsyncIterator[bytes]) -> int:
        """Replace the ensemble's state by a snapshot, as :func:`restoring.restore` does."""
        return await restoring.restore(self.replica, chunks, self.config.data_dir, self._steps.wake)

    @property
    def leads(self) -> bool:
        """Whether this server orders the writes of its ensemble, or stands alone."""
        return self.replica.service.leading

    # -- faults ------------------------------------------------------------------------------------------

    def command_fault(self, command: FaultCommand) -> list[FaultStatus]:
        """Carry out a fault command and return the faults in force."""
        peers = command.get("peers", [])
        if command["what"] == "cut":
            self.network.cut(peers)
        else:
            self.network.heal(peers)
        if self.trace.on:
            self.trace.emit("fault", what="cut", peers=peers, active=command["what"] == "cut")
        return self.network.faults()

    def expire_session(self, session_id: int) -> bool:
        """Ask the replica, within a step, to close a session; tell whether it knows that session."""
        self._steps.wake()
        return self.replica.expire_session(session_id)

    # -- failing -----------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Stop at once: nothing that was gathered leaves any more."""
        self._steps.end()
        if not self.failed.done():
            self.failed.set_exception(error)

    def _on_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Judge what no callback handled. A socket's trouble is its own; all else leaves the state in doubt."""
        error = context.get("exception")
        if isinstance(error, OSError):
            self.log(f"socket: {context.get('message')}: {error}")
        elif isinstance(error, Exception):
            self.fail(error)
        else:
            self.log(f"loop: {context.get('message')}")

    def _measure_directories(self, done: Callable[[int, int], None]) -> None:
        """Measure by the disks' threads; one that fails ends the server, and says nothing here."""
        data, log = self._disks[0], self._disks[-1]
        data.measure(
            DIRECTORY, lambda data_bytes: log.measure(DIRECTORY, lambda size: done(data_bytes, size))
        )

    def _snapshot_saved_ms(self) -> int:
        """Return when the newest snapshot was written, by its file; 0 when there is none."""
        disk, newest = self._disks[0], self.replica.store.snapshot_zxid
        names = [name for zxid, name in snapshot_files(disk) if zxid == newest]
        return disk.written_ms(names[-1]) if names else 0

    def _on_slow_sync(self, name: str, size: int, took_ms: float) -> None:
        self.replica.service.counters.fsyncs_slow += 1
        self.log(
            f"disk: syncing {name} ({size} bytes) took {took_ms:.0f} ms, more than fsync.warningthresholdms="
            f"{self.config.files.sync_warning_ms}; every write waits for that: give the log a disk of its own "
            "(dataLogDir)"
        )

    def _open_disks(self, loop: asyncio.AbstractEventLoop) -> list[FileDisk]:
        """Open one disk for data and log alike, or one for each when they are apart."""
        directories = [self.config.data_dir]
        if self.config.log_dir != self.config.data_dir:
            directories.append(self.config.log_dir)
        return [
            FileDisk(
                directory,
                loop=loop,
                fail=self.fail,
                wake=self._steps.wake,
                force_sync=self.config.files.force_sync,
                slow_sync_ms=self.config.files.sync_warning_ms,
                on_slow_sync=self._on_slow_sync,
            )
            for directory in directories
        ]


def replica_config(config: ServerConfig) -> ReplicaConfig:
    """Tell the replica of the configuration what concerns it."""
    storage = config.files.storage
    if directories.may_begin_empty(config.data_dir):
        storage = replace(storage, create=True)
    words = frozenset(WORDS) if "*" in config.words_allowed else config.words_allowed
    return ReplicaConfig(
        sid=config.sid,
        membership=config.membership,
        proposed=config.reconfig.proposed,
        reconfig_enabled=config.reconfig.enabled,
        standalone_enabled=config.reconfig.standalone_enabled,
        tick_ms=config.tick_ms,
        init_limit_ticks=config.init_limit_ticks,
        sync_limit_ticks=config.sync_limit_ticks,
        session_timeout_ms_min=config.session_timeout_ms_min,
        session_timeout_ms_max=config.session_timeout_ms_max,
        sessions=config.sessions,
        frame_bytes_max=config.frame_bytes_max,
        snap_count=config.snap_count,
        snap_bytes=config.files.snap_bytes,
        storage=storage,
        leader_serves=config.cluster.leader_serves,
        snap_retain_count=config.snapshots_kept if config.purge_interval_hours else 0,
        connections_per_address_max=config.connections_per_address_max,
        words_allowed=words,
        znodes=config.znodes,
        access=config.access,
        admission=config.admission,
        client_address=client_address(config),
        client_port=config.client_port,
        secure_client_port=config.tls.secure_port or 0,
        environment=environment.gather(),
        initial_text=config.initial_text,
        listen_backlog=config.listen_backlog,
        data_dir=str(config.data_dir),
        log_dir=str(config.log_dir),
        pid=os.getpid(),
    )


def client_address(config: ServerConfig) -> str:
    """Write where clients of this machine reach the server; the plain port when there are two."""
    if config.client_port:
        return f"{bracketed(config.client_host or '127.0.0.1')}:{config.client_port}"
    return f"{bracketed(config.tls.secure_host or '127.0.0.1')}:{config.tls.secure_port}"


def describe(error: BaseException) -> str:
    """Say in one line why a server stopped."""
    if isinstance(error, StorageError):
        return f"the disk cannot be relied on: {error}"
    if isinstance(error, InvariantViolation):
        return f"a state that must not be: {error}"
    return f"an error nobody foresaw: {type(error).__name__}: {error}"
