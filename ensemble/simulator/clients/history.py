"""What the clients of a run did and saw, in the order in which each saw it.

The checkers read this after the run. It does not judge.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ensemble.tree.operations import Op, Operation
from ensemble.wire import replies

UNKNOWN = -1
"""``returned_us`` of a call whose outcome its client never learned: it may have happened, now or later."""


Stat = tuple[int, int, int, int, int, int, int, int, int, int, int]
"""czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeralOwner, dataLength, numChildren, pzxid."""


@dataclass(slots=True)
class Answer:
    """What a client is told."""

    error: int = 0
    path: str | None = None
    data: bytes | None = None
    stat: Stat | None = None
    children: list[str] | None = None
    results: list[Answer] | None = None


@dataclass(frozen=True, slots=True)
class Reign:
    """In which epochs servers were when one of them said something, as their disks tell; 0 is none."""

    epoch: int
    """That of the server which spoke."""
    newest: int
    """The greatest of all servers."""


@dataclass(slots=True)
class Call:
    """One request and, perhaps, its reply."""

    client: int
    session: int
    cxid: int
    op: int
    operation: Operation
    invoked_us: int
    server: int
    returned_us: int = UNKNOWN
    zxid: int = -1
    answer: Answer | None = None
    reign: Reign | None = None
    """When a sync was answered, where servers can be looked at."""

    @property
    def is_write(self) -> bool:
        """Tell whether this becomes a transaction."""
        return self.op in WRITES

    def __str__(self) -> str:
        return f"client {self.client} cxid {self.cxid} {Op(self.op).name} {self.operation}"


CREATIONS_WITH_STAT = (Op.CREATE2, Op.CREATE_CONTAINER, Op.CREATE_TTL)
"""Those whose reply holds a stat besides the path."""

WRITES = (Op.CREATE, *CREATIONS_WITH_STAT, Op.DELETE, Op.SET_DATA, Op.MULTI, Op.CLOSE_SESSION, Op.RECONFIG)


@dataclass(slots=True)
class Replied:
    """A reply arrived."""

    call: Call


@dataclass(slots=True)
class Pinged:
    """A ping was answered."""

    zxid: int


@dataclass(slots=True)
class Fired:
    """A watch event arrived; zxid -1 when setWatches found it."""

    zxid: int
    event: int
    path: str


@dataclass(slots=True)
class Attached:
    """A session was opened or resumed at a server."""

    session: int
    server: int
    resumed: bool
    relative_zxid: int
    """The last zxid the client had seen then; its watches are re-registered from there."""


@dataclass(slots=True)
class Rewatching:
    """A client says with setWatches what it watches, and so what it has heard of all else; perhaps nothing.

    Written down for clients that are seen only from outside, whose watches cannot be looked at.
    """

    data: tuple[str, ...] = ()
    exist: tuple[str, ...] = ()
    child: tuple[str, ...] = ()


@dataclass(slots=True)
class Rewatched:
    """The reply to setWatches arrived."""

    zxid: int


@dataclass(slots=True)
class Expired:
    """A server said that the session is no more."""

    session: int
    idle_us: int
    """How long ago the client last heard from a server."""
    reign: Reign | None = None
    """When that was said, where servers can be looked at."""


Seen = Replied | Pinged | Fired | Attached | Rewatching | Rewatched | Expired


@dataclass(slots=True)
class History:
    """All calls in the order of their invocation, and what each client saw."""

    calls: list[Call] = field(default_factory=list)
    streams: dict[int, list[Seen]] = field(default_factory=dict)

    def acknowledged(self) -> int:
        """Count the calls that were answered."""
        return sum(call.answer is not None for call in self.calls)


def decode_answer(op: int, frame: bytes, error: int) -> Answer:
    """Decode what follows a reply header; ``WireError`` when it is not the record of ``op``."""
    reader = replies.body_reader(frame)
    if error:
        return Answer(error)
    answer = Answer()
    if op == Op.CREATE:
        answer.path = replies.read_path(reader)
    elif op in CREATIONS_WITH_STAT:
        answer.path, stat = replies.read_create2(reader)
        answer.stat = _tuple(stat)
    elif op in (Op.SET_DATA, Op.EXISTS):
        answer.stat = _tuple(replies.read_stat(reader))
    elif op in (Op.GET_DATA, Op.RECONFIG):
        answer.data, stat = replies.read_data(reader)
        answer.stat = _tuple(stat)
    elif op == Op.GET_CHILDREN:
        answer.children = sorted(replies.read_children(reader))
    elif op == Op.GET_CHILDREN2:
        names, stat = replies.read_children2(reader)
        answer.children, answer.stat = sorted(names), _tuple(stat)
    elif op == Op.MULTI:
        answer.results = [
            Answer(result.error, result.path, None, _tuple(result.stat) if result.stat else None)
            for result in replies.read_multi(reader)
        ]
    elif op == Op.SYNC:
        answer.path = replies.read_path(reader)
    elif op == Op.ADD_WATCH:
        reader.int()  # the error of the header, again
    reader.finish()
    return answer


def _tuple(stat: replies.Stat) -> Stat:
    return (
        stat.czxid,
        stat.mzxid,
        stat.ctime_ms,
        stat.mtime_ms,
        stat.version,
        stat.cversion,
        stat.aversion,
        stat.ephemeral_owner,
        stat.data_length,
        stat.num_children,
        stat.pzxid,
    )
