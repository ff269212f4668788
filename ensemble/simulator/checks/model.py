"""What the service should do, said a second time and as simply as possible.

A flat dict of nodes; every operation is tried on a copy of what it touches. It shares no code with the tree
it judges: only the values of ``tree.operations``. Facts: 2.5 and 2.6 of the reference.

It does not know of watches, logs, servers or time: it is given transactions in their order.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from struct import Struct
from zlib import crc32

from ensemble.errors import Code
from ensemble.paths import name_of, parent_of
from ensemble.simulator.clients.history import Answer, Stat
from ensemble.tree.operations import (
    Check,
    CloseSession,
    Create,
    CreateMode,
    Delete,
    Multi,
    Op,
    Operation,
    Read,
    SetData,
)

_DIGESTED = Struct(">qqqqqiiiq")
_EPHEMERAL_MODES = (CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL)
_TTL_MODES = (CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
_SEQUENTIAL_MODES = (CreateMode.PERSISTENT_SEQUENTIAL, CreateMode.EPHEMERAL_SEQUENTIAL, _TTL_MODES[1])
_CONTAINER_OWNER = -(2**63)
_TTL_OWNER = -(2**56)
_RESERVED = ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")


@dataclass(slots=True)
class ModelNode:
    """One znode as the model sees it."""

    data: bytes | None
    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    owner: int = 0
    version: int = 0
    creations: int = 0
    """How many children were ever created here: the stored cversion."""
    pzxid: int = 0
    children: dict[str, None] = field(default_factory=dict)
    container: bool = False
    ttl_ms: int = 0

    def digested_owner(self) -> int:
        """Return what stands for the owner where clients do not look."""
        if self.container:
            return _CONTAINER_OWNER
        return _TTL_OWNER + self.ttl_ms if self.ttl_ms else self.owner

    def stat(self) -> Stat:
        """Return the Stat a client would see."""
        return (
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            2 * self.creations - len(self.children),
            0,
            self.owner,
            len(self.data or b""),
            len(self.children),
            self.pzxid,
        )


@dataclass(slots=True)
class Change:
    """One change of one znode, as a watch would see it (event types of 2.7)."""

    event: int
    path: str


CREATED, DELETED, CHANGED, CHILDREN = 1, 2, 3, 4


class Refused(Exception):
    """The operation is to be answered with this code."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class Model:
    """The tree after the transactions so far."""

    def __init__(self, *, local_sessions: bool = False) -> None:
        self.local_sessions = local_sessions
        self.ended: dict[int, None] = {}
        self.nodes: dict[str, ModelNode] = {path: ModelNode(b"", 0, 0, 0, 0) for path in _RESERVED}
        for path in _RESERVED[1:]:
            self.nodes[parent_of(path)].children[name_of(path)] = None
        self.sessions: dict[int, None] = {}
        self.changes: list[Change] = []
        """What the last transaction changed, in order."""
        self._undo: dict[str, ModelNode | None] = {}

    def open_session(self, session: int) -> None:
        """Apply createSession."""
        self.changes = []
        self.sessions[session] = None

    def close_session(self, session: int, zxid: int) -> None:
        """Apply closeSession: the ephemerals go too."""
        self.changes, self._undo = [], {}
        self.sessions.pop(session, None)
        self.ended[session] = None
        for path in [path for path, node in self.nodes.items() if node.owner == session]:
            self._remove(path, zxid)

    def may_act(self, session: int) -> bool:
        """Tell whether a session is there, or may be one that only its own server knows of."""
        return session in self.sessions or (self.local_sessions and session not in self.ended)

    def reap(self, path: str, zxid: int, time_ms: int) -> str | None:
        """Apply a deletion that no client asked for; say why it should not have been, or None."""
        self.changes, self._undo = [], {}
        node = self.nodes.get(path)
        if node is None:
            return "there is no such znode"
        idle_ms = time_ms - node.mtime
        if node.children:
            return "it has children"
        if not (node.creations > 0 if node.container else 0 < node.ttl_ms < idle_ms):
            return f"its time is not over after {idle_ms} ms"
        self._remove(path, zxid)
        return None

    def write(self, session: int, op: int, operation: Operation, zxid: int, time_ms: int) -> Answer:
        """Apply one write and return its answer; a refused one changes nothing."""
        self.changes = []
        self._undo = {}
        if isinstance(operation, Multi):
            return self._multi(session, operation, zxid, time_ms)
        try:
            if not self.may_act(session):
                raise Refused(Code.SESSION_EXPIRED)
            return self._one(session, op, operation, zxid, time_ms)
        except Refused as refused:
            self._roll_back()
            return Answer(refused.code)

    def read(self, op: int, operation: Read) -> Answer:
        """Answer exists, getData, getChildren, getChildren2."""
        node = self.nodes.get(operation.path)
        if node is None:
            return Answer(Code.NO_NODE)
        if op == Op.EXISTS:
            return Answer(stat=node.stat())
        if op == Op.GET_DATA:
            return Answer(data=node.data, stat=node.stat())
        stat = node.stat() if op == Op.GET_CHILDREN2 else None
        return Answer(children=sorted(node.children), stat=stat)

    def digest(self) -> int:
        """Return the digest of the whole tree by Apache's rule (2.13)."""
        total = 0
        for path, node in self.nodes.items():
            if path.startswith("/zookeeper/"):
                continue
            stamps = (node.czxid, node.mzxid, node.pzxid, node.ctime, node.mtime)
            rest = _DIGESTED.pack(*stamps, node.version, node.creations, 0, node.digested_owner())
            name = "" if path == "/" else path
            total += crc32(rest, crc32(node.data or b"", crc32(name.encode())))
        return total & 0xFFFFFFFFFFFFFFFF

    # -- writes ------------------------------------------------------------------------------------------

    def _multi(self, session: int, multi: Multi, zxid: int, time_ms: int) -> Answer:
        results: list[Answer] = []
        for index, (op, operation) in enumerate(multi.ops):
            try:
                if not self.may_act(session):
                    raise Refused(Code.SESSION_EXPIRED)
                results.append(self._one(session, op, operation, zxid, time_ms))
            except Refused as refused:
                self._roll_back()
                left = len(multi.ops) - index - 1
                codes = [Code.OK] * index + [refused.code] + [Code.RUNTIME_INCONSISTENCY] * left
                return Answer(results=[Answer(code) for code in codes])
        return Answer(results=results)

    def _one(self, session: int, op: int, operation: Operation, zxid: int, time_ms: int) -> Answer:
        if isinstance(operation, Create):
            return self._create(session, op, operation, zxid, time_ms)
        if isinstance(operation, Delete):
            return self._delete(operation, zxid)
        if isinstance(operation, SetData):
            return self._set_data(operation, zxid, time_ms)
        if isinstance(operation, Check):
            self._expect(operation.path, operation.version)
            return Answer()
        if isinstance(operation, CloseSession):
            self.close_session(session, zxid)
            return Answer()
        raise TypeError(f"the model has no {type(operation).__name__}")

    def _create(self, session: int, op: int, create: Create, zxid: int, time_ms: int) -> Answer:
        path = create.path
        if create.mode in _EPHEMERAL_MODES and session not in self.sessions:
            raise Refused(Code.SESSION_EXPIRED)
        parent = self.nodes.get(parent_of(path))
        if parent is None:
            raise Refused(Code.NO_NODE)
        if create.mode in _SEQUENTIAL_MODES:
            path += f"{parent.creations:010d}"
        if path in self.nodes:
            raise Refused(Code.NODE_EXISTS)
        if parent.owner:
            raise Refused(Code.NO_CHILDREN_FOR_EPHEMERALS)
        self._save(path)
        self._save(parent_of(path))
        parent = self.nodes[parent_of(path)]
        owner = session if create.mode in _EPHEMERAL_MODES else 0
        node = ModelNode(create.data, zxid, zxid, time_ms, time_ms, owner, pzxid=zxid)
        node.container = op == Op.CREATE_CONTAINER
        node.ttl_ms = create.ttl_ms if create.mode in _TTL_MODES else 0
        self.nodes[path] = node
        parent.children[name_of(path)] = None
        parent.creations += 1
        parent.pzxid = zxid
        self.changes += [Change(CREATED, path), Change(CHILDREN, parent_of(path))]
        return Answer(path=path, stat=None if op == Op.CREATE else node.stat())

    def _delete(self, delete: Delete, zxid: int) -> Answer:
        if delete.path in _RESERVED:
            raise Refused(Code.BAD_ARGUMENTS)
        node = self._expect(delete.path, delete.version)
        if node.children:
            raise Refused(Code.NOT_EMPTY)
        self._remove(delete.path, zxid)
        return Answer()

    def _set_data(self, write: SetData, zxid: int, time_ms: int) -> Answer:
        self._expect(write.path, write.version)
        self._save(write.path)
        node = self.nodes[write.path]
        node.data, node.mzxid, node.mtime = write.data, zxid, time_ms
        node.version += 1
        self.changes.append(Change(CHANGED, write.path))
        return Answer(stat=node.stat())

    def _expect(self, path: str, version: int) -> ModelNode:
        node = self.nodes.get(path)
        if node is None:
            raise Refused(Code.NO_NODE)
        if version not in (-1, node.version):
            raise Refused(Code.BAD_VERSION)
        return node

    def _remove(self, path: str, zxid: int) -> None:
        self._save(path)
        self._save(parent_of(path))
        del self.nodes[path]
        parent = self.nodes[parent_of(path)]
        del parent.children[name_of(path)]
        parent.pzxid = zxid
        self.changes += [Change(DELETED, path), Change(CHILDREN, parent_of(path))]

    def _save(self, path: str) -> None:
        """Remember a node as it was before this transaction, and work on a copy."""
        if path in self._undo:
            return
        node = self.nodes.get(path)
        self._undo[path] = node
        if node is not None:
            self.nodes[path] = replace(node, children=dict(node.children))

    def _roll_back(self) -> None:
        for path, node in self._undo.items():
            if node is None:
                self.nodes.pop(path, None)
            else:
                self.nodes[path] = node
        self.changes = []
        self._undo = {}
