"""Every metric this server has, by Apache's name for it, in the order its ``mntr`` tells them.

What Apache measures of things that do not exist here (queues between threads, pools, caches, the JVM) has no
name here either: a 0 would say that all is well with them. ``docs/metrics.md`` lists those, and the names
that are this server's own.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import cast

from ensemble.measures import Summary
from ensemble.replica.agreement.application import Application
from ensemble.replica.clients.clients import Clients
from ensemble.replica.config import VERSION
from ensemble.replica.counters import Counters
from ensemble.replica.monitoring.metrics.latency import read_latency, request_latency
from ensemble.replica.monitoring.metrics.registry import DIGITS, Registry, SampleSet
from ensemble.replica.service import Service
from ensemble.tree import quotas
from ensemble.tree.operations import EventType
from ensemble.tree.tree import Tree

US_PER_MS = 1000
LOOPBACK = ("127.", "::1")


def znodes(tree: Tree) -> int:
    """Count znodes as Apache does, which knows the root by two names (DataTree: "" and "/").

    Alarms compare the counts of an ensemble's servers, and these may be Apache's and ours.
    """
    return tree.znodes + 1


def mean_ms(latency: Summary) -> float:
    """Return the mean in milliseconds with four digits, as Apache (AvgMinMaxCounter)."""
    return round(latency.mean / US_PER_MS, DIGITS)


def peer_state(service: Service) -> str | None:
    """Return role and phase, as ``mntr`` names them; None for a server that stands alone."""
    if service.config.standalone or service.read_only:
        return None
    role = {"leader": "leading", "observer": "observing"}.get(service.mode, "following")
    return f"{role} - {service.peer.phase.value}"


class Standing(Enum):
    """What a learner is by the membership in force."""

    VOTER = "voter"
    OBSERVER = "observer"
    NEITHER = "neither"


def synced(service: Service, standing: Standing) -> list[int]:
    """Leader: return the synchronized learners that are one thing or the other."""
    active = service.view.active
    of = dict.fromkeys(active.voters, Standing.VOTER) | dict.fromkeys(active.observers, Standing.OBSERVER)
    sids = [cast("int", row["sid"]) for row in service.peer.peers() if row["synced"]]
    return [sid for sid in sids if of.get(sid, Standing.NEITHER) is standing]


def registry_of(service: Service, clients: Clients, application: Application) -> Registry:
    """Build the registry of one server."""
    registry = Registry()
    registry.texts = {
        "version": lambda: VERSION,
        "server_state": lambda: service.mode,
        "peer_state": lambda: peer_state(service),
    }
    _gauges(registry, service, clients, application)
    _quotas(registry, service)
    _counters(registry, service)
    _summaries(registry, service)
    return registry


def _gauges(registry: Registry, service: Service, clients: Clients, application: Application) -> None:
    counters = service.counters

    def leads() -> bool:
        return service.leading and not service.config.standalone

    def learners() -> int:
        return len([row for row in service.peer.peers() if row["connected"]])

    def from_here() -> int:
        return sum([each.address[0].startswith(LOOPBACK) for each in clients.connections])

    gauge = registry.gauge
    gauge("ephemerals_count", lambda: service.tree.ephemerals_count)
    gauge("num_alive_connections", lambda: len(clients))
    gauge("avg_latency", lambda: mean_ms(request_latency(counters)))
    gauge("min_proposal_size", lambda: counters.proposal_bytes_min, leads)
    gauge("outstanding_requests", lambda: clients.outstanding)
    gauge("znode_count", lambda: znodes(service.tree))
    gauge("global_sessions", lambda: len(service.tree.sessions))
    gauge("non_mtls_remote_conn_count", lambda: len(clients) - from_here())
    gauge("last_client_response_size", lambda: counters.response_bytes_last)
    gauge("packets_sent", lambda: counters.sent)
    gauge("packets_received", lambda: counters.received)
    gauge("max_proposal_size", lambda: counters.proposal_bytes_max, leads)
    gauge("max_client_response_size", lambda: counters.response_bytes_max)
    gauge("synced_followers", lambda: len(synced(service, Standing.VOTER)), leads)
    gauge("watch_count", lambda: service.watches.count)
    gauge("synced_non_voting_followers", lambda: len(synced(service, Standing.NEITHER)), leads)
    gauge("synced_observers", lambda: len(synced(service, Standing.OBSERVER)), leads)
    gauge("auth_failed_count", lambda: counters.auth_failures)
    gauge("connection_drop_probability", lambda: service.admission.arrivals.drop_chance)
    gauge("min_latency", lambda: request_latency(counters).least // US_PER_MS)
    gauge("approximate_data_size", lambda: service.tree.data_bytes)
    gauge("last_proposal_size", lambda: counters.proposal_bytes_last, leads)
    gauge("pending_syncs", lambda: service.peer.pending_syncs, leads)
    gauge(
        "leader_uptime",
        lambda: (service.clock.monotonic_us() - application.serving_since_us) // US_PER_MS,
        leads,
    )
    gauge("local_sessions", lambda: len(service.local_sessions))
    gauge("uptime", service.uptime_ms)
    gauge("max_latency", lambda: request_latency(counters).greatest // US_PER_MS)
    gauge("learners", learners, leads)
    gauge("min_client_response_size", lambda: counters.response_bytes_min)
    gauge("non_mtls_local_conn_count", from_here)
    gauge("quorum_size", lambda: len(service.view.active.voters), leads)


def _quotas(registry: Registry, service: Service) -> None:
    """Limits and usage of quotas, and refusals, each for the children of the root by their names."""
    for name, attribute in _QUOTAS.items():
        registry.gauge_sets[name] = _sums(service, attribute)
    registry.counter_sets["quota_exceeded_error_per_namespace"] = lambda: service.counters.quota_refusals


def _sums(service: Service, attribute: str) -> Callable[[], dict[str, int]]:
    return lambda: getattr(quotas.by_namespace(service.tree), attribute)


_QUOTAS = {
    "quota_count_limit_per_namespace": "count_limit",
    "quota_bytes_limit_per_namespace": "bytes_limit",
    "quota_count_usage_per_namespace": "count_usage",
    "quota_bytes_usage_per_namespace": "bytes_usage",
}

_COUNTED: dict[str, str] = {
    "proposal_count": "proposals",
    "watch_bytes": "watch_bytes",
    "connection_rejected": "refused",
    "cnxn_closed_without_zk_server_running": "not_serving",
    "sessionless_connections_expired": "sessionless_expired",
    "connection_drop_count": "dropped",
    "bytes_received_count": "bytes_received",
    "ensemble_auth_success": "ensemble_auth_success",
    "connection_request_count": "connect_requests",
    "ensemble_auth_fail": "ensemble_auth_fail",
    "connection_revalidate_count": "revalidations",
    "stale_sessions_expired": "sessions_expired",
    "sync_processor_request_queued": "logged",
    "ensemble_auth_skip": "ensemble_auth_skip",
    "revalidate_count": "revalidated_for_learners",
    "snapshot_error_count": "snapshot_errors",
    "snapshot_rate_limited_count": "snapshots_limited",
    "restore_error_count": "restore_errors",
    "restore_rate_limited_count": "restores_limited",
    "fsync_threshold_exceed_count": "fsyncs_slow",
    "connection_cut_off_count": "cut_off",
    "throttled_ops": "throttled_ops",
    "stale_requests": "stale_requests",
    "stale_requests_dropped": "stale_requests_dropped",
    "request_throttle_wait_count": "request_throttle_wait_count",
    "large_requests_rejected": "large_requests_rejected",
    "watches_refused": "watches_refused",
}
_COUNTED_BY_ZAB: dict[str, str] = {
    "looking_count": "looking",
    "diff_count": "diffs",
    "snap_count": "snaps",
    "commit_count": "commits",
    "learner_proposal_received_count": "proposals_received",
    "learner_commit_received_count": "commits_received",
}


def _counters(registry: Registry, service: Service) -> None:
    counters = service.counters

    def of(attribute: str) -> Callable[[], int]:
        return lambda: getattr(counters, attribute)

    def of_zab(attribute: str) -> Callable[[], int]:
        return lambda: getattr(service.peer.meter, attribute)

    registry.counters |= {name: of(attribute) for name, attribute in _COUNTED.items()}
    registry.counters["response_bytes"] = lambda: counters.bytes_sent - counters.watch_bytes
    registry.counters |= {name: of_zab(attribute) for name, attribute in _COUNTED_BY_ZAB.items()}


_MEASURED: dict[str, tuple[str, int, bool]] = {
    "unavailable_time": ("unavailable", US_PER_MS, False),
    "leader_unavailable_time": ("leader_unavailable", US_PER_MS, False),
    "startup_txns_load_time": ("txn_loads", US_PER_MS, False),
    "startup_txns_loaded": ("txns_loaded", 1, False),
    "startup_snap_load_time": ("snapshot_loads", US_PER_MS, False),
    "dbinittime": ("database_loads", US_PER_MS, False),
    "fsynctime": ("fsyncs", US_PER_MS, False),
    "connection_token_deficit": ("token_deficits", 1, False),
    "request_throttle_queue_time_ms": ("throttle_waits", 1, True),
    "snapshottime": ("snapshots", US_PER_MS, False),
    "restore_time": ("restores", US_PER_MS, False),
    "sync_processor_batch_size": ("batches", 1, False),
    "sync_processor_queue_and_flush_time_ms": ("fsyncs", US_PER_MS, True),
    "close_session_prep_time": ("close_preparations", US_PER_MS, True),
    "updatelatency": ("latencies", US_PER_MS, True),
    "propagation_latency": ("propagation", 1, True),
    "proposal_latency": ("proposal_delays", 1, True),
    "proposal_ack_creation_latency": ("ack_creation", 1, True),
}
"""Apache's name to the counter, the divisor of its samples, and whether percentiles are told."""

_MEASURED_BY_ZAB: dict[str, tuple[str, int, bool]] = {
    "follower_sync_time": ("syncs", US_PER_MS, False),
    "inflight_snap_count": ("syncing_snaps", 1, False),
    "inflight_diff_count": ("syncing_diffs", 1, False),
    "election_time": ("elections", US_PER_MS, False),
    "quorum_ack_latency": ("quorum_acks", US_PER_MS, True),
}

_WATCHED = {
    "node_created_watch_count": EventType.NODE_CREATED,
    "node_deleted_watch_count": EventType.NODE_DELETED,
    "node_changed_watch_count": EventType.NODE_DATA_CHANGED,
    "node_children_watch_count": EventType.NODE_CHILDREN_CHANGED,
}


def _summaries(registry: Registry, service: Service) -> None:
    counters = service.counters

    def of(counters: Counters, attribute: str) -> Callable[[], Summary]:
        return lambda: getattr(counters, attribute)

    def of_zab(attribute: str) -> Callable[[], Summary]:
        return lambda: getattr(service.peer.meter, attribute)

    def of_event(event: int) -> Callable[[], Summary]:
        return lambda: counters.watchers[event]

    for name, event in _WATCHED.items():
        registry.summary(name, of_event(event))
    for name, (attribute, unit, detailed) in _MEASURED.items():
        registry.summary(name, of(counters, attribute), unit=unit, detailed=detailed)
    registry.summary("readlatency", lambda: read_latency(counters), unit=US_PER_MS, detailed=True)
    for name, (attribute, unit, detailed) in _MEASURED_BY_ZAB.items():
        registry.summary(name, of_zab(attribute), unit=unit, detailed=detailed)
    registry.summary_sets["ack_latency"] = SampleSet(
        lambda: service.peer.meter.acks.items(), US_PER_MS, detailed=True
    )
