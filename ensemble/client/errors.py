"""What a client may be told: one class for each of ZooKeeper's codes, and what goes wrong on the way there.

``KeeperError`` is an answer that refuses a request; ``except NoNode`` or ``except KeeperError`` as you need.
``ClientError`` is about the way: no answer came.
"""

from __future__ import annotations

from typing import ClassVar

from ensemble.errors import Code, CoordinatorError, KeeperError


class ClientError(CoordinatorError):
    """The root of what goes wrong on the way; never raised itself."""


class ConnectionLoss(ClientError):
    """The connection broke before the answer came: the request may have been carried out, or not."""


class SessionExpired(ClientError):
    """The session is no more, and its ephemerals and watches with it; open a new client."""


class ClientClosed(ClientError):
    """The client was closed, or was never started."""


class Refusal(KeeperError):
    """The root of the classes below, of which each has its code; never raised itself."""

    CODE: ClassVar[Code]

    def __init__(self, path: str | None = None) -> None:
        super().__init__(self.CODE, path)


class SystemFault(Refusal):
    """The server failed in a way that has no other name."""

    CODE = Code.SYSTEM_ERROR


class RuntimeInconsistency(Refusal):
    """An operation of a multi that another one kept from being tried."""

    CODE = Code.RUNTIME_INCONSISTENCY


class DataInconsistency(Refusal):
    """The server found its data to be inconsistent."""

    CODE = Code.DATA_INCONSISTENCY


class MarshallingFault(Refusal):
    """The server could not read the request."""

    CODE = Code.MARSHALLING_ERROR


class Unimplemented(Refusal):
    """The server does not know this operation, or is configured not to."""

    CODE = Code.UNIMPLEMENTED


class OperationTimeout(Refusal):
    """The server gave up on the request."""

    CODE = Code.OPERATION_TIMEOUT


class BadArguments(Refusal):
    """A path that is none, or another argument that no server takes.

    ``why`` says what is wrong where that is known, which is so of all that this client refuses itself.
    """

    CODE = Code.BAD_ARGUMENTS

    def __init__(self, path: str | None = None, why: str = "") -> None:
        super().__init__(path)
        self.why = why
        if why:
            self.args = (why,)


class UnknownSession(Refusal):
    """The server does not know the session."""

    CODE = Code.UNKNOWN_SESSION


class NewConfigNoQuorum(Refusal):
    """A reconfig to servers of which no quorum is in step with the leader."""

    CODE = Code.NEW_CONFIG_NO_QUORUM


class ReconfigInProgress(Refusal):
    """Another reconfig is under way."""

    CODE = Code.RECONFIG_IN_PROGRESS


class ApiFault(Refusal):
    """A code that this client does not know."""

    CODE = Code.API_ERROR


class NoNode(Refusal):
    """There is no such znode."""

    CODE = Code.NO_NODE


class NoAuth(Refusal):
    """The access list does not let this client do that."""

    CODE = Code.NO_AUTH


class BadVersion(Refusal):
    """The znode, or the configuration, has another version."""

    CODE = Code.BAD_VERSION


class NoChildrenForEphemerals(Refusal):
    """Ephemerals have no children."""

    CODE = Code.NO_CHILDREN_FOR_EPHEMERALS


class NodeExists(Refusal):
    """There is a znode of that path."""

    CODE = Code.NODE_EXISTS


class NotEmpty(Refusal):
    """The znode has children."""

    CODE = Code.NOT_EMPTY


class InvalidCallback(Refusal):
    """A code of Apache's Java client."""

    CODE = Code.INVALID_CALLBACK


class InvalidAcl(Refusal):
    """An access list that is empty, or names what the server does not know."""

    CODE = Code.INVALID_ACL


class AuthFailed(Refusal):
    """The server refused a proof of identity."""

    CODE = Code.AUTH_FAILED


class SessionMoved(Refusal):
    """The session is served by another server; the request was not carried out."""

    CODE = Code.SESSION_MOVED


class NotReadOnly(Refusal):
    """The server has no quorum and takes no writes."""

    CODE = Code.NOT_READ_ONLY


class EphemeralOnLocalSession(Refusal):
    """A local session cannot own ephemerals."""

    CODE = Code.EPHEMERAL_ON_LOCAL_SESSION


class NoWatcher(Refusal):
    """There is no such watch."""

    CODE = Code.NO_WATCHER


class RequestTimeout(Refusal):
    """The server gave up on a request to its quorum."""

    CODE = Code.REQUEST_TIMEOUT


class ReconfigDisabled(Refusal):
    """The server's configuration forbids reconfig."""

    CODE = Code.RECONFIG_DISABLED


class SessionClosedRequireAuth(Refusal):
    """The server takes no session without a proof of identity."""

    CODE = Code.SESSION_CLOSED_REQUIRE_AUTH


class QuotaExceeded(Refusal):
    """A hard quota forbids it."""

    CODE = Code.QUOTA_EXCEEDED


class ThrottledOp(Refusal):
    """The server has too much to do, and did not do this."""

    CODE = Code.THROTTLED_OP


class MultiError(KeeperError):
    """A multi that was refused: nothing of it was carried out.

    ``index`` is the operation at fault, ``code`` and ``path`` are its own.
    """

    def __init__(self, code: Code, path: str | None, index: int) -> None:
        super().__init__(code, path)
        self.index = index


_CLASSES: dict[Code, type[Refusal]] = {kind.CODE: kind for kind in Refusal.__subclasses__()}


def code_of(number: int) -> Code:
    """Return the code a server answered with; one that we do not know is an API_ERROR."""
    try:
        return Code(number)
    except ValueError:
        return Code.API_ERROR


def refusal(number: int, path: str | None = None) -> CoordinatorError:
    """Return the error for a code that a server answered with."""
    code = code_of(number)
    if code is Code.CONNECTION_LOSS:
        return ConnectionLoss("the server lost its quorum before it could answer")
    if code is Code.SESSION_EXPIRED:
        return SessionExpired("the session expired")
    return _CLASSES.get(code, ApiFault)(path)
