"""Runs of requests: what is kept together, what stands alone, and that nothing depends on how the stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.errors import WireError
from ensemble.tree.operations import NoBody, Op, Read, SetData
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.request_runs import RequestBuffer, Run
from ensemble.wire.requests import decode_header, encode_request
from tests.ensemble.wire.strategies import each_byte, pieces

LIMIT = 256
TOGETHER = frozenset({int(Op.GET_DATA), int(Op.PING)})

GET = encode_request(1, Op.GET_DATA, Read("/a"))
PING = encode_request(-2, Op.PING, NoBody())
SET = encode_request(3, Op.SET_DATA, SetData("/a", b"x", -1))

REQUESTS = st.one_of(
    st.builds(
        encode_request, st.integers(0, 9), st.just(Op.GET_DATA), st.builds(Read, st.sampled_from(["/", "/b"]))
    ),
    st.just(PING),
    st.just(SET),
)


def buffer(*, singly: bool = False) -> RequestBuffer:
    return RequestBuffer(LIMIT, LIMIT, together=TOGETHER, singly=singly)


def requests_of(runs: list[Run]) -> list[bytes]:
    """Return the frames in runs; every xid, op and count must be theirs."""
    frames: list[bytes] = []
    for xid, op, data, count in runs:
        inside = FrameBuffer(LIMIT).feed(data) if count else [data]
        assert len(inside) == (count or 1)
        assert decode_header(inside[0]) == (xid, op)
        assert {decode_header(frame)[1] in TOGETHER for frame in inside} == {bool(count)}
        frames += inside
    return frames


def test_what_follows_each_other_makes_one_run_and_the_rest_stands_alone() -> None:
    runs = buffer().feed_runs(GET + PING + SET + SET + GET)
    assert runs == [
        (1, Op.GET_DATA, GET + PING, 2),
        (3, Op.SET_DATA, SET[4:], 0),
        (3, Op.SET_DATA, SET[4:], 0),
        (1, Op.GET_DATA, GET, 1),
    ]


def test_each_comes_by_itself_where_each_is_to_be_judged() -> None:
    runs = buffer(singly=True).feed_runs(GET + PING + SET)
    assert [(op, count) for _, op, _, count in runs] == [(Op.GET_DATA, 1), (Op.PING, 1), (Op.SET_DATA, 0)]


def test_a_frame_that_was_cut_by_itself_is_a_run_of_one() -> None:
    assert buffer().run_of(GET[4:]) == (1, Op.GET_DATA, GET, 1)
    assert buffer().run_of(SET[4:]) == (3, Op.SET_DATA, SET[4:], 0)


@given(st.lists(REQUESTS, max_size=8), st.lists(st.integers(0)))
def test_requests_do_not_depend_on_the_cuts(requests: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(requests)
    for chunks in ([stream], pieces(stream, cuts), each_byte(stream)):
        whole = buffer()
        assert requests_of([run for chunk in chunks for run in whole.feed_runs(chunk)]) == [
            request[4:] for request in requests
        ]
        assert whole.held == 0


@pytest.mark.parametrize("size", [-1, -(2**31), LIMIT + 1, 2**31 - 1, 0, 7])
def test_a_length_that_no_request_has_is_refused_at_once(size: int) -> None:
    bad = size.to_bytes(4, "big", signed=True)
    for chunks in ([bad], [bad + bytes(20)]):
        with pytest.raises(WireError):
            buffer().feed_runs(chunks[0])
    behind = buffer()
    assert requests_of(behind.feed_runs(SET + GET + bad)) == [SET[4:], GET[4:]]
    assert behind.fault is not None
    with pytest.raises(WireError):
        behind.feed_runs(GET)
