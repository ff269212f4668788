"""Metrics: that each figure is what happened, under the name dashboards ask for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ensemble.measures import RING_SAMPLES, SampledSummary, Summary, SummarySet
from ensemble.replica.monitoring.metrics.exposition import exposition
from ensemble.replica.monitoring.metrics.latency import ReadLatency
from ensemble.replica.monitoring.metrics.registry import Registry, SampleSet
from ensemble.tree.operations import CreateMode, Op, Read, SetData
from tests.ensemble.replica.harness import Client, Server, World, client

OF_THE_HOST = {
    "max_file_descriptor_count",
    "open_file_descriptor_count",
    "event_loop_lag_ms",
    "outstanding_tls_handshake",
    "tls_handshake_exceeded",
    "unsuccessful_handshake",
}
"""What only a host knows, and adds."""

Table = dict[str, int | float | str]


def table(world: World, server: Server | None = None) -> Table:
    """Every metric of one server, by its name."""
    return dict((server or world.only).replica.metrics.rows())


# ------------------------------------------------------------------ summaries


def test_a_summary_is_exact_and_its_percentiles_follow_the_recent_samples() -> None:
    summary = SampledSummary()
    assert summary.quantiles(0.5) == (0,)
    for sample in range(RING_SAMPLES):
        summary.add(1000 + sample)
    for _ in range(RING_SAMPLES):
        summary.add(7)
    assert (summary.count, summary.least, summary.greatest) == (2 * RING_SAMPLES, 7, 2023)
    assert summary.quantiles(0.5, 0.999) == (7, 7)
    summary.reset()
    assert (summary.count, summary.mean, summary.quantiles(0.5)) == (0, 0.0, (0,))


def test_a_run_of_samples_counts_as_all_of_them() -> None:
    summary = SampledSummary()
    summary.add_run(3, 60, 10, 30)
    summary.add_run(1, 5, 5, 5)
    assert (summary.count, summary.total, summary.least, summary.greatest) == (4, 65, 5, 30)
    assert summary.mean == 16.25


@pytest.mark.parametrize("kind", [Summary, SampledSummary])
def test_samples_taken_in_together_count_as_one_by_one(kind: type[Summary]) -> None:
    together, alone = kind(), kind()
    for samples in ([30, 10, 20], [5], [40] * 300):
        together.add_all(samples)
        for sample in samples:
            alone.add(sample)
        assert together.last == samples[-1]
    for summary in (together, alone):
        assert (summary.count, summary.total, summary.least, summary.greatest) == (304, 12_065, 5, 40)
    assert together.quantiles(0.001, 0.5) == alone.quantiles(0.001, 0.5)


def test_what_one_step_answers_is_measured_as_what_it_was() -> None:
    world = World()
    user = client(world)
    counters = world.only.replica.service.counters
    counters.reset()
    read = user.request(Op.GET_DATA, Read("/"), xid=3)
    user.send(user.request(Op.SET_DATA, SetData("/", b"", -1)))
    world.clock.now_us += 1000
    user.send(user.request(Op.SET_DATA, SetData("/", b"", -1)) + read * 2)
    world.clock.now_us += 5000
    world.settle()
    assert len(user.answers()) == 4
    writes, waits = counters.latencies, counters.read_waits
    assert (writes.count, writes.total, writes.least, writes.greatest) == (2, 11_000, 5000, 6000)
    assert (waits.count, waits.total) == (2, 10_000)
    assert user.connection is not None
    activity = user.connection.pipeline.activity
    assert (activity.latency.count, activity.latency.last, activity.last_cxid) == (2, 5000, 3)
    assert activity.last_response_us == world.clock.now_us


def test_reads_answered_at_once_count_as_nothing_waited() -> None:
    waits = SampledSummary()
    for wait in (1000, 2000, 3000, 4000):
        waits.add(wait)
    latency = ReadLatency(8, waits)
    assert (latency.count, latency.total, latency.least, latency.greatest) == (8, 10_000, 0, 4000)
    assert latency.quantiles(0.4, 0.6, 0.99) == (0, 1000, 4000)
    assert ReadLatency(4, waits).least == 1000


# ------------------------------------------------------------------ what a server counts


def test_every_metric_is_explained_and_none_is_that_is_not_there() -> None:
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    here, _, absent = text.partition("## What is left out")
    explained = set(re.findall(r"^\| `(\w+)`", here, flags=re.MULTILINE))
    world = World(voters=3)
    metrics = world.leader.replica.metrics
    names = {
        *metrics.texts, *metrics.gauges, *metrics.gauge_sets, *metrics.counters, *metrics.counter_sets,
        *metrics.summaries, *metrics.summary_sets,
    }  # fmt: skip
    assert names - explained == set()
    assert explained - names == OF_THE_HOST
    assert names & set(re.findall(r"`(\w+)`", absent)) == set()


def test_the_first_rows_are_apaches() -> None:
    assert list(table(World()))[:4] == [
        "version",
        "server_state",
        "ephemerals_count",
        "num_alive_connections",
    ]
    world = World(voters=3)
    rows = table(world, world.leader)
    assert list(rows)[:3] == ["version", "server_state", "peer_state"]
    assert rows["peer_state"] == "leading - broadcast"


def test_requests_and_bytes_are_counted() -> None:
    world = World()
    user = client(world)
    before = table(world)
    user.create("/a", b"12345")
    user.get("/a")
    after = table(world)
    assert int(after["packets_received"]) - int(before["packets_received"]) == 2
    assert int(after["cnt_readlatency"]) - int(before["cnt_readlatency"]) == 1
    assert int(after["cnt_updatelatency"]) - int(before["cnt_updatelatency"]) == 1
    # Two frames of 4 + 8 bytes of head, and what they ask.
    assert int(after["bytes_received_count"]) > int(before["bytes_received_count"]) + 24
    assert after["last_client_response_size"] == 4 + 16 + 4 + 5 + 68
    assert int(after["response_bytes"]) > int(before["response_bytes"]) + 97
    assert after["connection_request_count"] == 1


def test_watch_events_count_their_watchers_and_bytes() -> None:
    world = World()
    user, other = client(world), Client(world)
    other.connect()
    user.create("/a")
    user.get("/a", watch=True)
    other.get("/a", watch=True)
    writer = Client(world)
    writer.connect()
    writer.set("/a", b"x")
    rows = table(world)
    assert (rows["cnt_node_changed_watch_count"], rows["sum_node_changed_watch_count"]) == (1, 2)
    # 4 + 16 bytes of head; type, state and a path of two bytes.
    assert rows["watch_bytes"] == 2 * (4 + 16 + 4 + 4 + 4 + 2)
    assert rows["cnt_node_created_watch_count"] == 0


def test_syncs_of_the_log_are_timed_and_their_batches_counted() -> None:
    world = World()
    user = client(world)
    before = table(world)
    user.create("/a")
    rows = table(world)
    assert int(rows["cnt_fsynctime"]) == int(before["cnt_fsynctime"]) + 1
    assert int(rows["sync_processor_request_queued"]) == int(before["sync_processor_request_queued"]) + 1
    assert rows["max_sync_processor_batch_size"] == 1
    assert rows["fsync_threshold_exceed_count"] == 0


def test_a_snapshot_and_the_start_are_timed() -> None:
    world = World(snap_count=2)
    user = client(world)
    for number in range(4):
        user.create(f"/{number}")
    rows = table(world)
    assert int(rows["cnt_snapshottime"]) >= 1
    assert rows["cnt_dbinittime"] == rows["cnt_startup_snap_load_time"] == 1
    assert rows["sum_startup_txns_loaded"] == 0


def test_leader_and_followers_count_their_parts() -> None:
    world = World(voters=3)
    user = Client(world, world.leader)
    user.connect()
    user.create("/a")
    leader = table(world, world.leader)
    assert (leader["synced_followers"], leader["learners"], leader["quorum_size"]) == (2, 2, 3)
    assert leader["proposal_count"] == leader["commit_count"] == 2
    assert leader["cnt_quorum_ack_latency"] == 2
    others = [server for server in world.servers.values() if server is not world.leader]
    for server in others:
        assert leader[f"cnt_{server.replica.config.sid}_ack_latency"] == 2
        rows = table(world, server)
        assert rows["learner_proposal_received_count"] == rows["learner_commit_received_count"] == 2
        assert rows["cnt_proposal_latency"] == rows["cnt_proposal_ack_creation_latency"] == 2
        assert rows["cnt_propagation_latency"] == 2
        assert rows["cnt_follower_sync_time"] == rows["cnt_election_time"] == rows["looking_count"] == 1
        assert rows["commit_count"] == 0
        assert "synced_followers" not in rows
    assert leader["diff_count"] == 2
    assert leader["cnt_leader_unavailable_time"] == 1


def test_connections_that_are_not_wanted_are_counted() -> None:
    world = World(connections_per_address_max=1)
    user = client(world)
    late = Client(world)
    assert late.connection is None
    assert table(world)["connection_rejected"] == 1
    assert user.connection is not None
    user.connection.on_closed()
    assert table(world)["connection_drop_count"] == 1


def test_a_reset_forgets_counts_but_not_the_state() -> None:
    world = World()
    user = client(world)
    user.create("/e", mode=CreateMode.EPHEMERAL)
    world.only.replica.service.counters.reset()
    rows = table(world)
    assert rows["packets_received"] == rows["cnt_updatelatency"] == rows["bytes_received_count"] == 0
    assert rows["last_client_response_size"] == -1
    assert rows["ephemerals_count"] == 1


# ------------------------------------------------------------------ Prometheus


def test_prometheus_reads_every_metric() -> None:
    world = World(voters=3)
    user = Client(world, world.leader)
    user.connect()
    user.create("/a")
    replica = world.leader.replica
    families = {family.name: family for family in text_string_to_metric_families(exposition(replica.metrics))}
    names = {
        *dict(replica.metrics.gauge_values()), *replica.metrics.counters, *replica.metrics.summaries, "ack_latency"
    }  # fmt: skip
    assert {name.removesuffix("_total") for name in names} <= set(families)
    assert families["fsynctime"].type == "summary"
    samples = {(s.name, s.labels.get("quantile")): s.value for s in families["updatelatency"].samples}
    assert set(samples) == {
        ("updatelatency", "0.5"), ("updatelatency", "0.9"), ("updatelatency", "0.99"),
        ("updatelatency_count", None), ("updatelatency_sum", None),
    }  # fmt: skip
    assert samples["updatelatency_count", None] == 1
    assert {s.labels["key"] for s in families["ack_latency"].samples} == {"1", "2", "3"}
    assert families["znode_count"].type == "gauge"
    assert families["znode_count"].samples[0].value == table(world, world.leader)["znode_count"]


@pytest.mark.parametrize("key", ['quo"te', "back\\slash", "new\nline"])
def test_keys_of_sets_are_escaped(key: str) -> None:
    registry = Registry()
    registry.gauge_sets["quota"] = lambda: {key: 3}
    (family,) = text_string_to_metric_families(exposition(registry))
    assert family.samples[0].labels == {"key": key}
    assert list(registry.rows()) == [(f"{key}_quota", 3)]


def test_a_summary_without_samples_has_no_quantile() -> None:
    registry = Registry()
    registry.summary("empty", Summary, unit=1000)
    assert 'empty{quantile="0.5"} NaN\nempty_count 0.0\nempty_sum 0.0\n' in exposition(registry)
    sets = SummarySet()
    sets.of("a").add(3000)
    registry.summary_sets["per"] = SampleSet(sets.items, 1000, detailed=False)
    assert dict(registry.rows())["avg_a_per"] == 3.0
