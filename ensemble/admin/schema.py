"""The admin interface as types: what a server and its supervisor answer, and what they accept.

All of it is JSON over HTTP on a loopback port, with ``Authorization: Bearer TOKEN``. 64-bit ids are
strings: zxids as decimal digits, session ids as ``0x`` hex.

A server (``node``) answers

====================================  =============================================================
GET  /api/status                      :class:`ServerStatus`
GET  /api/sessions                    ``{"sessions": [SessionStatus], "total": n}``
GET  /api/watches                     ``{"watches": [WatchStatus], "total": n}``
POST /api/lifetimes                   ``{"paths": [...]}`` -> ``{"lifetimes": [LifetimeStatus]}`` of those
                                      among them that are containers or have a time to live
GET  /api/stream                      a websocket: :class:`StatusFrame` at once and on change (at most
                                      5 a second, at least 1), :class:`EventsFrame` as they happen
                                      (batched, at most 20 a second)
POST /api/faults                      :class:`FaultCommand` -> ``{"faults": [...]}``; 403 unless the
                                      configuration allows faults
POST /api/sessions/ID/expire          -> ``{"submitted": true}``; 404 unknown, 409 not the leader
GET  /commands/NAME                   the AdminServer's commands (those already there)
====================================  =============================================================

and a supervisor (``demo``, ``ensemble``)

====================================  =============================================================
GET  /api/ensemble                    :class:`EnsembleStatus`
POST /api/servers/SID/ACTION          kill | stop | start | restart | pause | resume ->
                                      :class:`ProcessStatus`; 409 with ``{"error": why}`` when refused
====================================  =============================================================

Errors are ``{"error": "one sentence"}`` with a fitting HTTP status.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Role = Literal["looking", "following", "leading", "observing"]
Phase = Literal["election", "discovery", "synchronization", "broadcast"]
ProcessState = Literal["starting", "running", "paused", "stopped", "killed", "failed"]


class LogEntry(TypedDict):
    """One transaction at the end of a server's log."""

    zxid: str
    committed: bool


class PeerStatus(TypedDict):
    """What a server knows of another: of all peers when leading, of the leader when following."""

    sid: int
    connected: bool
    synced: bool
    zxid_acked: str | None
    heard_ms_ago: int | None


class FaultStatus(TypedDict):
    """A fault in force."""

    what: str
    peers: list[int]


class MemberStatus(TypedDict):
    """One line of the membership."""

    sid: int
    votes: bool
    client_address: str | None
    """``host:port`` where the line names a client port."""


class MembershipStatus(TypedDict):
    """Who belongs to the ensemble, as one server knows it; without members for a server that stands alone."""

    version: str
    """The zxid of the reconfiguration that made it; 0 for the one of the configuration file."""
    text: str
    """As ``/zookeeper/config`` holds it."""
    members: list[MemberStatus]
    proposed: str | None
    """The text of one that is proposed and not in force."""


class ServerStatus(TypedDict):
    """One server, as it sees itself."""

    sid: int
    role: Role
    phase: Phase
    leader: int | None
    serving: bool
    read_only: bool
    """Whether it answers reads without a quorum; excludes ``serving``."""
    accepted_epoch: int
    current_epoch: int
    election_round: int
    vote: int | None
    zxid_logged: str
    zxid_durable: str
    zxid_committed: str
    zxid_applied: str
    log: list[LogEntry]
    log_file: str
    log_bytes: int
    snapshot: str | None
    digest: str
    digest_zxid: str
    uptime_ms: int
    phase_ms: int
    peers: list[PeerStatus]
    voters: list[int]
    membership: MembershipStatus
    outstanding: int
    pending_syncs: int
    connections: int
    sessions: int
    local_sessions: int
    """Of ``sessions`` those that no other server knows of."""
    watches: int
    znodes: int
    ephemerals: int
    lifetimes: int
    """Containers, and znodes with a time to live."""
    data_bytes: int
    reads: int
    writes: int
    commits: int
    fsync_us_p50: int
    fsync_us_p99: int
    latency_us_p50: int
    latency_us_p99: int
    throttled: int
    """Requests that were refused because they had waited too long (``throttledOpWaitTime``)."""
    loop_lag_us: int
    client_address: str
    pid: int
    trace_dropped: int
    trace_stride: int
    faults: list[FaultStatus]


class SessionStatus(TypedDict):
    """One session in the agreed state, or of this server alone, with what this server knows of its client."""

    session: str
    timeout_ms: int
    remaining_ms: int | None
    """Until it would expire; known to the leader only."""
    owner: int | None
    """The server its client is connected to, when known."""
    client: str | None
    connected_here: bool
    local: bool
    """Whether it is this server's own: no other server knows of it, and it can have no ephemerals."""
    read_only: bool
    """Whether its client is served without a quorum."""
    secure: bool | None
    """Whether its client's connection is encrypted; known where it is connected."""
    ephemerals: list[str]
    ephemerals_total: int
    watches: int
    last_zxid: str | None
    last_op: str | None
    outstanding: int
    received: int
    sent: int


class WatchStatus(TypedDict):
    """One watch on one server."""

    path: str
    mode: str
    """data | exist | child"""
    session: str
    sid: int


class LifetimeStatus(TypedDict):
    """A znode that servers delete by themselves. Clients are not told: its stat shows no owner."""

    path: str
    kind: Literal["container", "ttl"]
    ttl_ms: int | None
    """How long it stays after it was last written to, without children; None for a container."""


class StatusFrame(TypedDict):
    """A frame of the stream: the server's status."""

    type: Literal["status"]
    status: ServerStatus


class EventsFrame(TypedDict):
    """A frame of the stream: trace events in order, and how many were dropped before them."""

    type: Literal["events"]
    events: list[dict[str, object]]
    dropped: int


class FaultCommand(TypedDict, total=False):
    """Cut the links to some peers (both election and quorum links, both directions), or heal."""

    what: Literal["cut", "heal"]
    peers: list[int]


class ProcessStatus(TypedDict):
    """One server process, as its supervisor sees it."""

    sid: int
    state: ProcessState
    pid: int | None
    client_port: int
    admin_url: str
    exit_code: int | None
    reason: str | None
    restarts: int


class EnsembleStatus(TypedDict):
    """The supervised ensemble."""

    name: str
    data_dir: str
    servers: list[ProcessStatus]
