"""Paths that are none, over the wire: nobody's client sends them, and either server answers them alike."""

from __future__ import annotations

import pytest

from ensemble.jute import pack_bytes, pack_int, pack_long
from ensemble.tree.operations import OPEN_ACL, CreateMode, Op, Read
from ensemble.wire import replies
from ensemble.wire.records import MULTI_END, MULTI_HEADER, pack_acl
from ensemble.wire.requests import SET_WATCHES_XID, request_frame
from tests.differential.wire.frames import BAD_ARGUMENTS, MARSHALLING_ERROR, NO_NODE, OK, results
from tests.raw import RawClient, raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

NOT_UTF8 = {
    "broken": (b"/\xff", "/\ufffd"),
    "cut short": (b"/a\xe2\x82", "/a\ufffd"),
    "overlong": (b"/\xc0\xaf", "/\ufffd\ufffd"),
    "half a pair": (b"/\xed\xa0\x80", "/\ufffd"),
}
"""Each with what it is to either server: one U+FFFD for each thing that is no character."""
READS = (Op.EXISTS, Op.GET_DATA, Op.GET_CHILDREN, Op.GET_CHILDREN2, Op.GET_ACL, Op.GET_ALL_CHILDREN_NUMBER)
WATCHABLE = READS[:4]
CREATES = (Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER)
NO_DATA, ANY_VERSION = pack_bytes(b""), pack_int(-1)


def ask(zk: RawClient, op: int, record: bytes, xid: int = 1) -> tuple[int, bytes]:
    """Ask with a record that no encoder makes; return the error and the frame."""
    zk.send(request_frame(xid, op, record))
    frame = zk.frame()
    assert frame is not None, "the server has hung up"
    return replies.decode_header(frame)[2], frame


def created(op: int, path: bytes) -> bytes:
    mode = CreateMode.CONTAINER if op == Op.CREATE_CONTAINER else CreateMode.PERSISTENT
    return path + NO_DATA + pack_acl(OPEN_ACL) + pack_int(mode)


def written(path: bytes) -> list[tuple[int, bytes]]:
    """Every write that may stand in a multi."""
    return [
        (Op.CREATE, created(Op.CREATE, path)),
        (Op.DELETE, path + ANY_VERSION),
        (Op.SET_DATA, path + NO_DATA + ANY_VERSION),
        (Op.CHECK, path + ANY_VERSION),
    ]


def alone_in_a_multi(op: int, record: bytes) -> bytes:
    return MULTI_HEADER.pack(op, False, -1) + record + MULTI_END


def test_an_empty_path_is_the_root_to_whoever_reads(port: int):
    empty = pack_bytes(b"")
    with raw(port) as zk:
        zk.connect()
        for op in WATCHABLE:
            for watch in (b"\0", b"\1"):
                assert ask(zk, op, empty + watch) == ask(zk, op, pack_bytes(b"/") + b"\0")
        assert ask(zk, Op.GET_ACL, empty) == ask(zk, Op.GET_ACL, pack_bytes(b"/"))
        assert ask(zk, Op.GET_ALL_CHILDREN_NUMBER, empty)[0] == OK
        _, frame = ask(zk, Op.MULTI_READ, alone_in_a_multi(Op.GET_DATA, empty + b"\0"))
        assert results(frame) == [(Op.GET_DATA, OK)]


def test_an_empty_path_is_nothing_that_can_be_changed(port: int):
    empty = pack_bytes(b"")
    with raw(port) as zk:
        zk.connect()
        for op in CREATES:
            assert ask(zk, op, created(op, empty))[0] == BAD_ARGUMENTS
        assert ask(zk, Op.DELETE, empty + ANY_VERSION)[0] == BAD_ARGUMENTS
        assert ask(zk, Op.SET_DATA, empty + NO_DATA + ANY_VERSION)[0] == BAD_ARGUMENTS
        assert ask(zk, Op.SET_ACL, empty + pack_acl(OPEN_ACL) + ANY_VERSION)[0] == BAD_ARGUMENTS
        for op, record in written(empty):
            assert results(ask(zk, Op.MULTI, alone_in_a_multi(op, record))[1]) == [(-1, BAD_ARGUMENTS)]


def test_watches_on_an_empty_path_are_taken_up_as_on_the_root(port: int):
    paths, none = pack_int(1) + pack_bytes(b""), pack_int(0)
    with raw(port) as zk:
        zk.connect()
        for lists in (paths + none + none, none + none + paths):  # nothing has happened to the root since
            assert ask(zk, Op.SET_WATCHES, pack_long(2**62) + lists, SET_WATCHES_XID)[0] == OK
        _, frame = ask(zk, Op.SET_WATCHES, pack_long(0) + none + paths + none, SET_WATCHES_XID)
        event = replies.read_event(replies.body_reader(frame))
        assert (event.type, event.path) == (1, "")  # it has been created
        assert replies.decode_header(zk.frame() or b"")[::2] == (SET_WATCHES_XID, OK)


def test_a_null_path_is_refused_in_its_turn(port: int):
    null = pack_bytes(None)
    with raw(port) as zk:
        zk.connect()
        for op in READS:
            flag = b"\1" if op in WATCHABLE else b""
            assert ask(zk, op, null + flag)[0] == MARSHALLING_ERROR
        for op in CREATES:
            assert ask(zk, op, created(op, null))[0] == MARSHALLING_ERROR
        assert ask(zk, Op.DELETE, null + ANY_VERSION)[0] == MARSHALLING_ERROR
        assert ask(zk, Op.SET_DATA, null + NO_DATA + ANY_VERSION)[0] == BAD_ARGUMENTS
        assert ask(zk, Op.SET_ACL, null + pack_acl(OPEN_ACL) + ANY_VERSION)[0] == BAD_ARGUMENTS
        for op, record in written(null):
            assert ask(zk, Op.MULTI, alone_in_a_multi(op, record))[0] == MARSHALLING_ERROR
        for op in (Op.GET_DATA, Op.GET_CHILDREN):
            assert ask(zk, Op.MULTI_READ, alone_in_a_multi(op, null + b"\0"))[0] == MARSHALLING_ERROR
        paths, none = pack_int(1) + null, pack_int(0)
        for lists in (paths + none + none, none + paths + none, none + none + paths):
            assert ask(zk, Op.SET_WATCHES, pack_long(0) + lists, SET_WATCHES_XID)[0] == MARSHALLING_ERROR
        error, frame = ask(zk, Op.SYNC, null)
        assert (error, frame[16:]) == (OK, null)
        assert zk.error(Op.GET_DATA, Read("/zookeeper")) == OK


@pytest.mark.parametrize(("path", "read_as"), NOT_UTF8.values(), ids=NOT_UTF8)
def test_a_path_that_is_not_utf8_names_nothing(port: int, path: bytes, read_as: str):
    packed = pack_bytes(path)
    with raw(port) as zk:
        zk.connect()
        for op in READS:
            assert ask(zk, op, packed + (b"\1" if op in WATCHABLE else b""))[0] == NO_NODE
        for op in CREATES:
            assert ask(zk, op, created(op, packed))[0] == BAD_ARGUMENTS
        assert ask(zk, Op.DELETE, packed + ANY_VERSION)[0] == NO_NODE
        assert ask(zk, Op.SET_DATA, packed + NO_DATA + ANY_VERSION)[0] == BAD_ARGUMENTS
        assert ask(zk, Op.SET_ACL, packed + pack_acl(OPEN_ACL) + ANY_VERSION)[0] == BAD_ARGUMENTS
        error, frame = ask(zk, Op.SYNC, packed)
        assert (error, replies.read_path(replies.body_reader(frame))) == (OK, read_as)
        assert ask(zk, Op.ADD_WATCH, packed + pack_int(0))[0] == OK
        error, frame = ask(zk, Op.GET_EPHEMERALS, packed)
        assert (error, replies.read_children(replies.body_reader(frame))) == (OK, [])
