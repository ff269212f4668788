"""Preparation: the leader turns requests into transactions, in the order in which it will propose them.

A request is judged against the tree *as it will be* once everything proposed so far is applied (``pending``);
the tree itself is never changed. Every request becomes a transaction: a refused one becomes an error, which
takes its place in the order too (zxids have no holes, ZOOKEEPER-4925).

The order of the checks is Apache's (PrepRequestProcessor), because clients see which one failed first.
"""

from __future__ import annotations

from collections.abc import Callable

from ensemble import limits, paths
from ensemble.errors import Code, KeeperError
from ensemble.tree.access.access import Policy
from ensemble.tree.operations import (
    OPEN_ACL,
    Check,
    Create,
    CreateMode,
    CreateSession,
    Delete,
    Multi,
    Op,
    Operation,
    Perm,
    Reconfig,
    Request,
    SetAcl,
    SetData,
)
from ensemble.tree.owner import CONTAINER, TTL_MS_MAX, is_ttl, session_of, ttl_owner
from ensemble.tree.prepare.multi import part_of, refused
from ensemble.tree.prepare.pending import Judge, Outlook, Pending, unknown
from ensemble.tree.prepare.warden import Warden
from ensemble.tree.prepare.weights import PATH_BYTES_PER_CHARACTER, RECORD_BYTES, check_size, weight_of
from ensemble.tree.quotas import QUOTA_PATH
from ensemble.tree.tree import CONFIG_PATH, PROC_PATH, Tree
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
_CREATE_TTL = int(Op.CREATE_TTL)
_ERROR = int(Op.ERROR)
_MULTI = int(Op.MULTI)

_MODES = frozenset({int(mode) for mode in CreateMode})
_SEQUENTIAL: frozenset[int] = frozenset(
    {
        CreateMode.PERSISTENT_SEQUENTIAL,
        CreateMode.EPHEMERAL_SEQUENTIAL,
        CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL,
    }
)
_EPHEMERAL: frozenset[int] = frozenset({CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL})
_WITH_TTL: frozenset[int] = frozenset(
    {CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL}
)
_SPECIAL = ("/", PROC_PATH, QUOTA_PATH, CONFIG_PATH)

_INT_MAX = 0x7FFFFFFF


Reconfigure = Callable[[Reconfig, int], bytes]
"""Makes the text of a membership of what is asked for, under the zxid; ``KeeperError`` when it is refused."""


class Preparer(Outlook):
    """Prepares requests against one tree; made anew, or :meth:`reset`, for every term as leader."""

    def __init__(
        self,
        tree: Tree,
        *,
        extended_types: bool = False,
        access: Policy | None = None,
        judge_session: Judge = unknown,
        warden: Warden | None = None,
        reconfigure: Reconfigure | None = None,
    ) -> None:
        """Begin with nothing proposed; ``extended_types`` allows TTL znodes, ``access`` judges access lists,
        ``judge_session`` sessions that were never agreed on; ``warden`` minds quotas; ``reconfigure`` makes a membership of what is asked for, when that is allowed."""
        super().__init__(tree, judge_session)
        self._extended_types = extended_types
        self.access = access or Policy()
        self._warden = warden
        self._reconfigure = reconfigure

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

    # One method for each operation, in the order of its checks.

    def _set_data(self, request: Request, operation: SetData, zxid: int) -> SetDataTxn:
        path = operation.path
        self.check_session(request.session_id)
        draft = self.draft(path, zxid)
        if draft is None:
            paths.validate(path)
            raise KeeperError(Code.NO_NODE, path)
        if draft.acl is not OPEN_ACL:
            self.access.check(draft.acl, Perm.WRITE, request.identities, path)
        if self.tree.quotas and self._warden is not None:
            growth = len(operation.data or b"") - len(draft.data or b"")
            self._warden.judge(self.tree, path, growth, 0)
        draft.version = version = _next_version(draft.version, operation.version, path)
        draft.data = operation.data
        record = SetDataTxn(path, operation.data, version)
        check_size(path, operation.data, ())
        self.put(path, draft)
        return record

    def _create(self, request: Request, operation: Create, zxid: int) -> CreateTxn:
        self._check_mode(request.op, operation)
        session_id, mode = request.session_id, operation.mode
        ephemeral = mode in _EPHEMERAL and request.op in (_CREATE, _CREATE2)
        self.check_session(session_id, ephemeral=ephemeral)
        path = operation.path
        slash = path.rfind("/")
        if slash == -1 or "\0" in path:
            raise KeeperError(Code.BAD_ARGUMENTS, path)
        acl = self.access.fixup(operation.acl, request.identities, path)
        parent_path = path[:slash] or "/"
        parent = self.existing(parent_path, zxid)
        if parent.acl is not OPEN_ACL:
            self.access.check(parent.acl, Perm.CREATE, request.identities, path)
        if mode in _SEQUENTIAL:
            # The raw count of creations, not the one clients see: it never goes back.
            path = f"{path}{parent.cversion:010d}"
        paths.validate(path)
        if self.exists(path):
            raise KeeperError(Code.NODE_EXISTS, path)
        if parent.ephemeral_owner and session_of(parent.ephemeral_owner):
            raise KeeperError(Code.NO_CHILDREN_FOR_EPHEMERALS, path)
        if self.tree.quotas and self._warden is not None:
            self._warden.judge(self.tree, path, len(operation.data or b""), 1)
        check_size(path, operation.data, acl)
        parent.cversion = cversion = _plus_one(parent.cversion)
        parent.child_count += 1
        if ephemeral:
            owner = session_id
            self.put_created(session_id, path)
        elif request.op == _CREATE_CONTAINER:
            owner = CONTAINER
        else:
            owner = ttl_owner(operation.ttl_ms) if mode in _WITH_TTL else 0
        self.put(parent_path, parent)
        self.put(path, Pending(zxid, operation.data, acl, 0, 0, 0, owner, 0))
        return CreateTxn(path, operation.data, acl, ephemeral, cversion, operation.ttl_ms)

    def _check_mode(self, op: int, operation: Create) -> None:
        """Judge the mode of a create, and its time to live, which only a createTTL may have and must have."""
        mode = operation.mode
        if mode not in _MODES:
            raise KeeperError(Code.BAD_ARGUMENTS, operation.path)
        if mode in _WITH_TTL:
            if not self._extended_types:
                raise KeeperError(Code.UNIMPLEMENTED, operation.path)
            if op != _CREATE_TTL or not 0 < operation.ttl_ms <= TTL_MS_MAX:
                raise KeeperError(Code.BAD_ARGUMENTS, operation.path)
        # createTTL with a mode that has no TTL: Apache takes -1 here and then fails to apply it.
        elif op == _CREATE_TTL or operation.ttl_ms >= 0:
            raise KeeperError(Code.BAD_ARGUMENTS, operation.path)

    def _delete(self, request: Request, operation: Delete, zxid: int) -> DeleteTxn:
        self.check_session(request.session_id)
        path = operation.path
        parent_path = _parent_of_deletable(path)
        parent = self.existing(parent_path, zxid)
        # The right to delete is the parent's to give, not the znode's.
        self.access.check(parent.acl, Perm.DELETE, request.identities, path)
        node = self.existing(path, zxid)
        _next_version(node.version, operation.version, path)
        if node.child_count > 0:
            raise KeeperError(Code.NOT_EMPTY, path)
        self._put_deletion(path, node, parent_path, parent)
        return DeleteTxn(path)

    def _delete_container(self, request: Request, operation: Delete, zxid: int) -> DeleteTxn:
        """Delete a container or TTL znode; asked by the ensemble itself (session 0), never by a client.

        One with a change on its way is in use, whatever the state that it was judged by; it may be over the
        next time. Apache deletes it if only it has no children, and takes the request from clients too,
        without any access control.
        """
        if request.session_id != 0:
            raise KeeperError(Code.UNIMPLEMENTED, operation.path)
        path = operation.path
        parent_path = _parent_of_deletable(path)
        node = self.existing(path, zxid)
        if node.child_count > 0:
            raise KeeperError(Code.NOT_EMPTY, path)
        if node.ephemeral_owner != CONTAINER and not is_ttl(node.ephemeral_owner):
            raise KeeperError(Code.BAD_VERSION, path)
        if self.is_changing(path):
            raise KeeperError(Code.BAD_VERSION, path)
        self._put_deletion(path, node, parent_path, self.existing(parent_path, zxid))
        return DeleteTxn(path)

    def _put_deletion(self, path: str, node: Pending, parent_path: str, parent: Pending) -> None:
        parent.child_count -= 1
        self.put(parent_path, parent)
        self.put_deleted(path, node)

    def _set_acl(self, request: Request, operation: SetAcl, zxid: int) -> SetAclTxn:
        self.check_session(request.session_id)
        path = operation.path
        paths.validate(path)
        acl = self.access.fixup(operation.acl, request.identities, path)
        draft = self.existing(path, zxid)
        self.access.check(draft.acl, Perm.ADMIN, request.identities, path)
        draft.aversion = _next_version(draft.aversion, operation.version, path)
        draft.acl = acl
        check_size(path, None, acl)
        self.put(path, draft)
        return SetAclTxn(path, acl, draft.aversion)

    def _check(self, request: Request, operation: Check, zxid: int) -> CheckTxn:
        self.check_session(request.session_id)
        path = operation.path
        paths.validate(path)
        draft = self.existing(path, zxid)
        self.access.check(draft.acl, Perm.READ, request.identities, path)
        return CheckTxn(path, _next_version(draft.version, operation.version, path))

    def _create_session(self, request: Request, operation: CreateSession, zxid: int) -> CreateSessionTxn:
        self.put_opened(request.session_id, zxid)
        return CreateSessionTxn(operation.timeout_ms)

    def _close_session(self, request: Request, operation: Operation, zxid: int) -> CloseSessionTxn:
        """List the ephemerals the session will own by then, oldest first.

        No check of the session: expiry and a closing client may both ask, and the second finds nothing. The
        list is cut where the transaction would grow too large (ZOOKEEPER-2101); applying it deletes the
        rest all the same.
        """
        session_id = request.session_id
        owned: list[str] = []
        room = limits.TXN_BYTES_MAX - RECORD_BYTES
        for path in self.ephemerals_of(session_id):
            node = self.draft(path, zxid)
            if node is None or node.ephemeral_owner != session_id:
                continue
            room -= 4 + PATH_BYTES_PER_CHARACTER * len(path)
            if room >= 0:
                owned.append(path)
            parent_path = paths.parent_of(path)
            self._put_deletion(path, node, parent_path, self.existing(parent_path, zxid))
        self.put_closed(session_id, zxid)
        return CloseSessionTxn(owned)

    def _reconfig(self, request: Request, operation: Reconfig, zxid: int) -> SetDataTxn:
        if self._reconfigure is None:
            raise KeeperError(Code.RECONFIG_DISABLED)
        self.check_session(request.session_id)
        data = self._reconfigure(operation, zxid)
        draft = self.existing(CONFIG_PATH, zxid)
        self.access.check(draft.acl, Perm.WRITE, request.identities, CONFIG_PATH)
        draft.version, draft.data = -1, data
        self.put(CONFIG_PATH, draft)
        return SetDataTxn(CONFIG_PATH, data, -1)

    # All or nothing.

    def _multi(self, request: Request, operation: Multi, zxid: int) -> MultiTxn:
        """Prepare the parts one after the other, each seeing those before it; undo all when one fails."""
        if len(operation.ops) > limits.MULTI_OPS_MAX:
            raise KeeperError(Code.BAD_ARGUMENTS)
        ops = [part_of(op, part) for op, part in operation.ops]
        txns: list[tuple[int, Record]] = []
        self.begin()
        part = Request(request.session_id, request.cxid, 0, operation, request.identities)
        room = limits.TXN_BYTES_MAX
        try:
            for op, part_operation in ops:
                part.op = op
                record = _PARTS[op](self, part, part_operation, zxid)
                room -= weight_of(record)
                if room < 0:
                    raise KeeperError(Code.BAD_ARGUMENTS)
                txns.append((op, record))
        except KeeperError as refusal:
            self.roll_back()
            if refusal.code == Code.MARSHALLING_ERROR:
                raise  # limits of a quota that cannot be read: to Apache an exception, which spoils the whole
            return refused(len(ops), len(txns), refusal.code)
        finally:
            self.end()
        return MultiTxn(txns)


def _plus_one(version: int) -> int:
    return version + 1 if version != _INT_MAX else -_INT_MAX - 1


def _next_version(current: int, expected: int, path: str) -> int:
    """Return the version after ``current``; raise BAD_VERSION unless it is the expected one (-1: any)."""
    if expected not in (-1, current):
        raise KeeperError(Code.BAD_VERSION, path)
    return _plus_one(current)


def _parent_of_deletable(path: str) -> str:
    slash = path.rfind("/")
    if slash == -1 or "\0" in path or path in _SPECIAL:
        raise KeeperError(Code.BAD_ARGUMENTS, path)
    return path[:slash] or "/"


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
