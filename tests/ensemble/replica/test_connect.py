"""The first frame: sessions new and old, refusals, and bytes that are no client's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble import limits
from ensemble.errors import Code
from ensemble.replica.admission.config import AdmissionConfig
from ensemble.replica.config import SessionSettings
from ensemble.tree.operations import OPEN_ACL, CloseSession, Create, Delete, Op, Read
from ensemble.tree.sessions import password_of
from ensemble.wire import replies
from ensemble.wire.requests import ConnectRequest, encode_connect, encode_request
from tests.ensemble.replica.harness import Client, World, client


def test_a_new_session_is_a_transaction_and_is_answered_when_applied() -> None:
    world = World()
    joining = Client(world)
    joining.send(encode_connect(ConnectRequest(0, 0, 4000, 0, bytes(16), False)))
    assert joining.received == b""
    world.settle()
    answer = replies.decode_connect_reply(joining.answers()[0])
    assert answer.timeout_ms == 4000
    assert answer.password == password_of(answer.session_id)
    assert answer.session_id >> 56 == 1
    assert list(world.only.replica.tree.sessions) == [answer.session_id]


@pytest.mark.parametrize(("asked", "granted"), [(1, 2000), (4000, 4000), (10**9, 20_000), (-5, 2000)])
def test_the_timeout_is_negotiated(asked: int, granted: int) -> None:
    assert client(World(), timeout_ms=asked).timeout_ms == granted


def test_ids_count_up() -> None:
    world = World()
    first, second = client(world), client(world)
    assert second.session_id == first.session_id + 1


@pytest.mark.parametrize(("flag", "size"), [(None, 36), (False, 37), (True, 37)])
def test_the_read_only_byte_is_answered_only_to_who_sent_it(flag: bool | None, size: int) -> None:
    world = World()
    old = Client(world)
    answer = old.connect(read_only=flag)
    assert answer is not None
    assert len(old.received) == 4 + size
    assert answer.read_only is (None if flag is None else False)


def test_what_is_pipelined_behind_the_connect_request_is_answered_behind_it() -> None:
    world = World()
    eager = Client(world)
    behind = encode_request(1, Op.CREATE, Create("/a", b"1", OPEN_ACL, 0))
    behind += encode_request(2, Op.GET_DATA, Read("/a")) + encode_request(3, Op.CLOSE_SESSION, CloseSession())
    assert eager.connect(behind=behind) is not None
    assert [(xid, error) for xid, _, error in eager.headers()] == [(1, 0), (2, 0), (3, 0)]
    assert eager.closed


def test_nothing_is_answered_before_the_session_is_open() -> None:
    world = World()
    eager = Client(world)
    stream = encode_connect(ConnectRequest(0, 0, 4000, 0, bytes(16), False))
    stream += encode_request(1, Op.EXISTS, Read("/")) + encode_request(2, Op.DELETE, Delete("/no", -1))
    eager.send(stream)
    assert eager.received == b""
    world.settle()
    frames = eager.answers()
    assert replies.decode_connect_reply(frames[0]).timeout_ms == 4000
    assert [replies.decode_header(frame)[::2] for frame in frames[1:]] == [(1, 0), (2, Code.NO_NODE)]


def test_a_stream_means_the_same_byte_by_byte() -> None:
    world = World()
    slow = Client(world)
    stream = encode_connect(ConnectRequest(0, 0, 4000, 0, bytes(16), False))
    stream += encode_request(1, Op.CREATE, Create("/a", b"1", OPEN_ACL, 0))
    stream += encode_request(2, Op.GET_DATA, Read("/a"))
    for at in range(len(stream)):
        slow.send(stream[at : at + 1])
        world.settle()
    frames = slow.answers()
    assert replies.decode_connect_reply(frames[0]).timeout_ms == 4000
    assert [replies.decode_header(frame)[::2] for frame in frames[1:]] == [(1, 0), (2, 0)]


def test_a_client_that_has_seen_more_is_sent_away_without_a_word() -> None:
    world = World()
    ahead = Client(world)
    assert ahead.connect(zxid=world.only.replica.tree.zxid + 1) is None
    assert ahead.closed
    assert ahead.received == b""
    assert "has seen" in world.only.lines[-1]


def test_a_session_is_resumed_with_its_password_and_the_older_connection_closed() -> None:
    world = World()
    before = client(world)
    before.create("/mine", mode=1)
    after = client(world, session_id=before.session_id, password=before.password)
    assert after.session_id == before.session_id
    assert before.closed
    assert after.get("/mine") == b""
    assert [event["what"] for event in world.only.events("session")] == ["opened", "disconnected", "resumed"]


def test_a_wrong_password_reads_as_an_expired_session() -> None:
    world = World()
    owner, thief = client(world), Client(world)
    answer = thief.connect(session_id=owner.session_id, password=b"x" * 16)
    assert answer is not None
    assert (answer.timeout_ms, answer.session_id, answer.password) == (0, 0, bytes(16))
    assert thief.closed
    assert not owner.closed
    owner.ping()


@pytest.mark.parametrize("flag", [None, False])
def test_a_session_that_is_gone_is_expired(flag: bool | None) -> None:
    world = World()
    leaving = client(world)
    leaving.ask(Op.CLOSE_SESSION, CloseSession())
    back = Client(world)
    answer = back.connect(session_id=leaving.session_id, password=leaving.password, read_only=flag)
    assert answer is not None
    assert answer.timeout_ms == 0
    assert answer.read_only is flag
    assert back.closed


def test_a_connection_without_a_session_is_closed_in_time() -> None:
    world = World()
    silent, active = Client(world), client(world, timeout_ms=20_000)
    world.advance(limits.SESSIONLESS_CONNECTION_MS - 100)
    assert not silent.closed
    world.advance(100)
    assert silent.closed
    assert not active.closed


def test_the_time_for_a_session_may_be_set() -> None:
    world = World(sessions=SessionSettings(sessionless_ms=500))
    waiting, open_ = Client(world), client(world)
    world.advance(400)
    assert not waiting.closed
    world.advance(200)
    assert waiting.closed
    assert not open_.closed


def test_connections_are_limited_by_address_and_in_all() -> None:
    world = World(connections_per_address_max=2, admission=AdmissionConfig(connections_max=3))
    first, second = Client(world), Client(world)
    assert Client(world).connection is None
    assert Client(world, address=("10.0.0.1", 1)).connection is not None
    assert Client(world, address=("10.0.0.2", 1)).connection is None
    first.lose()
    assert Client(world).connection is not None
    assert second.connection is not None


def test_a_server_that_does_not_serve_takes_nobody() -> None:
    world = World(voters=3)
    for sid in (1, 2, 3):
        world.cut.add(sid)
    world.advance(20_000, step_ms=500)
    lonely = Client(world)
    assert lonely.connect() is None
    assert lonely.closed


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x10\x01" + bytes(8),  # a first frame longer than any ConnectRequest
        b"\xff\xff\xff\xff",  # a negative length
        b"\x00\x00\x00\x04abcd",  # too short
        b"\xff\xf4\xff\xfd\x06",  # telnet's Ctrl-C
        encode_connect(ConnectRequest(0, 0, 4000, 0, bytes(16), False))[:-1] + b"\x00\x00",
    ],
)
def test_a_first_frame_that_is_none_is_closed_without_a_word(data: bytes) -> None:
    world = World()
    hostile = Client(world)
    hostile.send(data)
    if not hostile.closed:  # the last one: a good request, then a length that never comes whole
        world.settle()
        assert len(data) > 40
        return
    assert hostile.received == b""
    assert world.only.replica.service.counters.cut_off == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xfe",
        b"\x00\x10\x00\x00",  # one byte over jute.maxbuffer
        b"\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00",  # a header cut short
        b"\x00\x00\x00\x0a" + b"\xff\xff\xff\xfc" + b"\x00\x00\x00\x64" + b"\x00\x00",  # half an auth packet
        b"\x00\x00\x00\x08" + b"\x00\x00\x00\x01" + b"\x00\x00\x00\x66",  # SASL without a token
    ],
)
def test_a_bad_frame_closes_the_connection_behind_the_good_ones(data: bytes) -> None:
    world = World()
    hostile, other = client(world), client(world)
    good = encode_request(7, Op.EXISTS, Read("/"))
    hostile.send(good + data)
    if data[:4] == b"\x00\x00\x00\x3d":
        hostile.send(bytes(8))
    world.settle()
    if not hostile.closed:
        hostile.send(bytes(64))
        world.settle()
    assert hostile.closed
    assert hostile.headers()[0][::2] == (7, 0)
    other.ping()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
def test_whatever_comes_nothing_but_the_connection_suffers(chunks: list[bytes], inside: bool) -> None:
    world = World()
    hostile = client(world) if inside else Client(world)
    for chunk in chunks:
        framed = len(chunk).to_bytes(4, "big") + chunk if inside else chunk
        hostile.send(framed)
    world.settle()
    honest = client(world)
    assert honest.error(Op.EXISTS, Read("/zookeeper")) == Code.OK


def test_nothing_more_is_read_until_the_session_is_open() -> None:
    world = World()
    user = Client(world)
    user.send(encode_connect(ConnectRequest(0, 0, 4000, 0, bytes(16), False)))
    assert user.paused
    user.send(encode_request(1, Op.GET_DATA, Read("/")))
    assert user.paused
    world.settle()
    assert not user.paused
    assert len(user.answers()) == 2
