"""How a client introduces itself, asked of Apache's server and of ours in the same words."""

from __future__ import annotations

import struct

import pytest

from ensemble.tree.operations import (
    Auth,
    Op,
    Read,
    SetWatches,
)
from ensemble.wire.requests import ConnectRequest, encode_connect
from tests.differential.wire.frames import EXPIRED, INT_MIN, OK, create, header
from tests.raw import raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.parametrize(("read_only", "sent", "answered"), [(None, 44, 36), (False, 45, 37), (True, 45, 37)])
def test_the_sizes_of_the_introductions(port: int, read_only: bool | None, sent: int, answered: int):
    request = encode_connect(ConnectRequest(0, 0, 30_000, 0, bytes(16), read_only))
    assert len(request) == 4 + sent
    with raw(port) as zk:
        zk.send(request)
        frame = zk.frame()
        assert frame is not None
        assert len(frame) == answered


@pytest.mark.parametrize("version", [0, 1, -1, 2**31 - 1])
def test_the_version_of_the_protocol_means_nothing(port: int, version: int):
    with raw(port) as zk:
        zk.send(encode_connect(ConnectRequest(version, 0, 30_000, 0, bytes(16), False)))
        frame = zk.frame()
        assert frame is not None
        assert struct.unpack_from(">i", frame)[0] == 0


@pytest.mark.parametrize(
    ("asked", "granted"), [(INT_MIN, 4000), (0, 4000), (10_000, 10_000), (2**31 - 1, 40_000)]
)
def test_the_timeout_is_clamped(port: int, asked: int, granted: int):
    with raw(port) as zk:
        answer = zk.connect(timeout_ms=asked)
        assert answer is not None
        assert answer.timeout_ms == granted


@pytest.mark.parametrize("password", [b"", b"x" * 7, b"x" * 16, b"x" * 40])
def test_a_new_session_needs_no_password_and_gets_one_of_16_bytes(port: int, password: bytes):
    with raw(port) as zk:
        answer = zk.connect(session=(0, password))
        assert answer is not None
        assert len(answer.password) == 16
        assert zk.end() == OK


def test_what_is_pipelined_behind_the_introduction_is_answered_behind_it(port: int, place: str):
    with raw(port) as zk:
        behind = (
            zk.request(Op.AUTH, Auth(0, "digest", b"u:p"), xid=-4)
            + zk.request(Op.SET_WATCHES, SetWatches(2**62, [], [f"{place}/x"], [], [], []), xid=-8)
            + zk.request(Op.EXISTS, Read(place))
            + zk.request(*create(f"{place}/x"))
        )
        assert zk.connect(behind=behind) is not None
        headers = [header(zk.frame()) for _ in range(5)]
        assert [(xid, error) for xid, _, error in headers] == [(-4, 0), (-8, 0), (1, 0), (-1, 0), (2, 0)]
        assert headers[0][1] == 0, "the answer to an auth packet has no zxid"


def test_a_client_ahead_of_the_server_is_cut_off_before_anything_else_is_looked_at(port: int):
    with raw(port) as zk:
        assert zk.connect(zxid=2**60) is None
    with raw(port) as zk:
        assert zk.connect(zxid=2**60, session=(5, bytes(16))) is None


def test_a_session_that_comes_back_closes_its_older_connection(port: int):
    with raw(port) as older, raw(port) as newer:
        assert older.connect() is not None
        answer = newer.connect(session=older.session, timeout_ms=5000)
        assert answer is not None
        assert (answer.session_id, answer.password, answer.timeout_ms) == (*older.session, 5000)
        assert older.ended
        assert newer.error(Op.EXISTS, Read("/")) == OK


@pytest.mark.parametrize("password", [bytes(16), b"", b"x" * 40])
def test_a_wrong_password_and_a_session_that_is_over_are_answered_alike(port: int, password: bytes):
    with raw(port) as live, raw(port) as wrong:
        assert live.connect() is not None
        assert wrong.connect(session=(live.session[0], password)) == EXPIRED
        assert wrong.ended
    with raw(port) as zk:
        assert zk.connect() is not None
        over = zk.session
        assert zk.end() == OK
    with raw(port) as back:
        assert back.connect(session=over) == EXPIRED
        assert back.ended


@pytest.mark.parametrize(
    "data", [b"\0\0\0\0", b"\0\0\0\x08" + bytes(8), b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"]
)
def test_a_first_frame_that_is_none_is_cut_off_without_a_word(port: int, data: bytes):
    with raw(port) as zk:
        zk.send(data)
        assert zk.ended
