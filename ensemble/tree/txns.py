"""Transactions: what the log holds and every server applies.

A transaction is a header and a record in Apache's jute layout (org.apache.zookeeper.txn):
``TxnHeader{long clientId, int cxid, long zxid, long time, int type}`` + record. Apache may append a
``TxnDigest``; we accept it and write none.

Every record has one plain encoder and decoder; setData and create, which are nearly all of the traffic,
have a decoder of their own that reads the payload in one go and is tested to agree with the plain one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from struct import error as StructError

from ensemble.errors import WireError
from ensemble.jute import INT, Reader, pack_bytes, pack_int, pack_string, pack_strings
from ensemble.tree.operations import OPEN_ACL, Acl, Identity, Op


@dataclass(slots=True)
class CreateTxn:
    """create (1), create2 (15), createContainer (19), createTTL (21)."""

    path: str
    data: bytes | None
    acl: tuple[Acl, ...]
    ephemeral: bool
    parent_cversion: int
    ttl_ms: int = -1


@dataclass(slots=True)
class DeleteTxn:
    """delete (2), deleteContainer (20)."""

    path: str


@dataclass(slots=True)
class SetDataTxn:
    """setData (5); ``version`` is the new version."""

    path: str
    data: bytes | None
    version: int


@dataclass(slots=True)
class SetAclTxn:
    """setACL (7); ``version`` is the new aversion."""

    path: str
    acl: tuple[Acl, ...]
    version: int


@dataclass(slots=True)
class CheckTxn:
    """check (13), inside a multi."""

    path: str
    version: int


@dataclass(slots=True)
class CreateSessionTxn:
    """createSession (-10)."""

    timeout_ms: int


@dataclass(slots=True)
class CloseSessionTxn:
    """closeSession (-11): the ephemerals that go with it, in the order of their deletion."""

    paths: list[str]


@dataclass(slots=True)
class ErrorTxn:
    """error (-1): a refused write still takes its place in the order (ZOOKEEPER-4925)."""

    code: int


@dataclass(slots=True)
class MultiTxn:
    """multi (14): (type, record) pairs; all of type -1 when it was refused."""

    txns: list[tuple[int, Record]]


Record = (
    CreateTxn
    | DeleteTxn
    | SetDataTxn
    | SetAclTxn
    | CheckTxn
    | CreateSessionTxn
    | CloseSessionTxn
    | ErrorTxn
    | MultiTxn
)


@dataclass(slots=True)
class Txn:
    """One transaction, decoded."""

    session_id: int
    cxid: int
    zxid: int
    time_ms: int
    type: int
    record: Record


_HEADER = Struct(">qiqqi")
_TYPE_OF_RECONFIG = INT.pack(Op.RECONFIG)
_LONG_AND_INT = Struct(">iq")
_FLAG_AND_INT = Struct(">?i")
_DIGEST_BYTES = 12
_ACL_BYTES_MIN = 12

_SET_DATA = int(Op.SET_DATA)
_CREATE = int(Op.CREATE)
_CREATE2 = int(Op.CREATE2)


def encode(txn: Txn) -> bytes:
    """Return the payload of ``txn``: header and record, no digest."""
    return _HEADER.pack(txn.session_id, txn.cxid, txn.zxid, txn.time_ms, txn.type) + _ENCODERS[txn.type](
        txn.record
    )


def time_of(payload: bytes) -> int:
    """Return when the transaction was made (milliseconds since 1970), of a payload that has a header."""
    return int.from_bytes(payload[20:28], "big", signed=True)


def membership_in(payload: bytes) -> bytes | None:
    """Return the membership that an encoded transaction puts in force; None for any but a reconfig."""
    if payload[_HEADER.size - INT.size : _HEADER.size] != _TYPE_OF_RECONFIG:
        return None
    record = decode(payload).record
    assert isinstance(record, SetDataTxn)
    return record.data


def decode(payload: bytes) -> Txn:
    """Read the payload of one transaction, with or without a trailing ``TxnDigest``.

    Raises ``WireError`` for anything else, and for types that no log of ZooKeeper 3.4 to 3.9 holds.
    """
    size = len(payload)
    if size < _HEADER.size:
        raise WireError(f"a transaction of {size} bytes")
    session_id, cxid, zxid, time_ms, type_ = _HEADER.unpack_from(payload)
    fast = _FAST_DECODERS.get(type_)
    record = None if fast is None else fast(payload)
    if record is None:
        record = _decode_body(type_, payload)
    return Txn(session_id, cxid, zxid, time_ms, type_, record)


def encode_acl(acl: tuple[Acl, ...]) -> bytes:
    """Write a vector of ACL entries."""
    if acl is OPEN_ACL:
        return _OPEN_ACL_BYTES
    return pack_int(len(acl)) + b"".join(
        [pack_int(perms) + pack_string(scheme) + pack_string(who) for perms, (scheme, who) in acl]
    )


def decode_acl(reader: Reader) -> tuple[Acl, ...]:
    """Read a vector of ACL entries; null reads as the open list, as Apache stores it."""
    count = reader.count(_ACL_BYTES_MIN)
    if count == -1:
        return OPEN_ACL
    acl = tuple([Acl(reader.int(), Identity(reader.string(), reader.string())) for _ in range(count)])
    return OPEN_ACL if acl == OPEN_ACL else acl


# Encoders, by transaction type.


def _encode_create(record: CreateTxn) -> bytes:
    path, data = record.path.encode(), record.data
    return b"".join(
        (
            pack_int(len(path)),
            path,
            pack_bytes(data),
            encode_acl(record.acl),
            _FLAG_AND_INT.pack(record.ephemeral, record.parent_cversion),
        )
    )


def _encode_create_container(record: CreateTxn) -> bytes:
    return b"".join(
        (
            pack_string(record.path),
            pack_bytes(record.data),
            encode_acl(record.acl),
            pack_int(record.parent_cversion),
        )
    )


def _encode_create_ttl(record: CreateTxn) -> bytes:
    return b"".join(
        (
            pack_string(record.path),
            pack_bytes(record.data),
            encode_acl(record.acl),
            _LONG_AND_INT.pack(record.parent_cversion, record.ttl_ms),
        )
    )


def _encode_delete(record: DeleteTxn) -> bytes:
    return pack_string(record.path)


def _encode_set_data(record: SetDataTxn) -> bytes:
    path, data = record.path.encode(), record.data
    return b"".join((pack_int(len(path)), path, pack_bytes(data), pack_int(record.version)))


def _encode_set_acl(record: SetAclTxn) -> bytes:
    return pack_string(record.path) + encode_acl(record.acl) + pack_int(record.version)


def _encode_check(record: CheckTxn) -> bytes:
    return pack_string(record.path) + pack_int(record.version)


def _encode_create_session(record: CreateSessionTxn) -> bytes:
    return pack_int(record.timeout_ms)


def _encode_close_session(record: CloseSessionTxn) -> bytes:
    return pack_strings(record.paths)


def _encode_error(record: ErrorTxn) -> bytes:
    return pack_int(record.code)


def _encode_multi(record: MultiTxn) -> bytes:
    parts = [pack_int(len(record.txns))]
    for type_, part in record.txns:
        body = _PART_ENCODERS[type_](part)
        parts += (pack_int(type_), pack_int(len(body)), body)
    return b"".join(parts)


# Decoders, by transaction type.


def _decode_create(reader: Reader) -> CreateTxn:
    path, data, acl, ephemeral = reader.string(), reader.optional_bytes(), decode_acl(reader), reader.bool()
    # CreateTxnV0, of logs before 3.4, ends here; -1 lets the parent's own count go on.
    cversion = reader.int() if reader.remaining() else -1
    return CreateTxn(path, data, acl, ephemeral, cversion)


def _decode_create_container(reader: Reader) -> CreateTxn:
    return CreateTxn(reader.string(), reader.optional_bytes(), decode_acl(reader), False, reader.int())


def _decode_create_ttl(reader: Reader) -> CreateTxn:
    return CreateTxn(
        reader.string(), reader.optional_bytes(), decode_acl(reader), False, reader.int(), reader.long()
    )


def _decode_delete(reader: Reader) -> DeleteTxn:
    return DeleteTxn(reader.string())


def _decode_set_data(reader: Reader) -> SetDataTxn:
    return SetDataTxn(reader.string(), reader.optional_bytes(), reader.int())


def _decode_set_acl(reader: Reader) -> SetAclTxn:
    return SetAclTxn(reader.string(), decode_acl(reader), reader.int())


def _decode_check(reader: Reader) -> CheckTxn:
    return CheckTxn(reader.string(), reader.int())


def _decode_create_session(reader: Reader) -> CreateSessionTxn:
    return CreateSessionTxn(reader.int())


def _decode_close_session(reader: Reader) -> CloseSessionTxn:
    """Read the paths to delete; logs before 3.6 have no record here, only perhaps a digest."""
    start, size = reader.offset, reader.remaining()
    if size == 0:
        return CloseSessionTxn([])
    try:
        return CloseSessionTxn([reader.string() for _ in range(reader.count(4))])
    except WireError:
        if size != _DIGEST_BYTES:
            raise
        reader.offset = start
        return CloseSessionTxn([])


def _decode_error(reader: Reader) -> ErrorTxn:
    return ErrorTxn(reader.int())


def _decode_multi(reader: Reader) -> MultiTxn:
    txns: list[tuple[int, Record]] = []
    for _ in range(reader.count(8)):
        type_ = reader.int()
        decoder = _PART_DECODERS.get(type_)
        if decoder is None:
            raise WireError(f"a transaction of type {type_} inside a multi")
        part = Reader(reader.optional_bytes() or b"")
        txns.append((type_, decoder(part)))
        part.finish()
    return MultiTxn(txns)


def _decode_body(type_: int, payload: bytes) -> Record:
    decoder = _DECODERS.get(type_)
    if decoder is None:
        raise WireError(f"a transaction of type {type_}")
    reader = Reader(payload, _HEADER.size)
    record = decoder(reader)
    if reader.remaining() not in (0, _DIGEST_BYTES):
        raise WireError(f"{reader.remaining()} bytes after a transaction of type {type_}")
    return record


# Fast paths: None sends the payload to the plain decoder, which says what is wrong with it, if anything.


def _fast_set_data(payload: bytes) -> SetDataTxn | None:
    unpack = INT.unpack_from
    try:
        (path_size,) = unpack(payload, 32)
        path_end = 36 + path_size
        (data_size,) = unpack(payload, path_end)
        data_end = path_end + 4 + data_size
        (version,) = unpack(payload, data_end)
    except StructError:
        return None
    if path_size < 0 or data_size < 0 or len(payload) - data_end not in (4, 4 + _DIGEST_BYTES):
        return None
    try:
        return SetDataTxn(payload[36:path_end].decode(), payload[path_end + 4 : data_end], version)
    except UnicodeDecodeError:
        return None


def _fast_create(payload: bytes) -> CreateTxn | None:
    unpack = INT.unpack_from
    try:
        (path_size,) = unpack(payload, 32)
        path_end = 36 + path_size
        (data_size,) = unpack(payload, path_end)
        data_end = path_end + 4 + data_size
        ephemeral, cversion = _FLAG_AND_INT.unpack_from(payload, data_end + _OPEN_ACL_SIZE)
    except StructError:
        return None
    end = data_end + _OPEN_ACL_SIZE + _FLAG_AND_INT.size
    if path_size < 0 or data_size < 0 or len(payload) - end not in (0, _DIGEST_BYTES):
        return None
    if not payload.startswith(_OPEN_ACL_BYTES, data_end):
        return None
    try:
        path = payload[36:path_end].decode()
    except UnicodeDecodeError:
        return None
    return CreateTxn(path, payload[path_end + 4 : data_end], OPEN_ACL, ephemeral, cversion)


_OPEN_ACL_BYTES = pack_int(1) + pack_int(31) + pack_string("world") + pack_string("anyone")
_OPEN_ACL_SIZE = len(_OPEN_ACL_BYTES)

_PART_ENCODERS: dict[int, Callable[..., bytes]] = {
    Op.CREATE: _encode_create,
    Op.CREATE2: _encode_create,
    Op.CREATE_CONTAINER: _encode_create_container,
    Op.CREATE_TTL: _encode_create_ttl,
    Op.DELETE: _encode_delete,
    Op.DELETE_CONTAINER: _encode_delete,
    Op.SET_DATA: _encode_set_data,
    Op.CHECK: _encode_check,
    Op.ERROR: _encode_error,
}

_ENCODERS: dict[int, Callable[..., bytes]] = {
    **{type_: encoder for type_, encoder in _PART_ENCODERS.items() if type_ != Op.CHECK},
    Op.RECONFIG: _encode_set_data,
    Op.SET_ACL: _encode_set_acl,
    Op.CREATE_SESSION: _encode_create_session,
    Op.CLOSE_SESSION: _encode_close_session,
    Op.MULTI: _encode_multi,
}

_PART_DECODERS: dict[int, Callable[[Reader], Record]] = {
    Op.CREATE: _decode_create,
    Op.CREATE2: _decode_create,
    Op.CREATE_CONTAINER: _decode_create_container,
    Op.CREATE_TTL: _decode_create_ttl,
    Op.DELETE: _decode_delete,
    Op.DELETE_CONTAINER: _decode_delete,
    Op.SET_DATA: _decode_set_data,
    Op.CHECK: _decode_check,
    Op.ERROR: _decode_error,
}

_DECODERS: dict[int, Callable[[Reader], Record]] = {
    **{type_: decoder for type_, decoder in _PART_DECODERS.items() if type_ != Op.CHECK},
    Op.RECONFIG: _decode_set_data,
    Op.SET_ACL: _decode_set_acl,
    Op.CREATE_SESSION: _decode_create_session,
    Op.CLOSE_SESSION: _decode_close_session,
    Op.MULTI: _decode_multi,
}

_FAST_DECODERS: dict[int, Callable[[bytes], Record | None]] = {
    _SET_DATA: _fast_set_data,
    _CREATE: _fast_create,
    _CREATE2: _fast_create,
}
