"""Packets in which servers prove themselves to each other by SASL, before anything else is said on a link.

Knows nothing of what the tokens say. Facts: QuorumAuth, QuorumAuthPacket, SaslQuorumAuthServer.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from ensemble.errors import WireError

MAGIC = bytes.fromhex("5f2435013501edcc")
"""Apache writes it as -0xa0dbcafecafe1234, which as a Java long is this positive number."""
TOKEN_BYTES_MAX = 8192

_HEAD = Struct(">8sii")


class AuthStatus(IntEnum):
    """How far an exchange is."""

    ERROR = -1
    IN_PROGRESS = 0
    SUCCESS = 1


class AuthPacket(NamedTuple):
    """One token on its way; a null token reads as an empty one."""

    status: AuthStatus
    token: bytes


def encode_auth(packet: AuthPacket) -> bytes:
    """Encode a packet."""
    return _HEAD.pack(MAGIC, packet.status, len(packet.token)) + packet.token


def decode_auth(data: bytes) -> tuple[AuthPacket, bytes] | None:
    """Decode the packet that ``data`` begins with; return it and what is behind it, None when more has to come.

    Raises ``WireError``.
    """
    if not begins_auth(data):
        raise WireError("something else where a packet of quorum SASL has to be")
    if len(data) < _HEAD.size:
        return None
    _, status, size = _HEAD.unpack_from(data)
    if status not in AuthStatus.__members__.values():
        raise WireError(f"a packet of quorum SASL with the status {status}")
    if size > TOKEN_BYTES_MAX or size < -1:
        raise WireError(f"a packet of quorum SASL with a token of {size} bytes")
    stop = _HEAD.size + max(0, size)
    if len(data) < stop:
        return None
    return AuthPacket(AuthStatus(status), data[_HEAD.size : stop]), data[stop:]


def begins_auth(data: bytes) -> bool:
    """Tell whether ``data``, which may be short or empty, can be the start of a packet."""
    return data[: len(MAGIC)] == MAGIC[: len(data)]
