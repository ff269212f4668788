"""What each command tells: Apache's keys with values of Apache's types, 64-bit numbers signed as in Java."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ensemble.measures import Summary
from ensemble.membership import bracketed
from ensemble.replica.agreement.application import Application
from ensemble.replica.agreement.history import History
from ensemble.replica.clients.clients import Clients
from ensemble.replica.clients.connection import Connection
from ensemble.replica.config import VERSION
from ensemble.replica.monitoring.commands.members import addresses, client_address
from ensemble.replica.monitoring.four_letter.connections import brief, full
from ensemble.replica.monitoring.metrics.latency import request_latency
from ensemble.replica.monitoring.metrics.names import Standing, mean_ms, synced, znodes
from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.replica.service import Service
from ensemble.replica.sessions.sessions import Sessions
from ensemble.storage.names import DIRECTORY
from ensemble.tree import digest
from ensemble.zxid import counter_of, epoch_of

Data = dict[str, object]
Query = Mapping[str, str]
US_PER_MS = 1000
_LONG = re.compile("[+-]?[0-9]{1,19}")
LONG_MIN, LONG_MAX = -(1 << 63), (1 << 63) - 1


def signed(number: int) -> int:
    """Return a 64-bit number as Java's long shows it."""
    return number - (1 << 64) if number > LONG_MAX else number


class Answers:
    """The answers of one server, each from its state as it is now."""

    def __init__(
        self,
        service: Service,
        *,
        sessions: Sessions,
        clients: Clients,
        application: Application,
        store: History,
        metrics: Registry,
    ) -> None:
        self._service = service
        self._sessions = sessions
        self._clients = clients
        self._application = application
        self._store = store
        self._metrics = metrics
        self.sizes = (0, 0)
        """Bytes in the directories of snapshots and of logs; the host measures them before a command that tells."""

    # ------------------------------------------------------------------ the server

    def nothing(self, query: Query) -> Data:
        """Tell that the server is there."""
        return {}

    def configuration(self, query: Query) -> Data:
        """Tell the settings of this server; those of the ensemble are told by ``voting_view``."""
        config = self._service.config
        return {
            "client_port": config.client_port or -1,
            "data_dir": f"{config.data_dir}/{DIRECTORY}",
            "data_log_dir": f"{config.log_dir}/{DIRECTORY}",
            "tick_time": config.tick_ms,
            "max_client_cnxns": config.connections_per_address_max,
            "min_session_timeout": config.timeout_ms_min,
            "max_session_timeout": config.timeout_ms_max,
            "server_id": 0 if config.standalone else config.sid,
            "client_port_listen_backlog": config.listen_backlog,
        }

    def initial_configuration(self, query: Query) -> Data:
        """Tell the configuration that was read at the start, without its passwords."""
        return {"initial_configuration": self._service.config.initial_text}

    def environment(self, query: Query) -> Data:
        """Tell of the machine and the process."""
        return {"zookeeper.version": VERSION, **self._service.config.environment}

    def system_properties(self, query: Query) -> Data:
        """Tell of the process, and the keys that Apache's server would have as system properties."""
        lines = [line.partition("=") for line in self._service.config.initial_text.splitlines()]
        keys = {f"zookeeper.{key}": value for key, _, value in lines}
        return dict(sorted({**self._service.config.environment, **keys}.items()))

    def dirs(self, query: Query) -> Data:
        """Tell the bytes in the directories."""
        return {"datadir_size": self.sizes[0], "logdir_size": self.sizes[1]}

    def monitor(self, query: Query) -> Data:
        """Tell every metric."""
        return dict(self._metrics.rows())

    def server_stats(self, query: Query) -> Data:
        """Tell what ``srvr`` tells."""
        service, counters = self._service, self._service.counters
        response = _sizes(
            counters.response_bytes_last, counters.response_bytes_min, counters.response_bytes_max
        )
        data: Data = {
            "version": VERSION,
            "read_only": service.read_only,
            "server_stats": self._statistics(request_latency(counters), response),
            "client_response": response,
        }
        if service.mode == "leader":
            data["proposal_stats"] = _sizes(
                counters.proposal_bytes_last, counters.proposal_bytes_min, counters.proposal_bytes_max
            )
        return {**data, "node_count": znodes(service.tree)}

    def _statistics(self, latency: Summary, response: Data) -> Data:
        service, counters = self._service, self._service.counters
        remote = dict(self._metrics.gauge_values())
        return {
            "packets_sent": counters.sent,
            "packets_received": counters.received,
            "fsync_threshold_exceed_count": counters.fsyncs_slow,
            "client_response_stats": response,
            "data_dir_size": self.sizes[0],
            "log_dir_size": self.sizes[1],
            "provider_null": False,
            "server_state": service.mode,
            "last_processed_zxid": signed(service.tree.zxid),
            "outstanding_requests": self._clients.outstanding,
            "avg_latency": mean_ms(latency),
            "max_latency": latency.greatest // US_PER_MS,
            "min_latency": latency.least // US_PER_MS,
            "num_alive_client_connections": len(self._clients),
            "auth_failed_count": counters.auth_failures,
            "non_mtlsremote_conn_count": remote["non_mtls_remote_conn_count"],
            "non_mtlslocal_conn_count": remote["non_mtls_local_conn_count"],
            "uptime": service.uptime_ms(),
        }

    def stats(self, query: Query) -> Data:
        """Tell what ``stat`` tells."""
        plain, secure = self._by_security()
        return {
            **self.server_stats(query),
            "connections": [brief(each) for each in plain],
            "secure_connections": [brief(each) for each in secure],
        }

    def stat_reset(self, query: Query) -> Data:
        """Start all counts anew."""
        self._service.counters.reset()
        self._service.peer.meter.reset()
        return {}

    def is_read_only(self, query: Query) -> Data:
        """Tell whether this server serves reads only."""
        return {"read_only": self._service.read_only}

    def last_snapshot(self, query: Query) -> Data:
        """Tell which snapshot is the newest, and when it was finished (seconds since 1970, as Apache)."""
        saved_ms = self._application.snapshots.saved_ms
        return {
            "zxid": f"{self._store.snapshot_zxid:x}",
            "timestamp": saved_ms // 1000 if saved_ms else -1,
        }

    def hash(self, query: Query) -> Data:
        """Tell the digests noted every 128 transactions, one a second at most."""
        digests = [
            {"zxid": signed(zxid), "digest_version": digest.VERSION, "digest": value}
            for zxid, value in self._application.digests
        ]
        return {"digests": digests}

    def get_trace_mask(self, query: Query) -> Data:
        """Tell what ``set_trace_mask`` set."""
        return {"tracemask": self._service.trace_mask}

    def set_trace_mask(self, query: Query) -> Data:
        """Keep ``?traceMask=``, a long."""
        text = query.get("traceMask")
        if text is None:
            return {"error": "setTraceMask requires long traceMask argument"}
        if not _LONG.fullmatch(text) or not LONG_MIN <= int(text) <= LONG_MAX:
            return {"error": f"setTraceMask requires long traceMask argument, got {text}"}
        self._service.trace_mask = int(text)
        return {"tracemask": self._service.trace_mask}

    # ------------------------------------------------------------------ clients

    def connections(self, query: Query) -> Data:
        """Tell of every connection."""
        plain, secure = self._by_security()
        return {
            "connections": [_signed_id(full(each)) for each in plain],
            "secure_connections": [_signed_id(full(each)) for each in secure],
        }

    def _by_security(self) -> tuple[list[Connection], list[Connection]]:
        every = list(self._clients.connections)
        return [each for each in every if not each.secure], [each for each in every if each.secure]

    def connection_stat_reset(self, query: Query) -> Data:
        """Start the counts of every connection anew."""
        self._clients.reset_statistics()
        return {}

    def dump(self, query: Query) -> Data:
        """Tell when sessions end, by this server's own clock, where it knows; and who owns which ephemerals."""
        tree, now_ms = self._service.tree, self._service.now_ms()
        expiring: dict[str, list[int]] = {}
        for session_id in (*tree.sessions, *self._service.local_sessions):
            left_ms = self._sessions.remaining_ms(session_id)
            if left_ms is not None:
                expiring.setdefault(str(now_ms + left_ms), []).append(signed(session_id))
        ephemerals = {str(signed(session_id)): list(paths) for session_id, paths in tree.ephemerals.items()}
        return {"expiry_time_to_session_ids": expiring, "session_id_to_ephemeral_paths": ephemerals}

    def watches(self, query: Query) -> Data:
        """Tell what each session watches."""
        paths: dict[str, dict[str, None]] = {}
        for path, _, watcher in self._service.watches.listing():
            paths.setdefault(str(signed(watcher.session_id)), {})[path] = None
        return {"session_id_to_watched_paths": {key: list(each) for key, each in paths.items()}}

    def watches_by_path(self, query: Query) -> Data:
        """Tell who watches each path."""
        sessions: dict[str, dict[int, None]] = {}
        for path, _, watcher in self._service.watches.listing():
            sessions.setdefault(path, {})[signed(watcher.session_id)] = None
        return {"path_to_session_ids": {path: list(each) for path, each in sessions.items()}}

    def watch_summary(self, query: Query) -> Data:
        """Count watches."""
        watches = self._service.watches
        return {
            "num_connections": watches.watchers_count,
            "num_paths": watches.paths_count,
            "num_total_watches": watches.count,
        }

    # ------------------------------------------------------------------ the ensemble

    def leader(self, query: Query) -> Data:
        """Tell who leads."""
        service = self._service
        if service.config.standalone:
            return {"error": "server is not initialized"}
        sid = service.peer.leader
        member = None if sid is None else service.view.active.server(sid)
        return {
            "is_leader": service.leading,
            "leader_id": -1 if sid is None else sid,
            "leader_ip": "" if member is None else member.host,
        }

    def observers(self, query: Query) -> Data:
        """Leader: tell of the observers that follow; of their links no more is known than whose they are."""
        sids = synced(self._service, Standing.OBSERVER) if self._service.leading else []
        return {"synced_observers": len(sids), "observers": [{"sid": sid} for sid in sids]}

    def voting_view(self, query: Query) -> Data:
        """Tell who votes, by server id."""
        config = self._service.config
        view = {
            str(each.sid): {
                "server_addresses": [f"{bracketed(each.host)}:{each.quorum_port}"],
                "election_addresses": [f"{bracketed(each.host)}:{each.election_port}"],
                "client_address": client_address(each)
                or (config.client_address if each.sid == config.sid else ""),
                "learner_type": "participant",
            }
            for each in self._service.view.active.servers
            if each.votes
        }
        return {"current_config": view}

    def zabstate(self, query: Query) -> Data:
        """Tell which phase of ZAB this server is in."""
        service, config = self._service, self._service.config
        me = service.view.active.server(config.sid)
        if config.standalone or me is None:
            return {"voting": False, "zabstate": ""}
        zxid = service.tree.zxid
        return {
            "myid": config.sid,
            "is_leader": service.leading,
            "quorum_address": addresses(me.host, me.quorum_port),
            "election_address": addresses(me.host, me.election_port),
            "client_address": config.client_address,
            "voting": me.votes,
            "last_zxid": f"0x{zxid:x}",
            "zab_epoch": epoch_of(zxid),
            "zab_counter": counter_of(zxid),
            "zabstate": service.peer.phase.value,
        }


def _sizes(last: int, least: int, greatest: int) -> Data:
    return {"last_buffer_size": last, "min_buffer_size": least, "max_buffer_size": greatest}


def _signed_id(facts: dict[str, int | str]) -> dict[str, int | str]:
    session_id = facts["session_id"]
    assert isinstance(session_id, int)
    return {**facts, "session_id": signed(session_id)}
