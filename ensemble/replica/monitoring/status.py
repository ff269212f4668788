"""The server as the admin port shows it (``admin.schema``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from ensemble.admin.schema import (
    LifetimeStatus,
    LogEntry,
    MembershipStatus,
    MemberStatus,
    PeerStatus,
    Role,
    ServerStatus,
    SessionStatus,
    WatchStatus,
)
from ensemble.membership import ANYWHERE, ServerAddress, bracketed
from ensemble.replica.agreement.application import Application
from ensemble.replica.agreement.history import History
from ensemble.replica.agreement.snapshots import RECENT_TXNS
from ensemble.replica.clients.clients import Clients
from ensemble.replica.clients.connection import Connection
from ensemble.replica.requests.writes import op_name
from ensemble.replica.service import Service
from ensemble.replica.sessions.sessions import Sessions
from ensemble.trace import session_text
from ensemble.tree.owner import ttl_of
from ensemble.zxid import epoch_of

DIGEST_EVERY_US = 1_000_000
"""The digest hashes every znode changed since it was last asked for: under load not with every status."""
EPHEMERALS_LISTED_MAX = 100
"""Paths named in a session's status; ``ephemerals_total`` says how many there are."""


class Status:
    """Describes one server; what only its host knows (loop lag, faults) is left empty."""

    def __init__(
        self, service: Service, sessions: Sessions, clients: Clients, store: History, application: Application
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._clients = clients
        self._store = store
        self._application = application
        self._digest = (0, -1)
        self._digest_us = 0

    def _digest_at(self, now_us: int) -> tuple[int, int]:
        """Return a digest of the tree and the zxid it is of: at most a second old."""
        tree = self._service.tree
        if self._digest[1] != tree.zxid and (
            self._digest[1] < 0 or now_us - self._digest_us >= DIGEST_EVERY_US
        ):
            self._digest = (tree.digest(), tree.zxid)
            self._digest_us = now_us
        return self._digest

    def server(self) -> ServerStatus:
        """Describe the server."""
        service, store = self._service, self._store
        config, counters, tree, peer = service.config, service.counters, service.tree, service.peer
        now_us = service.clock.monotonic_us()
        digest, digest_zxid = self._digest_at(now_us)
        fsync_p50, fsync_p99 = counters.fsyncs.quantiles(0.5, 0.99)
        latency_p50, latency_p99 = counters.latencies.quantiles(0.5, 0.99)
        return ServerStatus(
            sid=config.sid,
            role=cast(Role, peer.role.name.lower()),
            phase=peer.phase.value,
            leader=peer.leader,
            serving=peer.serving,
            read_only=service.read_only,
            accepted_epoch=store.accepted_epoch,
            current_epoch=store.current_epoch,
            election_round=peer.election.round,
            vote=max(peer.election.vote.leader, 0),
            zxid_logged=str(store.zxid_logged),
            zxid_durable=str(store.zxid_durable),
            zxid_committed=str(peer.zxid_committed),
            zxid_applied=str(tree.zxid),
            log=self._log_end(),
            log_file=store.log_file or "",
            log_bytes=store.log_bytes,
            snapshot=str(store.snapshot_zxid),
            digest=f"{digest:x}",
            digest_zxid=str(digest_zxid),
            uptime_ms=service.uptime_ms(),
            phase_ms=(now_us - peer.phase_since_us) // 1000,
            peers=cast("list[PeerStatus]", peer.peers()),
            voters=list(service.view.active.voters) or [config.sid],
            membership=self._membership(),
            outstanding=peer.outstanding,
            pending_syncs=peer.pending_syncs,
            connections=len(self._clients),
            sessions=len(tree.sessions) + len(service.local_sessions),
            local_sessions=len(service.local_sessions),
            watches=service.watches.count,
            znodes=tree.znodes,
            ephemerals=tree.ephemerals_count,
            lifetimes=len(tree.containers) + len(tree.ttls),
            data_bytes=tree.data_bytes,
            reads=counters.reads,
            writes=counters.writes,
            commits=counters.commits,
            fsync_us_p50=fsync_p50,
            fsync_us_p99=fsync_p99,
            latency_us_p50=latency_p50,
            latency_us_p99=latency_p99,
            throttled=counters.throttled_ops,
            loop_lag_us=0,
            client_address=config.client_address,
            pid=config.pid,
            trace_dropped=service.trace.dropped,
            trace_stride=service.trace.stride,
            faults=[],
        )

    def _membership(self) -> MembershipStatus:
        view = self._service.view
        return MembershipStatus(
            version=str(view.active.version),
            text=view.text.decode() if view.active.servers else "",
            members=[_member(server) for server in view.active.servers],
            proposed=view.seen.text() if view.pending else None,
        )

    def _log_end(self) -> list[LogEntry]:
        """Return the last transactions of the log: those applied, then those that wait for their commit."""
        store, applied = self._store, self._service.tree.zxid
        zxids = list(self._application.recent)
        logged = store.zxid_logged
        if logged > applied:
            if epoch_of(logged) == epoch_of(applied):
                zxids += range(max(applied + 1, logged - RECENT_TXNS + 1), logged + 1)
            else:
                zxids += [zxid for zxid, _ in store.read_after(applied) or ()]
        committed = self._service.peer.zxid_committed
        return [LogEntry(zxid=str(zxid), committed=zxid <= committed) for zxid in zxids[-RECENT_TXNS:]]

    def sessions(self) -> list[SessionStatus]:
        """Describe every session of the ensemble, with what this server knows of its client, and its local ones."""
        service = self._service
        known = {**service.tree.sessions, **service.local_sessions}
        return [self._session(session_id, timeout_ms) for session_id, timeout_ms in known.items()]

    def _session(self, session_id: int, timeout_ms: int) -> SessionStatus:
        service = self._service
        client = service.by_session.get(session_id)
        connection = client if isinstance(client, Connection) else None
        paths: Iterable[str] = service.tree.ephemerals.get(session_id, ())
        ephemerals = list(paths)
        status = SessionStatus(
            session=session_text(session_id),
            timeout_ms=timeout_ms,
            remaining_ms=self._sessions.remaining_ms(session_id),
            owner=service.config.sid if connection else self._sessions.owner(session_id),
            client=None,
            connected_here=connection is not None,
            local=session_id in service.local_sessions,
            read_only=connection is not None and service.read_only,
            secure=connection.secure if connection else None,
            ephemerals=ephemerals[:EPHEMERALS_LISTED_MAX],
            ephemerals_total=len(ephemerals),
            watches=0,
            last_zxid=None,
            last_op=None,
            outstanding=0,
            received=0,
            sent=0,
        )
        if connection is not None:
            pipeline = connection.pipeline
            status["client"] = connection.client_text
            status["timeout_ms"] = connection.timeout_ms
            status["watches"] = service.watches.count_of(connection)
            status["last_zxid"] = (
                str(pipeline.activity.last_zxid) if pipeline.activity.last_zxid > 0 else None
            )
            status["last_op"] = op_name(pipeline.activity.last_op) if pipeline.activity.last_op else None
            status["outstanding"] = pipeline.unanswered
            status["received"] = connection.received
            status["sent"] = connection.sent
        return status

    def watches(self) -> list[WatchStatus]:
        """Describe every watch of this server's clients."""
        sid = self._service.config.sid
        return [
            WatchStatus(path=path, mode=mode, session=session_text(watcher.session_id), sid=sid)
            for path, mode, watcher in self._service.watches.listing()
        ]

    def lifetimes(self, paths: Iterable[str]) -> list[LifetimeStatus]:
        """Describe those of ``paths`` that are containers or have a time to live."""
        tree = self._service.tree
        return [
            LifetimeStatus(path=path, kind="container", ttl_ms=None)
            if path in tree.containers
            else LifetimeStatus(path=path, kind="ttl", ttl_ms=ttl_of(tree.nodes[path].ephemeral_owner))
            for path in paths
            if path in tree.containers or path in tree.ttls
        ]


def _member(server: ServerAddress) -> MemberStatus:
    host = server.host if server.client_host in (None, ANYWHERE) else server.client_host
    address = f"{bracketed(host or server.host)}:{server.client_port}" if server.client_port else None
    return MemberStatus(sid=server.sid, votes=server.votes, client_address=address)
