"""A server that has lost its quorum serves reads to clients that agreed to that (readonlymode.enabled)."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.replica.config import SessionSettings
from ensemble.tree.operations import (
    OPEN_ACL,
    Auth,
    Check,
    Create,
    CreateMode,
    Delete,
    Multi,
    NoBody,
    Op,
    Operation,
    Read,
    Reconfig,
    SetAcl,
    SetData,
    SetWatches,
    Sync,
)
from ensemble.wire import replies
from tests.ensemble.replica.harness import Client, Server, World, client

GRACE_MS = 2000


def lonely(*, local: bool = False, read_only_mode: bool = True) -> tuple[World, Server, Client]:
    """Three servers of which two are cut off; the third, and a client that had a session through it."""
    world = World(voters=3, sessions=SessionSettings(local=local, read_only_mode=read_only_mode))
    zk = client(world, world.follower, timeout_ms=20_000)
    zk.create("/kept", b"last")
    server = zk.server
    cut_off_the_others(world, server)
    return world, server, zk


def cut_off_the_others(world: World, server: Server) -> None:
    for sid, other in world.servers.items():
        if other is not server:
            world.cut.add(sid)
            server.replica.on_election_link(sid, False)
    for other in world.servers.values():
        if other is not server:
            other.replica.stop()
    world.settle()


def heal(world: World, alone: Server) -> None:
    world.cut.clear()
    for sid in [sid for sid, server in world.servers.items() if server is not alone]:
        world.restart(sid)
        alone.replica.on_election_link(sid, True)
    for _ in range(40):
        world.advance(100)


def reader(world: World, server: Server, **how: object) -> Client:
    return client(world, server, read_only=True, **how)


def test_a_lonely_server_serves_the_state_it_last_applied():
    world, server, before = lonely()
    assert before.closed
    assert Client(world, server).connect(read_only=True) is None, (
        "it waits first whether the quorum comes back"
    )
    world.advance(GRACE_MS)
    zk = reader(world, server)
    assert zk.get("/kept") == b"last"
    assert zk.children("/") == ["kept", "zookeeper"]
    zk.ping()
    assert replies.decode_header(zk.ask(Op.GET_DATA, Read("/kept")))[1] == server.replica.tree.zxid


def test_the_connect_reply_says_that_the_server_is_read_only():
    world, server, _ = lonely()
    world.advance(GRACE_MS)
    answer = Client(world, server).connect(read_only=True)
    assert answer is not None
    assert answer.read_only is True
    refused = Client(world, server).connect(read_only=True, session_id=5, password=b"x" * 16)
    assert refused is not None
    assert (refused.timeout_ms, refused.read_only) == (0, True)


@pytest.mark.parametrize("asked", [False, None])
def test_a_client_that_did_not_agree_is_sent_away_without_a_word(asked: bool | None):
    world, server, _ = lonely()
    world.advance(GRACE_MS)
    zk = Client(world, server)
    assert zk.connect(read_only=asked) is None
    assert zk.closed


@pytest.mark.parametrize(
    ("op", "operation"),
    [
        (Op.CREATE, Create("/x", b"", OPEN_ACL, 0)),
        (Op.CREATE, Create("/x", b"", OPEN_ACL, CreateMode.EPHEMERAL)),
        (Op.CREATE2, Create("/x", b"", OPEN_ACL, 0)),
        (Op.CREATE_CONTAINER, Create("/x", b"", OPEN_ACL, 4)),
        (Op.CREATE_TTL, Create("/x", b"", OPEN_ACL, 5, 100)),
        (Op.DELETE, Delete("/kept", -1)),
        (Op.SET_DATA, SetData("/kept", b"", -1)),
        (Op.SET_ACL, SetAcl("/kept", OPEN_ACL, -1)),
        (Op.MULTI, Multi([(int(Op.CHECK), Check("/kept", -1))])),
        (Op.RECONFIG, Reconfig("", "", "", -1)),
        (Op.SYNC, Sync("/")),
    ],
)
def test_what_would_change_something_is_refused_and_the_connection_stays(op: int, operation: Operation):
    world, server, _ = lonely()
    world.advance(GRACE_MS)
    zk = reader(world, server)
    zxid = server.replica.tree.zxid
    assert replies.decode_header(zk.ask(op, operation)) == (1, zxid, Code.NOT_READ_ONLY)
    assert zk.get("/kept") == b"last"
    assert server.replica.tree.zxid == zxid


def test_refusals_keep_their_place_among_the_answers():
    world, server, _ = lonely()
    world.advance(GRACE_MS)
    zk = reader(world, server)
    zk.send(
        zk.request(Op.GET_DATA, Read("/kept"))
        + zk.request(Op.SET_DATA, SetData("/kept", b"", -1))
        + zk.request(Op.SYNC, Sync("/"))
        + zk.request(Op.PING, NoBody(), xid=-2)
        + zk.request(Op.AUTH, Auth(0, "digest", b"u:p"), xid=-4)
        + zk.request(Op.SET_WATCHES, SetWatches(0, [], ["/later"], [], [], []), xid=-8)
        + zk.request(Op.CLOSE_SESSION, NoBody())
    )
    world.settle()
    refused = Code.NOT_READ_ONLY
    answers = [(1, 0), (2, refused), (3, refused), (-2, 0), (-4, 0), (-8, 0), (4, 0)]
    assert [(xid, error) for xid, _, error in zk.headers()] == answers
    assert zk.closed


@pytest.mark.parametrize("local", [False, True])
def test_a_session_of_that_mode_is_the_servers_own(local: bool):
    world, server, _ = lonely(local=local)
    world.advance(GRACE_MS)
    zk = reader(world, server, timeout_ms=2000)
    assert zk.session_id not in server.replica.tree.sessions
    zk.lose()
    back = Client(world, server)
    answer = back.connect(session_id=zk.session_id, password=zk.password, read_only=True)
    assert answer is not None
    assert answer.session_id == zk.session_id
    for _ in range(4):
        world.advance(500)
        back.ping()
    assert not back.closed
    world.advance(6000)
    assert back.closed, "it expires as any other"
    answer = Client(world, server).connect(session_id=zk.session_id, password=zk.password, read_only=True)
    assert answer is not None
    assert answer.timeout_ms == 0


def test_a_session_of_the_ensemble_is_not_judged_without_a_leader():
    world, server, before = lonely()
    world.advance(GRACE_MS)
    zk = Client(world, server)
    assert zk.connect(session_id=before.session_id, password=before.password, read_only=True) is None
    assert zk.closed


def test_a_client_that_has_seen_more_is_sent_away():
    world, server, _ = lonely()
    world.advance(GRACE_MS)
    zk = Client(world, server)
    assert zk.connect(read_only=True, zxid=server.replica.tree.zxid + 1) is None
    assert zk.closed


def test_with_a_quorum_again_clients_are_dropped_and_their_sessions_unknown():
    world, server, before = lonely()
    world.advance(GRACE_MS)
    zk = reader(world, server)
    heal(world, server)
    assert zk.closed
    assert not server.replica.service.read_only
    again = Client(world, server)
    answer = again.connect(session_id=zk.session_id, password=zk.password, read_only=True)
    assert answer is not None
    assert (answer.timeout_ms, answer.read_only) == (0, False)
    back = Client(world, server)
    answer = back.connect(session_id=before.session_id, password=before.password, read_only=True)
    assert answer is not None
    assert (answer.session_id, answer.read_only) == (before.session_id, False)
    assert back.create("/after") == "/after"


def test_a_quorum_that_comes_back_in_time_is_nobodys_loss():
    world, server, _ = lonely()
    world.advance(GRACE_MS - 500)
    heal(world, server)
    assert server.replica.peer.serving
    world.advance(2 * GRACE_MS)
    assert not server.replica.service.read_only
    assert Client(world, server).ask_word(b"isro") == "rw"


def test_words_name_the_mode():
    world, server, _ = lonely()
    assert Client(world, server).ask_word(b"isro") == "null"
    assert "not currently serving" in Client(world, server).ask_word(b"srvr")
    world.advance(GRACE_MS)
    assert Client(world, server).ask_word(b"isro") == "ro"
    for word in (b"srvr", b"stat"):
        said = Client(world, server).ask_word(word)
        assert said.splitlines()[1] == "READ-ONLY mode; serving only read-only clients"
        assert "\nMode: read-only\n" in said
    rows = dict(line.split("\t") for line in Client(world, server).ask_word(b"mntr").splitlines())
    assert rows["zk_server_state"] == "read-only"
    assert "zk_peer_state" not in rows


def test_the_status_marks_the_server_and_its_sessions():
    world, server, before = lonely()
    world.advance(GRACE_MS)
    zk = reader(world, server)
    status = server.replica.status()
    assert (status["read_only"], status["serving"]) == (True, False)
    rows = {row["session"]: row for row in server.replica.sessions()}
    mine, kept = rows[f"{zk.session_id:#x}"], rows[f"{before.session_id:#x}"]
    assert (mine["read_only"], mine["local"], mine["secure"]) == (True, True, False)
    assert (kept["read_only"], kept["local"], kept["secure"]) == (False, False, None)


def test_without_the_setting_nobody_is_served():
    world, server, _ = lonely(read_only_mode=False)
    world.advance(4 * GRACE_MS)
    assert Client(world, server).connect(read_only=True) is None
    assert Client(world, server).ask_word(b"isro") == "null"


def test_a_server_that_stops_serves_no_reads_either():
    world, server, _ = lonely()
    world.advance(GRACE_MS)
    zk = reader(world, server)
    server.replica.stop()
    assert zk.closed
    world.advance(2 * GRACE_MS)
    assert Client(world, server).connect(read_only=True) is None


def test_a_server_that_starts_alone_serves_what_is_on_its_disk():
    world, server, _ = lonely()
    again = world.restart(server.replica.config.sid)
    world.advance(GRACE_MS)
    assert reader(world, again).get("/kept") == b"last"


def test_a_watch_set_without_a_quorum_is_set_and_forgotten_with_the_connection():
    world, server, _ = lonely()
    world.advance(GRACE_MS)
    zk = reader(world, server)
    zk.get("/kept", watch=True)
    assert server.replica.service.watches.count == 1
    heal(world, server)
    assert zk.answers() == []
    assert server.replica.service.watches.count == 0
