"""Frames: how a stream is cut, what is refused, and what it costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble import limits
from ensemble.errors import WireError
from ensemble.wire.frames import FrameBuffer, frame
from tests.ensemble.wire.strategies import each_byte, outcome, pieces

LIMIT = 64


def test_a_frame_is_its_length_then_its_body() -> None:
    assert frame(b"abc") == b"\x00\x00\x00\x03abc"
    assert FrameBuffer(LIMIT).feed(b"\x00\x00\x00\x03abc\x00\x00\x00\x00") == [b"abc", b""]


@given(st.lists(st.binary(max_size=LIMIT), max_size=8), st.lists(st.integers(0)))
def test_frames_do_not_depend_on_the_cuts(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join([frame(body) for body in bodies])
    for chunks in ([stream], pieces(stream, cuts), each_byte(stream)):
        assert outcome(FrameBuffer(LIMIT), chunks) == (bodies, False)


@pytest.mark.parametrize("length", [-1, -(2**31), LIMIT + 1, 2**31 - 1])
def test_a_bad_length_is_refused_before_its_body(length: int) -> None:
    buffer = FrameBuffer(LIMIT)
    with pytest.raises(WireError):
        buffer.feed(length.to_bytes(4, "big", signed=True))
    with pytest.raises(WireError):
        buffer.feed(b"")


def test_frames_before_a_bad_length_are_kept() -> None:
    buffer = FrameBuffer(LIMIT)
    assert buffer.feed(frame(b"good") + b"\xff\xff\xff\xff") == [b"good"]
    assert buffer.fault is not None
    with pytest.raises(WireError):
        buffer.feed(b"more")


def test_a_frame_of_the_limit_passes() -> None:
    body = bytes(LIMIT)
    assert FrameBuffer(LIMIT).feed(frame(body)) == [body]


def test_only_the_first_frame_has_the_first_limit() -> None:
    small, large = bytes(8), bytes(LIMIT)
    for chunks in ([frame(small) + frame(large)], [frame(small), frame(large)]):
        assert outcome(FrameBuffer(LIMIT, first_limit=8), chunks) == ([small, large], False)
    for chunks in ([frame(large)], each_byte(frame(large))):
        assert outcome(FrameBuffer(LIMIT, first_limit=8), chunks) == ([], True)


def test_a_large_frame_in_small_pieces_costs_its_size() -> None:
    """A megabyte byte by byte: a buffer joined at each piece would copy 10^12 bytes and not come back."""
    body = bytes(2**20)
    assert outcome(FrameBuffer(2**20), each_byte(frame(body))) == ([body], False)


@given(st.binary(max_size=80), st.lists(st.integers(0)))
def test_whatever_bytes_arrive(stream: bytes, cuts: list[int]) -> None:
    """Frames that encode to the same bytes, or WireError; the same however the stream was cut; never more
    held than a frame."""
    whole = outcome(FrameBuffer(LIMIT), [stream])
    assert outcome(FrameBuffer(LIMIT), pieces(stream, cuts)) == whole
    assert outcome(FrameBuffer(LIMIT), each_byte(stream)) == whole
    bodies, refused = whole
    encoded = b"".join([frame(body) for body in bodies])
    assert stream.startswith(encoded)
    buffer = FrameBuffer(LIMIT)
    if not refused:
        buffer.feed(stream)
        assert buffer.held == len(stream) - len(encoded) < LIMIT + 4


def test_two_bytes_at_a_time_cost_their_number() -> None:
    """A stream in the smallest pieces is held once, and looked at when a frame is whole."""
    body = bytes(60_000)
    stream = frame(body)
    buffer = FrameBuffer(limits.FRAME_BYTES_MAX)
    for offset in range(0, len(stream) - 2, 2):
        assert buffer.feed(stream[offset : offset + 2]) == []
        assert buffer.held == offset + 2
    assert buffer.feed(stream[-2:]) == [body]
    assert buffer.held == 0
