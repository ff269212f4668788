"""The tree against a naive model, with requests in flight, and replay over every later state."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ensemble.errors import Code, KeeperError
from ensemble.tree import snapshot
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Check,
    CloseSession,
    Create,
    CreateSession,
    Delete,
    Identity,
    Multi,
    Op,
    Operation,
    SetAcl,
    SetData,
)
from ensemble.tree.tree import Tree
from ensemble.tree.txns import CreateTxn, ErrorTxn, MultiTxn
from tests.ensemble.tree.harness import Leader, Model, ModelNode, code_of, state_of

SYSTEM = ("/zookeeper", "/zookeeper/quota", "/zookeeper/config")
TWO_ENTRIES = (*OPEN_ACL, Acl(1, Identity("ip", "10.0.0.0/8")))

paths = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
versions = st.sampled_from([-1, -1, 0, 1, 2])
contents = st.sampled_from([None, b"", b"x", b"yy"])
sessions = st.sampled_from([1, 2])
parts: st.SearchStrategy[tuple[int, Operation]] = st.one_of(
    st.tuples(st.just(1), st.builds(Create, paths, contents, st.just(OPEN_ACL), st.integers(0, 3))),
    st.tuples(st.just(2), st.builds(Delete, paths, versions)),
    st.tuples(st.just(5), st.builds(SetData, paths, contents, versions)),
)
checks: st.SearchStrategy[tuple[int, Operation]] = st.tuples(st.just(13), st.builds(Check, paths, versions))
acls = st.sampled_from([OPEN_ACL, TWO_ENTRIES])
set_acls: st.SearchStrategy[tuple[int, Operation]] = st.tuples(
    st.just(7), st.builds(SetAcl, paths, acls, versions)
)


def perform(model: Model, op: int, operation: Operation, session: int, zxid: int) -> None:
    """Do to the model what the request asks; raise KeeperError as a server would."""
    match operation:
        case Create():
            model.create(operation.path, operation.data, operation.mode, session, zxid)
        case Delete():
            model.delete(operation.path, operation.version, zxid)
        case SetData():
            model.set_data(operation.path, operation.data, operation.version, zxid)
        case SetAcl():
            model.set_acl(operation.path, operation.acl, operation.version)
        case Check():
            if operation.version not in (-1, model.existing(operation.path).version):
                raise KeeperError(Code.BAD_VERSION)


def copy_of(model: Model) -> Model:
    return Model({path: ModelNode(**vars(node)) for path, node in model.nodes.items()})


class TreeAgainstModel(RuleBasedStateMachine):
    """The model does at once what the leader prepares now and applies some time later."""

    def __init__(self) -> None:
        super().__init__()
        self.leader = Leader((1, 2))
        self.model = Model({"/": ModelNode(b"", OPEN_ACL, 0, 0, 0, 0)})

    @rule(request=st.one_of(parts, set_acls), session=sessions)
    def ask(self, request: tuple[int, Operation], session: int) -> None:
        txn = self.leader.prepare(*request, session=session)
        expected = Code.OK
        try:
            perform(self.model, *request, session, txn.zxid)
        except KeeperError as refusal:
            expected = refusal.code
        assert code_of(txn) == expected

    @rule(requests=st.lists(parts | checks, max_size=5), session=sessions)
    def ask_multi(self, requests: list[tuple[int, Operation]], session: int) -> None:
        txn = self.leader.prepare(Op.MULTI, Multi(requests), session=session)
        assert isinstance(txn.record, MultiTxn)
        attempt = copy_of(self.model)
        codes = [0] * len(requests)
        for at, request in enumerate(requests):
            try:
                perform(attempt, *request, session, txn.zxid)
            except KeeperError as refusal:
                codes[at:] = [int(refusal.code)] + [-2] * (len(requests) - at - 1)
                break
        else:
            self.model = attempt
        assert [part.code if isinstance(part, ErrorTxn) else 0 for _, part in txn.record.txns] == codes

    @rule(session=sessions)
    def close_and_reopen(self, session: int) -> None:
        txn = self.leader.prepare(Op.CLOSE_SESSION, CloseSession(), session=session)
        owned = {path for path, node in self.model.nodes.items() if node.owner == session}
        assert set(getattr(txn.record, "paths", ())) == owned
        self.model.close(session, txn.zxid)
        self.leader.apply()  # a session id is not given out again while its end is in flight
        self.leader.prepare(Op.CREATE_SESSION, CreateSession(1000), session=session)

    @rule(count=st.integers(1, 4))
    def apply(self, count: int) -> None:
        self.leader.apply(count)

    @invariant()
    def equal_once_applied(self) -> None:
        if self.leader.waiting:
            return
        state = {path: fields for path, fields in state_of(self.leader.tree).items() if path not in SYSTEM}
        assert state.keys() == self.model.nodes.keys()
        for path, node in self.model.nodes.items():
            data, acl, czxid, mzxid, pzxid, _, _, version, cversion, aversion, owner, children = state[path]
            assert (data, acl, czxid, mzxid, pzxid) == (
                node.data,
                node.acl,
                node.zxid,
                node.mzxid,
                node.pzxid,
            )
            assert (version, cversion, aversion, owner) == (
                node.version,
                node.creations,
                node.aversion,
                node.owner,
            )
            names = {each.rpartition("/")[2] for each in self.model.children(path)}
            assert children == (names | {"zookeeper"} if path == "/" else names)
        assert self.leader.preparer.pending == 0
        assert self.leader.preparer._pending == {}
        assert self.leader.preparer._created == {}

    def teardown(self) -> None:
        self.leader.apply()
        self.equal_once_applied()


TestTreeAgainstModel = TreeAgainstModel.TestCase
TestTreeAgainstModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

requests = st.one_of(
    st.tuples(st.one_of(parts, set_acls), sessions),
    st.tuples(st.tuples(st.just(14), st.builds(Multi, st.lists(parts, min_size=1, max_size=3))), sessions),
    st.tuples(st.just((-11, CloseSession())), sessions),
)


def history_of(asked: list[tuple[tuple[int, Operation], int]]) -> Leader:
    leader = Leader((1, 2))
    for (op, operation), session in asked:
        leader.do(op, operation, session=session)
        if op == Op.CLOSE_SESSION:
            leader.do(Op.CREATE_SESSION, CreateSession(1000), session=session)
    return leader


@settings(max_examples=150, deadline=None)
@given(st.lists(requests, max_size=25), st.data())
def test_replay_over_any_later_state_ends_in_the_same_tree(
    asked: list[tuple[tuple[int, Operation], int]], draw: st.DataObject
) -> None:
    leader = history_of(asked)
    expected, digest, history = state_of(leader.tree), leader.tree.digest(), leader.history
    start = draw.draw(st.integers(0, len(history)), label="replay from")
    later = draw.draw(st.integers(start, len(history)), label="state after")
    tree = Tree()
    for txn in history[:later]:
        tree.apply(txn)
    if draw.draw(st.booleans(), label="through a snapshot"):
        tree, _ = snapshot.load(b"".join(snapshot.dump(tree)))
    tree.digest()
    for txn in history[start:]:
        tree.apply(txn)
    assert state_of(tree) == expected
    assert tree.digest() == digest
    assert tree.sessions == leader.tree.sessions


@settings(max_examples=60, deadline=None)
@given(st.lists(requests, max_size=25))
def test_the_lazy_digest_is_the_sum_over_the_tree(asked: list[tuple[tuple[int, Operation], int]]) -> None:
    leader = history_of(asked)
    often = Tree()
    for txn in leader.history:
        often.apply(txn)
        often.digest()
    fresh, _ = snapshot.load(b"".join(snapshot.dump(leader.tree)))
    assert often.digest() == leader.tree.digest() == fresh.digest()


def test_sequential_names_in_the_model_are_the_servers() -> None:
    leader, model = Leader(), Model({"/": ModelNode(b"", OPEN_ACL, 0, 0, 0, 0)})
    record = leader.prepare(Op.CREATE, Create("/s-", b"", OPEN_ACL, 2)).record
    assert isinstance(record, CreateTxn)
    assert model.create("/s-", b"", 2, 1, 1) == record.path == "/s-0000000000"
