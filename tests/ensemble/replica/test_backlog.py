"""A client that asks for much, reads slowly, or comes back while it is still being answered."""

from __future__ import annotations

from ensemble.limits import OUTSTANDING_PER_CONNECTION_MAX
from ensemble.replica.requests.pipeline import READS_PASSED_MAX
from ensemble.tree.operations import (
    OPEN_ACL,
    Create,
    Delete,
    Op,
    Read,
    SetData,
)
from ensemble.wire import replies
from ensemble.wire.requests import ConnectRequest, encode_connect
from tests.ensemble.replica.harness import Client, World, client


def test_a_lost_client_leaves_its_writes_but_hears_nothing() -> None:
    world = World()
    user = client(world)
    user.send(user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    user.lose()
    world.settle()
    assert user.answers() == []
    assert world.only.replica.tree.find("/a") is not None


def test_big_answers_are_given_in_portions() -> None:
    world = World()
    user = client(world)
    user.create("/big", b"x" * 900_000)
    user.send(b"".join([user.request(Op.GET_DATA, Read("/big")) for _ in range(10)]))
    given_at_once = len(user.received)
    assert given_at_once < 4_000_000
    assert user.paused
    world.settle()
    assert len(user.headers()) == 10
    assert not user.paused


def test_a_client_that_does_not_read_is_not_answered() -> None:
    world = World()
    user = client(world)
    assert user.connection is not None
    user.connection.on_write_full()
    assert user.paused
    user.send(user.request(Op.EXISTS, Read("/")) + user.request(Op.SET_DATA, SetData("/", b"x", -1)))
    world.settle()
    assert user.answers() == []
    user.connection.on_write_drained()
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (2, 0)]
    assert not user.paused


def test_a_slow_client_still_reads_no_write_behind_its_read() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    assert user.connection is not None
    user.send(user.request(Op.SET_DATA, SetData("/a", b"2", -1)) + user.request(Op.GET_DATA, Read("/a")))
    user.send(user.request(Op.SET_DATA, SetData("/a", b"3", -1)) + user.request(Op.GET_DATA, Read("/a")))
    user.connection.on_write_full()
    user.send(user.request(Op.SET_DATA, SetData("/a", b"4", -1)))
    world.settle()
    user.connection.on_write_drained()
    world.settle()
    frames = user.answers()
    assert [replies.decode_header(frame)[0] for frame in frames] == [2, 3, 4, 5, 6]
    assert replies.read_data(replies.body_reader(frames[1]))[0] == b"2"
    assert replies.read_data(replies.body_reader(frames[3]))[0] == b"3"


def test_writes_behind_many_big_reads_wait_for_them() -> None:
    world = World()
    user = client(world)
    user.create("/a", bytes(500_000))
    stream = user.request(Op.SET_DATA, SetData("/a", bytes(400_000), -1))
    for _ in range(READS_PASSED_MAX + 1):
        stream += user.request(Op.GET_DATA, Read("/a"))
    user.send(stream + user.request(Op.SET_DATA, SetData("/a", b"small", -1)))
    assert world.only.replica.peer.outstanding == 1
    world.settle()
    frames = user.answers()
    assert [len(frame) for frame in frames[1:-1]] == [400_088] * (READS_PASSED_MAX + 1)
    assert user.get("/a") == b"small"


def test_too_many_unanswered_requests_stop_the_reading() -> None:
    world = World()
    user = client(world)
    count = OUTSTANDING_PER_CONNECTION_MAX + 1
    user.send(b"".join([user.request(Op.SET_DATA, SetData("/", b"", -1)) for _ in range(count - 1)]))
    assert not user.paused
    user.send(user.request(Op.SET_DATA, SetData("/", b"", -1)))
    assert user.paused
    world.settle()
    assert not user.paused
    assert [xid for xid, _, _ in user.headers()] == list(range(1, count + 1))


def test_too_many_unanswered_bytes_stop_the_reading() -> None:
    world = World()
    user = client(world)
    for _ in range(20):
        user.send(user.request(Op.SET_DATA, SetData("/", bytes(900_000), -1)))
    assert user.paused
    world.settle()
    assert not user.paused
    assert len(user.headers()) == 20


def test_an_old_connections_answer_is_not_given_to_its_successor() -> None:
    world = World()
    user = client(world)
    user.send(user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0), xid=41))
    back = Client(world)
    connect = ConnectRequest(0, 0, 4000, user.session_id, user.password, False)
    back.send(encode_connect(connect) + back.request(Op.DELETE, Delete("/a", -1), xid=7))
    world.settle()
    assert user.closed
    assert user.answers() == []
    opened, answer = back.answers()
    assert replies.decode_connect_reply(opened).session_id == user.session_id
    assert replies.decode_header(answer)[::2] == (7, 0)


def test_a_client_that_counts_from_one_again_gets_its_own_answer() -> None:
    """Kazoo does; the answer of the deletion made a setData's, which stopped the server."""
    world = World()
    user = client(world)
    user.create("/a")
    user.create("/b")
    user.send(user.request(Op.DELETE, Delete("/a", -1), xid=1))
    back = Client(world)
    connect = ConnectRequest(0, 0, 4000, user.session_id, user.password, False)
    back.send(encode_connect(connect) + back.request(Op.SET_DATA, SetData("/b", b"x", -1)))
    world.settle()
    _, answer = back.answers()
    assert replies.decode_header(answer) == (1, world.only.replica.tree.zxid, 0)
    assert back.get("/b") == b"x"


def test_the_end_of_a_session_answers_no_request() -> None:
    world = World()
    user = client(world)
    user.create("/a")
    world.only.replica.expire_session(user.session_id)
    user.send(user.request(Op.SET_DATA, SetData("/a", b"x", -1), xid=0))
    world.settle()
    assert user.closed
    assert user.answers() == []
