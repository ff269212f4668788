"""Preparation: which check fails first, what is seen of changes in flight, and how a multi fails."""

from __future__ import annotations

import pytest

from ensemble import limits
from ensemble.errors import Code
from ensemble.tree import txns
from ensemble.tree.operations import (
    OPEN_ACL,
    READ_ACL,
    Acl,
    Check,
    CloseSession,
    Create,
    CreateMode,
    CreateSession,
    Delete,
    Identity,
    Multi,
    NoBody,
    Op,
    Operation,
    SetAcl,
    SetData,
    Sync,
)
from ensemble.tree.tree import CONFIG_PATH
from ensemble.tree.txns import CheckTxn, CloseSessionTxn, CreateTxn, ErrorTxn, MultiTxn, SetAclTxn, SetDataTxn
from tests.ensemble.tree.harness import Leader, code_of, state_of

ALICE = Identity("digest", "alice:hash")
BOB = Identity("digest", "bob:hash")
SUPER = Identity("super", "")
ALICES = (Acl(31, ALICE),)
EPHEMERAL, SEQUENTIAL = CreateMode.EPHEMERAL, CreateMode.PERSISTENT_SEQUENTIAL


@pytest.fixture
def leader() -> Leader:
    leader = Leader((1, 2))
    leader.create("/p")
    leader.create("/p/a", b"1")
    leader.create("/e", mode=EPHEMERAL)
    leader.do(Op.CREATE, Create("/alice", b"", ALICES, 0))
    leader.do(Op.CREATE, Create("/alice/a", b"", OPEN_ACL, 0), identities=(ALICE,))
    return leader


def create(path: str, acl: tuple[Acl, ...] = OPEN_ACL, mode: int = 0, ttl_ms: int = -1) -> Create:
    return Create(path, b"", acl, mode, ttl_ms)


# Each row fails two checks; the earlier one is told.
REFUSALS: list[tuple[int, Operation, int, Code]] = [
    (Op.CREATE, create("bad", (), 7), 9, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("bad", (), -1), 9, Code.BAD_ARGUMENTS),
    (Op.CREATE_TTL, create("bad", (), 5, 10), 9, Code.UNIMPLEMENTED),
    (Op.CREATE_TTL, create("bad", (), 6, 0), 9, Code.UNIMPLEMENTED),
    (Op.CREATE_TTL, create("bad", (), 0, 10), 9, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("/x", (), 0, 10), 1, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("bad", ()), 9, Code.SESSION_EXPIRED),
    (Op.CREATE, create("bad", ()), 1, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("", ()), 1, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("/none\0/x", ()), 1, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("/none/x", ()), 1, Code.INVALID_ACL),
    (Op.CREATE, create("/none/x"), 1, Code.NO_NODE),
    (Op.CREATE, create("none/x"), 1, Code.NO_NODE),
    (Op.CREATE, create("/alice/a"), 1, Code.NO_AUTH),
    (Op.CREATE, create("/alice/.."), 1, Code.NO_AUTH),
    (Op.CREATE, create("/p/.."), 1, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("/p/"), 1, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("//p"), 1, Code.BAD_ARGUMENTS),
    (Op.CREATE, create("/"), 1, Code.NODE_EXISTS),
    (Op.CREATE, create("/p/a"), 1, Code.NODE_EXISTS),
    (Op.CREATE, create("/e/x"), 1, Code.NO_CHILDREN_FOR_EPHEMERALS),
    (Op.DELETE, Delete("/none/x", 5), 9, Code.SESSION_EXPIRED),
    (Op.DELETE, Delete("/", 5), 1, Code.BAD_ARGUMENTS),
    (Op.DELETE, Delete("/zookeeper", -1), 1, Code.BAD_ARGUMENTS),
    (Op.DELETE, Delete("/zookeeper/quota", -1), 1, Code.BAD_ARGUMENTS),
    (Op.DELETE, Delete(CONFIG_PATH, -1), 1, Code.BAD_ARGUMENTS),
    (Op.DELETE, Delete("bad", -1), 1, Code.BAD_ARGUMENTS),
    (Op.DELETE, Delete("/none/x", 5), 1, Code.NO_NODE),
    (Op.DELETE, Delete("/alice/none", 5), 1, Code.NO_AUTH),
    (Op.DELETE, Delete("/p/none", 5), 1, Code.NO_NODE),
    (Op.DELETE, Delete("/p", 5), 1, Code.BAD_VERSION),
    (Op.DELETE, Delete("/p", 0), 1, Code.NOT_EMPTY),
    (Op.SET_DATA, SetData("bad", b"", 5), 9, Code.SESSION_EXPIRED),
    (Op.SET_DATA, SetData("bad", b"", 5), 1, Code.BAD_ARGUMENTS),
    (Op.SET_DATA, SetData("", b"", 5), 1, Code.BAD_ARGUMENTS),
    (Op.SET_DATA, SetData("/none", b"", 5), 1, Code.NO_NODE),
    (Op.SET_DATA, SetData("/alice", b"", 5), 1, Code.NO_AUTH),
    (Op.SET_DATA, SetData(CONFIG_PATH, b"", -1), 1, Code.NO_AUTH),
    (Op.SET_DATA, SetData("/p", b"", 5), 1, Code.BAD_VERSION),
    (Op.SET_ACL, SetAcl("bad", (), 5), 9, Code.SESSION_EXPIRED),
    (Op.SET_ACL, SetAcl("bad", (), 5), 1, Code.BAD_ARGUMENTS),
    (Op.SET_ACL, SetAcl("/none", (), 5), 1, Code.INVALID_ACL),
    (Op.SET_ACL, SetAcl("/none", OPEN_ACL, 5), 1, Code.NO_NODE),
    (Op.SET_ACL, SetAcl("/alice", OPEN_ACL, 5), 1, Code.NO_AUTH),
    (Op.SET_ACL, SetAcl("/p", OPEN_ACL, 5), 1, Code.BAD_VERSION),
    (Op.DELETE_CONTAINER, Delete("/p/a", -1), 1, Code.UNIMPLEMENTED),
    (Op.DELETE_CONTAINER, Delete("/p", -1), 0, Code.NOT_EMPTY),
    (Op.DELETE_CONTAINER, Delete("/p/a", -1), 0, Code.BAD_VERSION),
    (Op.DELETE_CONTAINER, Delete("/", -1), 0, Code.BAD_ARGUMENTS),
    (Op.CHECK, Check("/p", -1), 1, Code.UNIMPLEMENTED),
    (Op.SYNC, Sync("/p"), 1, Code.UNIMPLEMENTED),
    (Op.RECONFIG, NoBody(), 1, Code.RECONFIG_DISABLED),
    (12345, NoBody(), 1, Code.UNIMPLEMENTED),
]


@pytest.mark.parametrize(("op", "operation", "session", "code"), REFUSALS)
def test_the_first_failing_check_is_told(
    leader: Leader, op: int, operation: Operation, session: int, code: Code
) -> None:
    before = state_of(leader.tree)
    txn = leader.prepare(op, operation, session=session)
    assert (txn.type, code_of(txn)) == (Op.ERROR, code)
    assert leader.preparer.pending == 0
    leader.apply()
    assert state_of(leader.tree) == before
    assert leader.tree.zxid == txn.zxid


def test_what_a_create_stores(leader: Leader) -> None:
    txn = leader.prepare(Op.CREATE2, Create("/p/b", None, ALICES, EPHEMERAL))
    assert (txn.session_id, txn.cxid, txn.type) == (1, 7, Op.CREATE2)
    assert txn.record == CreateTxn("/p/b", None, ALICES, True, 2)
    leader.apply()
    assert leader.tree.get("/p/b").ephemeral_owner == 1


def test_a_container_is_made_by_its_op_not_by_its_mode(leader: Leader) -> None:
    leader.do(Op.CREATE_CONTAINER, create("/c", mode=CreateMode.CONTAINER))
    leader.do(Op.CREATE, create("/d", mode=CreateMode.CONTAINER))
    assert list(leader.tree.containers) == ["/c"]
    assert code_of(leader.prepare(Op.CREATE, create("/c/x"))) == Code.OK
    assert code_of(leader.prepare(Op.DELETE_CONTAINER, Delete("/c", -1), session=0)) == Code.NOT_EMPTY
    leader.prepare(Op.DELETE, Delete("/c/x", -1))
    leader.apply()
    assert code_of(leader.prepare(Op.DELETE_CONTAINER, Delete("/c", -1), session=0)) == Code.OK
    leader.apply()
    assert leader.tree.find("/c") is None


def test_suffixes_count_creations_and_never_go_back(leader: Leader) -> None:
    def name() -> str:
        record = leader.prepare(Op.CREATE, create("/p/s-", mode=SEQUENTIAL)).record
        assert isinstance(record, CreateTxn)
        return record.path

    assert name() == "/p/s-0000000001"
    assert name() == "/p/s-0000000002"
    leader.apply(1)
    leader.prepare(Op.DELETE, Delete("/p/s-0000000001", -1))
    assert name() == "/p/s-0000000003"
    leader.apply()
    assert name() == "/p/s-0000000004"


def test_a_sequential_path_may_end_in_a_slash(leader: Leader) -> None:
    assert leader.do(Op.CREATE, create("/p/", mode=SEQUENTIAL)).path == "/p/0000000001"


def test_the_suffix_overflows_as_javas_int(leader: Leader) -> None:
    leader.tree.get("/p").cversion = 0x7FFFFFFF
    records = [leader.prepare(Op.CREATE, create("/p/s", mode=SEQUENTIAL)).record for _ in range(2)]
    assert [record.path for record in records if isinstance(record, CreateTxn)] == [
        "/p/s2147483647",
        "/p/s-2147483648",
    ]
    leader.apply()


def test_changes_in_flight_are_seen(leader: Leader) -> None:
    leader.prepare(Op.CREATE, create("/p/x"))
    assert code_of(leader.prepare(Op.CREATE, create("/p/x"))) == Code.NODE_EXISTS
    assert code_of(leader.prepare(Op.CREATE, create("/p/x/y"))) == Code.OK
    assert code_of(leader.prepare(Op.SET_DATA, SetData("/p/x", b"", 0))) == Code.OK
    assert code_of(leader.prepare(Op.SET_DATA, SetData("/p/x", b"", 0))) == Code.BAD_VERSION
    assert code_of(leader.prepare(Op.SET_DATA, SetData("/p/x", b"", 1))) == Code.OK
    assert code_of(leader.prepare(Op.DELETE, Delete("/p/x", -1))) == Code.NOT_EMPTY
    assert code_of(leader.prepare(Op.DELETE, Delete("/p/x/y", -1))) == Code.OK
    assert code_of(leader.prepare(Op.SET_ACL, SetAcl("/p/x", READ_ACL, 0))) == Code.OK
    assert code_of(leader.prepare(Op.SET_DATA, SetData("/p/x", b"", -1))) == Code.NO_AUTH
    assert code_of(leader.prepare(Op.DELETE, Delete("/p/x", 2))) == Code.OK
    assert code_of(leader.prepare(Op.SET_DATA, SetData("/p/x", b"", -1))) == Code.NO_NODE
    assert code_of(leader.prepare(Op.CREATE, create("/p/x"))) == Code.OK
    asked = list(leader.waiting)
    assert [outcome.error for outcome in leader.apply()] == [code_of(txn) for txn in asked]
    assert leader.preparer.pending == 0


def test_reset_forgets_what_was_proposed(leader: Leader) -> None:
    leader.prepare(Op.CREATE_SESSION, CreateSession(1000), session=3)
    leader.prepare(Op.CREATE, create("/p/x", mode=EPHEMERAL), session=3)
    leader.prepare(Op.CLOSE_SESSION, CloseSession())
    leader.preparer.reset()
    assert leader.preparer.pending == 0
    assert code_of(leader.prepare(Op.CREATE, create("/p/x"))) == Code.OK
    assert code_of(leader.prepare(Op.CREATE, create("/p/y"), session=3)) == Code.SESSION_EXPIRED


def test_a_session_in_flight_is_a_session(leader: Leader) -> None:
    assert code_of(leader.prepare(Op.CREATE, create("/x"), session=3)) == Code.SESSION_EXPIRED
    leader.prepare(Op.CREATE_SESSION, CreateSession(1000), session=3)
    assert code_of(leader.prepare(Op.CREATE, create("/x", mode=EPHEMERAL), session=3)) == Code.OK
    closing = leader.prepare(Op.CLOSE_SESSION, CloseSession(), session=3)
    assert closing.record == CloseSessionTxn(["/x"])
    assert code_of(leader.prepare(Op.CREATE, create("/y"), session=3)) == Code.SESSION_EXPIRED
    assert code_of(leader.prepare(Op.CREATE, create("/x"))) == Code.OK
    assert leader.prepare(Op.CLOSE_SESSION, CloseSession(), session=3).record == CloseSessionTxn([])
    leader.apply(3)
    assert code_of(leader.prepare(Op.CREATE, create("/y"), session=3)) == Code.SESSION_EXPIRED
    leader.apply()
    assert leader.tree.get("/x").ephemeral_owner == 0
    assert code_of(leader.prepare(Op.CREATE, create("/y"), session=3)) == Code.SESSION_EXPIRED


def test_closing_lists_what_the_session_will_own(leader: Leader) -> None:
    for path in ("/e1", "/e2"):
        leader.create(path, mode=EPHEMERAL)
    leader.prepare(Op.DELETE, Delete("/e1", -1))
    leader.prepare(Op.CREATE, create("/p/new", mode=EPHEMERAL))
    leader.prepare(Op.DELETE, Delete("/e", -1))
    leader.prepare(Op.CREATE, create("/e", mode=EPHEMERAL))
    leader.prepare(Op.CREATE, create("/theirs", mode=EPHEMERAL), session=2)
    leader.apply(3)  # the deletion of /e is applied, its new creation is not
    assert leader.prepare(Op.CLOSE_SESSION, CloseSession()).record == CloseSessionTxn(["/e2", "/p/new", "/e"])
    assert code_of(leader.prepare(Op.DELETE, Delete("/p/a", -1), session=2)) == Code.OK
    assert code_of(leader.prepare(Op.DELETE, Delete("/p", -1), session=2)) == Code.OK
    leader.apply()
    assert list(leader.tree.ephemerals) == [2]
    assert leader.tree.find("/p") is None


def test_closing_after_a_refused_multi_still_lists_all(leader: Leader) -> None:
    leader.prepare(Op.CREATE, create("/n", mode=EPHEMERAL))
    leader.prepare(
        Op.MULTI,
        Multi(
            [
                (Op.DELETE, Delete("/n", -1)),
                (Op.CREATE, create("/n", mode=EPHEMERAL)),
                (Op.CHECK, Check("/none", -1)),
            ]
        ),
    )
    assert leader.prepare(Op.CLOSE_SESSION, CloseSession()).record == CloseSessionTxn(["/e", "/n"])


def test_the_list_of_a_closing_session_is_bounded(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TXN_BYTES_MAX", 150)
    for number in range(10):
        leader.create(f"/e{number}", mode=EPHEMERAL)
    txn = leader.prepare(Op.CLOSE_SESSION, CloseSession())
    assert isinstance(txn.record, CloseSessionTxn)
    assert 0 < len(txn.record.paths) < 10
    assert len(txns.encode(txn)) <= 150
    leader.apply()
    assert leader.tree.ephemerals_count == 0


@pytest.mark.parametrize(
    ("op", "operation"),
    [
        (Op.CREATE, Create("/x", b"x" * 950, OPEN_ACL, 0)),
        (Op.SET_DATA, SetData("/p", b"x" * 950, -1)),
        (
            Op.SET_ACL,
            SetAcl("/p", OPEN_ACL + tuple(Acl(1, Identity("digest", f"u{n}:h")) for n in range(30)), -1),
        ),
    ],
)
def test_a_transaction_too_large_is_refused_when_prepared(
    leader: Leader, monkeypatch: pytest.MonkeyPatch, op: int, operation: Operation
) -> None:
    assert code_of(leader.prepare(op, operation)) == Code.OK
    leader.apply()
    if op == Op.CREATE:
        leader.do(Op.DELETE, Delete("/x", -1))
    monkeypatch.setattr(limits, "TXN_BYTES_MAX", 1000)
    assert code_of(leader.prepare(op, operation)) == Code.BAD_ARGUMENTS
    assert leader.preparer.pending == 0


# Access.


def test_rights_are_those_of_the_lists(leader: Leader) -> None:
    def code(op: int, operation: Operation, *identities: Identity) -> Code:
        return code_of(leader.prepare(op, operation, identities=identities))

    assert code(Op.SET_DATA, SetData("/alice", b"", -1), BOB) == Code.NO_AUTH
    assert code(Op.SET_DATA, SetData("/alice", b"", -1), BOB, ALICE) == Code.OK
    assert code(Op.SET_DATA, SetData("/alice", b"", -1), SUPER) == Code.OK
    # Deleting asks the parent, not the znode: /alice/a is open, its parent is not.
    assert code(Op.DELETE, Delete("/alice/a", -1), BOB) == Code.NO_AUTH
    assert code(Op.DELETE, Delete("/alice/a", -1), ALICE) == Code.OK
    assert code(Op.DELETE, Delete("/alice", -1), BOB) == Code.OK


def test_auth_becomes_the_identities_of_the_client(leader: Leader) -> None:
    asked = (Acl(31, Identity("auth", "")),)
    txn = leader.prepare(
        Op.CREATE, Create("/x", b"", asked, 0), identities=(Identity("ip", "10.0.0.1"), ALICE)
    )
    assert isinstance(txn.record, CreateTxn)
    assert txn.record.acl == ALICES
    assert code_of(leader.prepare(Op.CREATE, Create("/y", b"", asked, 0))) == Code.INVALID_ACL
    txn = leader.prepare(Op.SET_ACL, SetAcl("/p", asked, 0), identities=(ALICE,))
    assert txn.record == SetAclTxn("/p", ALICES, 1)


def test_versions_wrap_as_javas_int(leader: Leader) -> None:
    leader.tree.get("/p").version = 0x7FFFFFFF
    assert leader.prepare(Op.SET_DATA, SetData("/p", b"", -1)).record == SetDataTxn("/p", b"", -0x80000000)
    leader.apply()


# Multi.


def test_the_parts_of_a_multi_see_those_before_them(leader: Leader) -> None:
    txn = leader.prepare(
        Op.MULTI,
        Multi(
            [
                (Op.CREATE, create("/m")),
                (Op.CREATE2, create("/m/s-", mode=SEQUENTIAL)),
                (Op.CREATE_CONTAINER, create("/m/s-", mode=SEQUENTIAL)),
                (Op.CHECK, Check("/m", 0)),
                (Op.SET_DATA, SetData("/m", b"x", 0)),
                (Op.CHECK, Check("/m", 1)),
                (Op.DELETE, Delete("/m/s-0000000000", 0)),
            ]
        ),
    )
    assert isinstance(txn.record, MultiTxn)
    assert [type_ for type_, _ in txn.record.txns] == [1, 15, 19, 13, 5, 13, 2]
    assert txn.record.txns[3][1] == CheckTxn("/m", 1)
    results = leader.apply()[0].results
    assert results is not None
    assert [result.error for result in results] == [0] * 7
    assert list(leader.tree.get("/m").children or ()) == ["s-0000000001"]
    assert leader.tree.get("/m").czxid == leader.tree.get("/m").pzxid == txn.zxid


def test_a_refused_multi_tells_where_and_leaves_nothing(leader: Leader) -> None:
    leader.prepare(Op.SET_DATA, SetData("/p", b"in flight", -1))
    pending = leader.preparer.pending
    txn = leader.prepare(
        Op.MULTI,
        Multi(
            [
                (Op.CREATE, create("/p/s-", mode=SEQUENTIAL)),
                (Op.SET_DATA, SetData("/p", b"x", 1)),
                (Op.SET_DATA, SetData("/p", b"x", 1)),
                (Op.DELETE, Delete("/p/a", -1)),
            ]
        ),
    )
    assert txn.type == Op.MULTI
    codes = (Code.OK, Code.OK, Code.BAD_VERSION, Code.RUNTIME_INCONSISTENCY)
    assert txn.record == MultiTxn([(-1, ErrorTxn(code)) for code in codes])
    assert leader.preparer.pending == pending
    # Neither the suffix nor the version has moved (ZOOKEEPER-1624).
    after = leader.prepare(Op.CREATE, create("/p/s-", mode=SEQUENTIAL)).record
    assert isinstance(after, CreateTxn)
    assert after.path == "/p/s-0000000001"
    assert code_of(leader.prepare(Op.SET_DATA, SetData("/p", b"", 1))) == Code.OK
    results = leader.apply()[1].results
    assert results is not None
    assert [(result.type, result.error) for result in results] == [(-1, int(code)) for code in codes]


@pytest.mark.parametrize("op", [Op.GET_DATA, Op.SET_ACL, Op.MULTI, Op.CLOSE_SESSION, Op.ERROR, 999])
def test_a_multi_of_anything_else_is_no_multi(leader: Leader, op: int) -> None:
    txn = leader.prepare(Op.MULTI, Multi([(Op.CREATE, create("/m")), (op, Sync("/m"))]))
    assert (txn.type, code_of(txn)) == (Op.ERROR, Code.MARSHALLING_ERROR)
    assert leader.preparer.pending == 0


@pytest.mark.parametrize(
    ("op", "mode", "becomes"),
    [
        (Op.CREATE, CreateMode.CONTAINER, Op.CREATE_CONTAINER),
        (Op.CREATE2, CreateMode.CONTAINER, Op.CREATE_CONTAINER),
        (Op.CREATE_CONTAINER, CreateMode.PERSISTENT, Op.CREATE_CONTAINER),
        (Op.CREATE2, CreateMode.EPHEMERAL, Op.CREATE2),
        (Op.CREATE_TTL, CreateMode.PERSISTENT, Op.CREATE),
        (Op.CREATE_TTL, CreateMode.CONTAINER, Op.CREATE_CONTAINER),
    ],
)
def test_inside_a_multi_the_mode_says_what_is_created(
    leader: Leader, op: int, mode: int, becomes: int
) -> None:
    ttl_ms = 1000 if op == Op.CREATE_TTL else -1
    txn = leader.prepare(Op.MULTI, Multi([(op, create("/m", mode=mode, ttl_ms=ttl_ms))]))
    assert isinstance(txn.record, MultiTxn)
    assert [type_ for type_, _ in txn.record.txns] == [becomes]


@pytest.mark.parametrize("mode", [CreateMode.PERSISTENT_WITH_TTL, 7, -1])
def test_an_impossible_mode_spoils_the_whole_multi(leader: Leader, mode: int) -> None:
    txn = leader.prepare(
        Op.MULTI, Multi([(Op.DELETE, Delete("/none", -1)), (Op.CREATE, create("/m", mode=mode))])
    )
    assert (txn.type, code_of(txn)) == (Op.ERROR, Code.MARSHALLING_ERROR)


def test_a_ttl_inside_a_multi_is_refused_where_it_stands(leader: Leader) -> None:
    txn = leader.prepare(Op.MULTI, Multi([(Op.CREATE_TTL, create("/m", mode=5, ttl_ms=9))]))
    assert isinstance(txn.record, MultiTxn)
    assert [part.code for _, part in txn.record.txns if isinstance(part, ErrorTxn)] == [Code.UNIMPLEMENTED]


def test_an_empty_multi_is_one_that_does_nothing(leader: Leader) -> None:
    assert leader.do(Op.MULTI, Multi([])).results == []


def test_a_multi_is_bounded(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MULTI_OPS_MAX", 3)
    check = (int(Op.CHECK), Check("/p", -1))
    assert code_of(leader.prepare(Op.MULTI, Multi([check] * 3))) == Code.OK
    assert code_of(leader.prepare(Op.MULTI, Multi([check] * 4))) == Code.BAD_ARGUMENTS
    monkeypatch.setattr(limits, "TXN_BYTES_MAX", 1500)
    txn = leader.prepare(Op.MULTI, Multi([(Op.SET_DATA, SetData("/p", b"x" * 600, -1))] * 3))
    assert isinstance(txn.record, MultiTxn)
    assert [part.code for _, part in txn.record.txns if isinstance(part, ErrorTxn)] == [
        0,
        0,
        Code.BAD_ARGUMENTS,
    ]
    assert leader.preparer.pending == 0
