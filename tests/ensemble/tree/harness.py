"""A leader's tree and preparer with nothing around them, and a naive model to compare them with."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ensemble.errors import Code, KeeperError
from ensemble.tree import txns
from ensemble.tree.operations import OPEN_ACL, Acl, Create, CreateSession, Identity, Op, Operation, Request
from ensemble.tree.owner import session_of
from ensemble.tree.prepare.prepare import Preparer
from ensemble.tree.tree import Outcome, Tree
from ensemble.tree.txns import Txn


class Leader:
    """Prepares requests at once and applies them when told to, each through its bytes."""

    def __init__(self, sessions: tuple[int, ...] = (1,), *, extended_types: bool = False) -> None:
        self.tree = Tree()
        self.preparer = Preparer(self.tree, extended_types=extended_types)
        self.zxid = 0
        self.waiting: deque[Txn] = deque()
        self.history: list[Txn] = []
        for session in sessions:
            self.do(Op.CREATE_SESSION, CreateSession(10_000), session=session)

    def prepare(
        self, op: int, operation: Operation, *, session: int = 1, identities: tuple[Identity, ...] = ()
    ) -> Txn:
        self.zxid += 1
        txn = self.preparer.prepare(
            Request(session, 7, op, operation, identities), self.zxid, 1000 + self.zxid
        )
        assert txns.decode(txns.encode(txn)) == txn
        self.waiting.append(txn)
        self.history.append(txn)
        return txn

    def apply(self, count: int | None = None) -> list[Outcome]:
        outcomes = []
        for _ in range(len(self.waiting) if count is None else min(count, len(self.waiting))):
            txn = self.waiting.popleft()
            outcomes.append(self.tree.apply(txn))
            self.preparer.applied(txn.zxid)
        return outcomes

    def do(
        self, op: int, operation: Operation, *, session: int = 1, identities: tuple[Identity, ...] = ()
    ) -> Outcome:
        self.prepare(op, operation, session=session, identities=identities)
        return self.apply()[-1]

    def create(self, path: str, data: bytes = b"", mode: int = 0, *, session: int = 1) -> Outcome:
        return self.do(Op.CREATE, Create(path, data, OPEN_ACL, mode), session=session)


def code_of(txn: Txn) -> Code:
    """Return the code a transaction answers its client with."""
    return Code(txn.record.code) if isinstance(txn.record, txns.ErrorTxn) else Code.OK


def state_of(tree: Tree) -> dict[str, tuple[object, ...]]:
    """Return everything about every znode that servers agree on, checking the indexes on the way."""
    state: dict[str, tuple[object, ...]] = {}
    ephemerals: dict[int, set[str]] = {}
    for path, node in tree.nodes.items():
        state[path] = (
            node.data,
            tuple(node.acl),
            node.czxid,
            node.mzxid,
            node.pzxid,
            node.ctime,
            node.mtime,
            node.version,
            node.cversion,
            node.aversion,
            node.ephemeral_owner,
            frozenset(node.children or ()),
        )
        session = session_of(node.ephemeral_owner)
        if session:
            ephemerals.setdefault(session, set()).add(path)
        for name, child in (node.children or {}).items():
            assert tree.nodes[f"{path if path != '/' else ''}/{name}"] is child
    assert {session: set(paths) for session, paths in tree.ephemerals.items()} == ephemerals
    assert tree.ephemerals_count == sum(map(len, ephemerals.values()))
    assert tree.data_bytes == sum(len(path) + len(node.data or b"") for path, node in tree.nodes.items())
    assert sum(len(node.children or ()) for node in tree.nodes.values()) == len(tree.nodes) - 1
    return state


@dataclass
class ModelNode:
    """A znode of the model."""

    data: bytes | None
    acl: tuple[Acl, ...]
    owner: int
    zxid: int
    mzxid: int
    pzxid: int
    version: int = 0
    aversion: int = 0
    creations: int = 0


@dataclass
class Model:
    """ZooKeeper as plainly as it can be said: one dict, children found by looking at every path."""

    nodes: dict[str, ModelNode] = field(default_factory=dict)

    @staticmethod
    def parent(path: str) -> str:
        return "/".join(path.split("/")[:-1]) or "/"

    def children(self, path: str) -> list[str]:
        return [each for each in self.nodes if each != "/" and self.parent(each) == path]

    def existing(self, path: str) -> ModelNode:
        if path not in self.nodes:
            raise KeeperError(Code.NO_NODE)
        return self.nodes[path]

    def create(self, path: str, data: bytes | None, mode: int, session: int, zxid: int) -> str:
        parent = self.existing(self.parent(path))
        if mode in (2, 3):
            path += str(parent.creations).zfill(10)
        if path in self.nodes:
            raise KeeperError(Code.NODE_EXISTS)
        if parent.owner:
            raise KeeperError(Code.NO_CHILDREN_FOR_EPHEMERALS)
        self.nodes[path] = ModelNode(data, OPEN_ACL, session if mode in (1, 3) else 0, zxid, zxid, zxid)
        parent.creations += 1
        parent.pzxid = zxid
        return path

    def delete(self, path: str, version: int, zxid: int) -> None:
        parent = self.existing(self.parent(path))
        node = self.existing(path)
        if version not in (-1, node.version):
            raise KeeperError(Code.BAD_VERSION)
        if self.children(path):
            raise KeeperError(Code.NOT_EMPTY)
        del self.nodes[path]
        parent.pzxid = zxid

    def set_data(self, path: str, data: bytes | None, version: int, zxid: int) -> None:
        node = self.existing(path)
        if version not in (-1, node.version):
            raise KeeperError(Code.BAD_VERSION)
        node.data, node.version, node.mzxid = data, node.version + 1, zxid

    def set_acl(self, path: str, acl: tuple[Acl, ...], version: int) -> None:
        node = self.existing(path)
        if version not in (-1, node.aversion):
            raise KeeperError(Code.BAD_VERSION)
        node.acl, node.aversion = acl, node.aversion + 1

    def close(self, session: int, zxid: int) -> None:
        for path in [path for path, node in self.nodes.items() if node.owner == session]:
            self.delete(path, -1, zxid)
