"""What parsers hold for the worst that a frame can hold: fields of a byte or two, each an object of its own.

Inputs of the sizes that are fuzzed are held to four times themselves and a MiB. A whole frame of the smallest fields
cannot be: an object costs 32 bytes and more, a field five.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import pack

import pytest

from ensemble.errors import WireError
from ensemble.limits import FRAME_BYTES_MAX
from ensemble.membership import parse
from ensemble.tree import txns
from ensemble.tree.operations import Op
from ensemble.wire import packets
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.packets import PacketDecoder, encode
from ensemble.wire.requests import decode_operation
from ensemble.zab.messages import Packet, PacketType
from tests.fuzz.drive import measured

TIMES_MAX = 24
_TEXT = b"".join([pack(">i", 2) + b"%02x" % (number % 256) for number in range(256)])
_DELETES = b"".join([pack(">i?ii", 2, False, -1, 2) + b"/%c" % n + pack(">i", 1000 + n) for n in range(128)])
_ACL = b"".join([pack(">ii", 31, 2) + b"%02x" % n + pack(">i", 2) + b"%02x" % n for n in range(256)])
_MEMBERS = b"\n".join([b"server.%d=h:1:2" % number for number in range(25_000)])


def operation(op: Op) -> Callable[[bytes], object]:
    """Read a request of one kind."""
    return lambda data: decode_operation(op, pack(">ii", 1, op) + data)


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (operation(Op.SET_WATCHES2), pack(">qi", 1, 256 * 600) + _TEXT * 600 + bytes(16)),
        (operation(Op.MULTI), _DELETES * 400 + pack(">i?i", -1, True, -1)),
        (operation(Op.SET_ACL), pack(">i", 1) + b"/" + pack(">i", 256 * 250) + _ACL * 250 + pack(">i", 1)),
        (operation(Op.GET_DATA), pack(">i", 1_000_000) + "\N{GRINNING FACE}".encode() * 250_000 + b"\0"),
        (txns.decode, pack(">qiqqii", 1, 1, 1, 1, -11, 256 * 600) + _TEXT * 600),
        (packets.decode_touches, pack(">qi", 1 << 40, 4000) * 87_000),
        (PacketDecoder().feed, encode(Packet(PacketType.PING, 1)) * 50_000),
        (FrameBuffer(FRAME_BYTES_MAX).feed, (pack(">i", 1) + b"x") * 200_000),
        (lambda data: parse(data.decode()), _MEMBERS),
    ],
    ids=["setWatches2", "multi", "setACL", "text", "closeSession", "touches", "packets", "frames", "members"],
)
def test_the_worst_frame_costs_some_times_its_size(read: Callable[[bytes], object], data: bytes) -> None:
    assert len(data) > 400_000
    measured(
        lambda data: None if read(data) else pytest.fail("nothing was read"), data, TIMES_MAX * len(data)
    )


def test_a_count_costs_nothing_before_its_items_are_there() -> None:
    for data in (pack(">qi", 1, 2**31 - 1), pack(">qi", 1, 1 << 20) + bytes(100)):
        with pytest.raises(WireError, match="a vector of"):
            measured(lambda data: operation(Op.SET_WATCHES2)(data) and None, data, 100_000)
