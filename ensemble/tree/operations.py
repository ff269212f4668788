"""What a client may ask, as values: the language between ``wire`` (which decodes them) and the tree.

Fields follow Apache's jute records; numbers are Apache's (ZooDefs.OpCode, CreateMode, ZooDefs.Perms).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import NamedTuple


class Op(IntEnum):
    """Operation codes of requests and transaction types."""

    NOTIFICATION = 0
    CREATE = 1
    DELETE = 2
    EXISTS = 3
    GET_DATA = 4
    SET_DATA = 5
    GET_ACL = 6
    SET_ACL = 7
    GET_CHILDREN = 8
    SYNC = 9
    PING = 11
    GET_CHILDREN2 = 12
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    RECONFIG = 16
    CHECK_WATCHES = 17
    REMOVE_WATCHES = 18
    CREATE_CONTAINER = 19
    DELETE_CONTAINER = 20
    CREATE_TTL = 21
    MULTI_READ = 22
    AUTH = 100
    SET_WATCHES = 101
    SASL = 102
    GET_EPHEMERALS = 103
    GET_ALL_CHILDREN_NUMBER = 104
    SET_WATCHES2 = 105
    ADD_WATCH = 106
    WHO_AM_I = 107
    CREATE_SESSION = -10
    CLOSE_SESSION = -11
    ERROR = -1


class EventType(IntEnum):
    """What a watcher is told (Watcher.Event.EventType)."""

    NONE = -1
    NODE_CREATED = 1
    NODE_DELETED = 2
    NODE_DATA_CHANGED = 3
    NODE_CHILDREN_CHANGED = 4


class CreateMode(IntEnum):
    """The flags of a create request."""

    PERSISTENT = 0
    EPHEMERAL = 1
    PERSISTENT_SEQUENTIAL = 2
    EPHEMERAL_SEQUENTIAL = 3
    CONTAINER = 4
    PERSISTENT_WITH_TTL = 5
    PERSISTENT_SEQUENTIAL_WITH_TTL = 6


class Perm(IntFlag):
    """Permissions of an ACL entry."""

    READ = 1
    WRITE = 2
    CREATE = 4
    DELETE = 8
    ADMIN = 16
    ALL = 31


class Identity(NamedTuple):
    """Who a client is under one scheme, or whom an ACL entry names."""

    scheme: str
    id: str


class Acl(NamedTuple):
    """One entry of an access control list."""

    perms: int
    identity: Identity


OPEN_ACL: tuple[Acl, ...] = (Acl(Perm.ALL, Identity("world", "anyone")),)
"""Anyone may do anything: the list nearly every znode has."""

READ_ACL: tuple[Acl, ...] = (Acl(Perm.READ, Identity("world", "anyone")),)


@dataclass(slots=True)
class Create:
    """create, create2, createContainer, createTTL: which one is the request's op."""

    path: str
    data: bytes | None
    acl: tuple[Acl, ...]
    mode: int
    ttl_ms: int = -1


@dataclass(slots=True)
class Delete:
    """delete, deleteContainer."""

    path: str
    version: int


@dataclass(slots=True)
class SetData:
    """setData; version -1 matches any."""

    path: str
    data: bytes | None
    version: int


@dataclass(slots=True)
class SetAcl:
    """setACL; the version is the node's aversion."""

    path: str
    acl: tuple[Acl, ...]
    version: int


@dataclass(slots=True)
class Check:
    """check, inside a multi."""

    path: str
    version: int


@dataclass(slots=True)
class Multi:
    """multi and multiRead: operations with the op code of each."""

    ops: list[tuple[int, Operation]]


@dataclass(slots=True)
class Read:
    """exists, getData, getChildren, getChildren2; and, setting no watch: getACL, getAllChildrenNumber,
    getEphemerals (whose path is a prefix)."""

    path: str
    watch: bool = False


@dataclass(slots=True)
class Sync:
    """sync."""

    path: str


@dataclass(slots=True)
class CreateSession:
    """createSession: a new session enters the agreed state."""

    timeout_ms: int


@dataclass(slots=True)
class CloseSession:
    """closeSession: the session leaves, and its ephemerals with it."""


@dataclass(slots=True)
class Auth:
    """The auth packet (xid -4)."""

    type: int
    scheme: str
    auth: bytes | None


@dataclass(slots=True)
class SetWatches:
    """setWatches and setWatches2: what a client watched before it reconnected."""

    relative_zxid: int
    data: list[str]
    exist: list[str]
    child: list[str]
    persistent: list[str]
    persistent_recursive: list[str]


@dataclass(slots=True)
class AddWatch:
    """addWatch; mode 0 is persistent, 1 persistent and recursive."""

    path: str
    mode: int


@dataclass(slots=True)
class RemoveWatches:
    """removeWatches, and checkWatches which only asks whether there are any.

    The type is 1 children, 2 data, 3 any, 4 persistent, 5 persistent recursive (Watcher.WatcherType).
    """

    path: str
    type: int


@dataclass(slots=True)
class Reconfig:
    """reconfig: the servers that join and leave, or the whole new membership; the version it is based on."""

    joining: str
    leaving: str
    new_members: str
    config_version: int


@dataclass(slots=True)
class Sasl:
    """One SASL token."""

    token: bytes


@dataclass(slots=True)
class NoBody:
    """Requests that are a header only: ping, closeSession, whoAmI."""


Operation = (
    Create
    | Delete
    | SetData
    | SetAcl
    | Check
    | Multi
    | Read
    | Sync
    | CreateSession
    | CloseSession
    | Auth
    | SetWatches
    | AddWatch
    | RemoveWatches
    | Reconfig
    | Sasl
    | NoBody
)


@dataclass(slots=True)
class Request:
    """A write on its way to becoming a transaction."""

    session_id: int
    cxid: int
    op: int
    operation: Operation
    identities: tuple[Identity, ...] = ()
