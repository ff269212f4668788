"""Watches: once, before the answer that shows the change, and only to who may read."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    AddWatch,
    Auth,
    Create,
    CreateMode,
    EventType,
    Identity,
    Multi,
    NoBody,
    Op,
    Perm,
    Read,
    RemoveWatches,
    SetAcl,
    SetData,
    SetWatches,
)
from ensemble.wire import replies
from tests.ensemble.replica.harness import Client, World, client


def events(user: Client) -> list[tuple[int, int, str]]:
    """Return (zxid, type, path) of the events that have come; nothing else may have."""
    found = []
    for frame in user.answers():
        xid, zxid, error = replies.decode_header(frame)
        assert (xid, error) == (-1, 0)
        event = replies.read_event(replies.body_reader(frame))
        assert event.state == 3
        found.append((zxid, event.type, event.path))
    return found


@pytest.fixture
def world() -> World:
    return World()


def test_a_data_watch_fires_once_with_the_zxid_of_the_change(world: World) -> None:
    watcher, writer = client(world), client(world)
    writer.create("/a", b"1")
    watcher.get("/a", watch=True)
    writer.set("/a", b"2")
    assert events(watcher) == [(world.only.replica.tree.zxid, EventType.NODE_DATA_CHANGED, "/a")]
    writer.set("/a", b"3")
    assert events(watcher) == []


def test_the_event_precedes_the_answer_of_the_change_and_any_read_that_shows_it(world: World) -> None:
    user = client(world)
    user.create("/a", b"1")
    user.get("/a", watch=True)
    user.send(user.request(Op.SET_DATA, SetData("/a", b"2", -1)) + user.request(Op.GET_DATA, Read("/a")))
    world.settle()
    assert [xid for xid, _, _ in user.headers()] == [-1, 3, 4]


def test_exists_waits_for_what_is_not_there(world: World) -> None:
    watcher, writer = client(world), client(world)
    assert watcher.error(Op.EXISTS, Read("/a", True)) == Code.NO_NODE
    assert watcher.error(Op.GET_DATA, Read("/b", True)) == Code.NO_NODE
    assert watcher.error(Op.GET_CHILDREN, Read("/b", True)) == Code.NO_NODE
    writer.create("/a")
    writer.create("/b")
    assert [event[1:] for event in events(watcher)] == [(EventType.NODE_CREATED, "/a")]


def test_child_watches_and_deletion(world: World) -> None:
    watcher, writer = client(world), client(world)
    writer.create("/a")
    watcher.children("/a", watch=True)
    writer.create("/a/b")
    assert [event[1:] for event in events(watcher)] == [(EventType.NODE_CHILDREN_CHANGED, "/a")]
    watcher.children("/a", watch=True)
    watcher.children("/a/b", watch=True)
    watcher.get("/a/b", watch=True)
    writer.delete("/a/b")
    assert [event[1:] for event in events(watcher)] == [
        (EventType.NODE_DELETED, "/a/b"),
        (EventType.NODE_CHILDREN_CHANGED, "/a"),
    ]


def test_a_multi_fires_for_each_part(world: World) -> None:
    watcher, writer = client(world), client(world)
    watcher.error(Op.EXISTS, Read("/a", True))
    watcher.children("/", watch=True)
    ops = [(int(Op.CREATE), Create("/a", b"", OPEN_ACL, 0)), (int(Op.CREATE), Create("/b", b"", OPEN_ACL, 0))]
    writer.ask(Op.MULTI, Multi(list(ops)))
    assert [event[1:] for event in events(watcher)] == [
        (EventType.NODE_CREATED, "/a"),
        (EventType.NODE_CHILDREN_CHANGED, "/"),
    ]


def test_a_closed_connection_watches_nothing(world: World) -> None:
    watcher, writer = client(world), client(world)
    watcher.error(Op.EXISTS, Read("/a", True))
    watcher.children("/", watch=True)
    assert world.only.replica.service.watches.count == 2
    watcher.lose()
    assert world.only.replica.service.watches.count == 0
    writer.create("/a")
    assert watcher.answers() == []


def test_set_watches_tells_what_was_missed_and_watches_the_rest(world: World) -> None:
    user, writer = client(world), client(world)
    for path in ("/same", "/changed", "/gone", "/parent"):
        writer.create(path)
    seen = world.only.replica.tree.zxid
    writer.set("/changed", b"2")
    writer.delete("/gone")
    writer.create("/appeared")
    writer.create("/parent/child")
    old = SetWatches(
        seen,
        data=["/same", "/changed", "/gone"],
        exist=["/appeared", "/never"],
        child=["/parent", "/same"],
        persistent=[],
        persistent_recursive=[],
    )
    user.send(user.request(Op.SET_WATCHES, old, xid=-8))
    frames = user.answers()
    assert replies.decode_header(frames[-1])[::2] == (-8, 0)
    missed = []
    for frame in frames[:-1]:
        assert replies.decode_header(frame) == (-1, -1, 0)
        event = replies.read_event(replies.body_reader(frame))
        missed.append((event.type, event.path))
    assert missed == [
        (EventType.NODE_DATA_CHANGED, "/changed"),
        (EventType.NODE_DELETED, "/gone"),
        (EventType.NODE_CREATED, "/appeared"),
        (EventType.NODE_CHILDREN_CHANGED, "/parent"),
    ]
    writer.set("/same", b"x")
    writer.create("/never")
    writer.create("/same/child")
    assert [event[1:] for event in events(user)] == [
        (EventType.NODE_DATA_CHANGED, "/same"),
        (EventType.NODE_CREATED, "/never"),
        (EventType.NODE_CHILDREN_CHANGED, "/same"),
    ]


def test_events_of_set_watches_do_not_overtake_the_answers_before_them(world: World) -> None:
    user = client(world)
    user.create("/a")
    old = SetWatches(0, data=["/a"], exist=[], child=[], persistent=[], persistent_recursive=[])
    user.send(user.request(Op.EXISTS, Read("/a")) + user.request(Op.SET_WATCHES, old, xid=-8))
    assert [xid for xid, _, _ in user.headers()] == [2, -1, -8]


def test_who_may_not_read_hears_nothing(world: World) -> None:
    stranger, owner = client(world), client(world)
    owner.send(owner.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4))
    owner.answers()
    private = (Acl(Perm.ALL, Identity("auth", "")),)
    stranger.error(Op.EXISTS, Read("/hers", True))
    owner.create("/hers", acl=private)
    assert events(stranger) == []
    owner.create("/open")
    stranger.get("/open", watch=True)
    owner.ask(Op.SET_ACL, SetAcl("/open", private, -1))
    owner.delete("/open")
    assert events(stranger) == []


@pytest.mark.parametrize("op", [Op.SET_WATCHES, Op.SET_WATCHES2])
def test_who_may_not_read_hears_of_nothing_missed_either(world: World, op: int) -> None:
    stranger, owner = client(world), client(world)
    owner.send(owner.request(Op.AUTH, Auth(0, "digest", b"ann:secret"), xid=-4))
    owner.answers()
    owner.create("/hers", acl=(Acl(Perm.ALL, Identity("auth", "")),))
    again = SetWatches(0, ["/hers", "/gone"], ["/hers"], ["/hers"], [], [])
    stranger.send(stranger.request(op, again, xid=-8))
    gone, answer = stranger.answers()
    event = replies.read_event(replies.body_reader(gone))
    assert (event.type, event.path) == (EventType.NODE_DELETED, "/gone")
    assert replies.decode_header(answer)[::2] == (-8, 0)


def test_persistent_and_recursive_watches_stay(world: World) -> None:
    watcher, writer = client(world), client(world)
    writer.create("/a")
    assert replies.read_number(replies.body_reader(watcher.ask(Op.ADD_WATCH, AddWatch("/a", 0)))) == 0
    assert watcher.error(Op.ADD_WATCH, AddWatch("/a", 7)) == Code.MARSHALLING_ERROR
    for value in (b"1", b"2"):
        writer.set("/a", value)
    writer.create("/a/b")
    assert [event[1] for event in events(watcher)] == [3, 3, 4]
    assert watcher.error(Op.CHECK_WATCHES, RemoveWatches("/a", 4)) == Code.OK
    assert watcher.error(Op.REMOVE_WATCHES, RemoveWatches("/a", 5)) == Code.NO_WATCHER
    assert watcher.error(Op.REMOVE_WATCHES, RemoveWatches("/a", 4)) == Code.OK
    assert watcher.error(Op.REMOVE_WATCHES, RemoveWatches("/a", 9)) == Code.MARSHALLING_ERROR
    writer.set("/a", b"3")
    assert events(watcher) == []
    watcher.ask(Op.ADD_WATCH, AddWatch("/a", 1))
    writer.set("/a/b", b"x")
    assert [event[1:] for event in events(watcher)] == [(3, "/a/b")]


def test_an_ephemeral_that_goes_with_its_session_is_heard_of(world: World) -> None:
    watcher, owner = client(world), client(world, timeout_ms=2000)
    owner.create("/e", mode=CreateMode.EPHEMERAL)
    watcher.get("/e", watch=True)
    owner.lose()
    for _ in range(8):
        world.advance(500)
        watcher.send(watcher.request(Op.PING, NoBody(), xid=-2))
    frames = [frame for frame in watcher.answers() if replies.decode_header(frame)[0] == -1]
    assert [replies.read_event(replies.body_reader(frame)).path for frame in frames] == ["/e"]


def test_watches_are_listed_and_traced(world: World) -> None:
    user = client(world)
    user.create("/a")
    user.get("/a", watch=True)
    user.children("/a", watch=True)
    user.error(Op.EXISTS, Read("/b", True))
    listed = {(row["path"], row["mode"]) for row in world.only.replica.watches()}
    assert listed == {("/a", "data"), ("/a", "child"), ("/b", "exist")}
    client(world).delete("/a")
    traced = [(event["what"], event["path"], event["mode"]) for event in world.only.events("watch")]
    assert traced[:3] == [("set", "/a", "data"), ("set", "/a", "child"), ("set", "/b", "data")]
    assert traced[3:] == [("fired", "/a", "data")]
