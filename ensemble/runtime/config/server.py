"""One server's configuration, read from an unmodified Apache ``zoo.cfg`` and ``dataDir/myid``.

Every way a file can be wrong ends in a :class:`ConfigError` of one sentence that names the key and the
fix. What the keys of the file do here at all is listed in ``keys``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.limits import CONNECTIONS_PER_ADDRESS_MAX, FRAME_BYTES_MAX, SNAP_COUNT_TXNS
from ensemble.membership import ANYWHERE, Membership, ServerAddress
from ensemble.replica.access.config import AccessConfig
from ensemble.replica.admission.config import AdmissionConfig
from ensemble.replica.config import WORDS_DEFAULT, SessionSettings, ZnodeConfig
from ensemble.runtime.config import (
    access,
    admission,
    cluster,
    directories,
    files,
    members,
    operations,
    quorum_sasl,
    sessions,
    tls,
    znodes,
)
from ensemble.runtime.config.sources import gather
from ensemble.runtime.config.values import Values, shown
from ensemble.runtime.tls.settings import TlsConfig
from ensemble.wire.four_letter import WORDS

TICK_MS = 3000
"""``tickTime`` when the file does not say (ZooKeeperServer.DEFAULT_TICK_TIME)."""
WORDS_ALLOWED = " ".join(sorted(WORDS_DEFAULT))
"""``4lw.commands.whitelist`` when the file does not say: the cheap words, where Apache allows ``srvr`` alone and
monitoring stays blind until somebody finds out why."""
PURGE_HOURS = 1
"""``autopurge.purgeInterval`` when the file does not say. Apache keeps everything then, until the disk is full;
an explicit 0 does so here too."""
SNAPSHOTS_KEPT_MIN = 3
LISTEN_BACKLOG = 128
"""``clientPortListenBacklog`` when the file does not say; Apache's 50 turns clients away that all come back at once."""
ALONE_LIMIT_TICKS = 10


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """All that one server is told at start."""

    sid: int
    membership: Membership
    """Every server of the ensemble; empty when this server stands alone."""
    reconfig: members.ReconfigSettings
    data_dir: Path
    log_dir: Path
    client_host: str | None
    """The address to listen on for clients; None for all of them."""
    client_port: int
    """0 when clients come by TLS only."""
    tick_ms: int
    init_limit_ticks: int
    sync_limit_ticks: int
    session_timeout_ms_min: int
    session_timeout_ms_max: int
    connections_per_address_max: int
    listen_backlog: int
    cluster: cluster.Cluster
    operations: operations.Operations
    snap_count: int
    snapshots_kept: int
    purge_interval_hours: int
    words_allowed: frozenset[str]
    """Four-letter words answered; ``*`` stands for all."""
    sessions: SessionSettings
    frame_bytes_max: int
    znodes: ZnodeConfig
    access: AccessConfig
    admission: AdmissionConfig
    files: files.Files
    admin_port: int | None
    faults_allowed: bool
    tls: TlsConfig
    quorum_sasl: quorum_sasl.QuorumSasl | None
    """How servers prove themselves to each other; None when they do not."""
    initial_text: str
    """The keys as they were read, one a line, without passwords."""
    warnings: tuple[str, ...]
    """Sentences for the operator, about keys that have no effect."""

    @property
    def me(self) -> ServerAddress | None:
        """This server's own line; None when it stands alone."""
        return self.membership.server(self.sid)


def load(path: Path, arguments: Iterable[str] = ()) -> ServerConfig:
    """Read ``path``, the dynamic file it names, and ``myid``; :class:`ConfigError` says what is wrong.

    ``arguments`` are Java properties of the command line, each ``key=value``.
    """
    return read(path, arguments)[0]


def read(path: Path, arguments: Iterable[str] = ()) -> tuple[ServerConfig, Values]:
    """Do what :func:`load` does, and return also what is in force and where it was written."""
    sources = gather(path, arguments)
    reader = _Reader(Values(sources.keys, sources.origins), path)
    reader.values.warnings += sources.warnings
    return reader.config(), reader.values


class _Reader:
    """Turns keys and values into a :class:`ServerConfig`, or into one sentence."""

    def __init__(self, values: Values, path: Path) -> None:
        self.values = values
        self._path = path
        self.keys = values.keys

    def config(self) -> ServerConfig:
        self.values.judge()
        data_dir = self.values.directory("dataDir")
        membership = members.read(self.values)
        sid = members.read_sid(self.values, data_dir, membership)
        alone = not membership.servers
        tick_ms = self.values.number("tickTime", TICK_MS, 1, 3_600_000, "milliseconds")
        timeout_min = self.values.number("minSessionTimeout", -1, -1, 2**31 - 1, "milliseconds")
        timeout_max = self.values.number("maxSessionTimeout", -1, -1, 2**31 - 1, "milliseconds")
        timeout_min = 2 * tick_ms if timeout_min == -1 else timeout_min
        timeout_max = 20 * tick_ms if timeout_max == -1 else timeout_max
        self.values.settle("minSessionTimeout", timeout_min)
        self.values.settle("maxSessionTimeout", timeout_max)
        if timeout_min > timeout_max:
            raise ConfigError(
                f"minSessionTimeout={timeout_min} is greater than maxSessionTimeout={timeout_max}; swap or drop them"
            )
        session_settings = sessions.read(self.values)
        security = tls.read(self.values)
        log_dir = self.values.directory("dataLogDir") if self.keys.get("dataLogDir") else data_dir
        kept = files.read(self.values)
        self.values.warnings += directories.judge(data_dir, log_dir, created=kept.directories_created)
        links = cluster.read(self.values)
        cluster.judge(links, membership)
        host, port = self._client_address(membership.server(sid))
        if not port and not security.secure_port:
            raise ConfigError("clientPort is not set; write for example clientPort=2181")
        return ServerConfig(
            sid=sid,
            membership=membership,
            reconfig=members.read_reconfig(self.values, self._path),
            data_dir=data_dir,
            log_dir=log_dir,
            client_host=host,
            client_port=port,
            tick_ms=tick_ms,
            init_limit_ticks=self._limit("initLimit", alone),
            sync_limit_ticks=self._limit("syncLimit", alone),
            session_timeout_ms_min=timeout_min,
            session_timeout_ms_max=timeout_max,
            connections_per_address_max=self.values.number(
                "maxClientCnxns", CONNECTIONS_PER_ADDRESS_MAX, 0, 2**31 - 1, "connections"
            ),
            listen_backlog=self._backlog(),
            cluster=links,
            operations=operations.read(self.values),
            snap_count=max(2, self.values.number("snapCount", SNAP_COUNT_TXNS, 0, 2**31 - 1, "transactions")),
            snapshots_kept=self._snapshots_kept(),
            purge_interval_hours=self.values.number(
                "autopurge.purgeInterval", PURGE_HOURS, 0, 24 * 365, "hours"
            ),
            words_allowed=self._words(session_settings),
            sessions=session_settings,
            frame_bytes_max=self.values.number("jute.maxbuffer", FRAME_BYTES_MAX, 1024, 2**31 - 1, "bytes"),
            znodes=znodes.read(self.values, sid),
            access=access.read(self.values),
            admission=admission.read(self.values),
            files=kept,
            admin_port=self.values.port("coordinator.adminPort") or None,
            faults_allowed=self.values.flag("coordinator.faults", default=False),
            tls=security,
            quorum_sasl=quorum_sasl.read(self.values),
            initial_text="\n".join([f"{key}={shown(key, value)}" for key, value in self.keys.items()]),
            warnings=tuple(self.values.warnings),
        )

    def _limit(self, key: str, alone: bool) -> int:
        """Read ``initLimit`` or ``syncLimit``: wanted as soon as there is more than one server."""
        ticks = self.values.number(key, 0, 0, 1_000_000, "ticks")
        if ticks:
            return ticks
        if alone:
            self.values.settle(key, ALONE_LIMIT_TICKS)
            return ALONE_LIMIT_TICKS
        raise ConfigError(f"{key} is not set; write for example {key}={'10' if key == 'initLimit' else '5'}")

    def _backlog(self) -> int:
        backlog = self.values.number("clientPortListenBacklog", -1, -1, 65535, "connections")
        backlog = LISTEN_BACKLOG if backlog == -1 else max(1, backlog)
        self.values.settle("clientPortListenBacklog", backlog)
        return backlog

    def _snapshots_kept(self) -> int:
        kept = self.values.number("autopurge.snapRetainCount", SNAPSHOTS_KEPT_MIN, 0, 2**31 - 1, "snapshots")
        if kept < SNAPSHOTS_KEPT_MIN:
            self.values.warnings.append(
                f"autopurge.snapRetainCount={kept} is too few; {SNAPSHOTS_KEPT_MIN} are kept"
            )
            self.values.settle("autopurge.snapRetainCount", SNAPSHOTS_KEPT_MIN)
        return max(SNAPSHOTS_KEPT_MIN, kept)

    def _words(self, settings: SessionSettings) -> frozenset[str]:
        words = frozenset(self.values.text("4lw.commands.whitelist", WORDS_ALLOWED).replace(",", " ").split())
        if unknown := sorted(words.difference(WORDS, "*")):
            self.values.warnings.append(
                f"4lw.commands.whitelist names {', '.join(unknown)}, which no server answers; "
                f"there are {' '.join(WORDS)}"
            )
        # By it a client finds the way from a read-only server to another (FourLetterCommands).
        return words | {"isro"} if settings.read_only_mode else words

    def _client_address(self, me: ServerAddress | None) -> tuple[str | None, int]:
        port = self.values.port("clientPort")
        host = self.keys.get("clientPortAddress") or None
        if me and me.client_port:
            if port and port != me.client_port:
                raise ConfigError(
                    f"clientPort={port} contradicts ;{me.client_port} of the line server.{me.sid}; drop clientPort"
                )
            named = me.client_host if me.client_host != ANYWHERE else None
            return host or named, me.client_port
        return host, port
