"""The session without any I/O: what outlasts a connection, and which answer belongs to which request."""

from __future__ import annotations

from typing import Any

import pytest

from ensemble import limits
from ensemble.client.errors import (
    ApiFault,
    AuthFailed,
    ClientClosed,
    ConnectionLoss,
    NoNode,
    SessionExpired,
    refusal,
)
from ensemble.client.session import Call, Session, State
from ensemble.client.watches import WatchEvent, WatchKind
from ensemble.errors import Code, KeeperError, WireError
from ensemble.jute import Reader
from ensemble.tree.operations import Auth, EventType, Op, Operation, Read, SetData, SetWatches
from ensemble.wire import replies, requests
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import ConnectRequest

PASSWORD = b"\xab" * 16
STAT = replies.Stat(*range(11))


class Client:
    """A session and a record of everything it told."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.told: list[tuple[str, WatchEvent]] = []
        self.outcomes: list[Any] = []
        self.watchers = {name: self._watcher(name) for name in "abc"}
        self.session = Session(
            3000,
            tell=lambda watcher, event: watcher(event),
            state_changed=self.states.append,
        )

    def _watcher(self, name: str) -> Any:
        return lambda event: self.told.append((name, event))

    def connect(self, timeout_ms: int = 2000) -> ConnectRequest:
        self.session.on_connection()
        (frame,) = self.session.take()
        self.session.on_data(replies.connect_reply(timeout_ms, 7, PASSWORD))
        return requests.decode_connect(frame[4:])

    def request(
        self, op: int, operation: Operation, *, watch: str = "", kind: WatchKind = WatchKind.DATA
    ) -> Call:
        call = Call(
            op,
            requests.encode_operation(op, operation),
            getattr(operation, "path", None),
            replies.read_stat if op == Op.EXISTS else Reader.rest,
            self.outcomes.append,
            lambda error: self.outcomes.append(type(error)),
            self.watchers.get(watch),
            kind,
            operation if isinstance(operation, Auth) else None,
        )
        self.session.submit(call)
        return call

    def sent(self) -> list[tuple[int, int, Operation]]:
        frames = FrameBuffer(2**20).feed(b"".join(self.session.take()))
        headers = [requests.decode_header(frame) for frame in frames]
        return [
            (xid, op, requests.decode_operation(op, frame))
            for (xid, op), frame in zip(headers, frames, strict=True)
        ]


@pytest.fixture
def client() -> Client:
    client = Client()
    client.connect()
    return client


def test_the_introduction_and_what_the_server_granted() -> None:
    client = Client()
    assert client.connect() == ConnectRequest(0, 0, 3000, 0, bytes(16), read_only=False)
    session = client.session
    assert (session.session_id, session.password, session.timeout_ms) == (7, PASSWORD, 2000)
    assert client.states == [State.CONNECTED]


def test_a_new_connection_resumes_the_session(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/a"))
    client.session.on_data(replies.reply(1, 0x100000005, 0))
    client.session.on_connection_lost()
    again = client.connect()
    assert again == ConnectRequest(0, 0x100000005, 3000, 7, PASSWORD, read_only=False)
    assert client.states == [State.CONNECTED, State.CONNECTING, State.CONNECTED]


def test_answers_go_to_requests_in_order(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/a"))
    client.session.ping()
    client.request(Op.GET_DATA, Read("/b"))
    assert [(xid, op) for xid, op, _ in client.sent()] == [(1, Op.GET_DATA), (-2, Op.PING), (2, Op.GET_DATA)]
    stream = replies.reply(1, 5, 0, b"one") + replies.reply(-2, 5, 0) + replies.reply(2, 5, Code.NO_NODE)
    for index in range(len(stream)):
        client.session.on_data(stream[index : index + 1])
    assert client.outcomes == [b"one", NoNode]


@pytest.mark.parametrize(
    "answer", [replies.reply(2, 5, 0), replies.reply(-4, 0, 0), b"\0\0\0\4abcd", b"\xff" * 4]
)
def test_an_answer_that_makes_no_sense_costs_the_connection(client: Client, answer: bytes) -> None:
    client.request(Op.GET_DATA, Read("/a"))
    with pytest.raises(WireError):
        client.session.on_data(answer)
    client.session.on_connection_lost()
    assert client.outcomes == [ConnectionLoss]


def test_nonsense_behind_an_answer_costs_the_connection_and_not_the_answer(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/a"))
    with pytest.raises(WireError):
        client.session.on_data(replies.reply(1, 5, 0, b"x") + b"\xff" * 4)
    assert client.outcomes == [b"x"]


def test_a_body_that_does_not_decode_costs_the_connection(client: Client) -> None:
    client.request(Op.EXISTS, Read("/a"))
    with pytest.raises(WireError):
        client.session.on_data(replies.reply(1, 5, 0, bytes(67)))
    assert client.outcomes == [ConnectionLoss]


def test_what_was_sent_is_lost_and_what_waits_is_sent_later(client: Client) -> None:
    client.request(Op.SET_DATA, SetData("/a", b"", -1))
    client.sent()
    client.session.on_connection_lost()
    assert client.outcomes == [ConnectionLoss]
    client.request(Op.GET_DATA, Read("/b"))
    assert client.session.take() == []
    client.connect()
    assert [operation for _, _, operation in client.sent()] == [Read("/b")]


def test_a_request_nobody_waits_for_any_more_is_not_sent_later() -> None:
    client = Client()
    call = client.request(Op.SET_DATA, SetData("/a", b"", -1))
    client.session.withdraw(call)
    client.connect()
    assert client.sent() == []


def test_the_number_of_waiting_requests_is_bounded() -> None:
    client = Client()
    for _ in range(limits.OUTSTANDING_PER_CONNECTION_MAX):
        client.request(Op.GET_DATA, Read("/"))
    with pytest.raises(ConnectionLoss):
        client.request(Op.GET_DATA, Read("/"))


def test_expiry_tells_everybody(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/a", True), watch="a")
    client.session.on_data(replies.reply(1, 5, 0))
    client.session.on_connection_lost()
    client.request(Op.GET_DATA, Read("/b"))
    client.session.on_connection()
    client.session.on_data(replies.connect_refusal())
    assert client.outcomes == [b"", SessionExpired]
    assert client.told == [("a", WatchEvent(EventType.NONE, "/a"))]
    assert client.states[-1] is State.EXPIRED
    with pytest.raises(SessionExpired):
        client.request(Op.GET_DATA, Read("/a"))
    client.session.close()
    assert client.session.state is State.EXPIRED


def test_close_tells_everybody(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/a"))
    client.session.close()
    assert client.outcomes == [ClientClosed]
    with pytest.raises(ClientClosed):
        client.request(Op.GET_DATA, Read("/a"))


# --- watches -------------------------------------------------------------------------------------------


def _watch_everything(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/d", True), watch="a")
    client.request(Op.EXISTS, Read("/e", True), watch="a")
    client.request(Op.GET_CHILDREN2, Read("/c", True), watch="a", kind=WatchKind.CHILD)
    client.request(Op.GET_DATA, Read("/refused", True), watch="a")
    client.session.on_data(
        replies.reply(1, 9, 0)
        + replies.reply(2, 9, Code.NO_NODE)
        + replies.reply(3, 9, 0)
        + replies.reply(4, 9, Code.NO_NODE)
    )
    client.session.take()


def test_watches_are_set_again_before_anything_else(client: Client) -> None:
    _watch_everything(client)
    client.session.on_connection_lost()
    client.request(Op.GET_DATA, Read("/later"))
    client.connect()
    watches = SetWatches(9, ["/d"], ["/e"], ["/c"], [], [])
    assert client.sent() == [(-8, Op.SET_WATCHES, watches), (5, Op.GET_DATA, Read("/later"))]
    client.session.on_data(replies.reply(-8, 9, 0) + replies.reply(5, 9, 0, b"x"))
    assert client.outcomes[-1] == b"x"


def test_persistent_watches_are_set_again_by_the_second_kind_of_request(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/p"), watch="a", kind=WatchKind.PERSISTENT)
    client.request(Op.GET_DATA, Read("/r"), watch="a", kind=WatchKind.RECURSIVE)
    client.session.on_data(replies.reply(1, 9, 0) + replies.reply(2, 9, 0))
    client.session.on_connection_lost()
    client.session.take()
    client.connect()
    assert client.sent() == [(-8, Op.SET_WATCHES2, SetWatches(9, [], [], [], ["/p"], ["/r"]))]


def test_many_watches_are_set_in_frames_a_server_accepts(client: Client) -> None:
    paths = [f"/{index:05}-{'x' * 200}" for index in range(6000)]
    for xid, path in enumerate(paths, 1):
        client.request(Op.GET_DATA, Read(path, True), watch="a")
        client.session.on_data(replies.reply(xid, 9, 0))
    client.session.on_connection_lost()
    client.session.on_connection()
    client.session.take()
    client.session.on_data(replies.connect_reply(2000, 7, PASSWORD))
    frames = client.session.take()
    assert max(len(frame) for frame in frames) < limits.FRAME_BYTES_MAX // 4
    found: list[str] = []
    for frame in frames:
        operation = requests.decode_operation(Op.SET_WATCHES, frame[4:])
        assert isinstance(operation, SetWatches)
        found += operation.data
    assert found == paths


@pytest.mark.parametrize(
    ("event", "paths"),
    [
        (EventType.NODE_DATA_CHANGED, ["/d"]),
        (EventType.NODE_CREATED, ["/e"]),
        (EventType.NODE_CHILDREN_CHANGED, ["/c"]),
        (EventType.NODE_DELETED, ["/d", "/c"]),
    ],
)
def test_an_ordinary_watch_is_told_once(client: Client, event: EventType, paths: list[str]) -> None:
    _watch_everything(client)
    for path in paths:
        for _ in range(2):
            client.session.on_data(replies.event(10, event, path))
    assert client.told == [("a", WatchEvent(event, path)) for path in paths]
    assert (
        client.session.zxid_seen == 9
    )  # as long as the answer that shows it is not here, we have not seen it


def test_one_watcher_in_several_places_is_told_once(client: Client) -> None:
    for kind in (WatchKind.DATA, WatchKind.CHILD, WatchKind.RECURSIVE):
        client.request(Op.GET_DATA, Read("/a"), watch="b", kind=kind)
    client.session.on_data(b"".join([replies.reply(xid, 9, 0) for xid in (1, 2, 3)]))
    client.session.on_data(replies.event(10, EventType.NODE_DELETED, "/a"))
    assert client.told == [("b", WatchEvent(EventType.NODE_DELETED, "/a"))]


def test_a_recursive_watch_hears_of_what_is_below(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/"), watch="c", kind=WatchKind.RECURSIVE)
    client.request(Op.GET_DATA, Read("/a"), watch="b", kind=WatchKind.RECURSIVE)
    client.session.on_data(replies.reply(1, 9, 0) + replies.reply(2, 9, 0))
    for path in ("/a/x/y", "/ab", "/a"):
        client.session.on_data(replies.event(10, EventType.NODE_CREATED, path))
    client.session.on_data(replies.event(10, EventType.NODE_CHILDREN_CHANGED, "/a"))
    assert [(who, event.path) for who, event in client.told] == [
        ("b", "/a/x/y"),
        ("c", "/a/x/y"),
        ("c", "/ab"),
        ("b", "/a"),
        ("c", "/a"),
    ]


def test_a_forgotten_watcher_hears_nothing(client: Client) -> None:
    client.request(Op.GET_DATA, Read("/a"), watch="a", kind=WatchKind.PERSISTENT)
    client.request(Op.GET_DATA, Read("/a"), watch="b")
    client.session.on_data(replies.reply(1, 9, 0) + replies.reply(2, 9, 0))
    forget = client.session.forget_watch
    assert forget(WatchKind.PERSISTENT, "/a", client.watchers["a"]) is True
    client.session.on_data(replies.event(10, EventType.NODE_DATA_CHANGED, "/a"))
    assert [who for who, _ in client.told] == ["b"]
    assert forget(WatchKind.DATA, "/a", client.watchers["b"]) is False


# --- credentials ---------------------------------------------------------------------------------------


def test_credentials_are_answered_out_of_turn_and_kept(client: Client) -> None:
    ann = Auth(0, "digest", b"ann:secret")
    client.request(Op.GET_DATA, Read("/a"))
    client.request(Op.AUTH, ann)
    client.session.on_data(replies.reply(-4, 0, 0) + replies.reply(1, 5, 0, b"x"))
    assert client.outcomes == [b"", b"x"]
    client.session.on_connection_lost()
    client.session.take()
    client.connect()
    assert client.sent() == [(-4, Op.AUTH, ann)]


def test_credentials_without_an_answer_are_lost(client: Client) -> None:
    client.request(Op.AUTH, Auth(0, "digest", b"ann:secret"))
    client.session.on_connection_lost()
    assert client.outcomes == [ConnectionLoss]


def test_refused_credentials_are_not_kept(client: Client) -> None:
    client.request(Op.AUTH, Auth(0, "digest", b"nonsense"))
    client.session.on_data(replies.reply(-4, 0, Code.AUTH_FAILED))
    client.session.on_connection_lost()
    client.session.take()
    client.connect()
    assert client.outcomes == [AuthFailed]
    assert client.sent() == []


def test_credentials_refused_at_a_reconnect_end_the_client(client: Client) -> None:
    client.request(Op.AUTH, Auth(0, "digest", b"ann:secret"))
    client.session.on_data(replies.reply(-4, 0, 0))
    client.session.on_connection_lost()
    client.connect()
    client.request(Op.GET_DATA, Read("/a"))
    client.session.on_data(replies.reply(-4, 0, Code.AUTH_FAILED))
    assert client.session.state is State.AUTH_FAILED
    assert client.outcomes == [b"", AuthFailed]


def test_a_server_of_3_4_leaves_out_whether_it_is_read_only() -> None:
    client = Client()
    client.session.on_connection()
    client.session.on_data(replies.connect_reply(2000, 7, PASSWORD, read_only=None))
    assert (client.session.state, client.session.session_id) == (State.CONNECTED, 7)


def test_what_a_read_only_server_opens_is_not_taken_to_a_quorum() -> None:
    client = Client()
    client.session.on_connection()
    client.session.on_data(replies.connect_reply(2000, 7, PASSWORD, read_only=True))
    assert client.session.state is State.CONNECTED_READ_ONLY
    client.session.on_connection_lost()
    client.session.take()
    assert client.connect().session_id == 0
    client.session.on_connection_lost()
    assert client.connect().session_id == 7


def test_a_session_out_of_reach_expires_once(client: Client) -> None:
    client.session.on_connection_lost()
    waiting = client.request(Op.GET_DATA, Read("/a"))
    client.session.expire()
    client.session.expire()
    assert waiting.path == "/a"
    assert client.outcomes == [SessionExpired]
    assert client.states == [State.CONNECTED, State.CONNECTING, State.EXPIRED]


def test_each_code_has_its_class() -> None:
    for code in Code:
        error = refusal(code, "/a")
        if code in (Code.OK, Code.CONNECTION_LOSS, Code.SESSION_EXPIRED):
            continue
        assert isinstance(error, KeeperError)
        assert (error.code, error.path, type(error) is KeeperError) == (code, "/a", False)
    assert isinstance(refusal(-999), ApiFault)
    assert isinstance(refusal(Code.CONNECTION_LOSS), ConnectionLoss)
    assert isinstance(refusal(Code.SESSION_EXPIRED), SessionExpired)
