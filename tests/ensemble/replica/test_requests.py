"""Requests and their answers, in the order of a session."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    CloseSession,
    Create,
    CreateMode,
    Identity,
    NoBody,
    Op,
    Perm,
    Read,
    SetAcl,
    SetData,
    Sync,
)
from ensemble.wire import replies
from tests.ensemble.replica.harness import World, client


def test_create_read_change_delete() -> None:
    world = World()
    user = client(world)
    assert user.create("/a", b"1") == "/a"
    assert user.get("/a") == b"1"
    assert user.set("/a", b"2", version=0) == Code.OK
    assert user.set("/a", b"3", version=0) == Code.BAD_VERSION
    assert user.get("/a") == b"2"
    assert user.children("/") == ["a", "zookeeper"]
    assert user.delete("/a", version=1) == Code.OK
    assert user.error(Op.EXISTS, Read("/a")) == Code.NO_NODE
    assert user.error(Op.GET_DATA, Read("/a")) == Code.NO_NODE


def test_every_reply_says_which_transaction_it_saw() -> None:
    world = World()
    user = client(world)
    before = world.only.replica.tree.zxid
    _, created, _ = replies.decode_header(user.ask(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    _, refused, error = replies.decode_header(user.ask(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    _, read, _ = replies.decode_header(user.ask(Op.EXISTS, Read("/a")))
    assert (created, refused, error, read) == (before + 1, before + 2, Code.NODE_EXISTS, before + 2)


@pytest.mark.parametrize("op", [Op.CREATE2, Op.CREATE_CONTAINER])
def test_create2_answers_with_the_stat(op: int) -> None:
    user = client(World())
    mode = CreateMode.CONTAINER if op == Op.CREATE_CONTAINER else CreateMode.PERSISTENT
    frame = user.ask(op, Create("/a", b"abc", OPEN_ACL, mode))
    path, stat = replies.read_create2(replies.body_reader(frame))
    assert (path, stat.data_length, stat.ephemeral_owner) == ("/a", 3, 0)


def test_null_data_stays_null() -> None:
    user = client(World())
    user.ask(Op.CREATE, Create("/null", None, OPEN_ACL, 0))
    assert user.get("/null") is None


def test_sequential_names_count_up() -> None:
    user = client(World())
    names = [user.create("/job-", mode=CreateMode.PERSISTENT_SEQUENTIAL) for _ in range(3)]
    assert names == ["/job-0000000000", "/job-0000000001", "/job-0000000002"]


def test_ephemerals_go_with_their_session_and_their_watchers_hear_it() -> None:
    world = World()
    owner, other = client(world), client(world)
    owner.create("/alive", mode=CreateMode.EPHEMERAL)
    assert other.get("/alive", watch=True) == b""
    frame = other.ask(Op.EXISTS, Read("/alive"))
    assert replies.read_stat(replies.body_reader(frame)).ephemeral_owner == owner.session_id
    assert owner.error(Op.CLOSE_SESSION, CloseSession()) == Code.OK
    assert owner.closed
    event = replies.read_event(replies.body_reader(other.answers()[0]))
    assert (event.type, event.path) == (2, "/alive")
    assert other.error(Op.EXISTS, Read("/alive")) == Code.NO_NODE


def test_pipelined_requests_are_answered_in_order_and_reads_see_the_writes_before_them() -> None:
    world = World()
    user = client(world)
    stream = b""
    for value in range(20):
        op = Op.CREATE if value == 0 else Op.SET_DATA
        write = Create("/a", b"0", OPEN_ACL, 0) if value == 0 else SetData("/a", b"%d" % value, -1)
        stream += user.request(op, write) + user.request(Op.GET_DATA, Read("/a"))
    stream += user.request(Op.PING, NoBody(), xid=-2) + user.request(Op.EXISTS, Read("/a"))
    user.send(stream)
    assert user.answers() == []
    world.settle()
    frames = user.answers()
    assert [replies.decode_header(frame)[0] for frame in frames] == [*range(1, 41), -2, 41]
    reads = [replies.read_data(replies.body_reader(frame))[0] for frame in frames[1:40:2]]
    assert reads == [b"%d" % value for value in range(20)]
    zxids = [replies.decode_header(frame)[1] for frame in frames]
    assert zxids == sorted(zxids)


def test_a_read_does_not_see_the_write_behind_it() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    stream = user.request(Op.SET_DATA, SetData("/a", b"2", -1)) + user.request(Op.GET_DATA, Read("/a"))
    stream += user.request(Op.SET_DATA, SetData("/a", b"3", -1))
    user.send(stream)
    world.settle()
    assert replies.read_data(replies.body_reader(user.answers()[1]))[0] == b"2"


def test_others_are_answered_while_one_waits() -> None:
    world = World()
    writer, reader = client(world), client(world)
    writer.send(writer.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0)))
    reader.send(reader.request(Op.EXISTS, Read("/")))
    assert [error for _, _, error in reader.headers()] == [0]
    assert writer.answers() == []


def test_what_is_behind_a_sync_is_not_begun_before_it() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    stream = user.request(Op.SYNC, Sync("/a")) + user.request(Op.GET_DATA, Read("/a"))
    stream += user.request(Op.SET_DATA, SetData("/a", b"2", -1)) + user.request(Op.SYNC, Sync("/"))
    stream += user.request(Op.GET_DATA, Read("/a")) + user.request(Op.SET_DATA, SetData("/a", b"3", -1))
    user.send(stream)
    assert world.only.replica.peer.outstanding == 0
    world.settle()
    frames = user.answers()
    assert [replies.decode_header(frame)[::2] for frame in frames] == [(xid, 0) for xid in range(2, 8)]
    assert replies.read_path(replies.body_reader(frames[0])) == "/a"
    assert replies.read_data(replies.body_reader(frames[1]))[0] == b"1"
    assert replies.read_data(replies.body_reader(frames[4]))[0] == b"2"
    assert user.get("/a") == b"3"


def test_set_acl_and_children_counts() -> None:
    user = client(World())
    user.create("/a")
    user.create("/a/b")
    user.create("/a/b/c", mode=CreateMode.EPHEMERAL)
    frame = user.ask(Op.SET_ACL, SetAcl("/a", (Acl(Perm.READ, Identity("world", "anyone")),), 0))
    assert replies.read_stat(replies.body_reader(frame)).aversion == 1
    assert user.error(Op.CREATE, Create("/a/x", b"", OPEN_ACL, 0)) == Code.NO_AUTH
    assert replies.read_number(replies.body_reader(user.ask(Op.GET_ALL_CHILDREN_NUMBER, Read("/a")))) == 2
    assert replies.read_children(replies.body_reader(user.ask(Op.GET_EPHEMERALS, Read("/a")))) == ["/a/b/c"]
    everything = replies.read_children(replies.body_reader(user.ask(Op.GET_EPHEMERALS, Read("/"))))
    for prefix in ("", " ", " / "):
        body = replies.body_reader(user.ask(Op.GET_EPHEMERALS, Read(prefix)))
        assert replies.read_children(body) == everything
    names, stat = replies.read_children2(replies.body_reader(user.ask(Op.GET_CHILDREN2, Read("/a"))))
    assert (names, stat.num_children) == (["b"], 1)


def test_closing_is_the_last_thing_a_session_does() -> None:
    world = World()
    user = client(world)
    stream = user.request(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    stream += user.request(Op.CLOSE_SESSION, CloseSession())
    stream += user.request(Op.CREATE, Create("/late", b"", OPEN_ACL, 0))
    user.send(stream)
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (2, 0)]
    assert user.closed
    assert world.only.replica.tree.find("/late") is None
    assert world.only.replica.tree.sessions == {}
    assert [event["what"] for event in world.only.events("session")] == ["opened", "closed"]


def test_the_life_of_a_write_is_traced() -> None:
    world = World()
    user = client(world)
    world.only.listener.take()
    user.create("/a", b"1")
    kinds = [event["kind"] for event in world.only.listener.events]
    assert kinds == ["submitted", "proposed", "logged", "acked", "committed", "applied", "znode", "replied"]
    events = {event["kind"]: event for event in world.only.listener.events}
    assert events["proposed"]["path"] == "/a"
    assert events["applied"]["op"] == events["submitted"]["op"] == "create"
    zxid = str(world.only.replica.tree.zxid)
    assert {events[kind]["zxid"] for kind in ("proposed", "applied", "replied", "znode")} == {zxid}


def test_syncs_in_a_row_need_nothing_else_to_happen() -> None:
    world = World()
    user = client(world)
    user.send(b"".join([user.request(Op.SYNC, Sync("/")) for _ in range(3)]))
    world.settle()
    assert [xid for xid, _, _ in user.headers()] == [1, 2, 3]
