"""The election port: the handshake, and the notifications.

A connection starts with the caller's hello; then each notification travels in a frame of its own
(``frames``, at most ``limits.ELECTION_FRAME_BYTES_MAX``). Knows nothing of who should win, nor of which of
two connections survives. Facts: QuorumCnxManager.InitialMessage, FastLeaderElection.buildMsg.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from struct import error as struct_error
from typing import NamedTuple

from ensemble import limits
from ensemble.errors import WireError
from ensemble.jute import LONG, Reader
from ensemble.zab.messages import Notification, ServerState, Vote

_HELLO = Struct(">qqi")
_ONE_ADDRESS = -65536
_MANY_ADDRESSES = -65535

_NOTIFICATION = Struct(">iqqqqii")
_VOTE = Struct(">iqqq")
_VERSION = 2
ROUND_MAX = 1 << 62
"""Nobody counts so far: a greater round is forged, and whoever took it over could soon count no further."""
_VOTE_BYTES = 28
"""A notification of ZooKeeper 3.3: state, leader, zxid, round."""
_VOTE_AND_EPOCH_BYTES = 40
"""One of 3.4: and the epoch, and a version number not worth reading."""

Address = tuple[str, int]


class Hello(NamedTuple):
    """Who called, and where that server can be called back."""

    sid: int
    addresses: tuple[Address, ...]


def encode_hello(sid: int, addresses: Sequence[Address]) -> bytes:
    """Encode the caller's hello; to be sent in one piece, since Apache reads the addresses with one read."""
    text = "|".join([f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses])
    raw = text.encode()
    version = _ONE_ADDRESS if len(addresses) == 1 else _MANY_ADDRESSES
    return _HELLO.pack(version, sid, len(raw)) + raw


class HelloDecoder:
    """Reads the hello from the start of a connection."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> tuple[Hello, bytes] | None:
        """Take bytes; once the hello is whole return it and the bytes behind it. Not to be called again.

        Raises ``WireError`` when the bytes are no hello.
        """
        held = self._held
        held += data
        if len(held) < LONG.size:
            return None
        (first,) = LONG.unpack_from(held)
        if first >= 0:
            # Servers before 3.4.6 send their bare sid.
            return Hello(first, ()), bytes(held[LONG.size :])
        if first not in (_ONE_ADDRESS, _MANY_ADDRESSES):
            raise WireError(f"an election handshake of version {first}")
        if len(held) < _HELLO.size:
            return None
        _, sid, size = _HELLO.unpack_from(held)
        if not 0 < size <= limits.ELECTION_HELLO_BYTES_MAX:
            raise WireError(f"an election handshake with {size} bytes of addresses")
        stop = _HELLO.size + size
        if len(held) < stop:
            return None
        return Hello(sid, _addresses(bytes(held[_HELLO.size : stop]))), bytes(held[stop:])


def _addresses(raw: bytes) -> tuple[Address, ...]:
    try:
        return tuple([_address(text) for text in raw.decode().split("|")])
    except UnicodeDecodeError:
        raise WireError("an election address that is not UTF-8") from None


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise WireError(f"an election address {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def encode_notification(notification: Notification) -> bytes:
    """Encode a notification (not framed)."""
    vote, config = notification.vote, notification.config
    return (
        _NOTIFICATION.pack(
            notification.state, vote.leader, vote.zxid, notification.round, vote.epoch, _VERSION, len(config)
        )
        + config
    )


def decode_notification(sender: int, payload: bytes) -> Notification:
    """Decode a notification that came from ``sender``; those of 3.3 and 3.4 are understood too."""
    try:
        state, leader, zxid, round_ = _VOTE.unpack_from(payload)
        server_state = ServerState(state)
    except struct_error:
        raise WireError(f"a notification of {len(payload)} bytes") from None
    except ValueError:
        raise WireError(f"a notification of a server in state {state}") from None
    if round_ > ROUND_MAX:
        raise WireError(f"a notification of round {round_}")
    if len(payload) == _VOTE_BYTES:
        return Notification(sender, server_state, Vote(leader, zxid, zxid >> 32), round_)
    reader = Reader(payload, _VOTE_BYTES)
    vote = Vote(leader, zxid, reader.long())
    if len(payload) == _VOTE_AND_EPOCH_BYTES:
        return Notification(sender, server_state, vote, round_)
    config = b""
    version = reader.int()
    if version >= _VERSION:
        config = reader.optional_bytes() or b""
    if version <= _VERSION:
        reader.finish()
    return Notification(sender, server_state, vote, round_, config)
