"""Packets of quorum SASL: Apache's bytes, whole and one by one, and what is none."""

from __future__ import annotations

import pytest

from ensemble.errors import WireError
from ensemble.wire.quorum_auth import (
    TOKEN_BYTES_MAX,
    AuthPacket,
    AuthStatus,
    begins_auth,
    decode_auth,
    encode_auth,
)

GOLDEN = bytes.fromhex("5f2435013501edcc 00000000 00000003") + b"abc"
PACKET = AuthPacket(AuthStatus.IN_PROGRESS, b"abc")


def test_a_packet_is_apaches_bytes() -> None:
    assert int.from_bytes(GOLDEN[:8], "big", signed=True) == -0xA0DBCAFECAFE1234 + (1 << 64)
    assert encode_auth(PACKET) == GOLDEN
    assert decode_auth(GOLDEN + b"more") == (PACKET, b"more")


def test_a_packet_in_pieces_waits_for_its_end() -> None:
    for size in range(len(GOLDEN)):
        assert decode_auth(GOLDEN[:size]) is None
        assert begins_auth(GOLDEN[:size])


def test_a_null_token_reads_as_an_empty_one() -> None:
    null = GOLDEN[:12] + b"\xff\xff\xff\xff"
    assert decode_auth(null) == (AuthPacket(AuthStatus.IN_PROGRESS, b""), b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x1c",
        GOLDEN[:8] + b"\0\0\0\x07\0\0\0\0",
        GOLDEN[:12] + (TOKEN_BYTES_MAX + 1).to_bytes(4, "big"),
        GOLDEN[:12] + b"\xff\xff\xff\xfe",
    ],
    ids=["no-magic", "no-status", "too-long", "negative"],
)
def test_what_is_no_packet_is_an_error(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_auth(data)
