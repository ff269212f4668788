"""What an operator may set of one server, as values; the host reads the file they come from."""

from __future__ import annotations

from dataclasses import dataclass, field

from ensemble import limits
from ensemble.membership import Membership
from ensemble.replica.access.config import AccessConfig
from ensemble.replica.admission.config import AdmissionConfig
from ensemble.storage.settings import StorageSettings

VERSION = "3.9.5-coordinator, built on 2026-01-01 00:00 UTC"
"""What ``srvr`` says: monitoring tools take the number before the dash and what follows "built on"."""

WORDS_DEFAULT = frozenset({"ruok", "srvr", "stat", "mntr", "cons", "conf", "envi", "isro", "wchs", "dump"})
"""Four-letter words that are cheap enough for anyone who can reach the port."""


@dataclass(frozen=True, slots=True)
class ZnodeConfig:
    """What kinds of znodes there may be, how many, and how those go that nobody deletes."""

    extended_types: bool = False
    """Whether clients may create TTL znodes (``extendedTypesEnabled``)."""
    emulate_353_ttl: bool = False
    """Whether TTL znodes that ZooKeeper 3.5.3 made are known as such (``emulate353TTLNodes``)."""
    container_check_ms: int = 60_000
    """How often the leader looks for containers and TTL znodes to delete."""
    containers_per_minute_max: int = 10_000
    """At what rate it deletes those it found."""
    container_unused_ms_max: int = 0
    """How long a container may wait for its first child; 0 for ever."""
    enforce_quota: bool = False
    """Whether a write beyond the hard limit of a quota is refused (``enforceQuota``)."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Which sessions there are besides those that every server knows."""

    local: bool = False
    """``localSessionsEnabled``: a new session is its own server's until it owns an ephemeral."""
    upgrading: bool = False
    """``localSessionsUpgradingEnabled``: by owning an ephemeral it becomes every server's."""
    read_only_mode: bool = False
    """``readonlymode.enabled``: without a quorum, serve reads to clients that agreed to that."""
    sessionless_ms: int = limits.SESSIONLESS_CONNECTION_MS
    """``nio.sessionlessCnxnTimeout``: a connection that has no session by then is closed."""


@dataclass(frozen=True, slots=True)
class ReplicaConfig:
    """The settings of one server; names follow zoo.cfg, with their units."""

    sid: int
    membership: Membership = field(default_factory=Membership)
    """The ensemble; empty for a server that stands alone."""
    proposed: Membership | None = None
    """A newer membership that was proposed before this server stopped."""
    reconfig_enabled: bool = False
    """Whether the membership may change while the ensemble runs."""
    standalone_enabled: bool = True
    """Whether a single participant stands alone, and so can never grow."""
    tick_ms: int = 2000
    init_limit_ticks: int = 10
    sync_limit_ticks: int = 5
    session_timeout_ms_min: int = -1
    """-1 for two ticks, as Apache."""
    session_timeout_ms_max: int = -1
    """-1 for twenty ticks, as Apache."""
    sessions: SessionSettings = SessionSettings()
    frame_bytes_max: int = limits.FRAME_BYTES_MAX
    snap_count: int = limits.SNAP_COUNT_TXNS
    snap_retain_count: int = 3
    """Snapshots to keep, with the logs they need; 0 keeps them all."""
    snap_bytes: int = limits.SNAP_BYTES
    """Bytes of log after which a snapshot is due as well; 0 for no such bound."""
    leader_serves: bool = True
    """``leaderServes``: whether clients may connect while this server leads."""
    storage: StorageSettings = field(default_factory=StorageSettings)
    connections_per_address_max: int = limits.CONNECTIONS_PER_ADDRESS_MAX
    """0 lifts the limit."""
    znodes: ZnodeConfig = ZnodeConfig()
    access: AccessConfig = field(default_factory=AccessConfig)
    admission: AdmissionConfig = field(default_factory=AdmissionConfig)
    words_allowed: frozenset[str] = WORDS_DEFAULT
    client_address: str = ""
    """Where clients reach this server, for people to read."""
    client_port: int = 2181
    """0 when there is none."""
    secure_client_port: int = 0
    """The client port of TLS alone; 0 when there is none."""
    listen_backlog: int = -1
    initial_text: str = ""
    """The keys that were read at the start, one a line, without passwords."""
    data_dir: str = ""
    log_dir: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    """What ``envi`` answers; the host fills it in."""
    pid: int = 0

    @property
    def standalone(self) -> bool:
        """Whether this server belongs to no ensemble."""
        return not self.membership.servers

    @property
    def local_sessions(self) -> bool:
        """Whether new sessions are local; a server that stands alone has no others to keep them from."""
        return self.sessions.local and not self.standalone

    @property
    def timeout_ms_min(self) -> int:
        """The shortest session timeout that is granted."""
        return self.session_timeout_ms_min if self.session_timeout_ms_min > 0 else 2 * self.tick_ms

    @property
    def timeout_ms_max(self) -> int:
        """The longest session timeout that is granted."""
        return self.session_timeout_ms_max if self.session_timeout_ms_max > 0 else 20 * self.tick_ms

    def negotiate(self, timeout_ms: int) -> int:
        """Return the timeout granted to a client that asks for ``timeout_ms``."""
        return min(max(timeout_ms, self.timeout_ms_min), self.timeout_ms_max)
