"""Blast radius, joined listings, values, names: what needs no ensemble and no browser."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from dashboard import show, values
from dashboard.gateway import blast
from dashboard.gateway.actions import cuts_of
from dashboard.gateway.holders import join_sessions, join_watches
from dashboard.gateway.kinds import kind_of
from dashboard.gateway.model import Model
from dashboard.gateway.sources import ServerAddress, parse_servers
from dashboard.places.rows import ancestors, parse_opened, row_id
from dashboard.places.watches import merge
from tests.dashboard.recording import HOUR_US, Recording, membership, process, status, zxid


def test_killing_the_leader_says_what_the_others_hold() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_status(2, status(2, "leading", counter=163, zxid_logged=zxid(5, 164)), HOUR_US)
    model.on_status(1, status(1, zxid_durable=zxid(5, 160)), HOUR_US)
    assert blast.of_server_action(model, 2, "kill") == [
        "Killing the leader starts an election among s1 and s3; writes wait until it is over.",
        "s3 holds everything committed up to 5:163; 5:164 is logged on s2 alone and may be lost.",
        "2 clients of s2 will reconnect to another server; sessions live on if they make it within their time-out.",
    ]


def test_killing_a_follower_counts_what_is_left() -> None:
    model = Recording(Model("demo")).ensemble().model
    assert (
        blast.of_server_action(model, 1, "kill")[0]
        == "The quorum stays: s2 and s3 go on; one more failure stops writes."
    )
    model.on_lost(3, "gone")
    assert "no quorum, so no writes" in blast.of_server_action(model, 1, "pause")[0]
    assert blast.of_server_action(model, 3, "restart")[0].endswith("it is not part of it now.")


def test_who_would_be_left_counts_only_with_whole_links_between_them() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_status(3, status(3, "looking", faults=[{"what": "cut", "peers": [1, 2]}]), HOUR_US)
    alone = "leaves {} with cut links between them: no quorum, so no writes until they are healed or {} comes back."
    assert blast.of_server_action(model, 2, "kill")[0] == f"Killing s2 {alone.format('s1 and s3', 's2')}"
    assert blast.of_server_action(model, 1, "stop")[0] == f"Stopping s1 {alone.format('s2 and s3', 's1')}"
    assert blast.of_server_action(model, 3, "kill")[0].startswith("The quorum stays: s1 and s2 go on;")
    five = Recording(Model("demo")).ensemble(servers=5).model
    everyone = {"voters": [1, 2, 3, 4, 5], "membership": membership((1, 2, 3, 4, 5))}
    five.on_status(2, status(2, "leading", **everyone), HOUR_US)
    five.on_status(5, status(5, faults=[{"what": "cut", "peers": [1]}], **everyone), HOUR_US)
    assert "an election among s1, s3 and s4;" in blast.of_server_action(five, 2, "kill")[0]


@pytest.mark.parametrize(
    ("state", "action", "refused"),
    [
        ("running", "kill", False),
        ("running", "start", True),
        ("killed", "start", False),
        ("killed", "kill", True),
        ("paused", "resume", False),
        ("running", "resume", True),
        ("paused", "pause", True),
        ("failed", "restart", False),
    ],
)
def test_actions_that_cannot_be_done_are_refused_with_the_reason(
    state: str, action: str, refused: bool
) -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_processes([process(1, state)])
    why = blast.refusal(model, 1, action)
    assert (why is not None) is refused
    assert why is None or state in why


def test_without_a_supervisor_nothing_can_be_done_to_processes() -> None:
    model = Recording(Model("demo")).ensemble().model
    model.on_supervisor_lost("it cannot be reached")
    assert blast.refusal(model, 1, "kill") == "s1 cannot be reached as a process: it cannot be reached."


def test_a_partition_says_who_keeps_the_quorum() -> None:
    model = Recording(Model("demo")).ensemble().model
    alone, others = blast.of_partition(model, [[2], [1, 3]])
    assert alone.startswith("s2 has 1 of 3 voters, no quorum: no writes there. s2 stops leading")
    assert others == "s1 and s3 keep a quorum and will elect a leader among themselves."
    assert (
        blast.of_partition(model, [[1], [2, 3]])[1]
        == "s2 and s3 keep a quorum and the leader s2: writes go on."
    )


def test_both_ends_of_a_cut_link_are_told() -> None:
    assert cuts_of([[2], [1, 3]]) == {2: [1, 3], 1: [2], 3: [2]}


def session(name: str, **other: object) -> dict[str, object]:
    """A session as a server lists it."""
    return {
        "session": name, "timeout_ms": 8000, "remaining_ms": None, "owner": None, "client": None, "connected_here": False,
        "ephemerals": [], "ephemerals_total": 0, "watches": 0, "last_zxid": None, "last_op": None,
        "outstanding": 0, "received": 0, "sent": 0, "local": False, "read_only": False, "secure": None,
    } | other  # fmt: skip


def test_expiry_fires_data_watches_of_its_znodes_and_child_watches_of_their_parents() -> None:
    gone = session("0x1", ephemerals=["/w/a", "/w/b"], ephemerals_total=3, watches=1)
    watches = [
        {"path": "/w/a", "mode": "data", "session": "0x2", "sid": 1},
        {"path": "/w", "mode": "child", "session": "0x3", "sid": 2},
        {"path": "/w", "mode": "data", "session": "0x3", "sid": 2},
        {"path": "/w/b", "mode": "exist", "session": "0x1", "sid": 2},
        {"path": "/other", "mode": "child", "session": "0x2", "sid": 2},
    ]
    result = blast.of_expiry(gone, watches)
    assert [(w["path"], w["mode"]) for w in result["fires"]] == [("/w/a", "data"), ("/w", "child")]
    assert result["znodes_partial"] is True


def test_sessions_are_the_leaders_with_the_client_of_the_server_that_has_it() -> None:
    listings = {
        1: {
            "sessions": [
                session("0x1", connected_here=True, client="127.0.0.1:5", watches=3),
                session("0x9"),
            ],
            "total": 2,
        },
        2: {"sessions": [session("0x1", remaining_ms=7000)], "total": 1},
    }
    joined = join_sessions(listings, leader=2)
    (only,) = joined["sessions"]
    assert (only["remaining_ms"], only["client"], only["owner"], only["watches"]) == (
        7000,
        "127.0.0.1:5",
        1,
        3,
    )
    assert joined["total"] == 1


def test_local_sessions_of_every_server_join_those_agreed_on() -> None:
    mine = session("0x3", local=True, connected_here=True, client="127.0.0.1:7", secure=True)
    listings = {
        1: {"sessions": [session("0x1"), mine, session("0x8")], "total": 3},
        2: {"sessions": [session("0x1", owner=1), session("0x2", local=True)], "total": 2},
    }
    joined = join_sessions(listings, leader=2)
    # That s1 lists 0x8 as agreed on is over, or not yet so: s2 leads.
    assert [(s["session"], s["local"], s["owner"]) for s in joined["sessions"]] == [
        ("0x1", False, 1),
        ("0x2", True, 2),
        ("0x3", True, 1),
    ]
    assert joined["total"] == 3
    assert joined["sessions"][2]["secure"] is True
    assert join_sessions({1: listings[1]}, leader=2)["leader_known"] is False


def test_watches_are_all_servers() -> None:
    watch = {"path": "/a", "mode": "data", "session": "0x1", "sid": 1}
    joined = join_watches(
        {1: {"watches": [watch], "total": 1500}, 2: {"watches": [watch | {"sid": 2}], "total": 1}}
    )
    assert (len(joined["watches"]), joined["total"]) == (2, 1501)


def lines_of(value: values.Value) -> list[str]:
    """Return a value's lines as plain text."""
    return ["".join(text for _, text in line) for line in value.lines]


def test_json_keeps_numbers_and_repeated_keys_as_written() -> None:
    shown = values.look(b'{"id": 12345678901234567890, "x": 1.10, "x": [], "s": "\\u0000<b>"}', None)
    assert shown.view == "json"
    assert lines_of(shown) == [
        "{", '  "id": 12345678901234567890,', '  "x": 1.10,', '  "x": [],', '  "s": "\\u0000<b>"', "}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "view"),
    [
        (b"", "text"),
        (b"hello", "text"),
        (b"\x00\x01", "hex"),
        (b"\xff", "hex"),
        (b"[1", "text"),
        (b"[" * 100_000, "text"),
        (b'"a"', "text"),
    ],
)
def test_a_view_that_cannot_show_the_bytes_is_not_taken(data: bytes, view: str) -> None:
    assert values.look(data, "json").view == view


@given(st.binary(max_size=200))
def test_hex_shows_every_byte(data: bytes) -> None:
    assert bytes.fromhex("".join(line[6:46] for line in values.hex_lines(data))) == data


@given(st.binary(max_size=300), st.sampled_from([None, "json", "text", "hex", "evil"]))
def test_any_bytes_can_be_looked_at(data: bytes, view: str | None) -> None:
    assert values.look(data, view).view in values.VIEWS


def test_a_long_value_says_where_it_was_cut() -> None:
    shown = values.look(b"x" * 200_000, "text")
    assert (shown.cut, shown.shown, shown.total) == ("The first 65,536 of 200,000 bytes", 65_536, 200_000)


@pytest.mark.parametrize(
    ("data", "view", "cut"),
    [
        (b"[" + b"1," * 20_000 + b"1]", "json", "The first 1,000 of 20,003 lines"),
        (b"\n" * 70_000, "text", "The first 1,000 lines"),
        (b"\n" * 2_000, "text", "The first 1,000 of 2,001 lines"),
        (bytes(range(256)) * 256, "hex", "The first 16,000 of 65,536 bytes"),
        (b"a\nb", "text", ""),
    ],
)
def test_no_value_is_more_lines_than_a_browser_draws_at_once(data: bytes, view: str, cut: str) -> None:
    shown = values.look(data, view)
    assert (shown.view, shown.cut) == (view, cut)
    assert len(shown.lines) <= values.LINES_MAX


def test_only_what_a_text_area_returns_unchanged_can_be_edited() -> None:
    assert values.editable(b"a\nb") == "a\nb"
    assert values.editable(b"a\r\nb") is None
    assert values.editable(b"\xff") is None


def test_kinds() -> None:
    names = {("lock-0000000042", 7): "E#", ("worker", 7): "E", ("task-0000000001", 0): "#", ("app", 0): ""}
    assert all(kind_of(name, owner) == kind for (name, owner), kind in names.items())
    assert kind_of("c", 0, {"path": "/c", "kind": "container", "ttl_ms": None}) == "C"
    assert kind_of("t", 0, {"path": "/t", "kind": "ttl", "ttl_ms": 5000}) == "T"
    assert kind_of("t-0000000001", 0, {"path": "/t-0000000001", "kind": "ttl", "ttl_ms": 5000}) == "T#"


def test_ids_times_and_sizes() -> None:
    assert show.zxid_text(zxid(5, 163)) == "5:163"
    assert show.zxid_text(-1) == "4294967295:4294967295"
    assert show.zxid_hex(zxid(5, 163)) == "0x5000000a3"
    assert show.session_short("0x20000000a3f7f05") == "0x2…7f05"
    assert show.session_short("0x7f") == "0x7f"
    assert [show.duration(ms) for ms in (0.4, 12, 1500, 61_000, 3_700_000)] == [
        "0.4 ms",
        "12 ms",
        "1.5 s",
        "01:01",
        "1:01:40",
    ]
    assert [show.size(count) for count in (0, 1023, 2048, 5 << 20)] == ["0 B", "1023 B", "2.0 KiB", "5.0 MiB"]


def test_events_are_named_as_clients_know_them() -> None:
    assert show.event_name("NODE_CHILDREN_CHANGED") == "NodeChildrenChanged"
    assert show.event_name("NodeDeleted") == "NodeDeleted"
    assert show.event_name(None) == ""


def test_names_that_pretend_are_shown_as_code_points() -> None:
    assert show.safe_text("a\u202eb\u200b") == "a\\u202eb\\u200b"
    assert show.safe_text("größe") == "größe"


def test_servers_are_named_by_settings_only_in_one_form() -> None:
    assert parse_servers("2=h:1=http://h:9, 1=h:2") == (
        ServerAddress(1, "h:2", None),
        ServerAddress(2, "h:1", "http://h:9"),
    )
    for wrong in ("x", "1", "1=host", "a=h:1"):
        with pytest.raises(ImproperlyConfigured, match="is not SID="):
            parse_servers(wrong)


def test_rows_are_addressed_by_ids_that_hold_any_path() -> None:
    assert ancestors("/a/b/c") == ["/", "/a", "/a/b"]
    assert ancestors("/") == ["/"]
    assert row_id("/<script>").isalnum()
    assert row_id("/\ud800") != row_id("/a")


def test_what_a_page_says_it_shows_is_bounded() -> None:
    assert parse_opened(["100:/", "5:/a:b", "x:/c", "9999999:/d", "1:evil", ":/"]) == {"/": 100, "/a:b": 5}
    assert len(parse_opened([f"1:/{index}" for index in range(1000)])) == 120


def test_a_watch_that_fires_and_is_set_again_is_one_row() -> None:
    waiting = {"path": "/a", "mode": "exist", "session": "0x1", "sid": 1}
    fired = {
        "path": "/a",
        "mode": "data",
        "session": "0x1",
        "sid": 1,
        "event": "NODE_CREATED",
        "n": 5,
        "wall": 9.0,
    }
    other = fired | {"session": "0x2", "n": 6}
    rows = merge([waiting], [fired, fired | {"n": 7, "wall": 10.0}, other])
    assert [(row["session"], row["waiting"], row["fired"], row["times"]) for row in rows] == [
        ("0x1", True, 10.0, 2),
        ("0x2", False, 9.0, 1),
    ]
