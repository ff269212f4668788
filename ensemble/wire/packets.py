"""The quorum port: packets, and what the servers put into them.

``QuorumPacket{int type, long zxid, buffer data, vector<Id> authinfo}`` are written back to back, without a
length in front: where one ends is known only by reading it. After a SNAP packet comes a snapshot as it is in
files (without header and checksum) and the string "BenWasHere"; ``snapstream`` finds its end.

Knows nothing of ZAB: any packet may come at any time. Facts: zookeeper.jute, Learner, LearnerHandler.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import lru_cache
from struct import Struct
from struct import error as struct_error

from ensemble import limits
from ensemble.errors import WireError
from ensemble.jute import INT, LONG, NULL, Reader, pack_int, pack_string
from ensemble.wire import snapstream
from ensemble.zab.messages import LearnerInfo, Packet, PacketType, Run

_HEAD = Struct(">iqi")
_EMPTY = Struct(">iqii")
_HEAD_BYTES = _HEAD.size
_EMPTY_BYTES = _EMPTY.size
_AUTH_ENTRIES_MAX = 1024

_FORWARD = Struct(">qii")
FORWARD_BYTES = _FORWARD.size
_TOUCH = Struct(">qi")
_REVALIDATED = Struct(">q?")
_LEARNER_INFO = Struct(">qiq")
# Plain integers: comparing with a member of an enum costs as much as slicing a packet.
_REQUEST = int(PacketType.REQUEST)
_SNAP = int(PacketType.SNAP)
_INTRODUCTIONS = (int(PacketType.FOLLOWERINFO), int(PacketType.OBSERVERINFO))
_TYPES = frozenset(int(packet_type) for packet_type in PacketType)


# --- encoding ------------------------------------------------------------------------------------------


def encode(packet: Packet) -> bytes:
    """Encode one packet; the bytes may be sent on any number of links."""
    data = packet.data
    if packet.auth or packet.type == _REQUEST:
        return _HEAD.pack(packet.type, packet.zxid, -1 if data is None else len(data)) + _tail(packet)
    if data is None:
        return _EMPTY.pack(packet.type, packet.zxid, -1, -1)
    if packet.type == _SNAP:
        return b"".join((_EMPTY.pack(packet.type, packet.zxid, -1, -1), data, snapstream.SIGNATURE))
    return b"".join((_HEAD.pack(packet.type, packet.zxid, len(data)), data, NULL))


def encode_run(kind: int, run: Run) -> bytes:
    """Encode packets of one kind, none of which carries identities or a state: the zxid and the data of each.

    No packet is made of what is a zxid and bytes already (0.2 us each, against 0.6 us).
    """
    pack_head, pack_empty = _HEAD.pack, _EMPTY.pack
    return b"".join(
        [
            pack_empty(kind, zxid, -1, -1) if data is None else pack_head(kind, zxid, len(data)) + data + NULL
            for zxid, data in run
        ]
    )


def encode_snapshot(packet: Packet, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Encode a SNAP packet whose state comes in chunks."""
    yield _EMPTY.pack(packet.type, packet.zxid, -1, -1)
    yield from chunks
    yield snapstream.SIGNATURE


def _tail(packet: Packet) -> bytes:
    # A REQUEST carries a list even when it is empty: an Apache leader walks it without looking for null.
    return (packet.data or b"") + _encode_identities(packet.auth)


@lru_cache(maxsize=1024)
def _encode_identities(auth: tuple[tuple[str, str], ...]) -> bytes:
    """Encode the identities of a client, which are the same for all that it asks."""
    return pack_int(len(auth)) + b"".join([pack_string(scheme) + pack_string(who) for scheme, who in auth])


# --- decoding ------------------------------------------------------------------------------------------


class PacketDecoder:
    """Cuts a quorum-port stream into packets.

    Whole packets that lie in one chunk are read straight from it. What is cut goes to a buffer and to a
    scanner, a generator that says how many bytes it needs before it can go on: so no byte is looked at
    twice, however large the packet and however small the pieces.
    """

    __slots__ = ("_called", "_first", "_held", "_scanner", "_wanted", "fault")

    def __init__(self, *, unknown: bool = False) -> None:
        """``unknown`` says that somebody called us: it must introduce itself as a learner first, in few bytes, and
        has no snapshot to send."""
        self._called = unknown
        self._first: bytes | None = b"" if unknown else None
        self._held = bytearray()
        self._scanner: Generator[int, None, tuple[Packet, int]] | None = None
        self._wanted = 0
        self.fault: WireError | None = None
        """Set when nonsense stands behind the packets that the last ``feed`` returned; a further ``feed``
        raises it."""

    @property
    def held(self) -> int:
        """How many bytes of an unfinished packet are held."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Packet]:
        """Take the next bytes of the stream and return the packets that are now whole.

        Raises ``WireError`` at bytes that are no packet; when whole packets stand before them these are
        returned first and the error is left in ``fault``.
        """
        if self.fault is not None:
            raise self.fault
        packets: list[Packet] = []
        try:
            if self._first is not None:
                self._look_at_first(data)
            while data:
                if not self._held:
                    offset = _whole_packets(data, packets)
                    data = data[offset:] if offset else data
                    if not data:
                        break
                data = self._resume(data, packets)
        except WireError as error:
            self.fault = error
            if not packets:
                raise
        return packets

    def _look_at_first(self, data: bytes) -> None:
        """Refuse whoever begins with anything but an introduction, before more than its head is held."""
        assert self._first is not None
        self._first += data[: _HEAD_BYTES - len(self._first)]
        if len(self._first) < _HEAD_BYTES:
            return
        packet_type, _, size = _HEAD.unpack(self._first)
        if packet_type not in _INTRODUCTIONS or size > limits.INTRODUCTION_BYTES_MAX:
            raise WireError(
                f"a packet of type {packet_type} and {size} bytes where a learner introduces itself"
            )
        self._first = None

    def _resume(self, data: bytes, packets: list[Packet]) -> bytes:
        """Go on with the packet that is not whole; return what lies behind it when it has become so."""
        held = self._held
        held += data
        if len(held) < self._wanted:
            return b""
        if self._scanner is None:
            self._scanner = _scan(held, snapshots=not self._called)
        try:
            self._wanted = next(self._scanner)
        except StopIteration as stop:
            packet, end = stop.value
            packets.append(packet)
            self._scanner, self._wanted = None, 0
            self._held = bytearray()
            return bytes(held[end:])
        return b""


def _whole_packets(data: bytes, packets: list[Packet]) -> int:
    """Append the packets that lie wholly in ``data``, up to the first one that needs the scanner (cut, or a
    SNAP); return where that one starts."""
    append = packets.append
    unpack, int_at = _EMPTY.unpack_from, INT.unpack_from
    offset = 0
    last = len(data) - _EMPTY_BYTES
    # Forwarded requests come in runs of the same client, or of clients that are nobody in particular: the
    # identities of the one before are recognized by their bytes (7 % of a leader's time under setData).
    known = b""
    known_identities: tuple[tuple[str, str], ...] = ()
    while offset <= last:
        packet_type, zxid, size, count = unpack(data, offset)
        if packet_type not in _TYPES or not -1 <= size <= limits.PEER_FRAME_BYTES_MAX:
            raise WireError(f"a packet of type {packet_type} and {size} bytes")
        if packet_type == _SNAP:
            break
        payload = None
        stop = offset + _HEAD_BYTES
        if size >= 0:
            start, stop = stop, stop + size
            if stop + 4 > len(data):
                break
            payload = data[start:stop]
            (count,) = int_at(data, stop)
        if count == -1:
            append(Packet(packet_type, zxid, payload))
            offset = stop + 4
            continue
        if known and data.startswith(known, stop):
            offset = stop + len(known)
            append(Packet(packet_type, zxid, payload, known_identities))
            continue
        auth = _whole_auth(data, stop + 4, count)
        if auth is None:
            break
        known_identities, offset = auth
        known = data[stop:offset]
        append(Packet(packet_type, zxid, payload, known_identities))
    return offset


def _whole_auth(data: bytes, offset: int, count: int) -> tuple[tuple[tuple[str, str], ...], int] | None:
    """Read ``count`` identities from ``offset`` on, and where they end; None when they are cut."""
    _check_identities(count)
    start = offset
    end = len(data)
    for _ in range(2 * count):
        if offset + 4 > end:
            return None
        (size,) = INT.unpack_from(data, offset)
        offset += 4 + max(size, 0)
        _check_identity(size, offset - start)
        if offset > end:
            return None
    return _read_identities(data, start, offset, count), offset


def _check_identities(count: int) -> None:
    if not -1 <= count <= _AUTH_ENTRIES_MAX:
        raise WireError(f"a packet with {count} identities")


def _check_identity(size: int, total: int) -> None:
    if size < -1 or total > limits.FRAME_BYTES_MAX:
        raise WireError(f"an identity of {size} bytes, {total} in one packet")


def _read_identities(
    buffer: bytes | bytearray, start: int, stop: int, count: int
) -> tuple[tuple[str, str], ...]:
    reader = Reader(buffer, start, stop)
    return tuple([(reader.string(), reader.string()) for _ in range(count)])


def _scan(held: bytearray, *, snapshots: bool = True) -> Generator[int, None, tuple[Packet, int]]:
    """Read one packet of any kind from the start of ``held``, which grows between steps.

    Yields how many bytes must be there to go on; returns the packet and where it ends.
    """
    if len(held) < _HEAD_BYTES:
        yield _HEAD_BYTES
    packet_type, zxid, size = _HEAD.unpack_from(held)
    if packet_type not in _TYPES:
        raise WireError(f"a packet of type {packet_type}")
    if packet_type == _SNAP and not snapshots:
        raise WireError("a snapshot from a learner")
    if size < -1 or size > limits.PEER_FRAME_BYTES_MAX:
        raise WireError(f"a packet of {size} bytes")
    stop = _HEAD_BYTES + max(size, 0)
    if len(held) < stop + 4:
        yield stop + 4
    data = bytes(held[_HEAD_BYTES:stop]) if size >= 0 else None
    (count,) = INT.unpack_from(held, stop)
    _check_identities(count)
    start = offset = stop + 4
    for _ in range(2 * count):
        if len(held) < offset + 4:
            yield offset + 4
        (size,) = INT.unpack_from(held, offset)
        offset += 4 + max(size, 0)
        _check_identity(size, offset - start)
        if len(held) < offset:
            yield offset
    auth = _read_identities(held, start, offset, count)
    if packet_type != _SNAP:
        return Packet(packet_type, zxid, data, auth), offset
    if data or auth:
        raise WireError("a SNAP packet with data of its own")
    end = yield from snapstream.skip_snapshot(held, offset)
    body = bytes(held[offset : end - len(snapstream.SIGNATURE)])
    return Packet(packet_type, zxid, body), end


# --- what packets carry --------------------------------------------------------------------------------


def encode_forward(session_id: int, cxid: int, op: int, payload: bytes) -> bytes:
    """Encode the data of a REQUEST; ``payload`` is the operation's record as the client sent it."""
    return _FORWARD.pack(session_id, cxid, op) + payload


def decode_forward(data: bytes | None) -> tuple[int, int, int]:
    """Decode the head of a REQUEST's data: (session id, cxid, op). The record follows at ``FORWARD_BYTES``."""
    if data is None or len(data) < FORWARD_BYTES:
        raise WireError("a forwarded request without its head")
    session_id, cxid, op = _FORWARD.unpack_from(data)
    return session_id, cxid, op


def encode_revalidate(session_id: int, timeout_ms: int) -> bytes:
    """Encode a learner's question: is this session alive?"""
    return _TOUCH.pack(session_id, timeout_ms)


def decode_revalidate(data: bytes | None) -> tuple[int, int]:
    """Decode a learner's REVALIDATE: (session id, time-out in ms)."""
    session_id, timeout_ms = _unpack(_TOUCH, data, "a revalidation")
    return session_id, timeout_ms


def encode_revalidated(session_id: int, valid: bool) -> bytes:
    """Encode the leader's answer to a REVALIDATE."""
    return _REVALIDATED.pack(session_id, valid)


def decode_revalidated(data: bytes | None) -> tuple[int, bool]:
    """Decode the leader's answer: (session id, alive?)."""
    session_id, valid = _unpack(_REVALIDATED, data, "the answer to a revalidation")
    return session_id, bool(valid)


def encode_touches(touches: Iterable[tuple[int, int]]) -> bytes:
    """Encode the data of a learner's PING: (session id, time-out in ms) of sessions heard of."""
    pack = _TOUCH.pack
    return b"".join([pack(session_id, timeout_ms) for session_id, timeout_ms in touches])


def decode_touches(data: bytes | None) -> list[tuple[int, int]]:
    """Decode the data of a learner's PING."""
    if not data:
        return []
    if len(data) % _TOUCH.size:
        raise WireError(f"touches of {len(data)} bytes")
    return list(_TOUCH.iter_unpack(data))


def encode_learner_info(info: LearnerInfo) -> bytes:
    """Encode the data of FOLLOWERINFO or OBSERVERINFO."""
    return _LEARNER_INFO.pack(info.sid, info.protocol_version, info.config_version)


def decode_learner_info(data: bytes | None) -> LearnerInfo:
    """Decode the data of FOLLOWERINFO or OBSERVERINFO; learners older than 3.5 send no configuration
    version, which reads as 0."""
    if data is not None and len(data) == 12:
        data += bytes(8)
    return LearnerInfo(*_unpack(_LEARNER_INFO, data, "a learner's info"))


def encode_int(value: int) -> bytes:
    """Encode the data of LEADERINFO (protocol version) or ACKEPOCH (current epoch, -1 when already told)."""
    return INT.pack(value)


def decode_int(data: bytes | None) -> int:
    """Decode the data of LEADERINFO or ACKEPOCH."""
    (value,) = _unpack(INT, data, "an epoch or a version")
    return int(value)


def encode_activation(leader: int, txn: bytes = b"") -> bytes:
    """Encode the data of COMMITANDACTIVATE (the designated leader) or INFORMANDACTIVATE (and the txn)."""
    return LONG.pack(leader) + txn


def decode_activation(data: bytes | None) -> tuple[int, bytes]:
    """Decode the data of COMMITANDACTIVATE or INFORMANDACTIVATE."""
    if data is None or len(data) < LONG.size:
        raise WireError("an activation without its leader")
    return LONG.unpack_from(data)[0], data[LONG.size :]


def _unpack(layout: Struct, data: bytes | None, what: str) -> tuple[int, ...]:
    try:
        return layout.unpack(data or b"")
    except struct_error:
        raise WireError(f"{what} of {len(data or b'')} bytes") from None
