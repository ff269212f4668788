"""How much clients may ask of one server: its limits, as values. What is off costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble import limits


@dataclass(frozen=True, slots=True)
class ArrivalConfig:
    """How fast clients may come: a bucket of tokens, of which each takes some (``connection_throttle_*``)."""

    tokens_max: int = 0
    """0 lets everybody in at any rate."""
    fill_ms: int = 1
    fill_count: int = 1
    """Tokens added every ``fill_ms``."""
    freeze_ms: int = -1
    """How often the chance of being dropped is looked at again; -1 for no such chance."""
    drop_increase: float = 0.02
    drop_decrease: float = 0.002
    decrease_ratio: float = 0.0
    """The share of tokens taken up to which the chance falls."""
    new_cost: int = 1
    local_cost: int = 1
    renewed_cost: int = 1
    """What a new session, a local one, and the renewal of one take."""


@dataclass(frozen=True, slots=True)
class ThrottleConfig:
    """How many requests may be on their way at once, and what becomes of those that wait."""

    requests_max: int = 0
    """``requestThrottleLimit``; 0 for any number."""
    stall_ms: int = 100
    """How often requests that wait are looked at again, should nothing else happen."""
    drop_stale: bool = True
    """Whether a client is cut off when a request of its own has become stale."""
    stale_by_latency: bool = False
    """Whether a request is stale when it has waited longer than its session may be silent."""
    wait_ms_max: int = 0
    """A request that waited longer is refused with THROTTLED_OP (``throttledOpWaitTime``); 0 for none."""

    @property
    def on(self) -> bool:
        """Whether there is anything to look at."""
        return self.requests_max > 0 or self.wait_ms_max > 0


@dataclass(frozen=True, slots=True)
class AdmissionConfig:
    """The limits of one server."""

    connections_max: int = limits.CONNECTIONS_MAX
    """``maxCnxns``; 0 lifts the limit."""
    sessions_max: int = limits.SESSIONS_MAX
    """Sessions of the whole ensemble; this server opens no more."""
    watches_max: int = limits.WATCHES_MAX
    watches_per_connection_max: int = limits.WATCHES_PER_CONNECTION_MAX
    unanswered_max: int = limits.UNANSWERED_MAX
    """Requests of all clients that are not answered yet; beyond it only idle clients are read from."""
    unanswered_bytes_max: int = limits.UNANSWERED_BYTES_MAX
    large_request_bytes: int = -1
    """A request of more bytes is a large one (``largeRequestThreshold``); -1 when none is."""
    large_bytes_max: int = limits.LARGE_REQUEST_BYTES_MAX
    """Bytes of large requests not answered yet; whose request goes beyond is cut off."""
    arrivals: ArrivalConfig = ArrivalConfig()
    throttle: ThrottleConfig = ThrottleConfig()
