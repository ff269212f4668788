"""The records of client operations: for each op code how to read one, and how to write it.

Two tables, ``READERS`` and ``PACKERS``. Knows the layout of each record and nothing of what it means: paths,
versions, modes and lists are checked where they are used. Facts: zookeeper.jute, MultiOperationRecord.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any

from ensemble import limits
from ensemble.errors import WireError
from ensemble.jute import (
    BOOL,
    Reader,
    decode_text,
    pack_bytes,
    pack_int,
    pack_long,
    pack_string,
    pack_strings,
)
from ensemble.tree.operations import (
    OPEN_ACL,
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

ANY_VERSION = -1

MULTI_HEADER = Struct(">i?i")
"""Before each operation of a multi, and each of its results: {int op, bool done, int error}."""

MULTI_END = MULTI_HEADER.pack(-1, True, -1)
"""The header that closes a multi, in requests and in replies."""

_SURROGATES = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_ACL_BYTES_MIN = 12
_STRING_BYTES_MIN = 4

RecordReader = Callable[[Reader], Operation]


# --- writing -------------------------------------------------------------------------------------------


def pack_acl(acl: Sequence[Acl]) -> bytes:
    """Write a vector of ACL entries."""
    parts = [pack_int(len(acl))]
    parts += [pack_int(perms) + pack_string(scheme) + pack_string(who) for perms, (scheme, who) in acl]
    return b"".join(parts)


def _pack_create(create: Create) -> bytes:
    return pack_string(create.path) + pack_bytes(create.data) + pack_acl(create.acl) + pack_int(create.mode)


def _pack_create_ttl(create: Create) -> bytes:
    return _pack_create(create) + pack_long(create.ttl_ms)


def _pack_path_and_version(operation: Delete | Check) -> bytes:
    return pack_string(operation.path) + pack_int(operation.version)


def _pack_set_data(write: SetData) -> bytes:
    return pack_string(write.path) + pack_bytes(write.data) + pack_int(write.version)


def _pack_set_acl(write: SetAcl) -> bytes:
    return pack_string(write.path) + pack_acl(write.acl) + pack_int(write.version)


def _pack_read(read: Read) -> bytes:
    return pack_string(read.path) + BOOL.pack(read.watch)


def _pack_path(operation: Read | Sync | Delete) -> bytes:
    return pack_string(operation.path)


def _pack_auth(auth: Auth) -> bytes:
    return pack_int(auth.type) + pack_string(auth.scheme) + pack_bytes(auth.auth)


def _pack_sasl(sasl: Sasl) -> bytes:
    return pack_bytes(sasl.token)


def _pack_set_watches(watches: SetWatches) -> bytes:
    lists = (watches.data, watches.exist, watches.child)
    return pack_long(watches.relative_zxid) + b"".join([pack_strings(paths) for paths in lists])


def _pack_set_watches2(watches: SetWatches) -> bytes:
    more = (watches.persistent, watches.persistent_recursive)
    return _pack_set_watches(watches) + b"".join([pack_strings(paths) for paths in more])


def _pack_add_watch(watch: AddWatch) -> bytes:
    return pack_string(watch.path) + pack_int(watch.mode)


def _pack_remove_watches(removal: RemoveWatches) -> bytes:
    return pack_string(removal.path) + pack_int(removal.type)


def _pack_reconfig(change: Reconfig) -> bytes:
    # What is not wanted is null on the wire: Apache takes an empty list of members for a list.
    texts = (change.joining, change.leaving, change.new_members)
    return b"".join([pack_string(text or None) for text in texts]) + pack_long(change.config_version)


def _pack_create_session(session: CreateSession) -> bytes:
    return pack_int(session.timeout_ms)


def _pack_nothing(_operation: Operation) -> bytes:
    return b""


def _pack_multi(multi: Multi) -> bytes:
    parts: list[bytes] = []
    for op, operation in multi.ops:
        parts.append(MULTI_HEADER.pack(op, False, -1))
        parts.append(PACKERS[op](operation))
    parts.append(MULTI_END)
    return b"".join(parts)


# --- reading -------------------------------------------------------------------------------------------

_OPEN_ACL_BYTES = pack_acl(OPEN_ACL)


def read_acl(reader: Reader) -> tuple[Acl, ...]:
    """Read a vector of ACL entries; null reads as empty."""
    # Nearly every create carries this one list: comparing it is 1.6 us cheaper than reading it, and the
    # whole tree then shares one object.
    offset = reader.offset
    stop = offset + len(_OPEN_ACL_BYTES)
    if reader.buffer[offset:stop] == _OPEN_ACL_BYTES and stop <= reader.end:
        reader.offset = stop
        return OPEN_ACL
    return tuple(
        [
            Acl(reader.int(), Identity(reader.string(), reader.string()))
            for _ in range(reader.count(_ACL_BYTES_MIN))
        ]
    )


def read_strings(reader: Reader) -> list[str]:
    """Read a vector of strings; null reads as empty."""
    return [reader.string() for _ in range(reader.count(_STRING_BYTES_MIN))]


# What Apache does with a path that is none is alike for all operations of a kind. Null is an exception for most,
# answered with MARSHALLING_ERROR; where it is not, it reads as empty here. No path is not UTF-8: Java puts U+FFFD in the
# place of what is not, and no znode's name holds that.


def read_path(reader: Reader) -> str:
    """Read a path; ``WireError`` for null."""
    raw = reader.optional_bytes()
    if raw is None:
        raise WireError("null in the place of a path")
    return lenient_text(raw)


def _read_nullable_path(reader: Reader) -> str:
    """Read a path; null reads as empty."""
    return lenient_text(reader.optional_bytes() or b"")


def lenient_text(raw: bytes) -> str:
    """Decode UTF-8, or CESU-8 as Java writes it, with U+FFFD in the place of what is neither, as Java reads it."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    try:
        return decode_text(raw)
    except WireError:
        return _SURROGATES.sub(_REPLACEMENT, raw).decode(errors="replace")


def _read_paths(reader: Reader) -> list[str]:
    """Read a vector of paths; ``WireError`` for null."""
    return [read_path(reader) for _ in range(reader.count(_STRING_BYTES_MIN))]


def _read_nullable_paths(reader: Reader) -> list[str]:
    """Read a vector of paths; null reads as empty."""
    return [_read_nullable_path(reader) for _ in range(reader.count(_STRING_BYTES_MIN))]


def _read_create(reader: Reader) -> Create:
    return Create(read_path(reader), reader.optional_bytes(), read_acl(reader), reader.int())


def _read_create_ttl(reader: Reader) -> Create:
    create = _read_create(reader)
    create.ttl_ms = reader.long()
    return create


def _read_delete(reader: Reader) -> Delete:
    return Delete(read_path(reader), reader.int())


def _read_delete_container(reader: Reader) -> Delete:
    # The path is written as a buffer, which on the wire is the same thing as a string.
    return Delete(read_path(reader), ANY_VERSION)


def read_set_data(reader: Reader) -> SetData:
    """Read {path, data, version}."""
    return SetData(_read_nullable_path(reader), reader.optional_bytes(), reader.int())


def _read_set_data_in_multi(reader: Reader) -> SetData:
    return SetData(read_path(reader), reader.optional_bytes(), reader.int())


def _read_check(reader: Reader) -> Check:
    return Check(read_path(reader), reader.int())


def _read_set_acl(reader: Reader) -> SetAcl:
    return SetAcl(_read_nullable_path(reader), read_acl(reader), reader.int())


def read_read(reader: Reader) -> Read:
    """Read {path, watch}."""
    return Read(read_path(reader), reader.bool())


def _read_unwatched(reader: Reader) -> Read:
    return Read(read_path(reader))


def _read_prefix(reader: Reader) -> Read:
    return Read(_read_nullable_path(reader))


def _read_sync(reader: Reader) -> Sync:
    return Sync(_read_nullable_path(reader))


def _read_auth(reader: Reader) -> Auth:
    return Auth(reader.int(), reader.string(), reader.optional_bytes())


def _read_sasl(reader: Reader) -> Sasl:
    return Sasl(reader.optional_bytes() or b"")


def _read_set_watches(reader: Reader) -> SetWatches:
    zxid, data, exist, child = reader.long(), _read_paths(reader), _read_paths(reader), _read_paths(reader)
    return SetWatches(zxid, data, exist, child, [], [])


def _read_set_watches2(reader: Reader) -> SetWatches:
    watches = _read_set_watches(reader)
    watches.persistent = _read_nullable_paths(reader)
    watches.persistent_recursive = _read_nullable_paths(reader)
    return watches


def _read_add_watch(reader: Reader) -> AddWatch:
    return AddWatch(_read_nullable_path(reader), reader.int())


def _read_remove_watches(reader: Reader) -> RemoveWatches:
    return RemoveWatches(_read_nullable_path(reader), reader.int())


def _read_reconfig(reader: Reader) -> Reconfig:
    return Reconfig(reader.string(), reader.string(), reader.string(), reader.long())


def _read_create_session(reader: Reader) -> CreateSession:
    return CreateSession(reader.int())


def _read_close_session(_reader: Reader) -> CloseSession:
    return CloseSession()


def _read_nothing(_reader: Reader) -> NoBody:
    return NoBody()


_WRITES_IN_MULTI: dict[int, RecordReader] = {
    Op.CREATE: _read_create,
    Op.CREATE2: _read_create,
    Op.CREATE_CONTAINER: _read_create,
    Op.CREATE_TTL: _read_create_ttl,
    Op.DELETE: _read_delete,
    Op.SET_DATA: _read_set_data_in_multi,
    Op.CHECK: _read_check,
}

_READS_IN_MULTI: dict[int, RecordReader] = {Op.GET_DATA: read_read, Op.GET_CHILDREN: read_read}


def _read_operations(reader: Reader, table: dict[int, RecordReader]) -> Multi:
    """Read operations until the closing header: iterative, capped, and nothing but what ``table`` allows
    (so no multi inside a multi, and no read among writes)."""
    ops: list[tuple[int, Operation]] = []
    while True:
        op, done, _error = reader.int(), reader.bool(), reader.int()
        if done:
            return Multi(ops)
        if len(ops) == limits.MULTI_OPS_MAX:
            raise WireError(f"a multi of more than {limits.MULTI_OPS_MAX} operations")
        read = table.get(op)
        if read is None:
            raise WireError(f"operation {op} inside a multi")
        ops.append((op, read(reader)))


def _read_multi(reader: Reader) -> Multi:
    return _read_operations(reader, _WRITES_IN_MULTI)


def _read_multi_read(reader: Reader) -> Multi:
    return _read_operations(reader, _READS_IN_MULTI)


# --- the tables ----------------------------------------------------------------------------------------

_RECORDS: dict[int, tuple[RecordReader, Callable[[Any], bytes]]] = {
    Op.CREATE: (_read_create, _pack_create),
    Op.CREATE2: (_read_create, _pack_create),
    Op.CREATE_CONTAINER: (_read_create, _pack_create),
    Op.CREATE_TTL: (_read_create_ttl, _pack_create_ttl),
    Op.DELETE: (_read_delete, _pack_path_and_version),
    Op.DELETE_CONTAINER: (_read_delete_container, _pack_path),
    Op.EXISTS: (read_read, _pack_read),
    Op.GET_DATA: (read_read, _pack_read),
    Op.GET_CHILDREN: (read_read, _pack_read),
    Op.GET_CHILDREN2: (read_read, _pack_read),
    Op.SET_DATA: (read_set_data, _pack_set_data),
    Op.GET_ACL: (_read_unwatched, _pack_path),
    Op.SET_ACL: (_read_set_acl, _pack_set_acl),
    Op.SYNC: (_read_sync, _pack_path),
    Op.PING: (_read_nothing, _pack_nothing),
    Op.MULTI: (_read_multi, _pack_multi),
    Op.MULTI_READ: (_read_multi_read, _pack_multi),
    Op.RECONFIG: (_read_reconfig, _pack_reconfig),
    Op.CHECK_WATCHES: (_read_remove_watches, _pack_remove_watches),
    Op.REMOVE_WATCHES: (_read_remove_watches, _pack_remove_watches),
    Op.AUTH: (_read_auth, _pack_auth),
    Op.SET_WATCHES: (_read_set_watches, _pack_set_watches),
    Op.SET_WATCHES2: (_read_set_watches2, _pack_set_watches2),
    Op.SASL: (_read_sasl, _pack_sasl),
    Op.GET_EPHEMERALS: (_read_prefix, _pack_path),
    Op.GET_ALL_CHILDREN_NUMBER: (_read_unwatched, _pack_path),
    Op.ADD_WATCH: (_read_add_watch, _pack_add_watch),
    Op.WHO_AM_I: (_read_nothing, _pack_nothing),
    Op.CREATE_SESSION: (_read_create_session, _pack_create_session),
    Op.CLOSE_SESSION: (_read_close_session, _pack_nothing),
}

READERS: dict[int, RecordReader] = {int(op): read for op, (read, _) in _RECORDS.items()}
"""By op code: reads the record that stands behind a request header."""

# A packer takes the operation its op code implies: the pairing is the table, which types cannot say.
PACKERS: dict[int, Callable[[Any], bytes]] = {int(op): pack for op, (_, pack) in _RECORDS.items()}
"""By op code: writes the record; check as well, which has a place inside a multi only."""
PACKERS[int(Op.CHECK)] = _pack_path_and_version
