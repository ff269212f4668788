"""What watches tell, and when: asked of Apache's server and of ours in the same words."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.tree.operations import (
    AddWatch,
    Delete,
    Op,
    Read,
    RemoveWatches,
    SetData,
    SetWatches,
    Sync,
)
from ensemble.wire import replies
from tests.differential.wire.frames import MARSHALLING_ERROR, NO_NODE, OK, header
from tests.raw import RawClient, raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


def test_an_event_comes_before_the_answer_of_what_caused_it(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        zk.send(
            zk.request(Op.GET_DATA, Read(place, True))
            + zk.request(Op.SET_DATA, SetData(place, b"x", -1))
            + zk.request(Op.SET_DATA, SetData(place, b"y", -1))
        )
        assert [header(zk.frame())[0] for _ in range(4)] == [1, -1, 2, 3]


def test_a_read_that_fails_watches_nothing_but_exists(port: int, place: str):
    missing = f"{place}/missing"
    with raw(port) as zk:
        zk.connect()
        for op in (Op.GET_DATA, Op.GET_CHILDREN, Op.GET_CHILDREN2):
            assert zk.error(op, Read(missing, True)) == NO_NODE
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(missing, 3)) == Code.NO_WATCHER
        assert zk.error(Op.EXISTS, Read(missing, True)) == NO_NODE
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(missing, 3)) == OK


@pytest.mark.parametrize("op", [Op.CHECK_WATCHES, Op.REMOVE_WATCHES])
@pytest.mark.parametrize(
    ("type_", "held"), [(1, False), (2, True), (3, True), (0, None), (6, None), (-1, None)]
)
def test_types_of_watches(port: int, place: str, op: int, type_: int, held: bool | None):
    with raw(port) as zk:
        zk.connect()
        assert zk.error(Op.GET_DATA, Read(place, True)) == OK
        expected = MARSHALLING_ERROR if held is None else OK if held else Code.NO_WATCHER
        assert zk.error(op, RemoveWatches(place, type_)) == expected
        left = held is not True or op == Op.CHECK_WATCHES
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(place, 2)) == (OK if left else Code.NO_WATCHER)


@pytest.mark.parametrize(
    ("mode", "error"), [(0, OK), (1, OK), (2, MARSHALLING_ERROR), (-1, MARSHALLING_ERROR)]
)
def test_modes_of_persistent_watches(port: int, place: str, mode: int, error: int):
    """The first byte of the body is an error code of its own, always 0."""
    with raw(port) as zk:
        zk.connect()
        found, frame = zk.ask(Op.ADD_WATCH, AddWatch(f"{place}/not/yet", mode))
        assert found == error
        assert frame[16:] == (bytes(4) if error == OK else b"")


def test_a_persistent_watch_hears_of_children_and_a_recursive_one_of_descendants(port: int, place: str):
    heard: dict[int, list[tuple[int, str]]] = {}
    for mode in (0, 1):
        with raw(port) as watcher, raw(port) as zk:
            watcher.connect()
            zk.connect()
            base = f"{place}/{mode}"
            assert zk.create(base) == OK
            assert watcher.error(Op.ADD_WATCH, AddWatch(base, mode)) == OK
            for path in (f"{base}/a", f"{base}/a/b"):
                assert zk.create(path) == OK
            assert zk.error(Op.SET_DATA, SetData(base, b"x", -1)) == OK
            assert zk.error(Op.DELETE, Delete(f"{base}/a/b", -1)) == OK
            assert zk.error(Op.DELETE, Delete(f"{base}/a", -1)) == OK
            heard[mode] = _events(watcher)
    assert heard[0] == [(4, f"{place}/0"), (3, f"{place}/0"), (4, f"{place}/0")]
    below = f"{place}/1/a"
    assert heard[1] == [(1, below), (1, f"{below}/b"), (3, f"{place}/1"), (2, f"{below}/b"), (2, below)]


def _events(zk: RawClient) -> list[tuple[int, str]]:
    """Return what the client has heard by the time a sync is answered."""
    zk.send(zk.request(Op.SYNC, Sync("/")))
    heard = []
    while header(frame := zk.frame())[0] == replies.NOTIFICATION_XID:
        assert frame is not None
        event = replies.read_event(replies.body_reader(frame))
        heard.append((int(event.type), event.path))
    return heard


@pytest.mark.parametrize(
    ("kind", "event"), [("data", 3), ("exist", 1), ("child", 4), ("deleted data", 2), ("deleted child", 2)]
)
def test_what_was_missed_is_told_when_watches_are_set_again(port: int, place: str, kind: str, event: int):
    path = f"{place}/gone" if kind.startswith("deleted") else place
    lists: dict[str, list[str]] = {"data": [], "exist": [], "child": []}
    lists[kind.split()[-1]] = [path]
    with raw(port) as zk:
        zk.connect()
        assert zk.create(f"{place}/x") == OK
        assert zk.error(Op.SET_DATA, SetData(place, b"x", -1)) == OK
        again = SetWatches(0, lists["data"], lists["exist"], lists["child"], [], [])
        zk.send(zk.request(Op.SET_WATCHES, again, xid=-8))
        told, answer = zk.frame(), zk.frame()
        assert header(told) == (-1, -1, 0)
        assert told is not None
        found = replies.read_event(replies.body_reader(told))
        assert (found.type, found.state, found.path) == (event, 3, path)
        assert header(answer)[::2] == (-8, OK)
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(path, 3)) == Code.NO_WATCHER
