"""The tree: every znode and every session, and ``apply``, the one way they change.

``apply`` never refuses. What a leader has prepared fits the state it is applied to; what does not fit can
only come from replaying a log over a snapshot that already holds some of its effects, as Apache's *fuzzy*
snapshots do. Then a creation of what exists or a deletion of what does not is reported in the outcome and
otherwise passed over, and no count ever goes back, so the replay ends in the state the log describes.

The tree does not know what is proposed but not committed (``prepare`` does), nor who watches (``watches``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ensemble.errors import Code, InvariantViolation
from ensemble.tree import quotas
from ensemble.tree.node import Node
from ensemble.tree.operations import READ_ACL, Acl, EventType, Op
from ensemble.tree.owner import CONTAINER, ttl_owner
from ensemble.tree.quotas import QUOTA_PATH
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
from ensemble.tree.znodes import Znodes

PROC_PATH = "/zookeeper"
CONFIG_PATH = "/zookeeper/config"

_OK = int(Code.OK)
_NO_NODE = int(Code.NO_NODE)
_NODE_EXISTS = int(Code.NODE_EXISTS)
_INCONSISTENT = int(Code.RUNTIME_INCONSISTENCY)
_ERROR = int(Op.ERROR)
_CREATED = EventType.NODE_CREATED
_DELETED = EventType.NODE_DELETED
_DATA_CHANGED = EventType.NODE_DATA_CHANGED
_CHILDREN_CHANGED = EventType.NODE_CHILDREN_CHANGED

Event = tuple[int, str]
"""What happened (an ``EventType``) at which path."""


@dataclass(slots=True)
class Outcome:
    """What one transaction did.

    ``events`` are for the watches, in order; ``event_acls`` holds, at the same index, the list that decides
    who may hear of it (READ is required, CVE-2024-23944), since a deleted znode's own is gone from the tree.
    ``node`` is live, so its stat is to be read at once. ``results`` is there for a multi only; a refused
    multi has ``error`` 0, as its reply on the wire, and its results carry the codes. ``type`` is the
    transaction's.
    """

    type: int
    error: int = _OK
    path: str | None = None
    node: Node | None = None
    events: Sequence[Event] = ()
    event_acls: Sequence[tuple[Acl, ...]] = ()
    results: list[Outcome] | None = None
    packed_stat: bytes | None = None

    def stat(self) -> bytes:
        """Return the stat a reply carries: as of this operation, also in the middle of a multi."""
        if self.packed_stat is not None:
            return self.packed_stat
        if self.node is None:
            raise InvariantViolation(f"no stat in the outcome of a transaction of type {self.type}")
        return self.node.pack_stat()


class Tree(Znodes):
    """The state that all servers of an ensemble agree on."""

    __slots__ = ("sessions", "zxid")

    def __init__(self, *, pristine: bool = True) -> None:
        """Make the tree of a new ensemble: ``/``, ``/zookeeper``, its ``quota`` and its ``config``.

        One that is not ``pristine`` is empty, without even a root, for a snapshot to fill.
        """
        super().__init__()
        self.sessions: dict[int, int] = {}
        """Timeout in milliseconds, by session."""
        self.zxid = 0
        """The last transaction applied."""
        if pristine:
            for path in ("/", PROC_PATH, QUOTA_PATH):
                self.insert(path, Node())
            self.add_config()

    def add_config(self) -> None:
        """Put an empty ``/zookeeper/config`` there (snapshots of 3.4 have none)."""
        node = Node(acl=READ_ACL)
        node.aversion = -1  # as Apache leaves it
        self.insert(CONFIG_PATH, node)

    def set_config(self, text: bytes, version: int, time_ms: int) -> None:
        """Write the ensemble's configuration to ``/zookeeper/config``.

        Every server does so by itself from its own files, outside the log, as Apache's do; ``version`` is
        the configuration's and becomes the znode's mzxid.
        """
        record = SetDataTxn(CONFIG_PATH, text, -1)
        _set_data(self, Txn(0, 0, version, time_ms, Op.RECONFIG, record), record)

    def apply(self, txn: Txn) -> Outcome:
        """Carry out one transaction and tell what it did."""
        outcome = _APPLY[txn.type](self, txn, txn.record)
        if txn.zxid > self.zxid:
            self.zxid = txn.zxid
        return outcome


def _create(tree: Tree, txn: Txn, record: CreateTxn) -> Outcome:
    return _create_node(tree, txn, record, txn.session_id if record.ephemeral else 0)


def _create_container(tree: Tree, txn: Txn, record: CreateTxn) -> Outcome:
    return _create_node(tree, txn, record, CONTAINER)


def _create_ttl(tree: Tree, txn: Txn, record: CreateTxn) -> Outcome:
    return _create_node(tree, txn, record, ttl_owner(record.ttl_ms))


def _create_node(tree: Tree, txn: Txn, record: CreateTxn, owner: int) -> Outcome:
    path = record.path
    parent_path = path[: path.rfind("/")] or "/"
    parent = tree.nodes.get(parent_path)
    if parent is None:
        return Outcome(txn.type, _NO_NODE, path)
    cversion = record.parent_cversion
    if cversion == -1:
        cversion = parent.cversion + 1
    # A replayed creation may be older than what the snapshot saw: the count never goes back.
    if cversion > parent.cversion:
        parent.cversion = cversion
        parent.pzxid = txn.zxid
        tree.touch(parent_path)
    existing = tree.nodes.get(path)
    if existing is not None:
        existing.acl = record.acl
        return Outcome(txn.type, _NODE_EXISTS, path)
    node = Node(record.data, record.acl, txn.zxid, txn.time_ms, owner)
    tree.insert(path, node)
    events = ((_CREATED, path), (_CHILDREN_CHANGED, parent_path))
    outcome = Outcome(txn.type, _OK, path, node, events, (node.acl, parent.acl))
    if tree.quotas or path.startswith(quotas.PREFIX):
        outcome.packed_stat = node.pack_stat()
        quotas.on_created(tree, path, node)
    return outcome


def _delete(tree: Tree, txn: Txn, record: DeleteTxn) -> Outcome:
    return _delete_node(tree, txn, record.path)


def _delete_node(tree: Tree, txn: Txn, path: str) -> Outcome:
    parent_path = path[: path.rfind("/")] or "/"
    parent = tree.nodes.get(parent_path)
    if parent is None:
        return Outcome(txn.type, _NO_NODE, path)
    # Also when a fuzzy snapshot has lost the znode already, but never past a creation that it saw.
    if txn.zxid > parent.pzxid:
        parent.pzxid = txn.zxid
        tree.touch(parent_path)
    node = tree.nodes.get(path)
    if node is None:
        return Outcome(txn.type, _NO_NODE, path)
    tree.remove(path, node)
    if tree.quotas:
        quotas.on_deleted(tree, path, node)
    events = ((_DELETED, path), (_CHILDREN_CHANGED, parent_path))
    return Outcome(txn.type, _OK, path, None, events, (node.acl, parent.acl))


def _set_data(tree: Tree, txn: Txn, record: SetDataTxn) -> Outcome:
    path = record.path
    node = tree.nodes.get(path)
    if node is None:
        return Outcome(txn.type, _NO_NODE, path)
    before = node.data
    tree.set_data(path, node, record.data)
    node.version = record.version
    node.mzxid = txn.zxid
    node.mtime = txn.time_ms
    outcome = Outcome(txn.type, _OK, path, node, ((_DATA_CHANGED, path),), (node.acl,))
    if tree.quotas:
        outcome.packed_stat = node.pack_stat()
        quotas.add(tree, path, len(record.data or b"") - len(before or b""), 0)
    return outcome


def _set_acl(tree: Tree, txn: Txn, record: SetAclTxn) -> Outcome:
    path = record.path
    node = tree.nodes.get(path)
    if node is None:
        return Outcome(txn.type, _NO_NODE, path)
    node.acl = record.acl
    node.aversion = record.version
    tree.touch(path)
    return Outcome(txn.type, _OK, path, node)


def _check(tree: Tree, txn: Txn, record: CheckTxn) -> Outcome:
    return Outcome(txn.type, _OK, record.path)


def _create_session(tree: Tree, txn: Txn, record: CreateSessionTxn) -> Outcome:
    tree.sessions[txn.session_id] = record.timeout_ms
    return Outcome(txn.type)


def _close_session(tree: Tree, txn: Txn, record: CloseSessionTxn) -> Outcome:
    """Delete what the record lists, in its order, then whatever else the session still owns."""
    tree.sessions.pop(txn.session_id, None)
    events: list[Event] = []
    event_acls: list[tuple[Acl, ...]] = []

    def delete(paths: Iterable[str]) -> None:
        for path in paths:
            deleted = _delete_node(tree, txn, path)
            events.extend(deleted.events)
            event_acls.extend(deleted.event_acls)

    delete(record.paths)
    delete(list(tree.ephemerals.get(txn.session_id, ())))
    return Outcome(txn.type, events=events, event_acls=event_acls)


def _error(tree: Tree, txn: Txn, record: ErrorTxn) -> Outcome:
    return Outcome(_ERROR, record.code)


def _multi(tree: Tree, txn: Txn, record: MultiTxn) -> Outcome:
    if any(type_ == _ERROR for type_, _ in record.txns):
        return Outcome(txn.type, results=_refused(record))
    events: list[Event] = []
    event_acls: list[tuple[Acl, ...]] = []
    results: list[Outcome] = []
    for type_, part in record.txns:
        part_txn = Txn(txn.session_id, txn.cxid, txn.zxid, txn.time_ms, type_, part)
        result = _APPLY[type_](tree, part_txn, part)
        if result.node is not None and result.packed_stat is None:
            result.packed_stat = result.node.pack_stat()
        events.extend(result.events)
        event_acls.extend(result.event_acls)
        results.append(result)
    return Outcome(txn.type, events=events, event_acls=event_acls, results=results)


def _refused(record: MultiTxn) -> list[Outcome]:
    """Answer a multi of which one part was refused: nothing of it happens.

    Apache logs the parts before the refused one as they were prepared, so they may be here as well.
    """
    results: list[Outcome] = []
    code = _OK
    for type_, part in record.txns:
        if isinstance(part, ErrorTxn) and type_ == _ERROR:
            results.append(Outcome(_ERROR, part.code))
            if part.code != _OK:
                code = _INCONSISTENT
        else:
            results.append(Outcome(_ERROR, code))
    return results


_APPLY: dict[int, Callable[..., Outcome]] = {
    Op.CREATE: _create,
    Op.CREATE2: _create,
    Op.CREATE_CONTAINER: _create_container,
    Op.CREATE_TTL: _create_ttl,
    Op.DELETE: _delete,
    Op.DELETE_CONTAINER: _delete,
    Op.SET_DATA: _set_data,
    Op.RECONFIG: _set_data,
    Op.SET_ACL: _set_acl,
    Op.CHECK: _check,
    Op.CREATE_SESSION: _create_session,
    Op.CLOSE_SESSION: _close_session,
    Op.ERROR: _error,
    Op.MULTI: _multi,
}
