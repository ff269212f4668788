"""Replies: golden bytes, and that our client's reader understands them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import Code, WireError
from ensemble.jute import Reader
from ensemble.tree.operations import OPEN_ACL, Acl, Identity, Op
from ensemble.wire import replies
from ensemble.wire.replies import ConnectReply, Event, OpResult, Stat
from tests.ensemble.wire.strategies import acls, buffers, ints, longs, paths, texts

STAT = Stat(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
STAT_BYTES = bytes.fromhex(
    "0000000000000001 0000000000000002 0000000000000003 0000000000000004"
    "00000005 00000006 00000007 0000000000000008 00000009 0000000a 000000000000000b"
)

stats = st.builds(Stat, longs, longs, longs, longs, ints, ints, ints, longs, ints, ints, longs)


def test_golden_stat() -> None:
    assert STAT.pack() == STAT_BYTES
    assert replies.read_stat(Reader(STAT_BYTES)) == STAT


def test_golden_replies() -> None:
    head = "00000007 0000000100000002"
    assert replies.reply(7, 0x100000002, -101) == bytes.fromhex(f"00000010 {head} ffffff9b")
    assert (
        replies.reply(7, 0x100000002, 0, STAT_BYTES)
        == bytes.fromhex(f"00000054 {head} 00000000") + STAT_BYTES
    )
    data = bytes.fromhex(f"00000059 {head} 00000000 00000001 78") + STAT_BYTES
    assert replies.data_reply(7, 0x100000002, b"x", STAT_BYTES) == data


def test_golden_event() -> None:
    expected = "0000001e ffffffff 0000000000000009 00000000 00000003 00000003 00000002 2f61"
    assert replies.event(9, 3, "/a") == bytes.fromhex(expected)


def test_golden_connect_reply() -> None:
    # 41 bytes: the C client reads exactly so many.
    expected = "00000025 00000000 00002710 0100000000000001 00000010" + "ab" * 16 + "00"
    assert replies.connect_reply(10000, 1 << 56 | 1, b"\xab" * 16) == bytes.fromhex(expected)
    without = replies.connect_reply(10000, 1 << 56 | 1, b"\xab" * 16, None)
    assert without == bytes.fromhex("00000024" + expected[8:-2])


def test_golden_refusal() -> None:
    expected = "00000025 00000000 00000000 0000000000000000 00000010" + "00" * 17
    assert replies.connect_refusal() == bytes.fromhex(expected)


def test_golden_multi() -> None:
    done = "ffffffff 01 ffffffff"
    succeeded = replies.multi_body(
        [
            (Op.CREATE, 0, replies.path_body("/a")),
            (Op.CREATE_TTL, 0, replies.create2_body("/b", STAT_BYTES)),
            (Op.DELETE, 0, b""),
        ]
    )
    assert succeeded == (
        bytes.fromhex("00000001 00 00000000 00000002 2f61 0000000f 00 00000000 00000002 2f62")
        + STAT_BYTES
        + bytes.fromhex("00000002 00 00000000" + done)
    )
    failed = replies.multi_body([(Op.ERROR, 0, b""), (Op.ERROR, -101, b""), (Op.ERROR, -2, b"")])
    expected = "".join([f"ffffffff 00 {code} {code}" for code in ("00000000", "ffffff9b", "fffffffe")])
    assert failed == bytes.fromhex(expected + done)


@given(ints, longs, ints, st.binary(max_size=30))
def test_reply_round_trip(xid: int, zxid: int, error: int, body: bytes) -> None:
    message = replies.reply(xid, zxid, error, body)
    assert int.from_bytes(message[:4], "big") == len(message) - 4
    assert replies.decode_header(message[4:]) == (xid, zxid, error)
    assert replies.body_reader(message[4:]).rest() == body


@given(ints, longs, buffers, stats)
def test_the_data_reply_equals_the_plain_one(xid: int, zxid: int, data: bytes | None, stat: Stat) -> None:
    message = replies.data_reply(xid, zxid, data, stat.pack())
    assert message == replies.reply(xid, zxid, 0, replies.data_body(data, stat.pack()))
    assert replies.read_data(replies.body_reader(message[4:])) == (data, stat)


@given(st.lists(texts, max_size=5), texts, acls, stats, ints)
def test_bodies_round_trip(
    names: list[str], path: str, acl: tuple[Acl, ...], stat: Stat, number: int
) -> None:
    packed = stat.pack()
    assert replies.read_children(Reader(replies.children_body(names))) == names
    assert replies.read_children2(Reader(replies.children2_body(names, packed))) == (names, stat)
    assert replies.read_path(Reader(replies.path_body(path))) == path
    assert replies.read_create2(Reader(replies.create2_body(path, packed))) == (path, stat)
    assert replies.read_acls(Reader(replies.acl_body(acl, packed))) == (acl, stat)
    assert replies.read_number(Reader(replies.number_body(number))) == number


@given(st.lists(st.builds(Identity, texts, texts), max_size=4))
def test_identities_round_trip(identities: list[Identity]) -> None:
    assert replies.read_identities(Reader(replies.identities_body(identities))) == identities


@given(longs, ints, texts)
def test_event_round_trip(zxid: int, event_type: int, path: str) -> None:
    frame = replies.event(zxid, event_type, path)[4:]
    assert replies.decode_header(frame) == (-1, zxid, 0)
    assert replies.read_event(replies.body_reader(frame)) == Event(event_type, 3, path)


@given(st.builds(ConnectReply, st.just(0), ints, longs, st.binary(max_size=20), st.none() | st.booleans()))
def test_connect_reply_round_trip(answer: ConnectReply) -> None:
    message = replies.connect_reply(answer.timeout_ms, answer.session_id, answer.password, answer.read_only)
    assert replies.decode_connect_reply(message[4:]) == answer


@given(texts, stats, buffers, paths)
def test_multi_round_trip(path: str, stat: Stat, data: bytes | None, names: list[str]) -> None:
    packed = stat.pack()
    body = replies.multi_body(
        [
            (Op.CREATE, 0, replies.path_body(path)),
            (Op.CREATE_CONTAINER, 0, replies.create2_body(path, packed)),
            (Op.SET_DATA, 0, packed),
            (Op.DELETE, 0, b""),
            (Op.CHECK, 0, b""),
            (Op.GET_DATA, 0, replies.data_body(data, packed)),
            (Op.GET_CHILDREN, 0, replies.children_body(names)),
            (Op.GET_DATA, Code.NO_NODE, b""),
        ]
    )
    assert replies.read_multi(Reader(body)) == [
        OpResult(Op.CREATE, path=path),
        OpResult(Op.CREATE2, path=path, stat=stat),
        OpResult(Op.SET_DATA, stat=stat),
        OpResult(Op.DELETE),
        OpResult(Op.CHECK),
        OpResult(Op.GET_DATA, data=data, stat=stat),
        OpResult(Op.GET_CHILDREN, children=tuple(names)),
        OpResult(Op.ERROR, error=Code.NO_NODE),
    ]


READS = [
    replies.read_stat,
    replies.read_data,
    replies.read_children2,
    replies.read_acls,
    replies.read_create2,
    replies.read_number,
    replies.read_identities,
    replies.read_event,
    replies.read_multi,
    lambda reader: replies.decode_connect_reply(reader.rest()),
    lambda reader: replies.decode_header(reader.rest()),
]


@given(st.sampled_from(READS), st.binary(max_size=120))
def test_whatever_a_server_sends(read: object, raw: bytes) -> None:
    """A value or WireError: a client must not fall to a server either."""
    assert callable(read)
    try:
        read(Reader(raw))
    except WireError:
        return


def test_names_and_acl_of_a_usual_answer() -> None:
    body = replies.acl_body(OPEN_ACL, STAT_BYTES)
    assert body[:4] == b"\0\0\0\1"
    with pytest.raises(WireError):
        replies.read_acls(Reader(body[:-1]))
