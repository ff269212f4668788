"""How much clients may ask of this server: limits, throttles, and how fast clients may come.

Source: ZooKeeperServer, RequestThrottler, Request and BlueThrottle of Apache's server. Several keys go by two names:
that of the administrator's guide, and that of the Java property, which is what Apache's own file takes.
"""

from __future__ import annotations

from ensemble import limits
from ensemble.errors import ConfigError
from ensemble.replica.admission.config import AdmissionConfig, ArrivalConfig, ThrottleConfig
from ensemble.runtime.config.values import Values

_INT_MAX = 2**31 - 1
_HOUR_MS = 3_600_000
_BUCKET = "connection_throttle_"


def read(values: Values) -> AdmissionConfig:
    """Read the group."""
    return AdmissionConfig(
        connections_max=values.number("maxCnxns", limits.CONNECTIONS_MAX, 0, _INT_MAX, "connections"),
        sessions_max=values.number("coordinator.maxSessions", limits.SESSIONS_MAX, 1, _INT_MAX, "sessions"),
        watches_max=values.number("coordinator.maxWatches", limits.WATCHES_MAX, 0, _INT_MAX, "watches"),
        watches_per_connection_max=values.number(
            "coordinator.maxWatchesPerConnection", limits.WATCHES_PER_CONNECTION_MAX, 0, _INT_MAX, "watches"
        ),
        unanswered_max=values.number(
            "globalOutstandingLimit", limits.UNANSWERED_MAX, 0, _INT_MAX, "requests"
        ),
        unanswered_bytes_max=values.number(
            "coordinator.maxOutstandingBytes", limits.UNANSWERED_BYTES_MAX, 0, 2**63 - 1, "bytes"
        ),
        large_request_bytes=_large_request(values),
        large_bytes_max=values.number(
            "largeRequestMaxBytes", limits.LARGE_REQUEST_BYTES_MAX, 1, _INT_MAX, "bytes"
        ),
        arrivals=_arrivals(values),
        throttle=_throttle(values),
    )


def _large_request(values: Values) -> int:
    size = values.number("largeRequestThreshold", -1, -1, _INT_MAX, "bytes")
    if size == 0:
        raise ConfigError(
            "largeRequestThreshold=0 would make every request a large one; write -1 for none, or a size"
        )
    return size


def _throttle(values: Values) -> ThrottleConfig:
    connection_check = _name(values, "requestStaleConnectionCheck", "request_stale_connection_check")
    if not values.flag(connection_check, default=True):
        values.warnings.append(
            f"{connection_check}=false has no effect: a request that waits is dropped when its client is gone"
        )
    return ThrottleConfig(
        requests_max=values.number(
            _name(values, "requestThrottleLimit", "request_throttle_max_requests"),
            0,
            0,
            _INT_MAX,
            "requests",
        ),
        stall_ms=values.number(
            _name(values, "requestThrottleStallTime", "request_throttle_stall_time"),
            100,
            1,
            _HOUR_MS,
            "milliseconds",
        ),
        drop_stale=values.flag(
            _name(values, "requestThrottleDropStale", "request_throttle_drop_stale"), default=True
        ),
        stale_by_latency=values.flag(
            _name(values, "requestStaleLatencyCheck", "request_stale_latency_check"), default=False
        ),
        wait_ms_max=values.number(
            _name(values, "throttledOpWaitTime", "throttled_op_wait_time"), 0, 0, _INT_MAX, "milliseconds"
        ),
    )


def _arrivals(values: Values) -> ArrivalConfig:
    tokens = values.number(f"{_BUCKET}tokens", 0, 0, _INT_MAX, "tokens")
    fill_count = values.number(f"{_BUCKET}fill_count", 1, 1, _INT_MAX, "tokens")
    weighed = values.flag(f"{_BUCKET}weight_enabled", default=False)
    local = _weight(values, "local", 1)
    # Whoever is known everywhere costs no less than who is known here alone.
    new, renewed = (
        max(_weight(values, "global", 3), local),
        max(_weight(values, "renew", 2), local),
    )
    if not weighed:
        new = local = renewed = 1
    return ArrivalConfig(
        # Tokens are written as new sessions.
        tokens_max=tokens * new,
        fill_ms=values.number(f"{_BUCKET}fill_time", 1, 1, _HOUR_MS, "milliseconds"),
        fill_count=fill_count * new,
        freeze_ms=values.number(f"{_BUCKET}freeze_time", -1, -1, _HOUR_MS, "milliseconds"),
        drop_increase=_share(values, f"{_BUCKET}drop_increase", 0.02),
        drop_decrease=_share(values, f"{_BUCKET}drop_decrease", 0.002),
        decrease_ratio=_share(values, f"{_BUCKET}decrease_ratio", 0.0),
        new_cost=new,
        local_cost=local,
        renewed_cost=renewed,
    )


def _weight(values: Values, kind: str, default: int) -> int:
    return values.number(f"{_BUCKET}{kind}_session_weight", default, 1, 1_000_000, "tokens")


def _share(values: Values, key: str, default: float) -> float:
    text = values.text(key, str(default))
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"{key}={text} is not a share; write a number from 0 to 1")
    return share


def _name(values: Values, *names: str) -> str:
    """Return the name that is written; the last one counts most, being the one that Apache reads."""
    return next((name for name in reversed(names) if name in values.keys), names[0])
