"""What servers send to clients: the connect reply, replies, events. And how a client reads them.

Functions that build a message return it framed, ready for the socket; the ``*_body`` functions build what
follows a reply header. A stat is 68 bytes here, packed by whoever owns the node. Facts: zookeeper.jute,
MultiResponse, FinalRequestProcessor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error

from ensemble import limits
from ensemble.errors import WireError
from ensemble.jute import NULL, Reader, pack_bytes, pack_int, pack_string
from ensemble.tree.operations import Acl, Identity, Op
from ensemble.wire.frames import frame as framed
from ensemble.wire.records import MULTI_END, MULTI_HEADER, pack_acl, read_acl, read_strings

NOTIFICATION_XID = -1

STAT_BYTES = 68
HEADER_BYTES = 16
"""The reply header, {int xid, long zxid, int error}: bodies start at this offset of a frame."""

_SYNC_CONNECTED = 3
"""The keeper state every event carries (Watcher.Event.KeeperState)."""

_HEADER = Struct(">iqi")
_FRAMED_HEADER = Struct(">iiqi")
_FRAMED_HEADER_AND_LENGTH = Struct(">iiqii")
_CONNECT = Struct(">iiqi")
_EVENT = Struct(">iiqiii")
_STAT = Struct(">qqqqiiiqiiq")
_STRING_BYTES_MIN = 4
_pack_header = _FRAMED_HEADER.pack
_pack_header_and_length = _FRAMED_HEADER_AND_LENGTH.pack


# --- the server's side ---------------------------------------------------------------------------------


def connect_reply(timeout_ms: int, session_id: int, password: bytes, read_only: bool | None = False) -> bytes:
    """Answer a ConnectRequest. ``read_only`` None leaves the byte out, as the request did.

    Time-out 0 tells the client that its session is no more; see :func:`connect_refusal`.
    """
    fixed = _CONNECT.pack(0, timeout_ms, session_id, len(password)) + password
    return framed(fixed if read_only is None else fixed + (b"\x01" if read_only else b"\x00"))


def connect_refusal(read_only: bool | None = False) -> bytes:
    """Answer a ConnectRequest for a session that is expired, unknown, or asked for with a wrong password."""
    return connect_reply(0, 0, bytes(limits.SESSION_PASSWORD_BYTES), read_only)


def reply(xid: int, zxid: int, error: int, body: bytes = b"") -> bytes:
    """Answer a request; the body belongs to error 0 only (and to multiRead, whatever became of it)."""
    return _pack_header(HEADER_BYTES + len(body), xid, zxid, error) + body


def data_reply(xid: int, zxid: int, data: bytes | None, stat: bytes) -> bytes:
    """Answer a getData: ``reply(xid, zxid, 0, data_body(data, stat))`` in one step."""
    if data is None:
        return reply(xid, zxid, 0, NULL + stat)
    size = len(data)
    return _pack_header_and_length(HEADER_BYTES + 4 + STAT_BYTES + size, xid, zxid, 0, size) + data + stat


def event(zxid: int, event_type: int, path: str) -> bytes:
    """A watch fired. ``zxid`` is the transaction that did it, or -1 for one found by setWatches
    (ZOOKEEPER-4655)."""
    raw = path.encode()
    size = len(raw)
    return (
        _EVENT.pack(28 + size, NOTIFICATION_XID, zxid, 0, event_type, _SYNC_CONNECTED) + pack_int(size) + raw
    )


def data_body(data: bytes | None, stat: bytes) -> bytes:
    """getData, reconfig."""
    return pack_bytes(data) + stat


def children_body(names: Iterable[str]) -> bytes:
    """getChildren; also getEphemerals, whose strings are paths."""
    encoded = [name.encode() for name in names]
    pack = pack_int
    # One join of twice as many pieces beats a concatenation for each name.
    pieces = [pack(len(encoded))]
    for raw in encoded:
        pieces.append(pack(len(raw)))
        pieces.append(raw)
    return b"".join(pieces)


def children2_body(names: Iterable[str], stat: bytes) -> bytes:
    """getChildren2."""
    return children_body(names) + stat


def acl_body(acl: Sequence[Acl], stat: bytes) -> bytes:
    """getACL."""
    return pack_acl(acl) + stat


def path_body(path: str) -> bytes:
    """create, sync."""
    return pack_string(path)


def create2_body(path: str, stat: bytes) -> bytes:
    """create2, createContainer, createTTL."""
    return pack_string(path) + stat


def number_body(number: int) -> bytes:
    """getAllChildrenNumber; and addWatch, whose body is an error code of its own (0)."""
    return pack_int(number)


def identities_body(identities: Sequence[Identity]) -> bytes:
    """whoAmI."""
    pieces = [pack_int(len(identities))]
    pieces += [pack_string(scheme) + pack_string(who) for scheme, who in identities]
    return b"".join(pieces)


def multi_body(results: Iterable[tuple[int, int, bytes]]) -> bytes:
    """multi, multiRead: for each operation its op code, its error and the body of its own reply.

    A multi that succeeded gives (op, 0, body) throughout. One that failed gives (Op.ERROR, e, b"") for
    *every* position: e is 0 before the operation at fault, the real code at it, and
    RUNTIME_INCONSISTENCY (-2) after it. A multiRead may mix both kinds.
    """
    pieces: list[bytes] = []
    for op, error, body in results:
        if op == Op.ERROR or error:
            pieces.append(MULTI_HEADER.pack(Op.ERROR, False, error))
            pieces.append(pack_int(error))
        else:
            pieces.append(MULTI_HEADER.pack(_RESULT_OP.get(op, op), False, 0))
            pieces.append(body)
    pieces.append(MULTI_END)
    return b"".join(pieces)


_RESULT_OP: dict[int, int] = {Op.CREATE_CONTAINER: Op.CREATE2, Op.CREATE_TTL: Op.CREATE2}
"""Every create that answers with a stat is announced as create2."""


# --- the client's side ---------------------------------------------------------------------------------


@dataclass(slots=True, frozen=True)
class Stat:
    """What a server says about a znode (fields in wire order). Times are milliseconds since 1970."""

    czxid: int
    """The transaction that created it."""
    mzxid: int
    """The transaction that last set its data."""
    ctime_ms: int
    mtime_ms: int
    version: int
    """How often its data was set."""
    cversion: int
    """How often children came and went."""
    aversion: int
    """How often its ACL was set."""
    ephemeral_owner: int
    """The session it will go with; 0 when it is not ephemeral."""
    data_length: int
    num_children: int
    pzxid: int
    """The transaction that last created or deleted a child."""

    def pack(self) -> bytes:
        """Return the 68 bytes of the wire."""
        return _STAT.pack(
            self.czxid,
            self.mzxid,
            self.ctime_ms,
            self.mtime_ms,
            self.version,
            self.cversion,
            self.aversion,
            self.ephemeral_owner,
            self.data_length,
            self.num_children,
            self.pzxid,
        )


@dataclass(slots=True, frozen=True)
class ConnectReply:
    """The answer to a ConnectRequest; time-out 0 (or less) means the session is no more."""

    protocol_version: int
    timeout_ms: int
    session_id: int
    password: bytes
    read_only: bool | None


@dataclass(slots=True, frozen=True)
class Event:
    """A watch that fired; the type is tree's EventType, the state always 3 (connected)."""

    type: int
    state: int
    path: str


@dataclass(slots=True, frozen=True)
class OpResult:
    """One result of a multi: which fields are set depends on the op. ``op`` ERROR carries only ``error``."""

    op: int
    error: int = 0
    path: str | None = None
    data: bytes | None = None
    children: tuple[str, ...] | None = None
    stat: Stat | None = None


def decode_connect_reply(frame: bytes) -> ConnectReply:
    """Decode the first frame a server sends."""
    reader = Reader(frame)
    version, timeout_ms, session_id = reader.int(), reader.int(), reader.long()
    password = reader.optional_bytes() or b""
    read_only = reader.bool() if reader.remaining() else None
    reader.finish()
    return ConnectReply(version, timeout_ms, session_id, password, read_only)


def decode_header(frame: bytes) -> tuple[int, int, int]:
    """Return xid, zxid and error of a reply frame."""
    try:
        xid, zxid, error = _HEADER.unpack_from(frame)
    except struct_error:
        raise WireError(f"a reply of {len(frame)} bytes") from None
    return xid, zxid, error


def body_reader(frame: bytes) -> Reader:
    """Return a reader of what follows the header; hand it to one of the ``read_*`` functions."""
    return Reader(frame, HEADER_BYTES)


def read_stat(reader: Reader) -> Stat:
    """Read a stat."""
    if reader.remaining() < STAT_BYTES:
        raise WireError(f"a stat in {reader.remaining()} bytes")
    stat = Stat(*_STAT.unpack_from(reader.buffer, reader.offset))
    reader.offset += STAT_BYTES
    return stat


def read_data(reader: Reader) -> tuple[bytes | None, Stat]:
    """Read the body of getData."""
    return reader.optional_bytes(), read_stat(reader)


def read_children(reader: Reader) -> list[str]:
    """Read the body of getChildren or getEphemerals."""
    return read_strings(reader)


def read_children2(reader: Reader) -> tuple[list[str], Stat]:
    """Read the body of getChildren2."""
    return read_strings(reader), read_stat(reader)


def read_acls(reader: Reader) -> tuple[tuple[Acl, ...], Stat]:
    """Read the body of getACL."""
    return read_acl(reader), read_stat(reader)


def read_path(reader: Reader) -> str:
    """Read the body of create or sync."""
    return reader.string()


def read_create2(reader: Reader) -> tuple[str, Stat]:
    """Read the body of create2, createContainer or createTTL."""
    return reader.string(), read_stat(reader)


def read_number(reader: Reader) -> int:
    """Read the body of getAllChildrenNumber or addWatch."""
    return reader.int()


def read_identities(reader: Reader) -> list[Identity]:
    """Read the body of whoAmI."""
    return [Identity(reader.string(), reader.string()) for _ in range(reader.count(2 * _STRING_BYTES_MIN))]


def read_event(reader: Reader) -> Event:
    """Read the body of a notification."""
    return Event(reader.int(), reader.int(), reader.string())


def read_multi(reader: Reader) -> list[OpResult]:
    """Read the body of multi or multiRead."""
    results: list[OpResult] = []
    while True:
        op, done, _error = reader.int(), reader.bool(), reader.int()
        if done:
            return results
        if len(results) == limits.MULTI_OPS_MAX:
            raise WireError(f"a multi of more than {limits.MULTI_OPS_MAX} results")
        results.append(_read_result(op, reader))


def _read_result(op: int, reader: Reader) -> OpResult:
    if op == Op.CREATE:
        return OpResult(op, path=reader.string())
    if op == Op.CREATE2:
        return OpResult(op, path=reader.string(), stat=read_stat(reader))
    if op == Op.SET_DATA:
        return OpResult(op, stat=read_stat(reader))
    if op in (Op.DELETE, Op.CHECK):
        return OpResult(op)
    if op == Op.GET_DATA:
        return OpResult(op, data=reader.optional_bytes(), stat=read_stat(reader))
    if op == Op.GET_CHILDREN:
        return OpResult(op, children=tuple(read_strings(reader)))
    if op == Op.ERROR:
        return OpResult(op, error=reader.int())
    raise WireError(f"a result of operation {op} inside a multi")
