"""What one server counts where it happens. Names for the outside are given in ``metrics``.

On the paths of requests there is at most one update for each batch of them. Times are in microseconds.
"""

from __future__ import annotations

from ensemble.measures import SampledSummary
from ensemble.tree.operations import EventType

WATCH_EVENTS = (
    EventType.NODE_CREATED,
    EventType.NODE_DELETED,
    EventType.NODE_DATA_CHANGED,
    EventType.NODE_CHILDREN_CHANGED,
)

_COUNTS = (
    "auth_failures",
    "bytes_received",
    "bytes_sent",
    "commits",
    "connect_requests",
    "cut_off",
    "dropped",
    "ensemble_auth_fail",
    "ensemble_auth_skip",
    "ensemble_auth_success",
    "fsyncs_slow",
    "large_requests_rejected",
    "logged",
    "not_serving",
    "reads",
    "received",
    "refused",
    "request_throttle_wait_count",
    "restore_errors",
    "restores_limited",
    "revalidated_for_learners",
    "revalidations",
    "sent",
    "sessionless_expired",
    "sessions_expired",
    "snapshot_errors",
    "snapshots_limited",
    "stale_requests",
    "stale_requests_dropped",
    "throttled_ops",
    "watch_bytes",
    "watches_fired",
    "watches_refused",
    "writes",
)
_SUMMARIES = (
    "ack_creation",
    "batches",
    "close_preparations",
    "database_loads",
    "fsyncs",
    "latencies",
    "leader_unavailable",
    "proposal_delays",
    "propagation",
    "read_waits",
    "snapshot_loads",
    "restores",
    "snapshots",
    "throttle_waits",
    "token_deficits",
    "txn_loads",
    "txns_loaded",
    "unavailable",
)


class Counters:
    """What this server did since it started, or since ``srst``."""

    __slots__ = (
        *_COUNTS,
        *_SUMMARIES,
        "proposal_bytes_last",
        "proposal_bytes_max",
        "proposal_bytes_min",
        "proposals",
        "quota_refusals",
        "response_bytes_last",
        "response_bytes_max",
        "response_bytes_min",
        "watchers",
    )

    auth_failures: int
    bytes_received: int
    bytes_sent: int
    commits: int
    connect_requests: int
    """ConnectRequests taken."""
    cut_off: int
    """Connections closed because what came on them made no sense."""
    dropped: int
    """Connections that ended from the client's side."""
    ensemble_auth_fail: int
    """Clients that named the ensemble they look for, and what came of it."""
    ensemble_auth_skip: int
    ensemble_auth_success: int
    fsyncs_slow: int
    large_requests_rejected: int
    logged: int
    """Transactions appended to the log."""
    not_serving: int
    """Clients sent away because this server did not serve."""
    reads: int
    received: int
    refused: int
    request_throttle_wait_count: int
    """How often a request had to wait in line (``requestThrottleLimit``)."""
    revalidated_for_learners: int
    """Leader: sessions a learner asked about."""
    revalidations: int
    """Clients that came with a session they had before."""
    sent: int
    sessionless_expired: int
    sessions_expired: int
    restore_errors: int
    restores_limited: int
    snapshot_errors: int
    snapshots_limited: int
    stale_requests: int
    stale_requests_dropped: int
    throttled_ops: int
    watch_bytes: int
    watches_fired: int
    watches_refused: int
    writes: int

    ack_creation: SampledSummary
    """Learner: from a transaction's own time to its ack (milliseconds of two servers' wall clocks)."""
    batches: SampledSummary
    """Transactions made durable by one sync."""
    close_preparations: SampledSummary
    """Leader: preparing the end of a session."""
    database_loads: SampledSummary
    fsyncs: SampledSummary
    """From asking for a sync of the log to hearing that it is done."""
    latencies: SampledSummary
    """Writes and syncs, from the client's bytes to the answer."""
    leader_unavailable: SampledSummary
    proposal_delays: SampledSummary
    """Learner: from a transaction's own time to its arrival (milliseconds of two servers' wall clocks)."""
    propagation: SampledSummary
    """From a transaction's own time to its application here (milliseconds); the last one of each step."""
    read_waits: SampledSummary
    """Reads that waited behind a write or a sync; all others are answered in the step they come in."""
    snapshot_loads: SampledSummary
    restores: SampledSummary
    snapshots: SampledSummary
    throttle_waits: SampledSummary
    """Requests that may begin, from their bytes on (milliseconds), where only so many may."""
    token_deficits: SampledSummary
    """Tokens that clients had taken when one came (``connection_throttle_tokens``)."""
    txn_loads: SampledSummary
    txns_loaded: SampledSummary
    unavailable: SampledSummary
    """From losing the leader (or the start) to serving."""

    def __init__(self) -> None:
        self.quota_refusals: dict[str, int] = {}
        """Writes refused as beyond a quota, by the name of the child of the root they were for."""
        self.watchers = {int(kind): SampledSummary() for kind in WATCH_EVENTS}
        """Watchers told of one event, by its type."""
        for name in _SUMMARIES:
            setattr(self, name, SampledSummary())
        self.reset()

    def reset(self) -> None:
        """Forget everything (``srst``)."""
        for name in _COUNTS:
            setattr(self, name, 0)
        for name in _SUMMARIES:
            getattr(self, name).reset()
        for summary in self.watchers.values():
            summary.reset()
        self.quota_refusals.clear()
        self.proposals = 0
        self.proposal_bytes_last = self.proposal_bytes_min = self.proposal_bytes_max = -1
        self.response_bytes_last = self.response_bytes_min = self.response_bytes_max = -1

    def count_proposal(self, size: int) -> None:
        """Count a proposal of ``size`` bytes made by this leader."""
        self.proposals += 1
        if size != self.proposal_bytes_last:
            self.proposal_bytes_last = size
            if size > self.proposal_bytes_max:
                self.proposal_bytes_max = size
            if size < self.proposal_bytes_min or self.proposal_bytes_min < 0:
                self.proposal_bytes_min = size

    def note_response(self, size: int) -> None:
        """Note the size of an answer, the last of those given together, where it is not that of the one before."""
        self.response_bytes_last = size
        if size > self.response_bytes_max:
            self.response_bytes_max = size
        if size < self.response_bytes_min or self.response_bytes_min < 0:
            self.response_bytes_min = size
