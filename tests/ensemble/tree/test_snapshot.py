"""A tree as bytes and back, Apache's layout, and bytes that are no tree."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.errors import WireError
from ensemble.jute import pack_int, pack_string
from ensemble.tree import snapshot
from ensemble.tree.operations import OPEN_ACL, READ_ACL, Acl, Create, CreateMode, CreateSession, Identity, Op
from ensemble.tree.tree import CONFIG_PATH, Tree
from ensemble.tree.txns import CreateTxn, Txn, encode_acl
from tests.ensemble.tree.harness import Leader, state_of

ROOT = pack_string("") + pack_int(0) + struct.pack(">qqqqqiiiqq", -1, *[0] * 9)
NOTHING = pack_int(0) + pack_int(0)
END = pack_string("/")


def bytes_of(tree: Tree) -> bytes:
    return b"".join(snapshot.dump(tree))


def node(path: str, reference: int = -1) -> bytes:
    return pack_string(path) + pack_int(-1) + struct.pack(">qqqqqiiiqq", reference, *range(9))


def full_tree() -> Tree:
    leader = Leader((1, -5))
    leader.create("/a", b"data")
    leader.do(Op.CREATE, Create("/a/none", None, READ_ACL, 0))
    leader.do(Op.CREATE, Create("/a/none/é", b"", (*OPEN_ACL, Acl(1, Identity("ip", "::1"))), 0))
    leader.create("/a/e", mode=CreateMode.EPHEMERAL, session=-5)
    leader.do(Op.CREATE_CONTAINER, Create("/c", b"", OPEN_ACL, CreateMode.CONTAINER))
    leader.tree.apply(Txn(1, 0, 99, 5, Op.CREATE_TTL, CreateTxn("/t", b"", OPEN_ACL, False, 9, 77)))
    return leader.tree


def test_a_loaded_tree_is_the_dumped_one() -> None:
    tree = full_tree()
    body = bytes_of(tree)
    loaded, end = snapshot.load(b"head" + body + b"tail", 4)
    assert end == 4 + len(body)
    assert loaded.digest() == tree.digest()
    assert loaded.nodes.keys() == tree.nodes.keys()
    for path, before in tree.nodes.items():
        after = loaded.get(path)
        assert (after.pack_stat(), after.data, after.acl) == (before.pack_stat(), before.data, before.acl)
    assert (loaded.sessions, loaded.ephemerals) == (tree.sessions, tree.ephemerals)
    assert (loaded.containers, loaded.ttls) == (tree.containers, tree.ttls)
    assert (loaded.data_bytes, loaded.ephemerals_count) == (tree.data_bytes, tree.ephemerals_count)
    assert bytes_of(loaded) != b""


def test_a_memoryview_loads_as_bytes_do() -> None:
    body = bytes_of(full_tree())
    assert state_of(snapshot.load(memoryview(body))[0]).keys() == state_of(snapshot.load(body)[0]).keys()


def test_the_layout_is_apaches() -> None:
    tree = Tree()
    tree.sessions[0x100000000000001] = 30000
    zeroed = struct.pack(">qqqqiiiqq", *[0] * 9)
    assert bytes_of(tree) == b"".join(
        [
            struct.pack(">iqi", 1, 0x100000000000001, 30000),
            struct.pack(">iq", 1, 1) + encode_acl(READ_ACL),
            *[
                pack_string(path) + pack_int(0) + struct.pack(">q", -1) + zeroed
                for path in ("", "/zookeeper")
            ],
            pack_string(CONFIG_PATH)
            + pack_int(0)
            + struct.pack(">q", 1)
            + struct.pack(">qqqqiiiqq", *[0] * 6, -1, 0, 0),
            pack_string("/zookeeper/quota") + pack_int(0) + struct.pack(">q", -1) + zeroed,
            END,
        ]
    )


def test_a_large_tree_comes_in_chunks() -> None:
    leader = Leader()
    for number in range(40):
        leader.create(f"/n{number}", b"x" * 10_000)
    chunks = list(snapshot.dump(leader.tree))
    assert len(chunks) > 5
    assert all(len(chunk) < 128 * 1024 for chunk in chunks)
    assert state_of(snapshot.load(b"".join(chunks))[0]) == state_of(leader.tree)


def test_a_snapshot_of_3_4_gets_its_config_znode() -> None:
    tree, _ = snapshot.load(NOTHING + ROOT + node("/zookeeper") + node("/zookeeper/quota") + END)
    assert tree.get(CONFIG_PATH).acl == READ_ACL


def test_the_tree_of_a_snapshot_goes_on() -> None:
    leader = Leader()
    leader.create("/a")
    leader.tree, _ = snapshot.load(bytes_of(leader.tree))
    leader.preparer.__init__(leader.tree)  # type: ignore[misc]
    leader.do(Op.CREATE_SESSION, CreateSession(5), session=3)
    assert leader.create("/a/b", session=3).error == 0
    state_of(leader.tree)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        NOTHING,
        NOTHING + END,
        NOTHING + ROOT,
        NOTHING + ROOT + ROOT + END,
        NOTHING + ROOT + node("/a/b") + END,
        NOTHING + ROOT + node("a") + END,
        NOTHING + node("/a") + END,
        NOTHING + ROOT + node("/a", 7) + END,
        NOTHING + ROOT + node("/a") + node("/a") + END,
        NOTHING + ROOT + pack_int(-1) + END,
        NOTHING + ROOT + pack_string("/a") + pack_int(-2),
        NOTHING + ROOT + pack_string("/a") + pack_int(1000) + b"x",
        NOTHING + ROOT + pack_int(2) + b"/\xff" + node("")[4:] + END,
        pack_int(1_000_000) + NOTHING,
        pack_int(0) + pack_int(1_000_000) + ROOT + END,
    ],
)
def test_what_is_no_tree_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        snapshot.load(body)


BODY = bytes_of(full_tree())


@given(st.integers(0, len(BODY) - 1))
def test_a_cut_snapshot_is_refused(size: int) -> None:
    with pytest.raises(WireError):
        snapshot.load(BODY[:size])


@settings(max_examples=300)
@given(st.integers(0, len(BODY) - 1), st.integers(0, 255))
def test_a_damaged_snapshot_is_refused_or_a_tree(at: int, byte: int) -> None:
    body = bytearray(BODY)
    body[at] = byte
    try:
        tree, _ = snapshot.load(bytes(body))
    except WireError:
        return
    assert "/" in tree.nodes
