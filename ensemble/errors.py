"""Every error of the service. The type says whose fault it is, and so what happens next.

=====================  ==========================================================================
``KeeperError``        an answer to a client, with ZooKeeper's code; nothing is wrong with anyone
``WireError``          bytes that are not the protocol; the connection they came on is closed
``PeerProtocolError``  a message that its sender's phase forbids; that link is closed
``StorageError``       our own disk; the server stops (there is no retrying fsync)
``ConfigError``        the operator's configuration; said in one sentence at start
``InvariantViolation`` our own bug; the server stops with the state in the message
=====================  ==========================================================================
"""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Error codes a client sees (Apache's KeeperException.Code)."""

    OK = 0
    SYSTEM_ERROR = -1
    RUNTIME_INCONSISTENCY = -2
    DATA_INCONSISTENCY = -3
    CONNECTION_LOSS = -4
    MARSHALLING_ERROR = -5
    UNIMPLEMENTED = -6
    OPERATION_TIMEOUT = -7
    BAD_ARGUMENTS = -8
    UNKNOWN_SESSION = -12
    NEW_CONFIG_NO_QUORUM = -13
    RECONFIG_IN_PROGRESS = -14
    API_ERROR = -100
    NO_NODE = -101
    NO_AUTH = -102
    BAD_VERSION = -103
    NO_CHILDREN_FOR_EPHEMERALS = -108
    NODE_EXISTS = -110
    NOT_EMPTY = -111
    SESSION_EXPIRED = -112
    INVALID_CALLBACK = -113
    INVALID_ACL = -114
    AUTH_FAILED = -115
    SESSION_MOVED = -118
    NOT_READ_ONLY = -119
    EPHEMERAL_ON_LOCAL_SESSION = -120
    NO_WATCHER = -121
    REQUEST_TIMEOUT = -122
    RECONFIG_DISABLED = -123
    SESSION_CLOSED_REQUIRE_AUTH = -124
    QUOTA_EXCEEDED = -125
    THROTTLED_OP = -127


class CoordinatorError(Exception):
    """The root of the family; never raised itself."""


class KeeperError(CoordinatorError):
    """A request refused with one of ZooKeeper's codes."""

    def __init__(self, code: Code, path: str | None = None) -> None:
        super().__init__(f"{code.name} {path}" if path else code.name)
        self.code = code
        self.path = path


class WireError(CoordinatorError):
    """Bytes that do not decode; the connection they came on is to be closed."""


class PeerProtocolError(CoordinatorError):
    """A peer's message that makes no sense in its phase; the link is to be closed."""


class StorageError(CoordinatorError):
    """A disk that failed or holds something that cannot be trusted; the server stops."""


class CorruptionError(StorageError):
    """Bytes on disk that fail their checksum or their order, and cannot be explained by a crash."""


class ConfigError(CoordinatorError):
    """A configuration that cannot be used; the message names the key and the fix."""


class InvariantViolation(CoordinatorError):
    """A state that must not be: our bug."""
