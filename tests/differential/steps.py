"""What a script is made of: steps, each of one client, and the requests it sends.

All znodes of a script lie below ``BASE``, which whoever plays it replaces by a path of the same length, so that
every script finds an empty place.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

BASE = "/d00000000"
"""The place of a script's znodes; the digits are replaced when it is played."""

FIXED_STEPS = 2
"""So many steps at the start of a script make its place."""

SPECIAL = ("/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")
AUTH_XID, PING_XID, SET_WATCHES_XID = -4, -2, -8


class Request(NamedTuple):
    """One request: its record is bytes, so that it may be a bad one."""

    op: int
    record: bytes
    text: str
    """For who reads a report."""
    path: str | None = None
    xid: int | None = None
    """None: the next one of the client's counter."""
    zxid_first: bool = False
    """The record's first eight bytes are to become the last zxid the client has seen."""


class How(Enum):
    """How a client connects."""

    NEW = "new"
    RESUME = "resume"
    WRONG_PASSWORD = "wrong password"
    SHORT_PASSWORD = "short password"
    NO_PASSWORD = "no password"
    NO_SUCH_SESSION = "no such session"
    AHEAD = "has seen more than there is"


class Kind(Enum):
    """Kinds of watches."""

    ORDINARY = "ordinary"
    PERSISTENT = "persistent"
    RECURSIVE = "recursive"


class Connect(NamedTuple):
    """A client opens a connection."""

    client: int
    how: How
    timeout_ms: int = 30_000
    read_only: bool | None = False


class Ask(NamedTuple):
    """A client sends requests, all at once, and waits for as many answers."""

    client: int
    requests: tuple[Request, ...]


class Raw(NamedTuple):
    """A client sends bytes that are no request; nothing but the end of the connection can follow."""

    client: int
    data: bytes


class HangUp(NamedTuple):
    """A client's connection breaks; its session stays."""

    client: int


Step = Connect | Ask | Raw | HangUp
