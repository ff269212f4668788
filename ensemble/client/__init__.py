"""An asyncio client of the ZooKeeper protocol, for our servers and Apache's.

zookeeper     the client object: start, close, state, requests
operations    reads and writes, typed; multi: several as one request; results: what they answer
watching      watches that stay, and taking them back; events: a watcher to await or to iterate over
subtree       whole parts of the tree; quota: limits on them
retry         a policy for trying again
connection    sockets and time: one server after the other, pings, silence
session       sans-I/O: what outlasts a connection, and which answer belongs to which request
watches       sans-I/O: what is watched, and by whom
addresses     connect strings; chroot: the client's paths and the servers'
mistakes      what is wrong with arguments that cannot be sent
errors        one class for each of ZooKeeper's codes; caller: what operations need of a client
"""

from ensemble.client.chroot import Chroot
from ensemble.client.errors import (
    ApiFault,
    AuthFailed,
    BadArguments,
    BadVersion,
    ClientClosed,
    ClientError,
    ConnectionLoss,
    DataInconsistency,
    EphemeralOnLocalSession,
    InvalidAcl,
    InvalidCallback,
    MarshallingFault,
    MultiError,
    NewConfigNoQuorum,
    NoAuth,
    NoChildrenForEphemerals,
    NodeExists,
    NoNode,
    NotEmpty,
    NotReadOnly,
    NoWatcher,
    OperationTimeout,
    QuotaExceeded,
    ReconfigDisabled,
    ReconfigInProgress,
    RequestTimeout,
    RuntimeInconsistency,
    SessionClosedRequireAuth,
    SessionExpired,
    SessionMoved,
    SystemFault,
    ThrottledOp,
    Unimplemented,
    UnknownSession,
)
from ensemble.client.events import EventStream, WatchEnded
from ensemble.client.multi import Reads, Transaction
from ensemble.client.quota import Quota, Usage
from ensemble.client.results import AccessList, Children, Created, Data
from ensemble.client.retry import Retry
from ensemble.client.session import State
from ensemble.client.watches import Watcher, WatchEvent
from ensemble.client.zookeeper import ZooKeeper
from ensemble.errors import Code, ConfigError, CoordinatorError, KeeperError
from ensemble.tree.operations import OPEN_ACL, READ_ACL, Acl, CreateMode, EventType, Identity, Perm
from ensemble.tree.watches import WatcherType
from ensemble.wire.replies import OpResult, Stat

__all__ = [
    "OPEN_ACL",
    "READ_ACL",
    "AccessList",
    "Acl",
    "ApiFault",
    "AuthFailed",
    "BadArguments",
    "BadVersion",
    "Children",
    "Chroot",
    "ClientClosed",
    "ClientError",
    "Code",
    "ConfigError",
    "ConnectionLoss",
    "CoordinatorError",
    "CreateMode",
    "Created",
    "Data",
    "DataInconsistency",
    "EphemeralOnLocalSession",
    "EventStream",
    "EventType",
    "Identity",
    "InvalidAcl",
    "InvalidCallback",
    "KeeperError",
    "MarshallingFault",
    "MultiError",
    "NewConfigNoQuorum",
    "NoAuth",
    "NoChildrenForEphemerals",
    "NoNode",
    "NoWatcher",
    "NodeExists",
    "NotEmpty",
    "NotReadOnly",
    "OpResult",
    "OperationTimeout",
    "Perm",
    "Quota",
    "QuotaExceeded",
    "Reads",
    "ReconfigDisabled",
    "ReconfigInProgress",
    "RequestTimeout",
    "Retry",
    "RuntimeInconsistency",
    "SessionClosedRequireAuth",
    "SessionExpired",
    "SessionMoved",
    "Stat",
    "State",
    "SystemFault",
    "ThrottledOp",
    "Transaction",
    "Unimplemented",
    "UnknownSession",
    "Usage",
    "WatchEnded",
    "WatchEvent",
    "Watcher",
    "WatcherType",
    "ZooKeeper",
]
