"""Sessions that are their own server's until they own an ephemeral (localSessionsEnabled)."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.replica.config import SessionSettings
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Multi, NoBody, Op, SetData
from ensemble.wire import packets, replies
from ensemble.wire.requests import encode_operation
from tests.ensemble.replica.harness import Client, Server, World, client

UPGRADING = SessionSettings(local=True, upgrading=True)
FIXED = SessionSettings(local=True)


def ensemble(settings: SessionSettings = UPGRADING) -> World:
    world = World(voters=3, sessions=settings)
    first = client(world, world.leader)
    first.create("/base")
    first.error(Op.CLOSE_SESSION, NoBody())
    return world


def each(world: World) -> tuple[Server, Server]:
    return world.leader, world.follower


def agreed(world: World) -> list[set[int]]:
    """The sessions that each server takes for agreed on."""
    return [set(server.replica.tree.sessions) for server in world.servers.values()]


def local(server: Server) -> set[int]:
    return set(server.replica.service.local_sessions)


def ephemeral(path: str = "/e", mode: int = CreateMode.EPHEMERAL) -> Create:
    return Create(path, b"", OPEN_ACL, mode)


def test_a_local_session_costs_no_transaction():
    world = ensemble()
    for server in each(world):
        before = server.replica.tree.zxid
        zk = client(world, server)
        assert local(server) == {zk.session_id}
        assert zk.session_id >> 56 == server.replica.config.sid
        assert zk.get("/") == b""
        assert zk.error(Op.CLOSE_SESSION, NoBody()) == Code.OK
        assert zk.closed
        assert local(server) == set()
        assert server.replica.tree.zxid == before
    assert agreed(world) == [set()] * 3


def test_it_writes_what_is_not_ephemeral_and_stays_local():
    world = ensemble()
    for number, server in enumerate(each(world)):
        zk = client(world, server)
        assert zk.create(f"/{number}") == f"/{number}"
        assert zk.set(f"/{number}", b"x") == Code.OK
        assert zk.delete(f"/{number}") == Code.OK
        assert zk.sync() == Code.OK
        assert local(server) == {zk.session_id}
    assert agreed(world) == [set()] * 3


@pytest.mark.parametrize("op", [Op.CREATE, Op.CREATE2])
def test_an_ephemeral_makes_it_a_session_of_all_servers_by_the_transaction_before_its_own(op: int):
    world = ensemble()
    for server in each(world):
        zk = client(world, server, timeout_ms=5000)
        before = server.replica.tree.zxid
        _, zxid, error = replies.decode_header(zk.ask(op, ephemeral("/e-", CreateMode.EPHEMERAL_SEQUENTIAL)))
        assert (zxid, error) == (before + 2, Code.OK)
        assert local(server) == set()
        assert agreed(world) == [{zk.session_id}] * 3
        assert server.replica.tree.sessions[zk.session_id] == 5000
        assert zk.error(Op.CLOSE_SESSION, NoBody()) == Code.OK
        assert agreed(world) == [set()] * 3
        assert zk.server.replica.tree.ephemerals == {}


def test_an_ephemeral_inside_a_multi_does_so_too():
    world = ensemble()
    for number, server in enumerate(each(world)):
        zk = client(world, server)
        parts = [
            (int(Op.CREATE), Create(f"/{number}", b"", OPEN_ACL, 0)),
            (int(Op.CREATE2), ephemeral(f"/{number}/e")),
        ]
        frame = zk.ask(Op.MULTI, Multi(list(parts[:1])))
        assert replies.decode_header(frame)[2] == Code.OK
        assert local(server) == {zk.session_id}, "nothing ephemeral in it"
        frame = zk.ask(Op.MULTI, Multi(list(parts[1:])))
        assert replies.decode_header(frame)[2] == Code.OK
        assert local(server) == set()
        assert zk.session_id in world.leader.replica.tree.sessions


def test_what_is_pipelined_behind_the_ephemeral_belongs_to_the_new_session():
    world = ensemble()
    for number, server in enumerate(each(world)):
        zk = client(world, server)
        zk.send(
            zk.request(Op.CREATE, Create(f"/{number}", b"", OPEN_ACL, 0))
            + zk.request(Op.CREATE, ephemeral(f"/{number}-e"))
            + zk.request(Op.SET_DATA, SetData(f"/{number}-e", b"x", 0))
            + zk.request(Op.CLOSE_SESSION, NoBody())
        )
        world.settle()
        assert [(xid, error) for xid, _, error in zk.headers()] == [(1, 0), (2, 0), (3, 0), (4, 0)]
        assert zk.closed
    assert agreed(world) == [set()] * 3
    assert sorted(path for path in world.leader.replica.tree.nodes if path[1:2].isdigit()) == ["/0", "/1"]


def test_the_end_of_a_local_session_waits_for_its_turn():
    world = ensemble()
    for number, server in enumerate(each(world)):
        zk = client(world, server)
        zk.send(
            zk.request(Op.CREATE, Create(f"/{number}", b"", OPEN_ACL, 0))
            + zk.request(Op.CLOSE_SESSION, NoBody())
        )
        assert local(server) == {zk.session_id}
        world.settle()
        first, second = zk.headers()
        assert (first[0], first[2], second[0], second[2]) == (1, 0, 2, 0)
        assert second[1] == first[1], "no transaction of its own"
        assert zk.closed
        assert local(server) == set()


def test_without_upgrading_an_ephemeral_is_refused():
    world = ensemble(FIXED)
    for server in each(world):
        zk = client(world, server)
        before = server.replica.tree.zxid
        for mode in (CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL):
            for op in (Op.CREATE, Op.CREATE2):
                before += 1
                header = replies.decode_header(zk.ask(op, ephemeral("/e", mode)))
                assert header == (zk.xid, before, Code.EPHEMERAL_ON_LOCAL_SESSION)
        assert zk.create("/p") == "/p"
        assert zk.delete("/p") == Code.OK
        assert local(server) == {zk.session_id}
    assert agreed(world) == [set()] * 3


def test_without_upgrading_a_follower_passes_on_what_the_leader_says_of_a_multi():
    """As Apache: only for a create alone does the server of the client know better than the leader."""
    world = ensemble(FIXED)
    parts = Multi([(int(Op.CREATE), Create("/p", b"", OPEN_ACL, 0)), (int(Op.CREATE), ephemeral("/p/e"))])
    expected = (Code.EPHEMERAL_ON_LOCAL_SESSION, Code.SESSION_EXPIRED)
    for server, code in zip(each(world), expected, strict=True):
        zk = client(world, server)
        frame = zk.ask(Op.MULTI, parts)
        assert replies.decode_header(frame)[2] == Code.OK
        assert [part.error for part in replies.read_multi(replies.body_reader(frame))] == [0, code]


def test_another_server_takes_it_for_expired_and_its_own_does_not():
    world = ensemble()
    zk = client(world, world.follower)
    zk.lose()
    elsewhere = Client(world, world.leader)
    answer = elsewhere.connect(session_id=zk.session_id, password=zk.password)
    assert answer is not None
    assert (answer.session_id, answer.timeout_ms) == (0, 0)
    assert elsewhere.closed
    back = Client(world, world.follower)
    answer = back.connect(session_id=zk.session_id, password=zk.password)
    assert answer is not None
    assert answer.session_id == zk.session_id
    assert back.get("/") == b""


def test_its_own_server_expires_it():
    world = ensemble()
    for server in each(world):
        quiet, lively = client(world, server, timeout_ms=2000), client(world, server, timeout_ms=2000)
        before = server.replica.tree.zxid
        for _ in range(8):
            world.advance(500)
            lively.ping()
        assert (quiet.closed, lively.closed) == (True, False)
        assert local(server) == {lively.session_id}
        assert server.replica.tree.zxid == before
        assert server.replica.service.counters.sessions_expired == 1


def test_a_session_that_was_upgraded_is_expired_by_the_leader():
    world = ensemble()
    for number, server in enumerate(each(world)):
        quiet, lively = client(world, server, timeout_ms=2000), client(world, server, timeout_ms=2000)
        for name, zk in (("quiet", quiet), ("lively", lively)):
            zk.create(f"/{name}-{number}", mode=CreateMode.EPHEMERAL)
        for _ in range(12):
            world.advance(500)
            lively.ping()
        assert (quiet.closed, lively.closed) == (True, False)
        assert f"/quiet-{number}" not in server.replica.tree.nodes
        assert f"/lively-{number}" in server.replica.tree.nodes


def test_it_ends_with_the_term_of_its_server():
    world = ensemble()
    zk = client(world, world.follower)
    sid = world.follower.replica.config.sid
    world.leader.replica.stop()
    world.settle()
    for _ in range(60):
        world.advance(100)
    assert zk.closed
    assert local(world.servers[sid]) == set()


def test_an_operator_expires_a_local_session_at_its_server_only():
    world = ensemble()
    zk = client(world, world.follower)
    assert not world.leader.replica.expire_session(zk.session_id)
    assert world.follower.replica.expire_session(zk.session_id)
    assert zk.closed


def test_a_session_that_nobody_knows_of_here_is_no_ones():
    """A leader takes requests of unknown sessions only when their id is of another server."""
    world = ensemble()
    zk = client(world, world.leader)
    world.leader.replica.service.local_sessions.clear()
    assert zk.error(Op.CREATE, Create("/p", b"", OPEN_ACL, 0)) == Code.SESSION_EXPIRED


def test_a_session_that_has_ended_is_not_taken_for_another_servers_local_one():
    world = ensemble()
    follower = world.follower.replica.config.sid
    zk = client(world, world.follower)
    zk.create("/e", mode=CreateMode.EPHEMERAL)
    assert world.leader.replica.expire_session(zk.session_id)
    world.settle()
    late = packets.encode_forward(
        zk.session_id, 9, Op.CREATE, encode_operation(Op.CREATE, Create("/late", b"", OPEN_ACL, 0))
    )
    world.leader.replica.application.on_request(follower, late, ())
    world.settle()
    assert world.leader.replica.tree.find("/late") is None


def test_how_many_ended_sessions_are_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ensemble.replica.sessions.sessions.ENDED_SESSIONS_MAX", 2)
    world = ensemble()
    for number in range(4):
        zk = client(world, world.leader)
        zk.create(f"/e{number}", mode=CreateMode.EPHEMERAL)
        zk.error(Op.CLOSE_SESSION, NoBody())
    assert len(world.leader.replica._writes.sessions._ended) == 2


def test_words_and_status_tell_local_from_global():
    world = ensemble()
    for server in each(world):
        mine, ours = client(world, server), client(world, server)
        ours.create(f"/{server.replica.config.sid}", mode=CreateMode.EPHEMERAL)
        known = len(server.replica.tree.sessions)
        rows = dict(line.split("\t") for line in Client(world, server).ask_word(b"mntr").splitlines())
        assert (rows["zk_local_sessions"], rows["zk_global_sessions"]) == ("1", str(known))
        dump = Client(world, server).ask_word(b"dump")
        assert "Local Session Sets (1)/(1):\n" in dump
        assert f"Global Session Sets (1)/({known}):\n" in dump or f"Global Sessions({known}):\n" in dump
        rows = {row["session"]: row for row in server.replica.sessions()}
        assert rows[f"{mine.session_id:#x}"]["owner"] == server.replica.config.sid
        assert rows[f"{mine.session_id:#x}"]["remaining_ms"] > 0
        local = {name: row["local"] for name, row in rows.items()}
        assert (local[f"{mine.session_id:#x}"], local[f"{ours.session_id:#x}"]) == (True, False)
        status = server.replica.status()
        assert (status["local_sessions"], status["sessions"]) == (1, known + 1)


def test_a_server_that_stands_alone_has_none():
    world = World(sessions=UPGRADING)
    zk = client(world)
    assert set(world.only.replica.tree.sessions) == {zk.session_id}
