"""Proposals: stages of different servers joined by zxid, in whatever order they arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboard.gateway.model import Model
from dashboard.gateway.proposals import Proposals, op_name, percentile
from tests.dashboard.recording import HOUR_US, Recording, zxid


def test_a_write_is_joined_through_all_its_stages() -> None:
    recording = Recording(Model("demo")).ensemble()
    this = recording.write()
    (proposal,) = recording.model.proposals.last(60)
    told = proposal.to_json()
    assert told["zxid"] == this
    assert told["text"] == "5:163"
    assert (told["op"], told["path"], told["session"], told["server"]) == ("create", "/a", "0x2a", 3)
    assert told["submitted"] == -0.7
    assert told["proposed"] == 0.0
    assert told["logged"] == {"2": 0.8, "3": 0.9}
    assert told["acked"] == {"2": 0.81, "3": 1.3}
    assert told["committed"] == 1.31
    assert told["applied"] == {"1": 2.5, "2": 1.32, "3": 1.9}
    assert told["replied"] == 1.95
    assert (told["quorum"], told["voters"], told["error"]) == (2, 3, 0)


@given(st.permutations(range(9)))
def test_stages_arrive_in_any_order(order: list[int]) -> None:
    this = zxid(5, 9)
    events = [
        {"kind": "submitted", "sid": 1, "session": "0x1", "cxid": 4, "op": 5},
        {
            "kind": "proposed",
            "sid": 2,
            "zxid": this,
            "session": "0x1",
            "cxid": 4,
            "op": 5,
            "path": "/a",
            "size": 3,
        },
        *({"kind": "logged", "sid": sid, "zxid": this, "fsync_us": 100} for sid in (1, 2, 3)),
        {"kind": "acked", "sid": 2, "zxid": this, "by": 1},
        {"kind": "committed", "sid": 2, "zxid": this},
        {
            "kind": "applied",
            "sid": 1,
            "zxid": this,
            "session": "0x1",
            "cxid": 4,
            "op": 5,
            "path": "/a",
            "error": 0,
        },
        {"kind": "replied", "sid": 1, "zxid": this, "session": "0x1", "cxid": 4, "error": 0},
    ]
    proposals = Proposals()
    for index in order:
        proposals.on_event(events[index], 1000 * index)
    (told,) = (proposal.to_json() for proposal in proposals.last(5))
    assert told["proposed"] == 0
    assert told["logged"] == {"1": 1.0, "2": 2.0, "3": 3.0}
    assert (told["committed"], told["replied"], told["server"]) == (5.0, 7.0, 1)


def test_memory_is_bounded_and_a_late_stage_brings_nothing_back() -> None:
    proposals = Proposals(limit=100)
    for counter in range(1, 1001):
        proposals.on_event({"kind": "committed", "sid": 1, "zxid": zxid(1, counter)}, counter)
    assert len(proposals) <= 100
    proposals.on_event({"kind": "committed", "sid": 1, "zxid": zxid(1, 5)}, 2000)
    assert all(proposal.zxid > int(zxid(1, 899)) for proposal in proposals.last(200))


def test_submitted_writes_that_are_never_proposed_do_not_pile_up() -> None:
    proposals = Proposals()
    for cxid in range(20_000):
        proposals.on_event({"kind": "submitted", "sid": 1, "session": "0x1", "cxid": cxid, "op": 1}, cxid)
    assert len(proposals._submitted) <= 4000


def test_another_history_starts_over() -> None:
    proposals = Proposals(limit=8)
    for counter in range(1, 40):
        proposals.on_event({"kind": "committed", "sid": 1, "zxid": zxid(9, counter)}, counter)
    proposals.on_committed_upto(int(zxid(1, 2)))
    assert len(proposals) == 0
    proposals.on_event({"kind": "committed", "sid": 1, "zxid": zxid(1, 3)}, 1)
    assert [proposal.zxid for proposal in proposals.last(5)] == [int(zxid(1, 3))]


def test_what_changed_is_told_once_and_what_is_left_out_is_counted() -> None:
    recording = Recording(Model("demo")).ensemble()
    for counter in range(1, 11):
        recording.write(counter * 10_000, counter, cxid=counter)
    changed, left_out = recording.model.proposals.take_changed(4)
    assert [proposal.zxid & 0xFFFF for proposal in changed] == [10, 9, 8, 7]
    assert left_out == 6
    assert recording.model.proposals.take_changed(4) == ([], 0)


def test_a_refused_write_says_what_was_tried() -> None:
    proposals = Proposals()
    proposals.on_event({"kind": "submitted", "sid": 3, "session": "0x1", "cxid": 1, "op": 2}, 0)
    event = {
        "kind": "proposed",
        "sid": 1,
        "zxid": zxid(1, 1),
        "session": "0x1",
        "cxid": 1,
        "op": -1,
        "path": None,
        "size": 4,
    }
    proposals.on_event(event, 10)
    assert proposals.last(1)[0].op == "delete"


def test_latency_is_of_what_was_seen_whole() -> None:
    recording = Recording(Model("demo")).ensemble()
    recording.write(0, 1, cxid=1)
    recording.tell(2, 9000, "committed", zxid=zxid(5, 2))
    assert recording.model.proposals.latencies_ms() == [1.31]
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert percentile([], 0.5) is None


def test_operations_are_named_as_zookeeper_names_them() -> None:
    assert [op_name(op) for op in (1, 15, 5, -11, 14, "setData", 999)] == [
        "create", "create", "setData", "closeSession", "multi", "setData", "op 999",
    ]  # fmt: skip


def test_time_is_the_panels_own_where_clocks_are_shared() -> None:
    recording = Recording(Model("demo")).ensemble()
    recording.write()
    assert recording.model.proposals.last(1)[0].proposed == HOUR_US
