"""What clients send: the connect request, then operations behind a header of xid and op.

Decoders are for the server, encoders for the client; both are tables keyed by op code. Knows the layout of
each record and nothing of what it means: paths, versions, modes and lists are checked where they are used.
Facts: zookeeper.jute, ZooDefs.OpCode, MultiOperationRecord.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import Any

from ensemble import limits
from ensemble.errors import WireError
from ensemble.jute import (
    BOOL,
    INT,
    LONG,
    Reader,
    pack_bytes,
    pack_int,
    pack_long,
    pack_string,
    pack_strings,
)
from ensemble.tree.operations import (
    Acl,
    AddWatch,
    Auth,
    Check,
    CloseSession,
    Create,
    CreateSession,
    Delete,
    Identity,
    Multi,
    NoBody,
    Op,
    Operation,
    Read,
    Reconfig,
    RemoveWatches,
    Sasl,
    SetAcl,
    SetData,
    SetWatches,
    Sync,
)
from ensemble.wire.frames import frame as framed

HEADER_BYTES = 8
"""The request header, {int xid, int op}: operations start at this offset of a frame."""

PING_XID = -2
AUTH_XID = -4
SET_WATCHES_XID = -8

ANY_VERSION = -1

_HEADER = Struct(">ii")
_FRAMED_HEADER = Struct(">iii")
_CONNECT_FIXED = Struct(">iqiq")
_MULTI_HEADER = Struct(">i?i")
_ACL_BYTES_MIN = 12
_STRING_BYTES_MIN = 4

MULTI_END = _MULTI_HEADER.pack(-1, True, -1)
"""The header that closes a multi, in requests and in replies."""


class UnknownOperation(WireError):
    """An op code that no client may send (or may send only inside a multi).

    Apache answers it with UNIMPLEMENTED and then closes the connection; a server that catches this first can
    do the same, for any other it is a ``WireError`` like the rest.
    """

    def __init__(self, op: int) -> None:
        super().__init__(f"unknown operation {op}")
        self.op = op


@dataclass(slots=True, frozen=True)
class ConnectRequest:
    """The first frame of a connection."""

    protocol_version: int
    last_zxid_seen: int
    timeout_ms: int
    session_id: int
    password: bytes
    read_only: bool | None
    """None when absent, as 3.4 clients leave it; the answer then leaves it out too (ZOOKEEPER-4814)."""


def decode_connect(frame: bytes) -> ConnectRequest:
    """Decode a ConnectRequest; ``WireError`` when it is none."""
    reader = Reader(frame)
    version, zxid, timeout_ms, session_id = reader.int(), reader.long(), reader.int(), reader.long()
    password = reader.optional_bytes() or b""
    read_only = reader.bool() if reader.remaining() else None
    reader.finish()
    return ConnectRequest(version, zxid, timeout_ms, session_id, password, read_only)


def encode_connect(request: ConnectRequest) -> bytes:
    """Encode a ConnectRequest, framed."""
    fixed = _CONNECT_FIXED.pack(
        request.protocol_version, request.last_zxid_seen, request.timeout_ms, request.session_id
    )
    flag = b"" if request.read_only is None else BOOL.pack(request.read_only)
    return framed(fixed + pack_bytes(request.password) + flag)


def decode_header(frame: bytes) -> tuple[int, int]:
    """Return xid and op of a request frame."""
    try:
        xid, op = _HEADER.unpack_from(frame)
    except struct_error:
        raise WireError(f"a request of {len(frame)} bytes") from None
    return xid, op


def decode_operation(op: int, frame: bytes, offset: int = HEADER_BYTES) -> Operation:
    """Decode the record of operation ``op`` that fills ``frame`` from ``offset`` to its end.

    Covers client operations and those servers forward to each other (createSession, whose caller must not
    let it come from a client). Raises ``UnknownOperation`` for an op code that is not in the table, and
    ``WireError`` when the bytes are not that record.
    """
    decode = _DECODERS.get(op)
    if decode is None:
        raise UnknownOperation(op)
    return decode(frame, offset)


def encode_operation(op: int, operation: Operation) -> bytes:
    """Encode the record of an operation: what follows the header, and what servers forward."""
    encode = _ENCODERS.get(op)
    if encode is None:
        raise UnknownOperation(op)
    return encode(operation)


def encode_request(xid: int, op: int, operation: Operation) -> bytes:
    """Encode a request, framed."""
    body = encode_operation(op, operation)
    return _FRAMED_HEADER.pack(HEADER_BYTES + len(body), xid, op) + body


# --- decoding ------------------------------------------------------------------------------------------
#
# Decoders of whole records take (frame, offset); those that may also stand inside a multi take a Reader.


def read_acl(reader: Reader) -> tuple[Acl, ...]:
    """Read a vector of ACL entries; null reads as empty."""
    return tuple(
        Acl(reader.int(), Identity(reader.string(), reader.string()))
        for _ in range(reader.count(_ACL_BYTES_MIN))
    )


def read_strings(reader: Reader) -> list[str]:
    """Read a vector of strings; null reads as empty."""
    return [reader.string() for _ in range(reader.count(_STRING_BYTES_MIN))]


def _create(reader: Reader) -> Create:
    return Create(reader.string(), reader.optional_bytes(), read_acl(reader), reader.int())


def _create_ttl(reader: Reader) -> Create:
    return Create(reader.string(), reader.optional_bytes(), read_acl(reader), reader.int(), reader.long())


def _delete(reader: Reader) -> Delete:
    return Delete(reader.string(), reader.int())


def _delete_container(reader: Reader) -> Delete:
    # The path is written as a buffer, which on the wire is the same thing as a string.
    return Delete(reader.string(), ANY_VERSION)


def _set_data(reader: Reader) -> SetData:
    return SetData(reader.string(), reader.optional_bytes(), reader.int())


def _check(reader: Reader) -> Check:
    return Check(reader.string(), reader.int())


def _set_acl(reader: Reader) -> SetAcl:
    return SetAcl(reader.string(), read_acl(reader), reader.int())


def _read(reader: Reader) -> Read:
    return Read(reader.string(), reader.bool())


def _read_unwatched(reader: Reader) -> Read:
    return Read(reader.string())


def _sync(reader: Reader) -> Sync:
    return Sync(reader.string())


def _auth(reader: Reader) -> Auth:
    return Auth(reader.int(), reader.string(), reader.optional_bytes() or b"")


def _set_watches(reader: Reader) -> SetWatches:
    zxid, data, exist, child = reader.long(), read_strings(reader), read_strings(reader), read_strings(reader)
    return SetWatches(zxid, data, exist, child, [], [])


def _set_watches2(reader: Reader) -> SetWatches:
    watches = _set_watches(reader)
    watches.persistent = read_strings(reader)
    watches.persistent_recursive = read_strings(reader)
    return watches


def _add_watch(reader: Reader) -> AddWatch:
    return AddWatch(reader.string(), reader.int())


def _remove_watches(reader: Reader) -> RemoveWatches:
    return RemoveWatches(reader.string(), reader.int())


def _reconfig(reader: Reader) -> Reconfig:
    return Reconfig(reader.string(), reader.string(), reader.string(), reader.long())


def _sasl(reader: Reader) -> Sasl:
    return Sasl(reader.optional_bytes() or b"")


def _create_session(reader: Reader) -> CreateSession:
    return CreateSession(reader.int())


_WRITES_IN_MULTI: dict[int, Callable[[Reader], Operation]] = {
    Op.CREATE: _create,
    Op.CREATE2: _create,
    Op.CREATE_CONTAINER: _create,
    Op.CREATE_TTL: _create_ttl,
    Op.DELETE: _delete,
    Op.SET_DATA: _set_data,
    Op.CHECK: _check,
}

_READS_IN_MULTI: dict[int, Callable[[Reader], Operation]] = {
    Op.GET_DATA: _read,
    Op.GET_CHILDREN: _read,
}


def _multi(reader: Reader, table: dict[int, Callable[[Reader], Operation]]) -> Multi:
    """Read operations until the closing header: iterative, capped, and nothing but what ``table`` allows."""
    ops: list[tuple[int, Operation]] = []
    while True:
        op, done, error = reader.int(), reader.bool(), reader.int()
        if done:
            if (op, error) != (-1, -1):
                raise WireError(f"a multi closed by {op}, {error}")
            return Multi(ops)
        if len(ops) == limits.MULTI_OPS_MAX:
            raise WireError(f"a multi of more than {limits.MULTI_OPS_MAX} operations")
        decode = table.get(op)
        if decode is None:
            raise WireError(f"operation {op} inside a multi")
        ops.append((op, decode(reader)))


def _whole(decode: Callable[[Reader], Operation]) -> Callable[[bytes, int], Operation]:
    """Make a record decoder one that insists on the end of the frame."""

    def decode_whole(frame: bytes, offset: int) -> Operation:
        reader = Reader(frame, offset)
        operation = decode(reader)
        reader.finish()
        return operation

    return decode_whole


def _empty(make: Callable[[], Operation]) -> Callable[[bytes, int], Operation]:
    return _whole(lambda _reader: make())


_slow_read = _whole(_read)
_slow_set_data = _whole(_set_data)


def _fast_read(frame: bytes, offset: int) -> Operation:
    """Decode {path, watch}, the record of most reads, without a cursor; anything odd goes the plain way."""
    start = offset + 4
    try:
        (size,) = INT.unpack_from(frame, offset)
        stop = start + size
        if size > 0 and stop + 1 == len(frame):
            return Read(frame[start:stop].decode(), frame[stop] != 0)
    except (struct_error, UnicodeDecodeError):
        pass  # the plain decoder below says what is wrong, or reads CESU-8
    return _slow_read(frame, offset)


def _fast_set_data(frame: bytes, offset: int) -> Operation:
    """Decode {path, data, version} without a cursor; anything odd goes the plain way."""
    start = offset + 4
    try:
        (size,) = INT.unpack_from(frame, offset)
        stop = start + size
        (data_size,) = INT.unpack_from(frame, stop)
        data_stop = stop + 4 + data_size
        if size > 0 and data_size >= 0 and data_stop + 4 == len(frame):
            (version,) = INT.unpack_from(frame, data_stop)
            return SetData(frame[start:stop].decode(), frame[stop + 4 : data_stop], version)
    except (struct_error, UnicodeDecodeError):
        pass  # the plain decoder below says what is wrong, or reads CESU-8
    return _slow_set_data(frame, offset)


_DECODERS: dict[int, Callable[[bytes, int], Operation]] = {
    Op.CREATE: _whole(_create),
    Op.CREATE2: _whole(_create),
    Op.CREATE_CONTAINER: _whole(_create),
    Op.CREATE_TTL: _whole(_create_ttl),
    Op.DELETE: _whole(_delete),
    Op.DELETE_CONTAINER: _whole(_delete_container),
    Op.EXISTS: _fast_read,
    Op.GET_DATA: _fast_read,
    Op.GET_CHILDREN: _fast_read,
    Op.GET_CHILDREN2: _fast_read,
    Op.SET_DATA: _fast_set_data,
    Op.GET_ACL: _whole(_read_unwatched),
    Op.SET_ACL: _whole(_set_acl),
    Op.SYNC: _whole(_sync),
    Op.PING: _empty(NoBody),
    Op.MULTI: _whole(lambda reader: _multi(reader, _WRITES_IN_MULTI)),
    Op.MULTI_READ: _whole(lambda reader: _multi(reader, _READS_IN_MULTI)),
    Op.RECONFIG: _whole(_reconfig),
    Op.CHECK_WATCHES: _whole(_remove_watches),
    Op.REMOVE_WATCHES: _whole(_remove_watches),
    Op.AUTH: _whole(_auth),
    Op.SET_WATCHES: _whole(_set_watches),
    Op.SET_WATCHES2: _whole(_set_watches2),
    Op.SASL: _whole(_sasl),
    Op.GET_EPHEMERALS: _whole(_read_unwatched),
    Op.GET_ALL_CHILDREN_NUMBER: _whole(_read_unwatched),
    Op.ADD_WATCH: _whole(_add_watch),
    Op.WHO_AM_I: _empty(NoBody),
    Op.CREATE_SESSION: _whole(_create_session),
    Op.CLOSE_SESSION: _empty(CloseSession),
}


# --- encoding ------------------------------------------------------------------------------------------


def pack_acl(acl: Sequence[Acl]) -> bytes:
    """Write a vector of ACL entries."""
    parts = [pack_int(len(acl))]
    parts += [pack_int(perms) + pack_string(scheme) + pack_string(who) for perms, (scheme, who) in acl]
    return b"".join(parts)


def _pack_create(create: Create) -> bytes:
    return b"".join(
        (pack_string(create.path), pack_bytes(create.data), pack_acl(create.acl), pack_int(create.mode))
    )


def _pack_set_watches(watches: SetWatches) -> bytes:
    lists = (watches.data, watches.exist, watches.child)
    return pack_long(watches.relative_zxid) + b"".join([pack_strings(paths) for paths in lists])


def _pack_multi(multi: Multi) -> bytes:
    parts: list[bytes] = []
    for op, operation in multi.ops:
        parts.append(_MULTI_HEADER.pack(op, False, -1))
        parts.append(_ENCODERS[op](operation))
    parts.append(MULTI_END)
    return b"".join(parts)


def _pack_path_and_int(operation: Any) -> bytes:
    number = operation.version if isinstance(operation, Delete | Check) else operation.type
    return pack_string(operation.path) + INT.pack(number)


def _pack_read(read: Read) -> bytes:
    return pack_string(read.path) + BOOL.pack(read.watch)


def _pack_path(operation: Any) -> bytes:
    return pack_string(operation.path)


def _pack_nothing(_operation: Any) -> bytes:
    return b""


# Each encoder takes the operation its op code implies: the pairing is the table, which types cannot say.
_ENCODERS: dict[int, Callable[[Any], bytes]] = {
    Op.CREATE: _pack_create,
    Op.CREATE2: _pack_create,
    Op.CREATE_CONTAINER: _pack_create,
    Op.CREATE_TTL: lambda create: _pack_create(create) + LONG.pack(create.ttl_ms),
    Op.DELETE: _pack_path_and_int,
    Op.DELETE_CONTAINER: _pack_path,
    Op.EXISTS: _pack_read,
    Op.GET_DATA: _pack_read,
    Op.GET_CHILDREN: _pack_read,
    Op.GET_CHILDREN2: _pack_read,
    Op.SET_DATA: lambda write: pack_string(write.path) + pack_bytes(write.data) + pack_int(write.version),
    Op.GET_ACL: _pack_path,
    Op.SET_ACL: lambda write: pack_string(write.path) + pack_acl(write.acl) + pack_int(write.version),
    Op.SYNC: _pack_path,
    Op.PING: _pack_nothing,
    Op.CHECK: _pack_path_and_int,
    Op.MULTI: _pack_multi,
    Op.MULTI_READ: _pack_multi,
    Op.RECONFIG: lambda change: (
        pack_string(change.joining)
        + pack_string(change.leaving)
        + pack_string(change.new_members)
        + pack_long(change.config_version)
    ),
    Op.CHECK_WATCHES: _pack_path_and_int,
    Op.REMOVE_WATCHES: _pack_path_and_int,
    Op.AUTH: lambda auth: pack_int(auth.type) + pack_string(auth.scheme) + pack_bytes(auth.auth),
    Op.SET_WATCHES: _pack_set_watches,
    Op.SET_WATCHES2: lambda watches: (
        _pack_set_watches(watches)
        + pack_strings(watches.persistent)
        + pack_strings(watches.persistent_recursive)
    ),
    Op.SASL: lambda sasl: pack_bytes(sasl.token),
    Op.GET_EPHEMERALS: _pack_path,
    Op.GET_ALL_CHILDREN_NUMBER: _pack_path,
    Op.ADD_WATCH: lambda watch: pack_string(watch.path) + pack_int(watch.mode),
    Op.WHO_AM_I: _pack_nothing,
    Op.CREATE_SESSION: lambda session: pack_int(session.timeout_ms),
    Op.CLOSE_SESSION: _pack_nothing,
}
