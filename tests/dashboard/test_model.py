"""The model: what the pages are told, from what the servers said."""

from __future__ import annotations

from dashboard.gateway.clocks import Clocks
from dashboard.gateway.model import FIRED_MAX, STAGE_BACKLOG_MAX, STAGE_EVENTS_MAX, ZNODES_CHANGED_MAX, Model
from dashboard.gateway.rates import Rates
from tests.dashboard.recording import HOUR_US, Recording, membership, process, status, zxid


def test_summary_of_a_healthy_ensemble() -> None:
    summary = Recording(Model("demo")).ensemble().model.summary()
    assert (summary["label"], summary["tone"], summary["leader"], summary["epoch"]) == (
        "Broadcast",
        "ok",
        2,
        5,
    )
    assert (summary["quorum"], summary["zxid"], summary["zxid_hex"]) == ("3 of 3", "5:163", "0x5000000a3")
    assert (summary["znodes"], summary["sessions"], summary["watches"]) == (1204, 6, 12)


def test_a_lost_server_stays_known_with_the_reason() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_lost(3, "connection refused")
    told = model.state()["servers"][2]
    assert (told["reachable"], told["reason"], told["role"]) == (False, "connection refused", "following")
    assert (model.summary()["quorum"], model.summary()["tone"]) == ("2 of 3", "warn")


def test_a_leader_that_cannot_be_reached_is_not_shown_as_leading() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_lost(2, "gone")
    for sid in (1, 3):
        model.on_status(sid, status(sid, "looking", leader=None), HOUR_US)
    summary = model.summary()
    assert (summary["leader"], summary["label"], summary["quorum"]) == (None, "Election", "0 of 3")


def test_nobody_answers_and_nobody_named() -> None:
    model = Recording(Model("demo")).ensemble().model
    for sid in (1, 2, 3):
        model.on_lost(sid, "gone")
    assert model.summary()["label"] == "No server answers"
    assert model.summary()["watches"] is None
    assert Model("demo", named=False).summary()["label"] == "No ensemble"


def test_the_newest_leader_wins_over_one_that_has_not_noticed() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_status(1, status(1, "leading", leader=1, epoch=6), HOUR_US)
    assert model.summary()["leader"] == 1


def test_messages_are_thinned_and_counted_but_rare_events_kept() -> None:
    recording = Recording(Model("demo")).ensemble()
    for index in range(2000):
        recording.tell(2, index, "message", way="sent", peer=1, type="PROPOSAL", zxid=zxid(5, index))
    recording.tell(
        2, 2001, "phase", role="looking", phase="election", epoch=5, leader=None, why="quorum lost"
    )
    events, dropped = recording.model.take_stage_events()
    assert len(events) <= STAGE_EVENTS_MAX
    assert len(events) + dropped == 2001
    assert [event["kind"] for event in events].count("phase") == 1
    assert [event["t"] for event in events] == sorted(event["t"] for event in events)


def test_events_and_fired_watches_that_nobody_fetches_do_not_pile_up() -> None:
    recording = Recording(Model("demo")).ensemble()
    at = 0
    for _ in range(STAGE_BACKLOG_MAX // 100 + 3):
        watched = {"kind": "watch", "what": "fired", "path": "/a", "mode": "data", "session": "0x1"}
        events = [{**watched, "at": at + index} for index in range(100)]
        at += 100
        recording.model.on_events(1, events, 0, at, 0.0)
    assert len(recording.model._stage) == STAGE_BACKLOG_MAX
    told, dropped = recording.model.take_stage_events()
    assert len(told) + dropped == at
    assert len(recording.model.fired) == FIRED_MAX


def test_what_servers_dropped_is_passed_on() -> None:
    recording = Recording(Model("demo")).ensemble()
    recording.model.on_events(1, [], 17, HOUR_US, 0.0)
    assert recording.model.take_stage_events() == ([], 17)


def test_sessions_are_drawn_where_their_client_is() -> None:
    recording = Recording(Model("demo")).ensemble()
    recording.tell(1, 0, "session", what="opened", session="0x1", timeout_ms=8000, client="127.0.0.1:5000")
    recording.tell(2, 1, "session", what="opened", session="0x1", timeout_ms=8000, client=None)
    assert recording.model.stage_snapshot()["sessions_by_server"] == {"1": ["0x1"], "2": []}
    recording.tell(3, 2, "session", what="moved", session="0x1", timeout_ms=8000, client="127.0.0.1:5001")
    assert recording.model.stage_snapshot()["sessions_by_server"]["3"] == ["0x1"]
    assert recording.model.stage_snapshot()["sessions_by_server"]["1"] == []
    recording.tell(2, 3, "session", what="expired", session="0x1", timeout_ms=8000, client=None)
    assert not any(recording.model.stage_snapshot()["sessions_by_server"].values())


def test_fired_watches_are_kept_with_their_time() -> None:
    recording = Recording(Model("demo")).ensemble()
    recording.tell(
        1,
        0,
        "watch",
        what="fired",
        path="/a",
        mode="data",
        session="0x1",
        event="NodeDataChanged",
        zxid=zxid(5, 1),
    )
    (fired,) = recording.model.fired
    assert fired["wall"] == 1_800_000_000.0 - 300 / 1e6


def test_znodes_created_and_changed_at_once_are_new() -> None:
    recording = Recording(Model("demo")).ensemble()
    recording.tell(1, 0, "znode", what="created", path="/a", zxid=zxid(5, 1), owner=None)
    recording.tell(1, 1, "znode", what="changed", path="/a", zxid=zxid(5, 2), owner=None)
    recording.tell(3, 2, "znode", what="created", path="/a", zxid=zxid(5, 1), owner=None)  # a slower server
    ((change,), left_out) = recording.model.take_znodes()
    assert (change["what"], change["zxid"], left_out) == ("created", zxid(5, 2), 0)


def test_more_changed_znodes_than_can_be_told_are_counted() -> None:
    recording = Recording(Model("demo")).ensemble()
    for index in range(ZNODES_CHANGED_MAX + 5):
        recording.tell(1, index, "znode", what="created", path=f"/{index}", zxid=zxid(5, index), owner=None)
    changes, left_out = recording.model.take_znodes()
    assert (len(changes), left_out) == (ZNODES_CHANGED_MAX, 5)


def test_processes_are_forgotten_with_their_supervisor() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.take_servers()
    model.on_processes([process(sid) for sid in (1, 2, 3)])
    assert model.take_servers() == []  # nothing changed
    model.on_supervisor_lost("cannot be reached")
    assert [server["process"] for server in model.take_servers()] == [None] * 3
    assert not model.supervised


def test_shared_clocks_are_taken_as_they_are_and_others_estimated() -> None:
    clocks = Clocks()
    clocks.connected(1, local=True)
    clocks.seen(1, 1_000_000, 1_000_400)
    assert clocks.align(1, 1_000_000) == 1_000_000
    clocks.connected(2, local=False)
    for delay in (900, 400, 700):
        clocks.seen(2, 5_000_000, 1_000_000 + delay)
    assert clocks.align(2, 5_000_000) == 1_000_400
    assert [clocks.describe(sid) for sid in (1, 2)] == ["shared", "estimated"]


def test_a_skewed_local_clock_is_noticed() -> None:
    clocks = Clocks()
    clocks.connected(1, local=True)
    clocks.seen(1, 9_000_000, 1_000_400)  # from the future: not this machine's clock
    assert clocks.describe(1) == "estimated"


def test_rates_survive_a_restart_of_a_server() -> None:
    rates = Rates()
    rates.sample([status(1, reads=1000, writes=0)], 0)
    rates.sample([status(1, reads=1500, writes=500)], 1_000_000)
    assert rates.per_second == 1000
    rates.sample([status(1, reads=3, writes=0, pid=77)], 2_000_000)
    assert rates.per_second == 0


def parts(model: Model) -> dict[int, str | None]:
    return {server["sid"]: server["part"] for server in model.state()["servers"]}


def test_members_join_and_leave_with_a_reconfiguration() -> None:
    model = Recording(Model("demo")).ensemble().model
    assert parts(model) == dict.fromkeys((1, 2, 3), "participant")
    later = membership((1, 2), (7,), version=zxid(5, 163))
    model.on_status(1, status(1, membership=later), HOUR_US)
    assert 7 not in model.servers  # the leader does not say so yet
    model.on_status(2, status(2, "leading", membership=later, voters=[1, 2]), HOUR_US)
    assert parts(model) == {1: "participant", 2: "participant", 3: "none", 7: "observer"}
    assert "not named in COORDINATOR_SERVERS" in str(model.servers[7].reason)
    frame = model.servers_frame()
    assert frame is not None
    assert frame["sids"] == [1, 2, 3, 7]
    assert (frame["summary"]["quorum"], frame["summary"]["observers"]) == ("2 of 2", 1)
    model.add_server(7, "127.0.0.1:2187", local=True)  # its supervisor names it
    without = membership((1, 2), version=zxid(5, 164))
    model.on_status(2, status(2, "leading", membership=without, voters=[1, 2]), HOUR_US)
    assert parts(model) == {1: "participant", 2: "participant", 3: "none", 7: "none"}


def test_a_member_known_by_name_only_goes_with_its_membership() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_status(2, status(2, "leading", membership=membership((1, 2, 3), (7,))), HOUR_US)
    assert 7 in model.servers
    model.on_status(2, status(2, "leading"), HOUR_US)
    frame = model.servers_frame()
    assert frame is not None
    assert frame["sids"] == [1, 2, 3]


def test_a_server_that_is_no_member_worries_nobody() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_lost(3, "gone")
    assert model.summary()["tone"] == "warn"
    model.on_status(
        2, status(2, "leading", membership=membership((1, 2), version="9"), voters=[1, 2]), HOUR_US
    )
    assert model.summary()["tone"] == "ok"


def test_observers_and_their_own_sessions_are_counted_apart() -> None:
    recording = Recording(Model("demo")).ensemble()
    told = membership((1, 2, 3), (4,))
    recording.model.on_status(2, status(2, "leading", membership=told), HOUR_US)
    recording.model.add_server(4, None, local=True)
    recording.model.on_status(
        4, status(4, "observing", membership=told, sessions=9, local_sessions=3), HOUR_US
    )
    summary = recording.model.summary()
    assert (summary["quorum"], summary["observers"], summary["sessions"]) == ("3 of 3", 1, 6 + 3)
