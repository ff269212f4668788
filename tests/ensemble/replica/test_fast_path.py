"""The hottest path answers what the plain one does, byte for byte, or leaves the request alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.replica.requests import reads
from ensemble.tree.operations import OPEN_ACL, READ_ACL, Create, Op, Read
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import decode_header, encode_request
from tests.ensemble.replica.harness import World, client

WORLD = World()
USER = client(WORLD)
for _path, _data, _acl in (
    ("/a", b"1", OPEN_ACL),
    ("/é", b"x" * 300, OPEN_ACL),
    ("/empty", b"", OPEN_ACL),
    ("/null", None, OPEN_ACL),
    ("/read", b"r", READ_ACL),
):
    USER.ask(Op.CREATE, Create(_path, _data, _acl, 0))
SERVICE = WORLD.only.replica.service

PATHS = st.sampled_from(["/a", "/é", "/empty", "/null", "/read", "/missing", "/", ""])
REQUESTS = st.builds(
    encode_request, st.integers(-(2**31), 2**31 - 1), st.just(Op.GET_DATA), st.builds(Read, PATHS)
)


@given(st.lists(REQUESTS, max_size=8))
def test_a_run_of_reads_equals_the_plain_answers(requests: list[bytes]) -> None:
    stream = b"".join(requests)
    fast: list[bytes] = []
    offset, count, _ = reads.get_data_run(stream, 0, SERVICE, fast, 1 << 30)
    plain = []
    for frame in FrameBuffer(1 << 20).feed(stream):
        xid, op = decode_header(frame)
        plain.append(reads.answer(SERVICE, USER.connection, xid, op, frame))
    assert fast == plain[:count]
    assert offset == sum(map(len, requests[:count]))


def test_the_plain_case_is_taken() -> None:
    out: list[bytes] = []
    stream = encode_request(1, Op.GET_DATA, Read("/a")) * 3
    size = len(stream) // 3
    offset, count, budget = reads.get_data_run(stream, size, SERVICE, out, 1 << 30)
    assert (offset, count, budget) == (len(stream), 2, (1 << 30) - len(b"".join(out)) + 4 * count)


@settings(max_examples=300)
@given(st.binary(max_size=40), REQUESTS)
def test_nonsense_is_left_to_the_plain_path(noise: bytes, request: bytes) -> None:
    out: list[bytes] = []
    offset, count, _ = reads.get_data_run(request + noise, 0, SERVICE, out, 1 << 30)
    assert (offset, count) in ((len(request), 1), (0, 0))


@given(st.integers(0, 60))
def test_a_cut_frame_is_not_answered(cut: int) -> None:
    whole = encode_request(1, Op.GET_DATA, Read("/a"))
    out: list[bytes] = []
    stream = whole + whole[: min(cut, len(whole) - 1)]
    assert reads.get_data_run(stream, 0, SERVICE, out, 1 << 30)[:2] == (len(whole), 1)


def test_the_budget_of_a_step_ends_a_run() -> None:
    out: list[bytes] = []
    stream = encode_request(1, Op.GET_DATA, Read("/é")) * 10
    _, count, budget = reads.get_data_run(stream, 0, SERVICE, out, 1000)
    assert count == 3
    assert budget < 0
