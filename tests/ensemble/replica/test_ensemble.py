"""Three servers, wired to each other: forwarding, sessions that move, leaders that go, learners that lag."""

from __future__ import annotations

import pytest

from ensemble import limits
from ensemble.errors import Code
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Delete, NoBody, Op, Read, SetData, Sync
from ensemble.wire import packets, replies
from ensemble.wire.requests import ConnectRequest, encode_connect
from ensemble.zab.messages import Packet, PacketType, ServerState
from tests.ensemble.replica.harness import Client, Server, World, client
from tests.ensemble.replica.ports import HandNetwork


@pytest.fixture
def world() -> World:
    return World(voters=3)


def followers(world: World) -> list[Server]:
    """Return the servers that follow."""
    return [server for server in world.servers.values() if not server.replica.service.leading]


def agree(world: World) -> None:
    """Assert that all servers hold the same state."""
    assert len({server.replica.tree.zxid for server in world.servers.values()}) == 1
    assert len({server.replica.tree.digest() for server in world.servers.values()}) == 1


def test_writes_through_any_server_reach_all(world: World) -> None:
    for number, server in world.servers.items():
        user = client(world, server)
        assert user.session_id >> 56 == number
        assert user.create(f"/from-{number}", b"x") == f"/from-{number}"
        assert user.set(f"/from-{number}", b"y", version=5) == Code.BAD_VERSION
        assert user.set(f"/from-{number}", b"y") == Code.OK
        assert user.sync() == Code.OK
    agree(world)
    assert world.leader.replica.tree.znodes == 7


@pytest.mark.parametrize("chosen", ["leader", "follower"])
def test_a_planned_stop_costs_no_time_out(world: World, chosen: str) -> None:
    """Who stops closes its connections: the others need no time to find out, and none to agree."""
    writer = client(world, followers(world)[0])
    assert writer.create("/before", b"kept") == "/before"
    stopped = world.leader if chosen == "leader" else followers(world)[1]
    sid = stopped.replica.config.sid
    stopped.replica.stop()
    del world.servers[sid]
    for server in world.servers.values():
        server.replica.on_election_link(sid, up=False)
    before_us = world.clock.now_us
    world.settle()
    assert world.clock.now_us == before_us
    assert all(server.replica.peer.serving for server in world.servers.values())
    epoch = 2 if chosen == "leader" else 1
    assert {server.replica.peer.epoch for server in world.servers.values()} == {epoch}
    for server in world.servers.values():
        user = client(world, server)
        assert user.create(f"/after-{user.session_id}", b"") == f"/after-{user.session_id}"
        assert user.get("/before") == b"kept"


def test_the_order_of_a_session_holds_on_a_follower(world: World) -> None:
    user = client(world, followers(world)[0])
    stream = user.request(Op.CREATE, Create("/a", b"0", OPEN_ACL, 0))
    for value in (b"1", b"2", b"3"):
        stream += user.request(Op.SET_DATA, SetData("/a", value, -1)) + user.request(Op.GET_DATA, Read("/a"))
        stream += user.request(Op.SYNC, Sync("/"))
    user.send(stream)
    world.settle()
    frames = user.answers()
    assert [replies.decode_header(frame)[::2] for frame in frames] == [(xid, 0) for xid in range(1, 11)]
    assert [replies.read_data(replies.body_reader(frame))[0] for frame in frames[2::3]] == [b"1", b"2", b"3"]


def test_a_malformed_write_through_a_follower_harms_nobody(world: World) -> None:
    user = client(world, followers(world)[0])
    body = (9).to_bytes(4, "big") + int(Op.CREATE).to_bytes(4, "big") + b"\x7f\xff\xff\xff"
    user.send(len(body).to_bytes(4, "big") + body)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(9, Code.MARSHALLING_ERROR)]
    assert user.create("/still") == "/still"
    agree(world)


def test_a_session_moves_to_another_server_and_its_old_one_loses_it(world: World) -> None:
    first, second = followers(world)
    user = client(world, first)
    user.create("/e", mode=CreateMode.EPHEMERAL)
    moved = client(world, second, session_id=user.session_id, password=user.password)
    assert moved.get("/e") == b""
    leader = world.leader
    assert [event["what"] for event in leader.events("session")] == ["moved"]
    owner = second.replica.config.sid
    assert {row["owner"] for row in leader.replica.sessions()} == {owner}
    user.send(user.request(Op.CREATE, Create("/late", b"", OPEN_ACL, 0)))
    world.settle()
    assert user.closed
    assert user.answers() == []
    assert leader.replica.tree.find("/late") is None
    assert moved.create("/now") == "/now"
    agree(world)


@pytest.mark.parametrize("moved", [False, True])
def test_a_session_that_comes_back_gets_no_answer_of_its_last_connection(world: World, moved: bool) -> None:
    first, second = followers(world)
    user = client(world, first)
    user.create("/a")
    user.create("/b")
    user.send(user.request(Op.DELETE, Delete("/a", -1), xid=1))
    back = Client(world, second if moved else first)
    connect = ConnectRequest(0, 0, 4000, user.session_id, user.password, False)
    back.send(encode_connect(connect) + back.request(Op.SET_DATA, SetData("/b", b"x", -1)))
    world.settle()
    _, answer = back.answers()
    assert replies.decode_header(answer) == (1, world.leader.replica.tree.zxid, 0)
    agree(world)


def test_a_session_moves_from_a_follower_to_the_leader(world: World) -> None:
    user = client(world, followers(world)[0])
    moved = client(world, world.leader, session_id=user.session_id, password=user.password)
    assert moved.create("/a") == "/a"
    user.send(user.request(Op.CREATE, Create("/late", b"", OPEN_ACL, 0)))
    world.settle()
    assert user.closed


def test_a_connection_that_was_left_in_silence_is_closed_in_time(world: World) -> None:
    first, second = followers(world)
    user = client(world, first)
    user.create("/a")
    user.get("/a", watch=True)
    moved = client(world, second, session_id=user.session_id, password=user.password)
    for _ in range(2 * limits.SESSIONLESS_CONNECTION_MS // 1000 + 4):
        assert not user.closed
        world.advance(1000)
        moved.ping()
        if user.closed:
            break
    assert user.closed
    assert first.replica.service.watches.count == 0
    for _ in range(30):
        world.advance(1000)
        moved.ping()
    assert moved.get("/a") == b"", "who pings stays"


def test_a_stall_of_the_server_is_no_silence_of_its_clients() -> None:
    world = World()
    user = client(world)
    for _ in range(limits.SESSIONLESS_CONNECTION_MS // 1000):
        user.ping()
        world.advance(1000)
    world.jump(3 * limits.SESSIONLESS_CONNECTION_MS)
    assert not user.closed


def test_a_client_that_is_not_read_from_is_not_silent() -> None:
    world = World(session_timeout_ms_max=100_000)
    user = client(world, timeout_ms=30_000)
    assert user.connection is not None
    user.connection.on_write_full()
    session = {user.session_id: 100_000}
    for _ in range(80):
        world.advance(1000)
        user.connection.heard.update(session)
    assert not user.closed
    user.connection.on_write_drained()
    for _ in range(50):
        world.advance(1000)
        user.connection.heard.update(session)
    assert user.closed


def test_a_session_that_leaves_the_leader_loses_its_connection_there(world: World) -> None:
    user = client(world, world.leader)
    moved = client(world, followers(world)[0], session_id=user.session_id, password=user.password)
    assert user.closed, "it is not to read what the session may have left behind"
    assert moved.create("/a") == "/a"
    back = client(world, world.leader, session_id=user.session_id, password=user.password)
    assert back.get("/a") == b""


def test_a_follower_asks_the_leader_about_an_old_session(world: World) -> None:
    server = followers(world)[0]
    user = client(world, server)
    assert world.leader.replica.expire_session(user.session_id)
    world.settle()
    assert user.closed
    back = Client(world, server)
    answer = back.connect(session_id=user.session_id, password=user.password)
    assert answer is not None
    assert answer.timeout_ms == 0
    assert back.closed
    assert not server.replica.expire_session(user.session_id)


def test_sessions_on_followers_live_by_the_touches_in_their_pings(world: World) -> None:
    server = followers(world)[0]
    user, silent = client(world, server, timeout_ms=2000), client(world, server, timeout_ms=2000)
    for _ in range(10):
        world.advance(1000)
        user.send(user.request(Op.PING, NoBody(), xid=-2))
    assert not user.closed
    assert silent.closed
    assert list(world.leader.replica.tree.sessions) == [user.session_id]
    agree(world)


def test_watches_on_a_follower_fire_there(world: World) -> None:
    here, there = followers(world)
    watcher, writer = client(world, here), client(world, there)
    watcher.error(Op.EXISTS, Read("/a", True))
    writer.create("/a")
    event = replies.read_event(replies.body_reader(watcher.answers()[0]))
    assert (event.type, event.path) == (1, "/a")


def test_a_leader_that_is_not_to_serve_sends_clients_away() -> None:
    world = World(voters=3, leader_serves=False)
    leading = next(server for server in world.servers.values() if server.replica.service.leading)
    refused = Client(world, leading)
    assert refused.connect() is None
    assert refused.closed
    follower = followers(world)[0]
    assert client(world, follower).create("/a") == "/a"


def test_a_leader_of_itself_alone_serves_in_any_case() -> None:
    assert client(World(leader_serves=False)).create("/a") == "/a"


def test_a_lost_leader_is_replaced_and_clients_come_back_with_their_sessions(world: World) -> None:
    leader, follower = world.leader, followers(world)[0]
    here, there = client(world, leader, timeout_ms=20_000), client(world, follower)
    here.create("/e", mode=CreateMode.EPHEMERAL)
    there.create("/a", b"1")
    world.cut.add(leader.replica.config.sid)
    world.advance(15_000, step_ms=250)
    assert here.closed
    assert there.closed
    assert not leader.replica.service.serving
    back = client(world, world.leader, session_id=here.session_id, password=here.password)
    assert back.get("/e") == b""
    assert back.set("/a", b"2") == Code.OK
    world.cut.clear()
    world.advance(15_000, step_ms=250)
    agree(world)


def test_what_a_leader_proposed_is_forgotten_with_its_term(world: World) -> None:
    leader = world.leader
    user = client(world, leader)
    world.cut.update(server.replica.config.sid for server in followers(world))
    user.send(user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    world.settle()
    assert user.answers() == []
    assert leader.replica._writes._prepared
    world.advance(10_000, step_ms=250)
    assert user.closed
    assert not leader.replica._writes._prepared
    world.cut.clear()
    world.advance(10_000, step_ms=250)
    agree(world)


def test_no_snapshot_is_taken_of_what_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server elected again applies its whole log before its epoch is established, if it ever is."""
    world = World(voters=3, snap_count=8)
    leader = world.leader
    user = client(world, leader, timeout_ms=20_000)
    world.cut.update(server.replica.config.sid for server in followers(world))
    for number in range(20):
        user.send(user.request(Op.CREATE, Create(f"/n{number}", b"", OPEN_ACL, 0)))
    world.advance(8_000, step_ms=250)
    assert leader.replica.peer.role is ServerState.LOOKING
    monkeypatch.setattr(HandNetwork, "dial", lambda self, sid: None)
    world.cut.clear()
    world.advance(2_000, step_ms=250)
    assert leader.replica.peer.role is ServerState.LEADING
    assert leader.replica.tree.find("/n19") is not None
    assert leader.replica.store.snapshot_zxid == 0
    monkeypatch.undo()
    world.advance(20_000, step_ms=250)
    agree(world)
    assert client(world, leader).create("/last") == "/last"
    assert leader.replica.store.snapshot_zxid > 0


def test_a_follower_that_was_away_catches_up(world: World) -> None:
    away = followers(world)[0]
    user = client(world, world.leader, timeout_ms=20_000)
    user.create("/a", b"1")
    world.cut.add(away.replica.config.sid)
    world.advance(8_000, step_ms=250)
    for number in range(20):
        user.create(f"/n{number}")
    world.cut.clear()
    world.advance(5_000, step_ms=250)
    agree(world)
    assert away.replica.peer.serving


def test_a_follower_with_an_empty_disk_gets_a_snapshot() -> None:
    world = World(voters=3, snap_count=10)
    user = client(world, world.leader, timeout_ms=20_000)
    for number in range(60):
        user.create(f"/n{number}", b"x" * 50)
    gone = followers(world)[0]
    gone.disk.files.clear()
    server = world.restart(gone.replica.config.sid)
    world.advance(3_000, step_ms=250)
    agree(world)
    assert server.replica.tree.znodes == 64
    assert [event["mode"] for event in server.events("sync")] in (["SNAP"], ["DIFF"])


def test_a_whole_ensemble_restarts_on_its_disks(world: World) -> None:
    user = client(world, world.leader, timeout_ms=20_000)
    user.create("/a", b"1")
    for sid in (1, 2, 3):
        world.restart(sid)
    world.advance(5_000, step_ms=250)
    agree(world)
    back = client(world, world.servers[1], session_id=user.session_id, password=user.password)
    assert back.get("/a") == b"1"


def test_nonsense_on_the_quorum_port_breaks_that_link_only(world: World) -> None:
    class Stranger:
        closed = False

        def send(self, data: bytes) -> None:
            """Take bytes."""

        def close(self) -> None:
            """Note the end."""
            self.closed = True

    leader = world.leader.replica
    for data in (
        bytes(range(60)),
        packets.encode(Packet(PacketType.ACK, 7)),
        packets.encode(Packet(PacketType.FOLLOWERINFO, 0, b"xx")),
    ):
        link = Stranger()
        leader.on_link_accepted(link)
        leader.on_link_data(link, data)
        assert link.closed
        leader.on_link_data(link, data)
        leader.on_link_closed(link)
    assert len([line for line in world.leader.lines if "link" in line]) == 3
    leader.on_election_message(2, b"nonsense")
    assert "election message" in world.leader.lines[-1]
    world.settle()
    assert client(world, followers(world)[0]).create("/a") == "/a"


def test_a_proposal_that_is_none_breaks_the_leaders_link(world: World) -> None:
    client(world, world.leader).create("/a")
    server = followers(world)[0]
    link = next(iter(server.replica._network.links))
    zxid = server.replica.store.zxid_logged + 1
    server.replica.on_link_data(link, packets.encode(Packet(PacketType.PROPOSAL, zxid, b"short")))
    assert any("only 5 bytes" in line for line in server.lines)
    world.advance(5_000, step_ms=250)
    agree(world)


def test_touches_and_requests_that_cannot_be_read_break_the_learners_link(world: World) -> None:
    leader = world.leader
    link = next(iter(leader.replica._network.links))
    leader.replica.on_link_data(link, packets.encode(Packet(PacketType.REQUEST, -1, b"short")))
    assert "link" in leader.lines[-1]
    world.advance(5_000, step_ms=250)
    agree(world)


def test_the_digest_in_the_status_names_its_zxid_and_is_not_computed_all_the_time(world: World) -> None:
    user = client(world, world.leader)
    first = world.leader.replica.status()
    user.create("/a")
    at_once = world.leader.replica.status()
    assert (at_once["digest"], at_once["digest_zxid"]) == (first["digest"], first["digest_zxid"])
    world.advance(1000)
    later = world.leader.replica.status()
    assert later["digest_zxid"] == later["zxid_applied"]
    assert later["digest"] == f"{world.leader.replica.tree.digest():x}"


def test_status_of_three(world: World) -> None:
    client(world, followers(world)[0]).create("/a")
    statuses = [server.replica.status() for server in world.servers.values()]
    assert sorted(status["role"] for status in statuses) == ["following", "following", "leading"]
    assert len({status["digest"] for status in statuses}) == 1
    leading = next(status for status in statuses if status["role"] == "leading")
    assert {peer["synced"] for peer in leading["peers"]} == {True}
    for status in statuses:
        assert status["serving"]
        assert status["leader"] == leading["sid"]
        assert [entry["committed"] for entry in status["log"]] == [True, True]
        assert status["zxid_logged"] == status["zxid_durable"] == status["zxid_applied"]
