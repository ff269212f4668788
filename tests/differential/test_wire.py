"""Facts of the client protocol, one by one, asked of Apache's server and of ours in the same words."""

from __future__ import annotations

import socket
import struct
from itertools import count

import pytest

from ensemble.errors import Code
from ensemble.limits import FRAME_BYTES_MAX
from ensemble.tree.operations import (
    OPEN_ACL,
    AddWatch,
    Auth,
    Check,
    Create,
    CreateMode,
    Delete,
    Multi,
    NoBody,
    Op,
    Operation,
    Read,
    RemoveWatches,
    SetData,
    SetWatches,
    Sync,
)
from ensemble.wire import replies
from ensemble.wire.requests import ConnectRequest, encode_connect, request_frame
from tests.raw import RawClient, raw

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

PLACES = count(1)
INT_MIN = -(2**31)
OK, NO_NODE, MARSHALLING_ERROR, UNIMPLEMENTED, BAD_ARGUMENTS = (
    Code.OK,
    Code.NO_NODE,
    Code.MARSHALLING_ERROR,
    Code.UNIMPLEMENTED,
    Code.BAD_ARGUMENTS,
)
EXPIRED = replies.ConnectReply(0, 0, 0, bytes(16), False)
NOT_REACHED = Code.RUNTIME_INCONSISTENCY


@pytest.fixture(params=["apache", "ours"])
def port(request: pytest.FixtureRequest) -> int:
    """The client port of either server."""
    found: int = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def place(port: int) -> str:
    """A znode of the test's own."""
    path = f"/w{next(PLACES)}"
    with raw(port) as zk:
        zk.connect()
        assert zk.create(path) == OK
        zk.end()
    return path


def header(frame: bytes | None) -> tuple[int, int, int]:
    assert frame is not None, "the server has hung up"
    return replies.decode_header(frame)


def create(path: str, mode: int = 0) -> tuple[int, Operation]:
    return int(Op.CREATE), Create(path, b"", OPEN_ACL, mode)


def results(frame: bytes) -> list[tuple[int, int]]:
    """Op and error of each part of a multi's answer."""
    return [(int(part.op), part.error) for part in replies.read_multi(replies.body_reader(frame))]


# ---------------------------------------------------------------------- connecting


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


# ---------------------------------------------------------------------- headers


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


# ---------------------------------------------------------------------- operations


@pytest.mark.parametrize("op", [Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER])
@pytest.mark.parametrize("mode", [7, -1, 100, INT_MIN])
def test_a_mode_that_is_none(port: int, place: str, op: int, mode: int):
    with raw(port) as zk:
        zk.connect()
        assert zk.error(op, Create(f"{place}/x", b"", OPEN_ACL, mode)) == BAD_ARGUMENTS


@pytest.mark.parametrize("mode", [CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL])
def test_a_time_to_live_is_off_until_it_is_switched_on(port: int, place: str, mode: int):
    with raw(port) as zk:
        zk.connect()
        assert zk.error(Op.CREATE_TTL, Create(f"{place}/x", b"", OPEN_ACL, mode, 1000)) == UNIMPLEMENTED
        assert zk.error(Op.CREATE, Create(f"{place}/x", b"", OPEN_ACL, mode)) == UNIMPLEMENTED


@pytest.mark.parametrize(
    "path", ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "", "no-slash", "/zookeeper/nothing"]
)
def test_what_cannot_be_deleted(port: int, path: str):
    with raw(port) as zk:
        zk.connect()
        expected = NO_NODE if path.endswith("nothing") else BAD_ARGUMENTS
        assert zk.error(Op.DELETE, Delete(path, -1)) == expected


def test_a_suffix_counts_creations_and_never_goes_back(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        paths = []
        for _ in range(3):
            _, frame = zk.ask(
                Op.CREATE, Create(f"{place}/s", b"", OPEN_ACL, CreateMode.PERSISTENT_SEQUENTIAL)
            )
            paths.append(replies.read_path(replies.body_reader(frame)))
            assert zk.error(Op.DELETE, Delete(paths[-1], -1)) == OK
        assert zk.create(f"{place}/plain") == OK
        _, frame = zk.ask(Op.CREATE, Create(f"{place}/", b"", OPEN_ACL, CreateMode.PERSISTENT_SEQUENTIAL))
        paths.append(replies.read_path(replies.body_reader(frame)))
        assert paths == [f"{place}/s000000000{n}" for n in range(3)] + [f"{place}/0000000004"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_multi_that_fails_says_where_and_happens_not_at_all(port: int, place: str, at: int):
    parts = [create(f"{place}/{n}") for n in range(3)]
    parts[at] = (int(Op.CHECK), Check(f"{place}/missing", -1))
    with raw(port) as zk:
        zk.connect()
        error, frame = zk.ask(Op.MULTI, Multi(list(parts)))
        codes = [OK] * at + [NO_NODE] + [NOT_REACHED] * (2 - at)
        assert (error, results(frame)) == (OK, [(-1, code) for code in codes])
        _, frame = zk.ask(Op.GET_CHILDREN, Read(place))
        assert replies.read_children(replies.body_reader(frame)) == []


def test_a_multi_sees_its_own_parts(port: int, place: str):
    parts = [
        create(f"{place}/a"),
        create(f"{place}/a/b"),
        (int(Op.SET_DATA), SetData(f"{place}/a", b"x", 0)),
        (int(Op.CHECK), Check(f"{place}/a", 1)),
        (int(Op.DELETE), Delete(f"{place}/a/b", 0)),
    ]
    with raw(port) as zk:
        zk.connect()
        error, frame = zk.ask(Op.MULTI, Multi(list(parts)))
        assert (error, results(frame)) == (OK, [(1, 0), (1, 0), (5, 0), (13, 0), (2, 0)])
        error, frame = zk.ask(Op.MULTI, Multi([]))
        assert (error, results(frame)) == (OK, [])


def test_a_multi_may_fill_its_frame(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        parts = [(int(Op.CHECK), Check(place, -1))] * 40_000
        error, frame = zk.ask(Op.MULTI, Multi(list(parts)))
        assert (error, len(results(frame))) == (OK, 40_000)


def test_reads_and_writes_do_not_mix(port: int, place: str):
    read = (int(Op.GET_DATA), Read(place))
    with raw(port) as zk:
        zk.connect()
        for op in (Op.MULTI, Op.MULTI_READ):
            for parts in ([create(f"{place}/x"), read], [read, create(f"{place}/x")]):
                assert zk.error(op, Multi(list(parts))) == MARSHALLING_ERROR
        assert zk.error(Op.MULTI, Multi([read])) == MARSHALLING_ERROR
        assert zk.error(Op.MULTI_READ, Multi([(int(Op.CHECK), Check(place, -1))])) == MARSHALLING_ERROR
        assert zk.error(Op.EXISTS, Read(f"{place}/x")) == NO_NODE


def test_each_read_of_a_multi_stands_alone(port: int, place: str):
    parts: list[tuple[int, Operation]] = [
        (int(Op.GET_DATA), Read(f"{place}/missing")),
        (int(Op.GET_CHILDREN), Read(place)),
        (int(Op.GET_DATA), Read(place)),
    ]
    with raw(port) as zk:
        zk.connect()
        error, frame = zk.ask(Op.MULTI_READ, Multi(parts))
        assert (error, results(frame)) == (OK, [(-1, NO_NODE), (8, 0), (4, 0)])


def test_ephemerals_are_listed_by_prefix_and_descendants_counted(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        for name in ("a", "ab", "b"):
            assert zk.create(f"{place}/{name}", CreateMode.EPHEMERAL) == OK
        for prefix, names in (("", "a ab b"), (" / ", "a ab b"), (f"{place}/a", "a ab"), (f"{place}/c", "")):
            _, frame = zk.ask(Op.GET_EPHEMERALS, Read(prefix))
            listed = replies.read_children(replies.body_reader(frame))
            assert sorted(listed) == [f"{place}/{name}" for name in names.split()]
        _, frame = zk.ask(Op.GET_ALL_CHILDREN_NUMBER, Read(place))
        assert replies.read_number(replies.body_reader(frame)) == 3
        assert zk.error(Op.GET_ALL_CHILDREN_NUMBER, Read(f"{place}/missing")) == NO_NODE
    with raw(port) as other:
        other.connect()
        _, frame = other.ask(Op.GET_EPHEMERALS, Read(""))
        assert replies.read_children(replies.body_reader(frame)) == []


def test_who_am_i(port: int):
    with raw(port) as zk:
        zk.connect()
        zk.send(zk.request(Op.AUTH, Auth(0, "digest", b"ada:secret"), xid=-4))
        assert header(zk.frame())[::2] == (-4, OK)
        _, frame = zk.ask(Op.WHO_AM_I, NoBody())
        assert sorted(replies.read_identities(replies.body_reader(frame))) == [
            ("digest", "ada"),
            ("ip", "127.0.0.1"),
        ]


# ---------------------------------------------------------------------- watches


def test_an_event_comes_before_the_answer_of_what_caused_it(port: int, place: str):
    with raw(port) as zk:
        zk.connect()
        zk.send(
            zk.request(Op.GET_DATA, Read(place, True))
            + zk.request(Op.SET_DATA, SetData(place, b"x", -1))
            + zk.request(Op.SET_DATA, SetData(place, b"y", -1))
        )
        assert [header(zk.frame())[0] for _ in range(4)] == [1, -1, 2, 3]


def test_a_read_that_fails_watches_nothing_but_exists(port: int, place: str):
    missing = f"{place}/missing"
    with raw(port) as zk:
        zk.connect()
        for op in (Op.GET_DATA, Op.GET_CHILDREN, Op.GET_CHILDREN2):
            assert zk.error(op, Read(missing, True)) == NO_NODE
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(missing, 3)) == Code.NO_WATCHER
        assert zk.error(Op.EXISTS, Read(missing, True)) == NO_NODE
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(missing, 3)) == OK


@pytest.mark.parametrize("op", [Op.CHECK_WATCHES, Op.REMOVE_WATCHES])
@pytest.mark.parametrize(
    ("type_", "held"), [(1, False), (2, True), (3, True), (0, None), (6, None), (-1, None)]
)
def test_types_of_watches(port: int, place: str, op: int, type_: int, held: bool | None):
    with raw(port) as zk:
        zk.connect()
        assert zk.error(Op.GET_DATA, Read(place, True)) == OK
        expected = MARSHALLING_ERROR if held is None else OK if held else Code.NO_WATCHER
        assert zk.error(op, RemoveWatches(place, type_)) == expected
        left = held is not True or op == Op.CHECK_WATCHES
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(place, 2)) == (OK if left else Code.NO_WATCHER)


@pytest.mark.parametrize(
    ("mode", "error"), [(0, OK), (1, OK), (2, MARSHALLING_ERROR), (-1, MARSHALLING_ERROR)]
)
def test_modes_of_persistent_watches(port: int, place: str, mode: int, error: int):
    """The first byte of the body is an error code of its own, always 0."""
    with raw(port) as zk:
        zk.connect()
        found, frame = zk.ask(Op.ADD_WATCH, AddWatch(f"{place}/not/yet", mode))
        assert found == error
        assert frame[16:] == (bytes(4) if error == OK else b"")


def test_a_persistent_watch_hears_of_children_and_a_recursive_one_of_descendants(port: int, place: str):
    heard: dict[int, list[tuple[int, str]]] = {}
    for mode in (0, 1):
        with raw(port) as watcher, raw(port) as zk:
            watcher.connect()
            zk.connect()
            base = f"{place}/{mode}"
            assert zk.create(base) == OK
            assert watcher.error(Op.ADD_WATCH, AddWatch(base, mode)) == OK
            for path in (f"{base}/a", f"{base}/a/b"):
                assert zk.create(path) == OK
            assert zk.error(Op.SET_DATA, SetData(base, b"x", -1)) == OK
            assert zk.error(Op.DELETE, Delete(f"{base}/a/b", -1)) == OK
            assert zk.error(Op.DELETE, Delete(f"{base}/a", -1)) == OK
            heard[mode] = _events(watcher)
    assert heard[0] == [(4, f"{place}/0"), (3, f"{place}/0"), (4, f"{place}/0")]
    below = f"{place}/1/a"
    assert heard[1] == [(1, below), (1, f"{below}/b"), (3, f"{place}/1"), (2, f"{below}/b"), (2, below)]


def _events(zk: RawClient) -> list[tuple[int, str]]:
    """Return what the client has heard by the time a sync is answered."""
    zk.send(zk.request(Op.SYNC, Sync("/")))
    heard = []
    while header(frame := zk.frame())[0] == replies.NOTIFICATION_XID:
        assert frame is not None
        event = replies.read_event(replies.body_reader(frame))
        heard.append((int(event.type), event.path))
    return heard


@pytest.mark.parametrize(
    ("kind", "event"), [("data", 3), ("exist", 1), ("child", 4), ("deleted data", 2), ("deleted child", 2)]
)
def test_what_was_missed_is_told_when_watches_are_set_again(port: int, place: str, kind: str, event: int):
    path = f"{place}/gone" if kind.startswith("deleted") else place
    lists: dict[str, list[str]] = {"data": [], "exist": [], "child": []}
    lists[kind.split()[-1]] = [path]
    with raw(port) as zk:
        zk.connect()
        assert zk.create(f"{place}/x") == OK
        assert zk.error(Op.SET_DATA, SetData(place, b"x", -1)) == OK
        again = SetWatches(0, lists["data"], lists["exist"], lists["child"], [], [])
        zk.send(zk.request(Op.SET_WATCHES, again, xid=-8))
        told, answer = zk.frame(), zk.frame()
        assert header(told) == (-1, -1, 0)
        assert told is not None
        found = replies.read_event(replies.body_reader(told))
        assert (found.type, found.state, found.path) == (event, 3, path)
        assert header(answer)[::2] == (-8, OK)
        assert zk.error(Op.CHECK_WATCHES, RemoveWatches(path, 3)) == Code.NO_WATCHER


# ---------------------------------------------------------------------- the end of a session


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
