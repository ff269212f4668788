"""What transactions do to the tree: stat, events, the digest, sessions, and replay over a later state."""

from __future__ import annotations

from zlib import crc32

import pytest

from ensemble.errors import Code, InvariantViolation, KeeperError
from ensemble.tree.digest import node_digest
from ensemble.tree.node import STAT, Node
from ensemble.tree.operations import (
    OPEN_ACL,
    READ_ACL,
    CloseSession,
    Create,
    CreateMode,
    Delete,
    EventType,
    Multi,
    Op,
    SetAcl,
    SetData,
)
from ensemble.tree.owner import CONTAINER, session_of, ttl_owner
from ensemble.tree.tree import CONFIG_PATH, Outcome, Tree
from ensemble.tree.txns import (
    CloseSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    Record,
    SetDataTxn,
    Txn,
)
from tests.ensemble.tree.harness import Leader, state_of

CREATED, DELETED = EventType.NODE_CREATED, EventType.NODE_DELETED
DATA, CHILDREN = EventType.NODE_DATA_CHANGED, EventType.NODE_CHILDREN_CHANGED


def apply(tree: Tree, zxid: int, type_: int, record: Record, session: int = 1) -> Outcome:
    return tree.apply(Txn(session, 0, zxid, 1000 + zxid, type_, record))


def create(path: str, cversion: int, *, data: bytes = b"", ephemeral: bool = False) -> CreateTxn:
    return CreateTxn(path, data, OPEN_ACL, ephemeral, cversion)


def test_a_new_tree_holds_what_apaches_does() -> None:
    tree = Tree()
    assert list(tree.nodes) == ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"]
    assert tree.get(CONFIG_PATH).acl == READ_ACL
    assert tree.znodes == 4
    assert STAT.unpack(tree.get("/").pack_stat()) == (0, 0, 0, 0, 0, -1, 0, 0, 0, 1, 0)
    with pytest.raises(KeeperError) as refusal:
        tree.get("/none")
    assert refusal.value.code == Code.NO_NODE


def test_the_digest_of_a_new_tree_is_apaches() -> None:
    tree = Tree()
    assert node_digest("/", tree.get("/")) == 68323592
    assert node_digest("/zookeeper", tree.get("/zookeeper")) == 1303661912
    assert tree.digest() == 1371985504


@pytest.mark.parametrize("size", [1, 1024, 1025, 5000])
def test_the_digest_runs_over_path_data_and_fields_of_any_length(size: int) -> None:
    node = Node(b"x" * size)
    fields = bytes(60)  # of a znode made by no transaction, at no time
    assert node_digest("/a", node) == crc32(b"/a" + b"x" * size + fields)


def test_the_digest_returns_when_the_state_does() -> None:
    tree = Tree()
    before = tree.digest()
    root = tree.get("/")
    apply(tree, 1, Op.CREATE, create("/a", 1, data=b"x"))
    with_a = tree.digest()
    assert with_a != before
    apply(tree, 2, Op.SET_DATA, SetDataTxn("/a", b"y", 1))
    assert tree.digest() not in (before, with_a)
    apply(tree, 3, Op.DELETE, DeleteTxn("/a"))
    root.cversion = root.pzxid = 0
    assert tree.digest() == before


def test_the_digest_ignores_the_system_branch() -> None:
    tree = Tree()
    before = tree.digest()
    tree.set_config(b"version=100000000", 0x100000000, 5)
    assert tree.digest() == before
    assert tree.get(CONFIG_PATH).mzxid == 0x100000000


def test_clients_see_every_creation_and_every_deletion_count() -> None:
    leader = Leader()
    leader.create("/p")
    seen = []
    for step in ("/p/a", "/p/b"):
        leader.create(step)
        seen.append(STAT.unpack(leader.tree.get("/p").pack_stat())[5])
    leader.do(Op.DELETE, Delete("/p/a", -1))
    seen.append(STAT.unpack(leader.tree.get("/p").pack_stat())[5])
    assert seen == [1, 2, 3]
    assert leader.tree.get("/p").cversion == 2


def test_the_visible_count_wraps_as_javas_does() -> None:
    node = Node()
    node.cversion = 0x7FFFFFFF
    assert STAT.unpack(node.pack_stat())[5] == -2
    node.cversion = -0x80000000
    assert STAT.unpack(node.pack_stat())[5] == 0


@pytest.mark.parametrize(
    ("owner", "seen"),
    [
        (0, 0),
        (CONTAINER, 0),
        (ttl_owner(5), 0),
        (0x1000016FCA2D0000, 0x1000016FCA2D0000),
        (-(2**57) + 5, -(2**57) + 5),
        (-7, -7),
        (-(2**56) + 2**40 - 1, 0),
    ],
)
def test_only_a_session_is_shown_as_owner(owner: int, seen: int) -> None:
    assert session_of(owner) == seen
    assert STAT.unpack(Node(ephemeral_owner=owner).pack_stat())[7] == seen


def test_stat_of_a_changed_znode() -> None:
    leader = Leader()
    leader.create("/a", b"12")
    outcome = leader.do(Op.SET_DATA, SetData("/a", b"123", 0))
    assert STAT.unpack(outcome.stat()) == (2, 3, 1002, 1003, 1, 0, 0, 0, 3, 0, 2)
    outcome = leader.do(Op.SET_ACL, SetAcl("/a", READ_ACL, 0))
    assert STAT.unpack(outcome.stat()) == (2, 3, 1002, 1003, 1, 0, 1, 0, 3, 0, 2)
    assert outcome.events == ()


def test_events_of_each_change_with_the_lists_that_guard_them() -> None:
    leader = Leader()
    leader.create("/p")
    made = leader.do(Op.CREATE2, Create("/p/a", b"", READ_ACL, 0))
    assert list(zip(made.events, made.event_acls, strict=True)) == [
        ((CREATED, "/p/a"), READ_ACL),
        ((CHILDREN, "/p"), OPEN_ACL),
    ]
    gone = leader.do(Op.DELETE, Delete("/p/a", -1))
    assert list(zip(gone.events, gone.event_acls, strict=True)) == [
        ((DELETED, "/p/a"), READ_ACL),
        ((CHILDREN, "/p"), OPEN_ACL),
    ]
    changed = leader.do(Op.SET_DATA, SetData("/", b"x", -1))
    assert list(zip(changed.events, changed.event_acls, strict=True)) == [((DATA, "/"), OPEN_ACL)]
    assert leader.create("/q").events == ((CREATED, "/q"), (CHILDREN, "/"))


def test_an_outcome_without_a_znode_has_no_stat() -> None:
    leader = Leader()
    leader.create("/a")
    with pytest.raises(InvariantViolation):
        leader.do(Op.DELETE, Delete("/a", -1)).stat()


def test_containers_and_ttl_znodes_are_indexed_and_forgotten() -> None:
    tree = Tree()
    apply(tree, 1, Op.CREATE_CONTAINER, create("/c", 1))
    apply(tree, 2, Op.CREATE_TTL, CreateTxn("/t", b"", OPEN_ACL, False, 2, 1500))
    assert (list(tree.containers), list(tree.ttls), tree.ephemerals_count) == (["/c"], ["/t"], 0)
    assert tree.get("/t").ephemeral_owner & 0xFFFFFFFFFFFFFFFF == 0xFF00000000000000 | 1500
    apply(tree, 3, Op.DELETE_CONTAINER, DeleteTxn("/c"))
    apply(tree, 4, Op.DELETE_CONTAINER, DeleteTxn("/t"))
    assert (list(tree.containers), list(tree.ttls)) == ([], [])


def test_closing_a_session_deletes_the_list_in_its_order_then_the_rest() -> None:
    leader = Leader((1, 2))
    for path in ("/a", "/b", "/c"):
        leader.create(path, mode=1)
    leader.create("/other", mode=1, session=2)
    leader.create("/kept")
    assert list(leader.tree.ephemerals[1]) == ["/a", "/b", "/c"]
    outcome = apply(leader.tree, 99, Op.CLOSE_SESSION, CloseSessionTxn(["/c", "/none", "/a"]))
    assert [path for event, path in outcome.events if event == DELETED] == ["/c", "/a", "/b"]
    assert len(outcome.event_acls) == len(outcome.events)
    assert 1 not in leader.tree.sessions
    assert leader.tree.ephemerals == {2: {"/other": None}}
    again = apply(leader.tree, 100, Op.CLOSE_SESSION, CloseSessionTxn(["/c"]))
    assert again.events == []
    state_of(leader.tree)


def test_a_multi_is_one_step_and_its_stats_are_of_the_moment() -> None:
    leader = Leader()
    outcome = leader.do(
        Op.MULTI,
        Multi(
            [
                (Op.CREATE2, Create("/a", b"", OPEN_ACL, 0)),
                (Op.SET_DATA, SetData("/a", b"1", 0)),
                (Op.SET_DATA, SetData("/a", b"22", 1)),
            ]
        ),
    )
    assert outcome.results is not None
    assert [STAT.unpack(each.stat())[4] for each in outcome.results] == [0, 1, 2]
    assert [each.type for each in outcome.results] == [15, 5, 5]
    assert [event for event, _ in outcome.events] == [CREATED, CHILDREN, DATA, DATA]
    assert leader.tree.zxid == leader.zxid


def test_a_refused_multi_as_apache_logs_it_changes_nothing() -> None:
    tree = Tree()
    record = MultiTxn([(Op.CREATE, create("/a", 1)), (Op.ERROR, ErrorTxn(-101)), (Op.ERROR, ErrorTxn(-2))])
    outcome = apply(tree, 1, Op.MULTI, record)
    assert outcome.results is not None
    assert [(each.type, each.error) for each in outcome.results] == [(-1, 0), (-1, -101), (-1, -2)]
    assert (outcome.error, outcome.events, tree.find("/a"), tree.zxid) == (0, (), None, 1)


def test_an_error_takes_its_place_in_the_order() -> None:
    tree = Tree()
    outcome = apply(tree, 5, Op.ERROR, ErrorTxn(Code.NO_NODE))
    assert (outcome.type, outcome.error, tree.zxid) == (-1, Code.NO_NODE, 5)


def test_replay_never_takes_counts_back() -> None:
    tree = Tree()
    apply(tree, 1, Op.CREATE, create("/p", 1))
    apply(tree, 2, Op.CREATE, create("/p/a", 1))
    apply(tree, 3, Op.CREATE, create("/p/b", 2))
    parent = tree.get("/p")
    assert apply(tree, 2, Op.CREATE, create("/p/a", 1)).error == Code.NODE_EXISTS
    assert apply(tree, 1, Op.DELETE, DeleteTxn("/p/zz")).error == Code.NO_NODE
    assert (parent.cversion, parent.pzxid, tree.zxid) == (2, 3, 3)
    assert apply(tree, 4, Op.CREATE, create("/p/a", 3)).error == Code.NODE_EXISTS
    assert (parent.cversion, parent.pzxid) == (3, 4)
    assert apply(tree, 5, Op.DELETE, DeleteTxn("/p/zz")).error == Code.NO_NODE
    assert parent.pzxid == 5
    assert apply(tree, 6, Op.SET_DATA, SetDataTxn("/none", b"", 1)).error == Code.NO_NODE
    assert apply(tree, 7, Op.CREATE, create("/none/a", 1)).error == Code.NO_NODE


def test_a_create_of_an_old_log_lets_the_parents_count_go_on() -> None:
    tree = Tree()
    apply(tree, 1, Op.CREATE, create("/a", -1))
    apply(tree, 2, Op.CREATE, create("/b", -1))
    assert tree.get("/").cversion == 2


def test_replayed_deletion_takes_a_later_subtree_with_it() -> None:
    leader = Leader()
    leader.create("/p")
    leader.do(Op.DELETE, Delete("/p", -1))
    leader.create("/p")
    leader.create("/p/a")
    leader.create("/p/a/e", mode=1)
    final = state_of(leader.tree)
    for txn in leader.history:
        leader.tree.apply(txn)
    assert state_of(leader.tree) == final


def test_count_below() -> None:
    leader = Leader()
    for path in ("/p", "/p/a", "/p/a/b", "/pp"):
        leader.create(path)
    assert leader.tree.count_below("/p") == 2
    assert leader.tree.count_below("/") == 7
    with pytest.raises(KeeperError):
        leader.tree.count_below("/none")


def test_closing_a_session_by_request_deletes_its_ephemerals() -> None:
    leader = Leader((1, 2))
    leader.create("/a", mode=1)
    outcome = leader.do(Op.CLOSE_SESSION, CloseSession())
    assert outcome.events == [(DELETED, "/a"), (CHILDREN, "/")]
    assert leader.tree.sessions == {2: 10_000}


def test_the_digest_of_a_lived_in_tree_is_apaches() -> None:
    """The same transactions, applied by Apache's own DataTree, give this digest."""
    leader = Leader((0x100000000000001,))
    session = 0x100000000000001
    leader.create("/a", b"data", session=session)
    leader.create("/a/é", b"", CreateMode.EPHEMERAL, session=session)
    leader.do(Op.CREATE_CONTAINER, Create("/a/c", None, READ_ACL, CreateMode.CONTAINER), session=session)
    leader.do(Op.SET_DATA, SetData("/a", b"other", -1), session=session)
    leader.do(Op.SET_ACL, SetAcl("/a", READ_ACL, -1), session=session)
    leader.create("/b", session=session)
    leader.do(Op.DELETE, Delete("/b", -1), session=session)
    assert leader.tree.digest() == 10911129230
