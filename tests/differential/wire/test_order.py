"""What is answered, in which order, under which header: asked of Apache's server and of ours in the same words."""

from __future__ import annotations

import socket

import pytest

from ensemble.errors import Code
from ensemble.limits import FRAME_BYTES_MAX
from ensemble.tree.operations import (
    Auth,
    CreateMode,
    NoBody,
    Op,
    Operation,
    Read,
    SetData,
    Sync,
)
from ensemble.wire.requests import ConnectRequest, encode_connect, request_frame
from tests.differential.wire.frames import INT_MIN, NO_NODE, OK, UNIMPLEMENTED, create, header
from tests.raw import RawClient, raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.parametrize("xid", [0, 1, -1, -2, -3, -8, INT_MIN, 2**31 - 1])
@pytest.mark.parametrize("op", [Op.EXISTS, Op.SYNC, Op.SET_DATA])
def test_any_xid_comes_back(port: int, place: str, op: int, xid: int):
    operation: Operation = {
        Op.EXISTS: Read(place),
        Op.SYNC: Sync(place),
        Op.SET_DATA: SetData(place, b"", -1),
    }[Op(op)]
    with raw(port) as zk:
        zk.connect()
        zk.send(zk.request(op, operation, xid=xid))
        answered, _, error = header(zk.frame())
        assert (answered, error) == (xid, OK)


def test_xids_may_repeat_and_a_ping_has_its_own(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        zk.send(b"".join([zk.request(Op.SET_DATA, SetData(place, b"", -1), xid=7) for _ in range(3)]))
        zk.send(zk.request(Op.PING, NoBody(), xid=7))
        assert [header(zk.frame())[0] for _ in range(4)] == [7, 7, 7, -2]


def test_a_write_is_answered_with_its_own_zxid_and_a_read_with_the_last(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        zk.send(
            zk.request(Op.SET_DATA, SetData(place, b"", -1))
            + zk.request(Op.SET_DATA, SetData(place, b"", 999))
            + zk.request(Op.EXISTS, Read(place))
            + zk.request(Op.PING, NoBody(), xid=-2)
        )
        zxids = [header(zk.frame())[1] for _ in range(4)]
        assert [zxid - zxids[0] for zxid in zxids] == [0, 1, 1, 1]


@pytest.mark.parametrize("op", [0, 10, 23, 99, 108, 999, -1, -12, INT_MIN])
def test_an_unknown_operation_is_answered_and_ends_the_connection(port: int, op: int):
    with raw(port) as zk:
        zk.connect()
        zk.send(request_frame(5, op, b""))
        answered, _, error = header(zk.frame())
        assert (answered, error) == (5, UNIMPLEMENTED)
        assert zk.ended


def test_behind_the_end_of_the_session_nothing_is_done(port: int):
    """Apache's server may still say that the session has expired before it hangs up; ours has hung up by then."""
    with raw(port) as zk:
        zk.connect()
        zk.send(zk.request(Op.CLOSE_SESSION, NoBody()) + zk.request(Op.EXISTS, Read("/")))
        assert header(zk.frame())[::2] == (1, OK)
        while (frame := zk.frame()) is not None:
            assert header(frame)[::2] == (2, Code.SESSION_EXPIRED)


def test_what_is_pipelined_behind_a_failed_authentication_is_not_answered(port: int):
    with raw(port) as zk:
        zk.connect()
        zk.send(zk.request(Op.AUTH, Auth(0, "nobody", b""), xid=-4) + zk.request(Op.EXISTS, Read("/")))
        assert header(zk.frame()) == (-4, 0, Code.AUTH_FAILED)
        assert zk.ended


def test_a_frame_of_jute_maxbuffer_passes_and_a_longer_one_cuts_off(port: int, place: str):
    def frame(zk: RawClient, size: int) -> bytes:
        fixed = len(zk.request(Op.SET_DATA, SetData(place, b"", -1))) - 4
        return zk.request(Op.SET_DATA, SetData(place, bytes(size - fixed), -1))

    with raw(port) as zk:
        zk.connect()
        zk.send(frame(zk, FRAME_BYTES_MAX))
        assert header(zk.frame())[2] == OK
        zk.send(frame(zk, FRAME_BYTES_MAX + 1))
        assert zk.ended


def test_a_stream_byte_by_byte_is_the_same_stream(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = encode_connect(ConnectRequest(0, 0, 30_000, 0, bytes(16), False))
        stream += request_frame(1, Op.CLOSE_SESSION, b"")
        for byte in stream:
            connection.sendall(bytes([byte]))
        received = b""
        while chunk := connection.recv(4096):
            received += chunk
        assert len(received) == (4 + 37) + (4 + 16)


def test_a_write_behind_the_end_of_its_session_is_not_carried_out(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        assert zk.create(f"{place}/e", CreateMode.EPHEMERAL) == OK
        zk.send(zk.request(Op.CLOSE_SESSION, NoBody()) + zk.request(*create(f"{place}/late")))
        assert header(zk.frame())[::2] == (2, OK)
        while (frame := zk.frame()) is not None:
            assert header(frame)[::2] == (3, Code.SESSION_EXPIRED)
    with raw(port) as other:
        other.connect()
        assert other.error(Op.EXISTS, Read(f"{place}/e")) == NO_NODE
        assert other.error(Op.EXISTS, Read(f"{place}/late")) == NO_NODE
