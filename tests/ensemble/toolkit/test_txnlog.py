"""A log file as lines and JSON; mended; cut."""

from __future__ import annotations

import json

import pytest

from ensemble.errors import CorruptionError
from ensemble.storage.records import HEADER, encode, scan
from ensemble.toolkit import txnlog
from ensemble.tree import txns
from ensemble.tree.operations import OPEN_ACL, Acl, Identity, Op
from ensemble.tree.txns import (
    CheckTxn,
    CloseSessionTxn,
    CreateSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    Record,
    SetAclTxn,
    SetDataTxn,
)
from ensemble.zxid import make
from tests.ensemble.toolkit.harness import history, log_of, txn, written

HEAD = "2023-11-14 22:13:20.005Z session 0x1000abc cxid 0x5 zxid 0x100000005 "
MINE = (Acl(31, Identity("digest", "me:hash")), Acl(1, Identity("world", "anyone")))


@pytest.mark.parametrize(
    ("kind", "record", "said", "with_data"),
    [
        (
            Op.CREATE,
            CreateTxn("/a", b"hi", OPEN_ACL, False, 1),
            "create /a 2 bytes acl world:anyone:31",
            "2 bytes 'hi'",
        ),
        (
            Op.CREATE2,
            CreateTxn("/a", None, OPEN_ACL, True, 1),
            "create2 /a ephemeral 0 bytes acl world:anyone:31",
            "0 bytes",
        ),
        (
            Op.CREATE_TTL,
            CreateTxn("/a", b"\xff\0", OPEN_ACL, False, 1, 5000),
            "createTTL /a ttl 5000 ms 2 bytes acl world:anyone:31",
            "2 bytes '0xff00'",
        ),
        (Op.DELETE_CONTAINER, DeleteTxn("/a"), "deleteContainer /a", ""),
        (Op.SET_DATA, SetDataTxn("/a", b"hi", 7), "setData /a version 7 2 bytes", "2 bytes 'hi'"),
        (
            Op.SET_ACL,
            SetAclTxn("/a", MINE, 2),
            "setACL /a version 2 acl digest:me:hash:31,world:anyone:1",
            "",
        ),
        (Op.CREATE_SESSION, CreateSessionTxn(4000), "createSession timeout 4000 ms", ""),
        (Op.CLOSE_SESSION, CloseSessionTxn(["/e1", "/e2"]), "closeSession /e1 /e2", ""),
        (Op.ERROR, ErrorTxn(-101), "error code -101", ""),
        (
            Op.MULTI,
            MultiTxn([(int(Op.CHECK), CheckTxn("/a", 3)), (int(Op.DELETE), DeleteTxn("/b"))]),
            "multi check /a version 3; delete /b",
            "",
        ),
    ],
)
def test_every_kind_is_one_line(kind: Op, record: Record, said: str, with_data: str) -> None:
    one = txn(make(1, 5), kind, record)
    assert txnlog.line(one) == HEAD + said
    assert with_data in txnlog.line(one, with_data=True)
    assert "\n" not in txnlog.line(one, with_data=True)
    entry = txnlog.LoggedEntry(16, txns.encode(one), good=True)
    found = json.loads(json.dumps(txnlog.as_json(entry)))
    assert (found["zxid"], found["session"], found["type"]) == ("0x100000005", "0x1000abc", said.split()[0])


def test_data_in_json_is_base64_and_lists_are_whole() -> None:
    one = txn(make(1, 5), Op.CREATE, CreateTxn("/a", b"\xff", MINE, False, 1))
    found = txnlog.as_json(txnlog.LoggedEntry(16, txns.encode(one), good=False))
    assert (found["data"], found["path"], found["checksum"]) == ("/w==", "/a", "wrong")
    assert found["acl"][0] == {"perms": 31, "scheme": "digest", "id": "me:hash"}


def test_a_whole_log_is_read_and_its_mark_is_not_a_rest() -> None:
    directory = written(history(1, 1, 6))
    log = txnlog.read(directory.read(log_of(1, 1)), "log")
    assert [entry.zxid for entry in log.entries] == [make(1, counter) for counter in range(1, 7)]
    assert all(entry.good for entry in log.entries)
    assert log.rest == 0


def test_what_is_no_log_says_so() -> None:
    with pytest.raises(CorruptionError, match="does not begin as a transaction log"):
        txnlog.read(b"ZKSN" + bytes(30), "log.1")
    assert txnlog.read(b"", "log.1").entries == []


def spoilt() -> tuple[bytes, bytes, int]:
    """A log, the same with a wrong data byte in the fourth entry, and that entry's offset."""
    directory = written(history(1, 1, 6))
    good = directory.read(log_of(1, 1))
    entry = txnlog.read(good, "log").entries[3]
    directory.spoil(log_of(1, 1), good.index(b"data", entry.offset))
    return good, directory.read(log_of(1, 1)), entry.offset


def test_a_wrong_checksum_is_found_and_mended() -> None:
    good, bad, offset = spoilt()
    log = txnlog.read(bad, "log")
    assert [entry.offset for entry in log.entries if not entry.good] == [offset]
    assert len(log.entries) == 6
    mended, wrong = txnlog.repaired(bad, "log")
    assert wrong == 1
    assert [zxid for zxid, _ in scan(mended)[0]] == [zxid for zxid, _ in scan(good)[0]]
    assert txnlog.repaired(good, "log")[1] == 0
    assert scan(txnlog.repaired(good, "log")[0])[0] == scan(good)[0]


def test_a_mended_or_cut_log_still_names_the_transaction_before_it() -> None:
    _, bad, _ = spoilt()
    header = bad[:8] + make(0, 9).to_bytes(8, "big")
    mended, _ = txnlog.repaired(header + bad[16:], "log")
    assert mended[:16] == header
    assert txnlog.chopped(mended, "log", make(1, 3))[:16] == header


def test_nonsense_is_not_given_a_right_checksum() -> None:
    payload = txns.encode(history(1, 1, 1)[0])[:20] + b"\xff" * 30
    data = HEADER + encode(payload)[:-2] + b"\0B"
    with pytest.raises(CorruptionError, match="at offset 16 is no transaction"):
        txnlog.repaired(data, "log")


def test_a_log_is_cut_behind_a_transaction() -> None:
    good, bad, _ = spoilt()
    cut = txnlog.chopped(good, "log", make(1, 3))
    assert [zxid for zxid, _ in scan(cut)[0]] == [make(1, 1), make(1, 2), make(1, 3)]
    for zxid in (make(1, 7), make(2, 1), 5):
        with pytest.raises(CorruptionError, match="does not hold the transaction"):
            txnlog.chopped(good, "log", zxid)
    with pytest.raises(CorruptionError, match="--repair it first"):
        txnlog.chopped(bad, "log", make(1, 5))
