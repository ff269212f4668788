"""The figures of one server under Apache's names (``mntr``, and whoever else exports them)."""

from __future__ import annotations

from ensemble.replica.clients import Clients
from ensemble.replica.config import VERSION
from ensemble.replica.counters import Latency
from ensemble.replica.service import Service
from ensemble.tree import quotas
from ensemble.tree.tree import Tree


def znodes(tree: Tree) -> int:
    """Count znodes as Apache does, which knows the root by two names (DataTree: "" and "/").

    Alarms compare the counts of an ensemble's servers, and these may be Apache's and ours.
    """
    return tree.znodes + 1


def mean_ms(latency: Latency) -> float:
    """Return the mean in milliseconds with four digits, as Apache (AvgMinMaxCounter)."""
    return round(latency.mean_us / 1000, 4)


def quota_rows(service: Service) -> list[tuple[str, int | float | str]]:
    """Return limits and usage of quotas, and refusals, each for the children of the root by their names."""
    sums = quotas.by_namespace(service.tree)
    sets = {
        "quota_count_limit_per_namespace": sums.count_limit,
        "quota_bytes_limit_per_namespace": sums.bytes_limit,
        "quota_count_usage_per_namespace": sums.count_usage,
        "quota_bytes_usage_per_namespace": sums.bytes_usage,
        "quota_exceeded_error_per_namespace": service.counters.quota_refusals,
    }
    return [
        (f"{namespace}_{name}", value) for name, set_ in sets.items() for namespace, value in set_.items()
    ]


def metrics(service: Service, clients: Clients) -> list[tuple[str, int | float | str]]:
    """Return (name, value) in Apache's order: version, state, then gauges and counters."""
    counters, tree, latency = service.counters, service.tree, service.counters.latency
    rows: list[tuple[str, int | float | str]] = [("version", VERSION), ("server_state", service.mode)]
    if not service.config.standalone and not service.read_only:
        role = "leading" if service.leading else "following"
        rows.append(("peer_state", f"{role} - {service.peer.phase.value}"))
    rows += [
        ("avg_latency", mean_ms(latency)),
        ("max_latency", latency.greatest_us // 1000),
        ("min_latency", latency.least_us // 1000),
        ("packets_received", counters.received),
        ("packets_sent", counters.sent),
        ("num_alive_connections", len(clients)),
        ("outstanding_requests", clients.outstanding),
        ("uptime", service.uptime_ms()),
        ("znode_count", znodes(tree)),
        ("watch_count", service.watches.count),
        ("ephemerals_count", tree.ephemerals_count),
        ("approximate_data_size", tree.data_bytes),
        ("global_sessions", len(tree.sessions)),
        ("local_sessions", len(service.local_sessions)),
        ("auth_failed_count", counters.auth_failures),
        ("ensemble_auth_success", counters.ensemble_auth_success),
        ("ensemble_auth_fail", counters.ensemble_auth_fail),
        ("ensemble_auth_skip", counters.ensemble_auth_skip),
        ("connection_rejected", counters.refused),
        ("stale_sessions_expired", counters.sessions_expired),
        ("commit_count", counters.commits),
        *quota_rows(service),
    ]
    p50, p99 = counters.fsyncs.quantiles(0.5, 0.99)
    rows += [("p50_fsynctime", p50 // 1000), ("p99_fsynctime", p99 // 1000)]
    if service.leading and not service.config.standalone:
        synced = sum([bool(row["synced"]) for row in service.peer.peers()])
        rows += [
            ("quorum_size", len(service.config.voters)),
            ("learners", sum([bool(row["connected"]) for row in service.peer.peers()])),
            ("synced_followers", synced),
            ("pending_syncs", service.peer.pending_syncs),
            ("last_proposal_size", counters.proposal_bytes_last),
            ("max_proposal_size", counters.proposal_bytes_max),
            ("min_proposal_size", counters.proposal_bytes_min),
        ]
    return rows
