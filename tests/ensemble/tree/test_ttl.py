"""TTL znodes: who may create one, what its owner says, and those of ZooKeeper 3.5.3."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.tree import snapshot
from ensemble.tree.node import STAT, Node
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Delete, Multi, NoBody, Op, SetData
from ensemble.tree.owner import CONTAINER, TTL_MS_MAX, is_ttl, owner_of_353, session_of, ttl_of, ttl_owner
from ensemble.tree.sessions import first_session_id
from ensemble.tree.tree import Tree
from ensemble.tree.txns import CreateTxn, ErrorTxn, MultiTxn
from tests.ensemble.tree.harness import Leader, code_of, state_of

TTL, SEQUENTIAL_TTL = CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL


def ttl_znode(path: str, ttl_ms: int = 1000, mode: int = TTL) -> Create:
    return Create(path, b"", OPEN_ACL, mode, ttl_ms)


@pytest.fixture
def leader() -> Leader:
    return Leader(extended_types=True)


def test_a_ttl_znode_is_nobodys_ephemeral_to_clients_and_carries_its_ttl_in_the_owner(leader: Leader) -> None:
    outcome = leader.do(Op.CREATE_TTL, ttl_znode("/t", 5000))
    node = leader.tree.get("/t")
    assert (outcome.path, STAT.unpack(outcome.stat())[7]) == ("/t", 0)
    assert node.ephemeral_owner & 0xFFFFFFFFFFFFFFFF == 0xFF00_0000_0000_1388
    assert ttl_of(node.ephemeral_owner) == 5000
    assert list(leader.tree.ttls) == ["/t"]


def test_a_sequential_ttl_znode_is_numbered_like_any_other(leader: Leader) -> None:
    leader.create("/a")
    assert leader.do(Op.CREATE_TTL, ttl_znode("/t-", mode=SEQUENTIAL_TTL)).path == "/t-0000000001"
    assert list(leader.tree.ttls) == ["/t-0000000001"]


@pytest.mark.parametrize("ttl_ms", [1, TTL_MS_MAX])
def test_a_ttl_may_be_anything_from_a_millisecond_to_34_years(leader: Leader, ttl_ms: int) -> None:
    txn = leader.prepare(Op.CREATE_TTL, ttl_znode("/t", ttl_ms))
    assert isinstance(txn.record, CreateTxn)
    assert (txn.type, txn.record.ttl_ms) == (Op.CREATE_TTL, ttl_ms)


@pytest.mark.parametrize("ttl_ms", [0, -1, -5, TTL_MS_MAX + 1, 1 << 62])
@pytest.mark.parametrize("mode", [TTL, SEQUENTIAL_TTL])
def test_no_other_ttl_is_taken(leader: Leader, ttl_ms: int, mode: int) -> None:
    assert code_of(leader.prepare(Op.CREATE_TTL, ttl_znode("/t", ttl_ms, mode))) == Code.BAD_ARGUMENTS


@pytest.mark.parametrize("op", [Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER])
def test_only_create_ttl_can_give_a_ttl(leader: Leader, op: int) -> None:
    assert code_of(leader.prepare(op, ttl_znode("/t", -1))) == Code.BAD_ARGUMENTS


def test_the_ttl_is_judged_before_the_session(leader: Leader) -> None:
    assert code_of(leader.prepare(Op.CREATE_TTL, ttl_znode("/t", 0), session=9)) == Code.BAD_ARGUMENTS
    assert code_of(leader.prepare(Op.CREATE_TTL, ttl_znode("/t"), session=9)) == Code.SESSION_EXPIRED


def test_a_ttl_znode_may_have_children_and_outlives_its_session(leader: Leader) -> None:
    leader.do(Op.CREATE_TTL, ttl_znode("/t"))
    leader.create("/t/a")
    assert leader.do(Op.CREATE_TTL, ttl_znode("/t/b")).error == Code.OK
    leader.do(Op.CLOSE_SESSION, NoBody())
    assert {"/t", "/t/a", "/t/b"} < state_of(leader.tree).keys()


def test_a_ttl_znode_inside_a_multi_is_one(leader: Leader) -> None:
    parts = [(int(Op.CREATE_TTL), ttl_znode("/t", 7)), (int(Op.CREATE_TTL), ttl_znode("/p", 7, mode=0))]
    txn = leader.prepare(Op.MULTI, Multi([*parts]))
    assert isinstance(txn.record, MultiTxn)
    assert [type_ for type_, _ in txn.record.txns] == [Op.CREATE_TTL, Op.CREATE]
    leader.apply()
    assert list(leader.tree.ttls) == ["/t"]
    txn = leader.prepare(Op.MULTI, Multi([(Op.CREATE_TTL, ttl_znode("/u", 0))]))
    assert isinstance(txn.record, MultiTxn)
    assert [part.code for _, part in txn.record.txns if isinstance(part, ErrorTxn)] == [Code.BAD_ARGUMENTS]


def test_a_ttl_znode_that_is_written_to_is_not_deleted_behind_that(leader: Leader) -> None:
    """Its time began anew when the write was proposed, though nobody can see that yet."""
    leader.do(Op.CREATE_TTL, ttl_znode("/t"))
    leader.prepare(Op.SET_DATA, SetData("/t", b"again", -1))
    reap = (Op.DELETE_CONTAINER, Delete("/t", -1))
    assert code_of(leader.prepare(*reap, session=0)) == Code.BAD_VERSION
    leader.apply()
    assert leader.do(*reap, session=0).error == Code.OK
    assert "/t" not in leader.tree.nodes
    assert not leader.tree.ttls


@pytest.mark.parametrize(
    ("owner", "today"),
    [
        (CONTAINER + 1, ttl_owner(1)),
        (CONTAINER + TTL_MS_MAX, ttl_owner(TTL_MS_MAX)),
        (CONTAINER, CONTAINER),
        (CONTAINER + TTL_MS_MAX + 1, CONTAINER + TTL_MS_MAX + 1),
        (0, 0),
        (0x0100_0000_0000_1234, 0x0100_0000_0000_1234),
        (ttl_owner(9), ttl_owner(9)),
    ],
)
def test_owners_of_353_become_those_of_today(owner: int, today: int) -> None:
    assert owner_of_353(owner) == today


def test_a_snapshot_of_353_is_read_as_one_when_asked_for() -> None:
    tree, session = Tree(), CONTAINER + 77
    tree.sessions[session] = 10_000
    for path, owner in (("/old", CONTAINER + 5000), ("/c", CONTAINER), ("/mine", session)):
        tree.insert(path, Node(ephemeral_owner=owner))
    body = b"".join(snapshot.dump(tree))
    plain, _ = snapshot.load(body)
    assert (list(plain.ttls), len(plain.ephemerals)) == ([], 2)
    emulated, _ = snapshot.load(body, emulate_353_ttl=True)
    assert (list(emulated.ttls), list(emulated.containers)) == (["/old"], ["/c"])
    assert emulated.ephemerals == {session: {"/mine": None}}
    assert ttl_of(emulated.get("/old").ephemeral_owner) == 5000


def test_no_first_session_id_looks_like_a_ttl_znode() -> None:
    for monotonic_ms in (0, 1, 5, (1 << 24) - 1):
        first = first_session_id(255, monotonic_ms)
        assert not is_ttl(first)
        assert session_of(first) == first
        assert first & 0xFF << 56 == 0xFF << 56
    assert first_session_id(254, 5) == first_session_id(254, 0) + (5 << 16)
