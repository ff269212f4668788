"""Requests: golden bytes, round trips, and everything that is to be refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble import limits
from ensemble.errors import KeeperError, WireError
from ensemble.jute import Reader
from ensemble.paths import validate
from ensemble.tree.operations import (
    OPEN_ACL,
    AddWatch,
    Auth,
    Check,
    Create,
    Delete,
    Multi,
    NoBody,
    Op,
    Operation,
    Read,
    RemoveWatches,
    SetData,
    SetWatches,
    Sync,
)
from ensemble.wire import requests
from ensemble.wire.records import read_acl
from ensemble.wire.requests import ConnectRequest, UnknownOperation, decode_operation
from tests.ensemble.wire.strategies import OPERATIONS, ints, longs, reads, sets
from tests.ensemble.wire.strategies import requests as any_request

# Written by hand from the jute records, not by our encoder.
WORLD_ANYONE = "00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65"
GOLDEN: list[tuple[int, str, Operation]] = [
    (Op.CREATE, f"00000002 2f61 00000001 78 {WORLD_ANYONE} 00000001", Create("/a", b"x", OPEN_ACL, 1)),
    (Op.CREATE2, f"00000002 2f61 ffffffff {WORLD_ANYONE} 00000000", Create("/a", None, OPEN_ACL, 0)),
    (
        Op.CREATE_TTL,
        f"00000002 2f61 00000000 {WORLD_ANYONE} 00000005 00000000000003e8",
        Create("/a", b"", OPEN_ACL, 5, 1000),
    ),
    (Op.DELETE, "00000002 2f61 ffffffff", Delete("/a", -1)),
    (Op.DELETE_CONTAINER, "00000002 2f61", Delete("/a", -1)),
    (Op.EXISTS, "00000002 2f61 01", Read("/a", True)),
    (Op.GET_DATA, "00000004 2fc3a962 00", Read("/éb", False)),
    (Op.SET_DATA, "00000002 2f61 00000003 010203 00000007", SetData("/a", b"\1\2\3", 7)),
    (Op.SET_DATA, "00000002 2f61 ffffffff 00000007", SetData("/a", None, 7)),
    (Op.PING, "", NoBody()),
    (Op.AUTH, "00000000 00000006 646967657374 00000003 753a70", Auth(0, "digest", b"u:p")),
    (
        Op.SET_WATCHES,
        "0000000000000009 00000001 00000002 2f61 00000000 00000000",
        SetWatches(9, ["/a"], [], [], [], []),
    ),
    (
        Op.SET_WATCHES2,
        "0000000000000009 00000000 00000001 00000002 2f61 00000000 00000000 00000001 00000001 2f",
        SetWatches(9, [], ["/a"], [], [], ["/"]),
    ),
    (Op.ADD_WATCH, "00000001 2f 00000001", AddWatch("/", 1)),
    (Op.REMOVE_WATCHES, "00000001 2f 00000003", RemoveWatches("/", 3)),
    (
        Op.MULTI,
        "0000000d 00 ffffffff 00000002 2f61 00000001"
        "00000005 00 ffffffff 00000002 2f61 00000001 79 ffffffff"
        "ffffffff 01 ffffffff",
        Multi([(Op.CHECK, Check("/a", 1)), (Op.SET_DATA, SetData("/a", b"y", -1))]),
    ),
]


@pytest.mark.parametrize(("op", "text", "operation"), GOLDEN)
def test_golden_bytes(op: int, text: str, operation: Operation) -> None:
    raw = bytes.fromhex(text)
    assert decode_operation(op, b"\0" * 8 + raw, 8) == operation
    assert requests.encode_operation(op, operation) == raw


def test_a_null_list_reads_as_an_empty_one() -> None:
    raw = bytes.fromhex("00000002 2f61 00000000 ffffffff 00000000")
    assert decode_operation(Op.CREATE, raw, 0) == Create("/a", b"", (), 0)


def test_the_usual_list_is_read_only_when_it_is_whole() -> None:
    raw = bytes.fromhex(WORLD_ANYONE)
    assert read_acl(Reader(raw)) is OPEN_ACL
    with pytest.raises(WireError):
        read_acl(Reader(raw, 0, len(raw) - 1))


def test_a_null_path_is_refused_or_reads_as_an_empty_one_as_the_operation_has_it() -> None:
    """Apache's answers: MARSHALLING_ERROR, or what an empty path is answered."""
    assert decode_operation(Op.SYNC, bytes.fromhex("ffffffff"), 0) == Sync("")
    assert decode_operation(Op.SET_DATA, bytes.fromhex("ffffffff ffffffff 00000000"), 0) == SetData(
        "", None, 0
    )
    in_a_multi = "00000005 00 ffffffff ffffffff ffffffff 00000000 ffffffff 01 ffffffff"
    for op, text in ((Op.GET_DATA, "ffffffff 00"), (Op.GET_ACL, "ffffffff"), (Op.MULTI, in_a_multi)):
        with pytest.raises(WireError, match="null"):
            decode_operation(op, bytes.fromhex(text), 0)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("2fff", "/\ufffd"),
        ("2fc0af", "/\ufffd\ufffd"),
        ("2feda0bd", "/\ufffd"),
        ("2fe282", "/\ufffd"),
        ("2ff09f982f", "/\ufffd/"),
    ],
    ids=["no UTF-8", "overlong", "half a surrogate pair", "cut short", "cut short before more"],
)
def test_a_path_that_is_not_utf8_names_nothing(raw: str, path: str) -> None:
    """Java puts U+FFFD there, which no name may hold."""
    record = bytes([0, 0, 0, len(raw) // 2]) + bytes.fromhex(raw)
    assert decode_operation(Op.GET_DATA, record + b"\0", 0) == Read(path, False)
    assert decode_operation(Op.SYNC, record, 0) == Sync(path)
    with pytest.raises(KeeperError):
        validate(path)


def test_golden_request_frame() -> None:
    assert requests.encode_request(-2, Op.PING, NoBody()) == bytes.fromhex("00000008 fffffffe 0000000b")
    assert requests.decode_header(bytes.fromhex("fffffffe 0000000b")) == (-2, Op.PING)


def test_golden_connect_with_and_without_the_read_only_byte() -> None:
    fixed = "00000000 0000000000000000 00002710 0000000000000000 00000010" + "00" * 16
    assert requests.decode_connect(bytes.fromhex(fixed)) == ConnectRequest(0, 0, 10000, 0, bytes(16), None)
    with_byte = ConnectRequest(0, 0, 10000, 0, bytes(16), read_only=True)
    assert requests.decode_connect(bytes.fromhex(fixed + "01")) == with_byte
    assert requests.encode_connect(with_byte) == bytes.fromhex("0000002d" + fixed + "01")


@given(st.builds(ConnectRequest, ints, longs, ints, longs, st.binary(max_size=20), st.none() | st.booleans()))
def test_connect_round_trip(request: ConnectRequest) -> None:
    assert requests.decode_connect(requests.encode_connect(request)[4:]) == request


@given(any_request, ints)
def test_round_trip(request: tuple[int, Operation], xid: int) -> None:
    op, operation = request
    frame = requests.encode_request(xid, op, operation)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert requests.decode_header(frame[4:]) == (xid, op)
    assert decode_operation(op, frame[4:], 8) == operation


@given(any_request, st.data())
def test_a_truncated_record_is_refused_and_what_stands_behind_one_passed_over(
    request: tuple[int, Operation], data: st.DataObject
) -> None:
    op, operation = request
    raw = requests.encode_operation(op, operation)
    if raw:
        with pytest.raises(WireError):
            decode_operation(op, raw[: data.draw(st.integers(0, len(raw) - 1))], 0)
    assert decode_operation(op, raw + b"\0", 0) == operation


def _reads_or_refuses(op: int, raw: bytes) -> None:
    """Values that encode and decode to themselves, or WireError; nothing else."""
    try:
        operation = decode_operation(op, raw, 0)
    except WireError:
        return
    assert decode_operation(op, requests.encode_operation(op, operation), 0) == operation


@given(st.sampled_from(sorted(OPERATIONS)), st.binary(max_size=120))
def test_whatever_bytes_arrive(op: int, raw: bytes) -> None:
    _reads_or_refuses(op, raw)


@given(any_request, st.data())
def test_a_broken_record_is_refused_or_read(request: tuple[int, Operation], data: st.DataObject) -> None:
    op, operation = request
    raw = bytearray(requests.encode_operation(op, operation))
    if raw:
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    _reads_or_refuses(op, bytes(raw))


@given(reads | sets, st.binary(max_size=3))
def test_the_short_cuts_equal_the_plain_way(operation: Operation, tail: bytes) -> None:
    op = Op.GET_DATA if isinstance(operation, Read) else Op.SET_DATA
    fast, plain = (
        (requests._fast_read, requests._plain_read)
        if op == Op.GET_DATA
        else (requests._fast_set_data, requests._plain_set_data)
    )
    raw = requests.encode_operation(op, operation)
    assert fast(raw, 0) == plain(raw, 0) == operation
    assert fast(raw + tail, 0) == operation


def test_java_writes_supplementary_characters_as_surrogates() -> None:
    raw = bytes.fromhex("00000007 2f eda0bd edb880 00")
    assert decode_operation(Op.GET_DATA, raw, 0) == Read("/😀", False)


BAD: list[tuple[str, int, str]] = [
    ("a negative string length", Op.SYNC, "fffffffe 2f61"),
    ("a string longer than the frame", Op.SYNC, "7fffffff 2f61"),
    ("a string one byte longer than the frame", Op.SYNC, "00000003 2f61"),
    ("a negative data length", Op.SET_DATA, "00000002 2f61 fffffffe 00000000"),
    ("data that overlap the path", Op.SET_DATA, "00000002 2f61 fffffffc"),
    ("a huge ACL count", Op.SET_ACL, "00000002 2f61 7fffffff 00000000"),
    ("a negative ACL count", Op.SET_ACL, "00000002 2f61 fffffffe 00000000"),
    ("a huge list of watches", Op.SET_WATCHES, "0000000000000000 7fffffff"),
    ("invalid UTF-8", Op.AUTH, "00000000 00000002 2fff ffffffff"),
    ("overlong UTF-8", Op.AUTH, "00000000 00000003 2fc0af ffffffff"),
    ("half a surrogate pair", Op.AUTH, "00000000 00000004 2feda0bd ffffffff"),
    ("a multi without its end", Op.MULTI, "0000000d 00 ffffffff 00000002 2f61 00000001"),
    ("a multi inside a multi", Op.MULTI, "0000000e 00 ffffffff ffffffff 01 ffffffff ffffffff 01 ffffffff"),
    ("an unknown operation inside a multi", Op.MULTI, "00000063 00 ffffffff ffffffff 01 ffffffff"),
    ("a read among writes", Op.MULTI, "00000004 00 ffffffff 00000001 2f 00 ffffffff 01 ffffffff"),
    ("a write among reads", Op.MULTI_READ, "00000002 00 ffffffff 00000001 2f ffffffff ffffffff 01 ffffffff"),
]


@pytest.mark.parametrize(("op", "text"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_bad_input(op: int, text: str) -> None:
    with pytest.raises(WireError):
        decode_operation(op, bytes.fromhex(text), 0)


def test_a_multi_ends_where_it_says_so_in_whatever_words() -> None:
    assert decode_operation(Op.MULTI, bytes.fromhex("00000000 01 00000005"), 0) == Multi([])


@pytest.mark.parametrize("op", [Op.NOTIFICATION, Op.ERROR, Op.CHECK, 10, 23, 99, 2**31 - 1, -(2**31)])
def test_an_unknown_operation_is_named(op: int) -> None:
    with pytest.raises(UnknownOperation) as caught:
        decode_operation(op, b"", 0)
    assert caught.value.op == op


def test_a_multi_is_bounded() -> None:
    full = Multi([(Op.CHECK, Check("/", 0))] * limits.MULTI_OPS_MAX)
    raw = requests.encode_operation(Op.MULTI, full)
    assert decode_operation(Op.MULTI, raw, 0) == full
    full.ops.append((Op.CHECK, Check("/", 0)))
    with pytest.raises(WireError, match="more than"):
        decode_operation(Op.MULTI, requests.encode_operation(Op.MULTI, full), 0)


@pytest.mark.parametrize("size", range(8))
def test_a_header_cut_short_is_refused(size: int) -> None:
    with pytest.raises(WireError):
        requests.decode_header(bytes(size))


@given(st.binary(max_size=60))
def test_whatever_connect_arrives(raw: bytes) -> None:
    try:
        request = requests.decode_connect(raw)
    except WireError:
        return
    assert requests.decode_connect(requests.encode_connect(request)[4:]) == request
