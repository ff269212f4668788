"""Preparation: the leader turns requests into transactions, in the order in which it will propose them.

A request is judged against the tree *as it will be* once everything proposed so far is applied, so the
preparer keeps, for each znode with a change in flight, the state it will have: a :class:`Pending`. It never
changes the tree. Every request becomes a transaction: a refused one becomes an error, which takes its place in
the order too (zxids have no holes, ZOOKEEPER-4925).

The order of the checks is Apache's (PrepRequestProcessor), because clients see which one failed first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ensemble import limits, paths
from ensemble.errors import Code, KeeperError
from ensemble.tree import access
from ensemble.tree.operations import (
    OPEN_ACL,
    Acl,
    Check,
    Create,
    CreateMode,
    CreateSession,
    Delete,
    Multi,
    Op,
    Operation,
    Perm,
    Request,
    SetAcl,
    SetData,
)
from ensemble.tree.owner import CONTAINER, is_ttl, session_of
from ensemble.tree.tree import CONFIG_PATH, PROC_PATH, QUOTA_PATH, Tree
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
    Txn,
)

_CREATE = int(Op.CREATE)
_CREATE2 = int(Op.CREATE2)
_CREATE_CONTAINER = int(Op.CREATE_CONTAINER)
_ERROR = int(Op.ERROR)
_MULTI = int(Op.MULTI)

_SEQUENTIAL = (
    CreateMode.PERSISTENT_SEQUENTIAL,
    CreateMode.EPHEMERAL_SEQUENTIAL,
    CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
)
_EPHEMERAL = (CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL)
_WITH_TTL = (CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
_SPECIAL = ("/", PROC_PATH, QUOTA_PATH, CONFIG_PATH)

_INT_MAX = 0x7FFFFFFF
_RECORD_BYTES = 64
"""More than a record takes besides its path, data and list."""
_PATH_BYTES_PER_CHARACTER = 3
"""At most: a path has no character beyond the basic plane."""


class Pending:
    """The state a znode will have once everything proposed is applied."""

    __slots__ = (
        "acl",
        "aversion",
        "child_count",
        "cversion",
        "ephemeral_owner",
        "exists",
        "version",
        "zxid",
    )

    def __init__(
        self,
        zxid: int,
        acl: tuple[Acl, ...],
        version: int,
        cversion: int,
        aversion: int,
        ephemeral_owner: int,
        child_count: int,
    ) -> None:
        self.zxid = zxid
        self.exists = True
        self.acl = acl
        self.version = version
        self.cversion = cversion
        self.aversion = aversion
        self.ephemeral_owner = ephemeral_owner
        self.child_count = child_count


class Preparer:
    """Prepares requests against one tree; made anew, or :meth:`reset`, for every term as leader."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._pending: dict[str, Pending] = {}
        self._order: deque[tuple[str, Pending]] = deque()
        self._undo: list[tuple[str, Pending | None]] | None = None
        self._created: dict[int, dict[str, None]] = {}
        self._opening: dict[int, int] = {}
        self._closing: dict[int, int] = {}

    @property
    def pending(self) -> int:
        """How many changes of znodes are proposed but not applied."""
        return len(self._order)

    def prepare(self, request: Request, zxid: int, time_ms: int) -> Txn:
        """Return the transaction for ``request``, to be proposed as ``zxid``; never raises KeeperError.

        A refusal is a transaction of type -1, or for a multi one whose parts are all of type -1.
        """
        handler = _HANDLERS.get(request.op)
        type_ = request.op
        record: Record
        try:
            if handler is None:
                raise KeeperError(Code.UNIMPLEMENTED)
            record = handler(self, request, request.operation, zxid)
        except KeeperError as refusal:
            type_ = _ERROR
            record = ErrorTxn(int(refusal.code))
        return Txn(request.session_id, request.cxid, zxid, time_ms, type_, record)

    def applied(self, zxid: int) -> None:
        """Forget the changes that the tree has by now: those of transactions up to ``zxid``."""
        order, pending = self._order, self._pending
        while order and order[0][1].zxid <= zxid:
            path, change = order.popleft()
            if pending.get(path) is change:
                del pending[path]
            if change.ephemeral_owner:
                self._forget_created(path, change)
        if self._opening:
            _forget_until(self._opening, zxid)
        if self._closing:
            _forget_until(self._closing, zxid)

    def reset(self) -> None:
        """Forget every change: what is proposed and not committed has no future any more."""
        self._pending.clear()
        self._order.clear()
        self._created.clear()
        self._opening.clear()
        self._closing.clear()

    # The state to come.

    def _draft(self, path: str, zxid: int) -> Pending | None:
        """Return a copy, free to change, of the state to come at ``path``; None when there is no znode."""
        pending = self._pending.get(path)
        if pending is not None:
            if not pending.exists:
                return None
            return Pending(
                zxid,
                pending.acl,
                pending.version,
                pending.cversion,
                pending.aversion,
                pending.ephemeral_owner,
                pending.child_count,
            )
        node = self._tree.nodes.get(path)
        if node is None:
            return None
        children = node.children
        return Pending(
            zxid,
            node.acl,
            node.version,
            node.cversion,
            node.aversion,
            node.ephemeral_owner,
            len(children) if children else 0,
        )

    def _existing(self, path: str, zxid: int) -> Pending:
        draft = self._draft(path, zxid)
        if draft is None:
            raise KeeperError(Code.NO_NODE, path)
        return draft

    def _exists(self, path: str) -> bool:
        pending = self._pending.get(path)
        return pending.exists if pending is not None else path in self._tree.nodes

    def _put(self, path: str, change: Pending) -> None:
        if self._undo is not None:
            self._undo.append((path, self._pending.get(path)))
        self._pending[path] = change
        self._order.append((path, change))

    def _put_deleted(self, path: str, change: Pending) -> None:
        change.exists = False
        change.ephemeral_owner = 0
        self._put(path, change)

    def _forget_created(self, path: str, change: Pending) -> None:
        """Drop ``path`` from what a session has created, unless a later change leaves it there again."""
        owner = change.ephemeral_owner
        latest = self._pending.get(path)
        if latest is not None and latest.exists and latest.ephemeral_owner == owner:
            return
        created = self._created.get(owner)
        if created is not None:
            created.pop(path, None)
            if not created:
                del self._created[owner]

    def _check_session(self, session_id: int) -> None:
        if (session_id not in self._tree.sessions and session_id not in self._opening) or (
            session_id in self._closing
        ):
            raise KeeperError(Code.SESSION_EXPIRED)

    # One method for each operation, in the order of its checks.

    def _set_data(self, request: Request, operation: SetData, zxid: int) -> SetDataTxn:
        path = operation.path
        self._check_session(request.session_id)
        draft = self._draft(path, zxid)
        if draft is None:
            paths.validate(path)
            raise KeeperError(Code.NO_NODE, path)
        if draft.acl is not OPEN_ACL:
            access.check(draft.acl, Perm.WRITE, request.identities, path)
        draft.version = version = _next_version(draft.version, operation.version, path)
        record = SetDataTxn(path, operation.data, version)
        _check_size(path, operation.data, ())
        self._put(path, draft)
        return record

    def _create(self, request: Request, operation: Create, zxid: int) -> CreateTxn:
        _check_mode(request.op, operation)
        session_id = request.session_id
        self._check_session(session_id)
        path = operation.path
        slash = path.rfind("/")
        if slash == -1 or "\0" in path:
            raise KeeperError(Code.BAD_ARGUMENTS, path)
        acl = access.fixup(operation.acl, request.identities, path)
        parent_path = path[:slash] or "/"
        parent = self._existing(parent_path, zxid)
        if parent.acl is not OPEN_ACL:
            access.check(parent.acl, Perm.CREATE, request.identities, path)
        mode = operation.mode
        if mode in _SEQUENTIAL:
            # The raw count of creations, not the one clients see: it never goes back.
            path = f"{path}{parent.cversion:010d}"
        paths.validate(path)
        if self._exists(path):
            raise KeeperError(Code.NODE_EXISTS, path)
        if parent.ephemeral_owner and session_of(parent.ephemeral_owner):
            raise KeeperError(Code.NO_CHILDREN_FOR_EPHEMERALS, path)
        _check_size(path, operation.data, acl)
        parent.cversion = cversion = _plus_one(parent.cversion)
        parent.child_count += 1
        ephemeral = mode in _EPHEMERAL and request.op in (_CREATE, _CREATE2)
        owner = session_id if ephemeral else CONTAINER if request.op == _CREATE_CONTAINER else 0
        self._put(parent_path, parent)
        self._put(path, Pending(zxid, acl, 0, 0, 0, owner, 0))
        if ephemeral:
            self._created.setdefault(session_id, {})[path] = None
        return CreateTxn(path, operation.data, acl, ephemeral, cversion)

    def _delete(self, request: Request, operation: Delete, zxid: int) -> DeleteTxn:
        self._check_session(request.session_id)
        path = operation.path
        parent_path = _parent_of_deletable(path)
        parent = self._existing(parent_path, zxid)
        # The right to delete is the parent's to give, not the znode's.
        access.check(parent.acl, Perm.DELETE, request.identities, path)
        node = self._existing(path, zxid)
        _next_version(node.version, operation.version, path)
        if node.child_count > 0:
            raise KeeperError(Code.NOT_EMPTY, path)
        self._put_deletion(path, node, parent_path, parent)
        return DeleteTxn(path)

    def _delete_container(self, request: Request, operation: Delete, zxid: int) -> DeleteTxn:
        """Delete a container or TTL znode; asked by the ensemble itself (session 0), never by a client.

        Apache takes it from clients too, and without any access control.
        """
        if request.session_id != 0:
            raise KeeperError(Code.UNIMPLEMENTED, operation.path)
        path = operation.path
        parent_path = _parent_of_deletable(path)
        node = self._existing(path, zxid)
        if node.child_count > 0:
            raise KeeperError(Code.NOT_EMPTY, path)
        if node.ephemeral_owner != CONTAINER and not is_ttl(node.ephemeral_owner):
            raise KeeperError(Code.BAD_VERSION, path)
        self._put_deletion(path, node, parent_path, self._existing(parent_path, zxid))
        return DeleteTxn(path)

    def _put_deletion(self, path: str, node: Pending, parent_path: str, parent: Pending) -> None:
        parent.child_count -= 1
        self._put(parent_path, parent)
        self._put_deleted(path, node)

    def _set_acl(self, request: Request, operation: SetAcl, zxid: int) -> SetAclTxn:
        self._check_session(request.session_id)
        path = operation.path
        paths.validate(path)
        acl = access.fixup(operation.acl, request.identities, path)
        draft = self._existing(path, zxid)
        access.check(draft.acl, Perm.ADMIN, request.identities, path)
        draft.aversion = _next_version(draft.aversion, operation.version, path)
        draft.acl = acl
        _check_size(path, None, acl)
        self._put(path, draft)
        return SetAclTxn(path, acl, draft.aversion)

    def _check(self, request: Request, operation: Check, zxid: int) -> CheckTxn:
        self._check_session(request.session_id)
        path = operation.path
        paths.validate(path)
        draft = self._existing(path, zxid)
        access.check(draft.acl, Perm.READ, request.identities, path)
        return CheckTxn(path, _next_version(draft.version, operation.version, path))

    def _create_session(self, request: Request, operation: CreateSession, zxid: int) -> CreateSessionTxn:
        self._opening[request.session_id] = zxid
        return CreateSessionTxn(operation.timeout_ms)

    def _close_session(self, request: Request, operation: Operation, zxid: int) -> CloseSessionTxn:
        """List the ephemerals the session will own by then, oldest first.

        No check of the session: expiry and a closing client may both ask, and the second finds nothing. The
        list is cut where the transaction would grow too large (ZOOKEEPER-2101); applying it deletes the
        rest all the same.
        """
        session_id = request.session_id
        owned: list[str] = []
        room = limits.TXN_BYTES_MAX - _RECORD_BYTES
        candidates = {**self._tree.ephemerals.get(session_id, {}), **self._created.get(session_id, {})}
        for path in candidates:
            node = self._draft(path, zxid)
            if node is None or node.ephemeral_owner != session_id:
                continue
            room -= 4 + _PATH_BYTES_PER_CHARACTER * len(path)
            if room >= 0:
                owned.append(path)
            parent_path = paths.parent_of(path)
            self._put_deletion(path, node, parent_path, self._existing(parent_path, zxid))
        self._closing[session_id] = zxid
        return CloseSessionTxn(owned)

    def _reconfig(self, request: Request, operation: Operation, zxid: int) -> Record:
        raise KeeperError(Code.RECONFIG_DISABLED)

    # All or nothing.

    def _multi(self, request: Request, operation: Multi, zxid: int) -> MultiTxn:
        """Prepare the parts one after the other, each seeing those before it; undo all when one fails."""
        if len(operation.ops) > limits.MULTI_OPS_MAX:
            raise KeeperError(Code.BAD_ARGUMENTS)
        ops = [_part(op, part) for op, part in operation.ops]
        txns: list[tuple[int, Record]] = []
        self._undo = []
        part = Request(request.session_id, request.cxid, 0, operation, request.identities)
        room = limits.TXN_BYTES_MAX
        try:
            for op, part_operation in ops:
                part.op = op
                record = _PARTS[op](self, part, part_operation, zxid)
                room -= _weight(record)
                if room < 0:
                    raise KeeperError(Code.BAD_ARGUMENTS)
                txns.append((op, record))
        except KeeperError as refusal:
            self._roll_back(self._undo)
            return _refused(len(ops), len(txns), refusal.code)
        finally:
            self._undo = None
        return MultiTxn(txns)

    def _roll_back(self, undo: list[tuple[str, Pending | None]]) -> None:
        """Take back the changes of a multi; no change has come after them, so each finds what it replaced."""
        for path, before in reversed(undo):
            if before is None:
                del self._pending[path]
            else:
                self._pending[path] = before
        for _ in undo:
            path, change = self._order.pop()
            if change.ephemeral_owner:
                self._forget_created(path, change)


def _part(op: int, operation: Operation) -> tuple[int, Operation]:
    """Return what a part of a multi amounts to; raise MARSHALLING_ERROR for what cannot be one.

    Inside a multi the mode of a create outranks its code, and a time to live without the mode for it is
    dropped (Apache's MultiOperationRecord and Op.create).
    """
    if op not in _PARTS:
        raise KeeperError(Code.MARSHALLING_ERROR)
    if not isinstance(operation, Create):
        return op, operation
    mode = operation.mode
    if op == Op.CREATE_TTL:
        if mode in _WITH_TTL:
            return op, operation
        operation = Create(operation.path, operation.data, operation.acl, mode)
        op = _CREATE
    elif not 0 <= mode <= CreateMode.CONTAINER:
        raise KeeperError(Code.MARSHALLING_ERROR)
    return _CREATE_CONTAINER if mode == CreateMode.CONTAINER else op, operation


def _refused(count: int, at: int, code: Code) -> MultiTxn:
    """Shape a refused multi: 0 before the part that failed, its code, then "did not get that far"."""
    codes = [int(Code.OK)] * at + [int(code)] + [int(Code.RUNTIME_INCONSISTENCY)] * (count - at - 1)
    return MultiTxn([(_ERROR, ErrorTxn(each)) for each in codes])


def _forget_until(sessions: dict[int, int], zxid: int) -> None:
    for session_id in [session_id for session_id, at in sessions.items() if at <= zxid]:
        del sessions[session_id]


def _plus_one(version: int) -> int:
    return version + 1 if version != _INT_MAX else -_INT_MAX - 1


def _next_version(current: int, expected: int, path: str) -> int:
    """Return the version after ``current``; raise BAD_VERSION unless it is the expected one (-1: any)."""
    if expected not in (-1, current):
        raise KeeperError(Code.BAD_VERSION, path)
    return _plus_one(current)


def _check_mode(op: int, operation: Create) -> None:
    """Judge the mode of a create; TTL znodes are off, as with Apache's default configuration."""
    mode = operation.mode
    if not 0 <= mode <= CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL:
        raise KeeperError(Code.BAD_ARGUMENTS, operation.path)
    if mode in _WITH_TTL:
        raise KeeperError(Code.UNIMPLEMENTED, operation.path)
    # createTTL with a mode that has no TTL: Apache takes -1 here and then fails to apply it.
    if op == Op.CREATE_TTL or operation.ttl_ms >= 0:
        raise KeeperError(Code.BAD_ARGUMENTS, operation.path)


def _parent_of_deletable(path: str) -> str:
    slash = path.rfind("/")
    if slash == -1 or "\0" in path or path in _SPECIAL:
        raise KeeperError(Code.BAD_ARGUMENTS, path)
    return path[:slash] or "/"


def _check_size(path: str, data: bytes | None, acl: tuple[Acl, ...]) -> None:
    """Refuse what would make a transaction larger than any server is sure to take (ZOOKEEPER-2101)."""
    size = _PATH_BYTES_PER_CHARACTER * len(path) + (len(data) if data else 0)
    if size + _acl_weight(acl) > limits.TXN_BYTES_MAX - _RECORD_BYTES:
        raise KeeperError(Code.BAD_ARGUMENTS, path)


def _acl_weight(acl: tuple[Acl, ...]) -> int:
    if not acl or acl is OPEN_ACL:
        return _RECORD_BYTES
    return sum([12 + 4 * (len(scheme) + len(who)) for _, (scheme, who) in acl])


def _weight(record: Record) -> int:
    """Return at least as many bytes as ``record`` takes inside a multi."""
    weight = _RECORD_BYTES
    if isinstance(record, CreateTxn | SetDataTxn | DeleteTxn | CheckTxn):
        weight += _PATH_BYTES_PER_CHARACTER * len(record.path)
    if isinstance(record, CreateTxn | SetDataTxn) and record.data:
        weight += len(record.data)
    if isinstance(record, CreateTxn):
        weight += _acl_weight(record.acl)
    return weight


_PARTS: dict[int, Callable[..., Record]] = {
    Op.CREATE: Preparer._create,
    Op.CREATE2: Preparer._create,
    Op.CREATE_CONTAINER: Preparer._create,
    Op.CREATE_TTL: Preparer._create,
    Op.DELETE: Preparer._delete,
    Op.SET_DATA: Preparer._set_data,
    Op.CHECK: Preparer._check,
}

_HANDLERS: dict[int, Callable[..., Record]] = {
    **{op: handler for op, handler in _PARTS.items() if op != Op.CHECK},
    Op.DELETE_CONTAINER: Preparer._delete_container,
    Op.SET_ACL: Preparer._set_acl,
    Op.RECONFIG: Preparer._reconfig,
    Op.CREATE_SESSION: Preparer._create_session,
    Op.CLOSE_SESSION: Preparer._close_session,
    Op.MULTI: Preparer._multi,
}
