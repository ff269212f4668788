"""An asyncio client of the ZooKeeper protocol, for our servers and Apache's.

zookeeper     the client object: start, close, state, requests
operations    what can be asked, typed; transaction: several writes as one
events        a watcher to await or to iterate over
connection    sockets and time: one server after the other, pings
session       sans-I/O: what outlasts a connection, and which answer belongs to which request
watches       sans-I/O: what is watched, and by whom
addresses     connect strings; errors: what goes wrong on the way
"""

from ensemble.client.errors import (
    ClientClosed,
    ClientError,
    ConnectionLoss,
    MultiError,
    SessionExpired,
)
from ensemble.client.events import EventStream, WatchEnded
from ensemble.client.session import State
from ensemble.client.transaction import Transaction
from ensemble.client.watches import WatchEvent
from ensemble.client.zookeeper import ZooKeeper
from ensemble.errors import Code, KeeperError
from ensemble.tree.operations import OPEN_ACL, READ_ACL, Acl, CreateMode, EventType, Identity, Perm
from ensemble.wire.replies import OpResult, Stat

__all__ = [
    "OPEN_ACL",
    "READ_ACL",
    "Acl",
    "ClientClosed",
    "ClientError",
    "Code",
    "ConnectionLoss",
    "CreateMode",
    "EventStream",
    "EventType",
    "Identity",
    "KeeperError",
    "MultiError",
    "OpResult",
    "Perm",
    "SessionExpired",
    "Stat",
    "State",
    "Transaction",
    "WatchEnded",
    "WatchEvent",
    "ZooKeeper",
]
