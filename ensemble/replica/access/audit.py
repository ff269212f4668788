"""The audit log: who changed what, one line each, in Apache's form (AuditHelper, AuditEvent).

A change is told by the server its client is connected to, once it is applied or refused; what the end of a session
deletes is told by every server. When it is off nothing here exists.
"""

from __future__ import annotations

from collections.abc import Callable

from ensemble.errors import Code, WireError
from ensemble.trace import session_text
from ensemble.tree.operations import (
    Acl,
    Create,
    CreateMode,
    Delete,
    EventType,
    Identity,
    Multi,
    Op,
    Perm,
    SetAcl,
    SetData,
)
from ensemble.tree.tree import Outcome
from ensemble.wire.requests import HEADER_BYTES, decode_operation

SUCCESS, FAILURE, INVOKED = "success", "failure", "invoked"
_OK = int(Code.OK)
_ERROR = int(Op.ERROR)
_DELETED = int(EventType.NODE_DELETED)
_MODES = frozenset(int(mode) for mode in CreateMode)
_LETTERS = (
    (Perm.CREATE, "c"), (Perm.DELETE, "d"), (Perm.READ, "r"), (Perm.WRITE, "w"), (Perm.ADMIN, "a"),
)  # fmt: skip

_NAMES: dict[int, str] = {
    Op.CREATE: "create",
    Op.CREATE2: "create",
    Op.CREATE_TTL: "create",
    Op.CREATE_CONTAINER: "create",
    Op.DELETE: "delete",
    Op.SET_DATA: "setData",
    Op.SET_ACL: "setAcl",
    Op.MULTI: "multiOperation",
    Op.RECONFIG: "reconfig",
}
_OF_A_MULTI = {op: name for op, name in _NAMES.items() if name in ("create", "delete", "setData")}
"""Changes of access lists inside a multi are not told, as with Apache's server."""


class Audit:
    """Writes the audit lines of one server."""

    def __init__(self, write: Callable[[str], None], user: str) -> None:
        """``user`` is the one this process runs as."""
        self._write = write
        self._user = user

    # ------------------------------------------------------------------ the server

    def started(self) -> None:
        """The server takes clients."""
        self._line(user=self._user, operation="serverStart", result=SUCCESS)

    def failed_to_start(self) -> None:
        """The server does not come up."""
        self._line(user=self._user, operation="serverStart", result=FAILURE)

    def stopping(self) -> None:
        """The server was asked to stop."""
        self._line(user=self._user, operation="serverStop", result=INVOKED)

    def session_ended(self, session_id: int, outcome: Outcome) -> None:
        """A session is over: tell of the ephemeral znodes that went with it."""
        for event_type, path in outcome.events:
            if event_type == _DELETED:
                self._line(
                    session=session_text(session_id),
                    user=self._user,
                    operation="ephemeralZNodeDeletionOnSessionCloseOrExpire",
                    znode=path,
                    result=SUCCESS,
                )

    # ------------------------------------------------------------------ clients

    def changed(
        self,
        session_id: int,
        identities: tuple[Identity, ...],
        *,
        op: int,
        frame: bytes,
        outcome: Outcome,
    ) -> None:
        """A client's request ``frame`` is done, or refused."""
        name = _NAMES.get(op)
        if name is None:
            return
        address = next((identity.id for identity in identities if identity.scheme == "ip"), None)
        who = {"session": session_text(session_id), "user": users(identities), "ip": address}
        try:
            operation = decode_operation(op, frame, HEADER_BYTES)
        except WireError:
            self._line(**who, operation=name, result=FAILURE)
            return
        if isinstance(operation, Multi):
            self._multi(who, operation, outcome)
            return
        refused = outcome.error != _OK
        asked = operation.path if isinstance(operation, Create | Delete | SetData | SetAcl) else None
        self._line(
            **who,
            operation=name,
            znode=asked if refused else outcome.path or asked,
            znode_type=kind(operation.mode) if isinstance(operation, Create) else None,
            acl=acl_text(operation.acl) if isinstance(operation, SetAcl) else None,
            result=FAILURE if refused else SUCCESS,
        )

    def _multi(self, who: dict[str, str | None], multi: Multi, outcome: Outcome) -> None:
        results = outcome.results or []
        if outcome.error != _OK or any(each.type == _ERROR for each in results):
            self._line(**who, operation="multiOperation", result=FAILURE)
            return
        # By the path as it was asked for, and not for TTL znodes: Apache's lines leave these kinds out.
        kinds = {
            each.path: kind(each.mode)
            for op, each in multi.ops
            if isinstance(each, Create) and op != Op.CREATE_TTL
        }
        for each in results:
            name = _OF_A_MULTI.get(each.type)
            if name is not None:
                znode_type = kinds.get(each.path or "") if name == "create" else None
                self._line(**who, operation=name, znode=each.path, znode_type=znode_type, result=SUCCESS)

    def _line(
        self,
        *,
        operation: str,
        result: str,
        session: str | None = None,
        user: str | None = None,
        ip: str | None = None,
        znode: str | None = None,
        znode_type: str | None = None,
        acl: str | None = None,
    ) -> None:
        fields = {
            "session": session, "user": user, "ip": ip, "operation": operation, "znode": znode,
            "znode_type": znode_type, "acl": acl, "result": result,
        }  # fmt: skip
        self._write(
            "\t".join([f"{name}={one_line(value)}" for name, value in fields.items() if value is not None])
        )


def users(identities: tuple[Identity, ...]) -> str | None:
    """Name the users of a connection, without the hashes of passwords; None when there is none (AuthUtil)."""
    names = [each.id.partition(":")[0] if each.scheme == "digest" else each.id for each in identities]
    return ",".join([name for name in names if name.strip()]) or None


def one_line(value: str) -> str:
    """Write a control character, which what is refused may hold, so that it begins no line or field of its own."""
    if value.isprintable():
        return value
    return "".join([each if each.isprintable() else each.encode("unicode_escape").decode() for each in value])


def kind(mode: int) -> str | None:
    """Name the kind of a znode as it is asked for; None when there is no such kind."""
    return CreateMode(mode).name.lower() if mode in _MODES else None


def acl_text(acl: tuple[Acl, ...]) -> str:
    """Write an access list, its entries one behind the other (ZKUtil.aclToString)."""
    return "".join([f"{each.identity.scheme}:{each.identity.id}:{_perms(each.perms)}" for each in acl])


def _perms(perms: int) -> str:
    return "".join([letter for perm, letter in _LETTERS if perms & perm])
