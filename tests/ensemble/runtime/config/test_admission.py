"""The keys that say how much clients may ask, and every way they can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.replica.admission.config import AdmissionConfig, ArrivalConfig, ThrottleConfig
from ensemble.runtime.config import admission
from ensemble.runtime.config.values import Values


def test_what_nobody_writes_is_the_default() -> None:
    values = Values({})
    assert admission.read(values) == AdmissionConfig()
    assert values.warnings == []


def test_every_limit_can_be_set() -> None:
    keys = {
        "maxCnxns": "10",
        "coordinator.maxSessions": "11",
        "coordinator.maxWatches": "12",
        "coordinator.maxWatchesPerConnection": "13",
        "globalOutstandingLimit": "14",
        "coordinator.maxOutstandingBytes": "15",
        "largeRequestThreshold": "16",
        "largeRequestMaxBytes": "17",
    }
    assert admission.read(Values(keys)) == AdmissionConfig(10, 11, 12, 13, 14, 15, 16, 17)


@pytest.mark.parametrize(
    "keys",
    [
        {
            "requestThrottleLimit": "10",
            "requestThrottleStallTime": "11",
            "requestThrottleDropStale": "false",
            "requestStaleLatencyCheck": "true",
            "throttledOpWaitTime": "12",
        },
        {
            "request_throttle_max_requests": "10",
            "request_throttle_stall_time": "11",
            "request_throttle_drop_stale": "false",
            "request_stale_latency_check": "true",
            "throttled_op_wait_time": "12",
            "requestThrottleLimit": "99",
        },
    ],
)
def test_the_throttle_by_the_names_of_the_guide_and_of_java(keys: dict[str, str]) -> None:
    config = admission.read(Values(keys)).throttle
    assert config == ThrottleConfig(10, 11, drop_stale=False, stale_by_latency=True, wait_ms_max=12)
    assert config.on


def test_the_bucket_counts_in_connections_unless_sessions_have_weights() -> None:
    bucket = {
        "connection_throttle_tokens": "10",
        "connection_throttle_fill_time": "20",
        "connection_throttle_fill_count": "2",
        "connection_throttle_freeze_time": "30",
        "connection_throttle_drop_increase": "0.1",
        "connection_throttle_drop_decrease": "0.2",
        "connection_throttle_decrease_ratio": "0.3",
        "connection_throttle_global_session_weight": "4",
        "connection_throttle_local_session_weight": "3",
    }
    plain = ArrivalConfig(10, 20, 2, 30, 0.1, 0.2, 0.3)
    assert admission.read(Values(bucket)).arrivals == plain
    weighed = admission.read(Values(bucket | {"connection_throttle_weight_enabled": "true"})).arrivals
    assert weighed == ArrivalConfig(40, 20, 8, 30, 0.1, 0.2, 0.3, new_cost=4, local_cost=3, renewed_cost=3)


def test_every_limit_is_explained_with_its_default() -> None:
    page = (Path(__file__).parents[4] / "docs" / "access.md").read_text()
    values = Values({})
    admission.read(values)
    keys = [key for key in values.effective if not key.startswith("connection_throttle_")]
    assert [key for key in keys if f"`{key}`" not in page] == []
    for key in ("maxCnxns", "coordinator.maxSessions", "coordinator.maxWatches", "globalOutstandingLimit"):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{key}`")]
        assert row.split("|")[3].split()[0] == values.effective[key]


def test_what_cannot_be_had_is_said() -> None:
    values = Values({"request_stale_connection_check": "false"})
    admission.read(values)
    assert "request_stale_connection_check=false has no effect" in values.warnings[0]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"maxCnxns": "-1"}, "maxCnxns=-1 is out of range"),
        ({"largeRequestThreshold": "0"}, "write -1 for none"),
        ({"connection_throttle_drop_increase": "2"}, "write a number from 0 to 1"),
        ({"connection_throttle_drop_decrease": "much"}, "write a number from 0 to 1"),
        ({"connection_throttle_fill_time": "0"}, "is out of range"),
        ({"throttledOpWaitTime": "soon"}, "is not a number of milliseconds"),
    ],
)
def test_a_wrong_value_is_one_sentence(keys: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        admission.read(Values(keys))
