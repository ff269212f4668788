"""Deadlines: who is heard of lives, who is not is expired by a transaction, and a stall of ours is not theirs."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.replica.monitoring import status
from ensemble.tree.operations import CloseSession, CreateMode, NoBody, Op, Read, SetData
from tests.ensemble.replica.harness import Client, World, client


def alive(world: World, user: Client) -> bool:
    """Tell whether the session is in the agreed state."""
    return user.session_id in world.only.replica.tree.sessions


def test_a_silent_session_expires_by_a_transaction_and_its_connection_is_closed() -> None:
    world = World()
    silent = client(world, timeout_ms=4000)
    silent.create("/e", mode=CreateMode.EPHEMERAL)
    before = world.only.replica.tree.zxid
    world.advance(4000)
    assert alive(world, silent)
    world.advance(2000)
    assert not alive(world, silent)
    assert world.only.replica.tree.zxid == before + 1
    assert world.only.replica.tree.find("/e") is None
    assert silent.closed
    assert silent.answers() == []
    assert [event["what"] for event in world.only.events("session")] == ["opened", "expired"]
    assert world.only.replica.service.counters.sessions_expired == 1


def test_pings_keep_a_session_alive_for_ever() -> None:
    world = World()
    user = client(world, timeout_ms=2000)
    for _ in range(15):
        world.advance(1900)
        user.ping()
    assert alive(world, user)


def test_reads_on_the_fast_path_keep_it_alive_too() -> None:
    world = World()
    user = client(world, timeout_ms=2000)
    user.create("/a", b"1")
    for _ in range(10):
        world.advance(1900)
        assert user.get("/a") == b"1"
    assert alive(world, user)


def test_dribbled_bytes_keep_no_session_alive() -> None:
    world = World()
    user = client(world, timeout_ms=2000)
    user.send(b"\x00\x0f\x00\x00")
    for _ in range(40):
        world.advance(100)
        if not user.closed:
            user.send(b"x")
    assert not alive(world, user)
    assert user.closed


def test_a_stall_of_our_own_is_given_back() -> None:
    world = World()
    user, leaving = client(world, timeout_ms=4000), client(world, timeout_ms=4000)
    leaving.lose()
    world.jump(30_000)
    assert alive(world, user)
    assert any("did not run" in line for line in world.only.lines)
    user.ping()
    world.advance(3900)
    user.ping()
    world.advance(2100)
    assert alive(world, user)
    assert not alive(world, leaving)


def test_a_short_stall_is_nobodys_excuse() -> None:
    world = World()
    silent = client(world, timeout_ms=2000)
    for _ in range(4):
        world.jump(1200)
    assert not alive(world, silent)


def test_an_operator_expires_a_session() -> None:
    world = World()
    user = client(world)
    assert world.only.replica.expire_session(user.session_id)
    assert not world.only.replica.expire_session(user.session_id)
    assert not world.only.replica.expire_session(12345)
    world.settle()
    assert user.closed
    assert not alive(world, user)


def test_a_write_that_races_with_its_sessions_end_is_refused() -> None:
    world = World()
    user = client(world)
    assert world.only.replica.expire_session(user.session_id)
    user.send(user.request(Op.CLOSE_SESSION, CloseSession()))
    world.settle()
    assert user.closed
    assert not alive(world, user)


def test_the_session_after_a_restart_has_all_its_time_again() -> None:
    world = World()
    user = client(world, timeout_ms=4000)
    world.advance(3500)
    server = world.restart(1)
    world.advance(3500)
    assert user.session_id in server.replica.tree.sessions
    back = client(world, server, session_id=user.session_id, password=user.password)
    assert back.error(Op.EXISTS, Read("/")) == Code.OK
    world.advance(6000)
    assert server.replica.tree.sessions == {}


def test_a_restarted_server_gives_out_no_id_that_is_in_use() -> None:
    world = World()
    user = client(world)
    server = world.restart(1)
    other = client(world, server)
    assert other.session_id != user.session_id
    assert len(server.replica.tree.sessions) == 2


def test_nothing_is_remembered_of_a_session_that_is_over() -> None:
    world = World()
    user = client(world)
    sessions = world.only.replica._writes.sessions
    assert sessions.owner(user.session_id) == 1
    assert sessions.remaining_ms(user.session_id) == 5000
    user.ask(Op.CLOSE_SESSION, CloseSession())
    assert sessions.owner(user.session_id) is None
    assert sessions.remaining_ms(user.session_id) is None
    assert sessions.heard == {}


def test_resuming_with_another_timeout_counts() -> None:
    world = World()
    user = client(world, timeout_ms=2000)
    back = client(world, session_id=user.session_id, password=user.password, timeout_ms=10_000)
    assert back.timeout_ms == 10_000
    world.advance(9000)
    assert alive(world, back)
    back.send(back.request(Op.PING, NoBody(), xid=-2))
    world.advance(9000)
    assert alive(world, back)


def test_status_of_sessions() -> None:
    world = World()
    user = client(world, timeout_ms=4000)
    user.create("/e", mode=CreateMode.EPHEMERAL)
    gone = client(world)
    gone.lose()
    here, away = world.only.replica.sessions()
    assert here["session"] == hex(user.session_id)
    assert (here["connected_here"], here["client"], here["owner"]) == (True, "127.0.0.1:50000", 1)
    assert (here["ephemerals"], here["last_op"], here["outstanding"]) == (["/e"], "create", 0)
    assert here["remaining_ms"] is not None
    assert 4000 <= here["remaining_ms"] <= 5000
    assert (away["connected_here"], away["client"]) == (False, None)


def test_of_many_ephemerals_of_a_session_only_some_are_named_and_all_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(status, "EPHEMERALS_LISTED_MAX", 3)
    world = World()
    user = client(world)
    for number in range(5):
        user.create(f"/e{number}", mode=CreateMode.EPHEMERAL)
    (told,) = world.only.replica.sessions()
    assert len(told["ephemerals"]) == 3
    assert {*told["ephemerals"]} < {f"/e{number}" for number in range(5)}
    assert told["ephemerals_total"] == 5


def test_a_frame_that_never_ends_ends_its_connection():
    world = World()
    zk, other = client(world, timeout_ms=4000), client(world, timeout_ms=40_000)
    request = zk.request(Op.SET_DATA, SetData("/a", bytes(100_000), -1))
    zk.send(request[:50])
    for at in range(50, 50 + 2 * 200, 2):
        if zk.closed:
            break
        zk.send(request[at : at + 2])
        world.advance(100)
    assert zk.closed, "dribbled bytes kept the connection"
    assert not other.closed
