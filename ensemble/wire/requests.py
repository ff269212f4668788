"""What clients send: the connect request, then operations behind a header of xid and op.

Decoders are for the server, encoders for the client. The layouts are in ``records``; here are the frames
around them, and the two short cuts that most traffic takes. Facts: zookeeper.jute, ProtocolManager.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error

from ensemble.errors import WireError
from ensemble.jute import BOOL, INT, Reader, pack_bytes
from ensemble.tree.operations import Op, Operation, Read, SetData
from ensemble.wire.frames import frame as framed
from ensemble.wire.records import PACKERS, READERS, RecordReader, read_read, read_set_data

HEADER_BYTES = 8
"""The request header, {int xid, int op}: operations start at this offset of a frame."""

PING_XID = -2
AUTH_XID = -4
SET_WATCHES_XID = -8

_HEADER = Struct(">ii")
_FRAMED_HEADER = Struct(">iii")
_CONNECT_FIXED = Struct(">iqiq")
_int_at = INT.unpack_from


class UnknownOperation(WireError):
    """An op code that no client may send (or may send only inside a multi, as check).

    Apache answers it with UNIMPLEMENTED and then closes the connection. A server that catches this before
    ``WireError`` can do the same; for any other it is a ``WireError`` like the rest.
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
    """Decode the record of operation ``op`` that stands in ``frame`` from ``offset`` on.

    Bytes behind the record are passed over, as Apache's server does: a later protocol may add fields there.
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
    pack = PACKERS.get(op)
    if pack is None:
        raise UnknownOperation(op)
    return pack(operation)


def encode_request(xid: int, op: int, operation: Operation) -> bytes:
    """Encode a request, framed."""
    return request_frame(xid, op, encode_operation(op, operation))


def request_frame(xid: int, op: int, record: bytes) -> bytes:
    """Put the encoded record of an operation behind a header, framed."""
    return _FRAMED_HEADER.pack(HEADER_BYTES + len(record), xid, op) + record


# --- decoders of frames --------------------------------------------------------------------------------


def _plain(read: RecordReader) -> Callable[[bytes, int], Operation]:
    """Make a record reader a decoder of frames."""

    def decode_plain(frame: bytes, offset: int) -> Operation:
        return read(Reader(frame, offset))

    return decode_plain


_plain_read = _plain(read_read)
_plain_set_data = _plain(read_set_data)


def _fast_read(frame: bytes, offset: int) -> Operation:
    """Decode {path, watch}, the record of most reads, without a cursor (half the time of the plain way);
    anything odd is left to the plain way, which says what is wrong or reads CESU-8."""
    start = offset + 4
    try:
        (size,) = _int_at(frame, offset)
        stop = start + size
        if size > 0 and stop + 1 == len(frame):
            return Read(frame[start:stop].decode(), frame[stop] != 0)
    except (struct_error, UnicodeDecodeError):
        return _plain_read(frame, offset)
    return _plain_read(frame, offset)


def _fast_set_data(frame: bytes, offset: int) -> Operation:
    """Decode {path, data, version} without a cursor; anything odd is left to the plain way."""
    start = offset + 4
    try:
        (size,) = _int_at(frame, offset)
        stop = start + size
        (data_size,) = _int_at(frame, stop)
        data_start = stop + 4
        data_stop = data_start + data_size
        if size > 0 and data_size >= 0 and data_stop + 4 == len(frame):
            (version,) = _int_at(frame, data_stop)
            return SetData(frame[start:stop].decode(), frame[data_start:data_stop], version)
    except (struct_error, UnicodeDecodeError):
        return _plain_set_data(frame, offset)
    return _plain_set_data(frame, offset)


_FAST: dict[int, Callable[[bytes, int], Operation]] = {
    Op.EXISTS: _fast_read,
    Op.GET_DATA: _fast_read,
    Op.GET_CHILDREN: _fast_read,
    Op.GET_CHILDREN2: _fast_read,
    Op.SET_DATA: _fast_set_data,
}

_DECODERS: dict[int, Callable[[bytes, int], Operation]] = {
    op: _FAST.get(op) or _plain(read) for op, read in READERS.items()
}
