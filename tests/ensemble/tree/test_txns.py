"""Transactions as bytes: round trips, Apache's variants, and bytes that are no transaction."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.errors import WireError
from ensemble.tree import txns
from ensemble.tree.operations import OPEN_ACL, READ_ACL, Acl, Identity, Op
from ensemble.tree.txns import (
    CheckTxn,
    CloseSessionTxn,
    CreateSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetAclTxn,
    SetDataTxn,
    Txn,
)

DIGEST = struct.pack(">iq", 2, 1371985504)

ints = st.integers(-(2**31), 2**31 - 1)
longs = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
data = st.none() | st.binary(max_size=8)
entries = st.builds(Acl, st.integers(0, 31), st.builds(Identity, texts, texts))
acls = st.sampled_from([OPEN_ACL, READ_ACL]) | st.lists(entries, max_size=3).map(tuple)
creates = st.builds(CreateTxn, texts, data, acls, st.booleans(), ints)
containers = st.builds(CreateTxn, texts, data, acls, st.just(False), ints)
ttls = st.builds(CreateTxn, texts, data, acls, st.just(False), ints, longs)
deletes = st.builds(DeleteTxn, texts)
set_data = st.builds(SetDataTxn, texts, data, ints)


def of(records: st.SearchStrategy[Any], *types: int) -> st.SearchStrategy[tuple[int, Any]]:
    return st.tuples(st.sampled_from([int(type_) for type_ in types]), records)


parts = st.one_of(
    of(creates, Op.CREATE, Op.CREATE2),
    of(containers, Op.CREATE_CONTAINER),
    of(ttls, Op.CREATE_TTL),
    of(deletes, Op.DELETE, Op.DELETE_CONTAINER),
    of(set_data, Op.SET_DATA),
    of(st.builds(ErrorTxn, ints), Op.ERROR),
)
checks = of(st.builds(CheckTxn, texts, ints), Op.CHECK)
records = st.one_of(
    parts,
    of(set_data, Op.RECONFIG),
    of(st.builds(SetAclTxn, texts, acls, ints), Op.SET_ACL),
    of(st.builds(CreateSessionTxn, ints), Op.CREATE_SESSION),
    of(st.builds(CloseSessionTxn, st.lists(texts, max_size=4)), Op.CLOSE_SESSION),
    of(st.builds(MultiTxn, st.lists(parts | checks, max_size=4)), Op.MULTI),
)
transactions = st.builds(lambda head, body: Txn(*head, *body), st.tuples(longs, ints, longs, longs), records)


@given(transactions, st.sampled_from([b"", DIGEST]))
def test_decode_undoes_encode_with_and_without_a_digest(txn: Txn, digest: bytes) -> None:
    assert txns.decode(txns.encode(txn) + digest) == txn


@given(transactions)
def test_the_fast_decoders_agree_with_the_plain_ones(txn: Txn) -> None:
    payload = txns.encode(txn)
    assert txns._decode_body(txn.type, payload) == txns.decode(payload).record


@settings(max_examples=300)
@given(transactions, st.data())
def test_damaged_bytes_are_refused_or_decode_to_a_transaction(txn: Txn, draw: st.DataObject) -> None:
    payload = bytearray(txns.encode(txn))
    for _ in range(draw.draw(st.integers(1, 3))):
        payload[draw.draw(st.integers(0, len(payload) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(payload)))
    try:
        again = txns.decode(bytes(payload[:cut]))
    except WireError:
        return
    assert isinstance(again, Txn)


def test_layout_of_set_data() -> None:
    payload = txns.encode(
        Txn(0x100000000000001, 3, 0x500000001, 1234, Op.SET_DATA, SetDataTxn("/a", b"xy", 9))
    )
    assert payload.hex() == (
        "0100000000000001" "00000003" "0000000500000001" "00000000000004d2" "00000005"
        "00000002" "2f61" "00000002" "7879" "00000009"
    )  # fmt: skip


def test_layout_of_create() -> None:
    payload = txns.encode(Txn(1, 2, 3, 4, Op.CREATE, CreateTxn("/a", None, OPEN_ACL, True, 7)))
    acl = "000000010000001f00000005" + b"world".hex() + "00000006" + b"anyone".hex()
    assert payload[32:].hex() == "000000022f61ffffffff" + acl + "0100000007"


def head(type_: int) -> bytes:
    return struct.pack(">qiqqi", 5, 1, 2, 3, type_)


def test_a_create_of_old_logs_has_no_parent_cversion() -> None:
    payload = txns.encode(Txn(1, 2, 3, 4, Op.CREATE, CreateTxn("/a", b"x", OPEN_ACL, False, 0)))
    record = txns.decode(payload[:-4]).record
    assert record == CreateTxn("/a", b"x", OPEN_ACL, False, -1)


@pytest.mark.parametrize("tail", [b"", DIGEST])
def test_a_close_session_of_old_logs_has_no_record(tail: bytes) -> None:
    assert txns.decode(head(Op.CLOSE_SESSION) + tail).record == CloseSessionTxn([])


def test_the_open_list_is_one_object() -> None:
    twin = (Acl(31, Identity("world", "anyone")),)
    record = txns.decode(txns.encode(Txn(1, 2, 3, 4, Op.SET_ACL, SetAclTxn("/a", twin, 1)))).record
    assert isinstance(record, SetAclTxn)
    assert record.acl is OPEN_ACL


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        head(Op.SET_DATA)[:-1],
        head(Op.SET_DATA),
        head(99),
        head(Op.CHECK) + struct.pack(">i2si", 2, b"/a", 1),
        head(Op.SET_DATA) + struct.pack(">i2si1si", 2, b"/a", 1, b"x", 1) + b"junk",
        head(Op.SET_DATA) + struct.pack(">i2si1si", -2, b"/a", 1, b"x", 1),
        head(Op.SET_DATA) + struct.pack(">i2si", 2, b"/a", -2),
        head(Op.SET_DATA) + struct.pack(">i2si1si", 2, b"/\xff", 1, b"x", 1),
        head(Op.MULTI) + struct.pack(">i", 1_000_000),
        head(Op.MULTI) + struct.pack(">iiii", 1, Op.MULTI, 4, 0),
        head(Op.MULTI) + struct.pack(">iiii", 1, Op.SET_ACL, 4, 0),
        head(Op.MULTI) + struct.pack(">iiiii", 1, Op.ERROR, 8, 0, 0),
        head(Op.CLOSE_SESSION) + struct.pack(">ii", 1, 5),
    ],
)
def test_what_is_no_transaction_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        txns.decode(payload)
