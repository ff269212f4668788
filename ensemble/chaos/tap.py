"""A relay between clients and servers that writes down everything both say, in the words of the checkers.

Any client can be listened to, whoever wrote it: what it asked, what it was answered at which zxid, which
watches fired. The relay is, to the servers, the client; so what they promise a client they promise here.

Requests are numbered anew, per session, since some clients begin again at 1 with every connection and a
number has to name one request of its session. It judges nothing but what a connection must never see.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from ensemble.errors import WireError
from ensemble.jute import INT
from ensemble.limits import PEER_FRAME_BYTES_MAX
from ensemble.simulator.clients.history import (
    Attached,
    Call,
    Expired,
    Fired,
    History,
    Pinged,
    Reign,
    Replied,
    Rewatched,
    Rewatching,
    Seen,
    decode_answer,
)
from ensemble.tree.operations import Op, SetWatches
from ensemble.wire import replies, requests
from ensemble.wire.frames import FrameBuffer, frame

HOST = "127.0.0.1"
ANSWERED_OPS = (
    Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER, Op.CREATE_TTL, Op.DELETE, Op.SET_DATA, Op.EXISTS, Op.GET_DATA,
    Op.GET_CHILDREN, Op.GET_CHILDREN2, Op.MULTI, Op.SYNC, Op.CLOSE_SESSION,
)  # fmt: skip
"""Those whose answers are decoded; of any other the zxid is enough."""


class _SessionRecord:
    """A session as it was seen: its stream, and how many requests it made."""

    __slots__ = ("cxid", "heard_us", "line", "password", "place", "stream")

    def __init__(self, place: int, stream: list[Seen]) -> None:
        self.place = place
        self.stream = stream
        self.cxid = 0
        self.heard_us = 0
        self.password = b""
        self.line: _Line | None = None


class Tap:
    """One listening port for each server."""

    def __init__(
        self,
        history: History,
        now_us: Callable[[], int],
        epochs: Callable[[], Mapping[int, int]] = dict,
    ) -> None:
        """``epochs`` tells which epoch each server is in."""
        self.history = history
        self.now_us = now_us
        self._epochs = epochs
        self.ports: dict[int, int] = {}
        self.violations: list[str] = []
        """What a server did to a connection that it must never do (C2, C5)."""
        self.answered = 0
        self.sessions: dict[int, _SessionRecord] = {}
        self.lines: set[_Line] = set()
        self._listeners: list[asyncio.Server] = []

    async def open(self, targets: Mapping[int, int]) -> None:
        """Listen for each server; ``targets`` are the servers' own client ports."""
        loop = asyncio.get_running_loop()
        for sid, port in targets.items():
            listener = await loop.create_server(self._accepting(sid, port), HOST, 0)
            self._listeners.append(listener)
            self.ports[sid] = listener.sockets[0].getsockname()[1]

    def _accepting(self, sid: int, port: int) -> Callable[[], asyncio.Protocol]:
        return lambda: _End(_Line(self, sid, port), from_client=True)

    @property
    def addresses(self) -> str:
        """Where clients connect, as they want it."""
        return ",".join(f"{HOST}:{port}" for port in self.ports.values())

    async def close(self) -> None:
        """Stop listening and hang up."""
        for listener in self._listeners:
            listener.close()
        for line in list(self.lines):
            line.hang_up()
        await asyncio.sleep(0)

    def reign(self, sid: int) -> Reign:
        """Look in which epochs a server, and the foremost of all, are."""
        epochs = self._epochs()
        return Reign(epochs.get(sid, 0), max(epochs.values(), default=0))

    def session(self, session_id: int) -> _SessionRecord:
        """Return the record of a session, new or known."""
        record = self.sessions.get(session_id)
        if record is None:
            place = len(self.sessions)
            record = _SessionRecord(place, self.history.streams.setdefault(place, []))
            self.sessions[session_id] = record
        return record


class _Sink(Protocol):
    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class _End(asyncio.Protocol):
    """One of the two connections of a line."""

    def __init__(self, line: _Line, *, from_client: bool) -> None:
        self._line = line
        self._from_client = from_client
        self._frames = FrameBuffer(PEER_FRAME_BYTES_MAX)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._from_client:
            self._line.client_came(transport)
        else:
            self._line.server_came(transport)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                if self._from_client:
                    self._line.asked(body)
                else:
                    self._line.answered(body)
        except WireError as error:
            if not self._from_client:
                self._line.complain(f"what a server sent does not decode: {error}")
            self._line.hang_up()

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.lost(from_client=self._from_client)


class _Line:
    """One connection of a client, carried on to one server."""

    def __init__(self, tap: Tap, sid: int, port: int) -> None:
        self._tap = tap
        self._sid = sid
        self._port = port
        self._client: _Sink | None = None
        self._server: _Sink | None = None
        self._held: list[bytes] = []
        self._dialing: asyncio.Task[None] | None = None
        self._over = False
        self._asked_for = 0
        self._password = b""
        self._relative_zxid = 0
        self._introduced = False
        self._said_watches = True
        self._session: _SessionRecord | None = None
        self._session_id = 0
        self._pending: deque[tuple[int, Call]] = deque()
        self._pings = 0

    # -- the two ends ------------------------------------------------------------------------------------

    def client_came(self, transport: asyncio.Transport) -> None:
        self._client = transport
        self._tap.lines.add(self)
        self._dialing = asyncio.create_task(self._dial())

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _End(self, from_client=False), HOST, self._port)
        except OSError:
            self.hang_up()

    def server_came(self, transport: asyncio.Transport) -> None:
        if self._over:
            transport.abort()
            return
        self._server = transport
        transport.write(b"".join(self._held))
        self._held = []

    def lost(self, *, from_client: bool) -> None:
        """One end is gone: what the other was sent it still gets."""
        self._end()
        other = self._server if from_client else self._client
        if other is not None:
            other.close()

    def hang_up(self) -> None:
        self._end()
        for end in (self._client, self._server):
            if end is not None:
                end.abort()

    def _end(self) -> None:
        self._over = True
        self._tap.lines.discard(self)
        if self._dialing is not None and self._server is None:
            self._dialing.cancel()

    def complain(self, what: str, checker: str = "C2") -> None:
        self._tap.violations.append(f"{checker}: server {self._sid}, session {self._session_id:#x}: {what}")

    # -- what the client says ----------------------------------------------------------------------------

    def asked(self, body: bytes) -> None:
        if self._over:
            return
        if self._session is None:
            if not self._introduced:
                request = requests.decode_connect(body)
                self._introduced = True
                self._asked_for, self._relative_zxid = request.session_id, request.last_zxid_seen
                self._password = request.password
            self._forward(body)
            return
        self._forward(self._note_request(self._session, body))

    def _note_request(self, session: _SessionRecord, body: bytes) -> bytes:
        xid, op = requests.decode_header(body)
        if xid == requests.PING_XID:
            self._pings += 1
            return body
        if xid == requests.SET_WATCHES_XID:
            operation = requests.decode_operation(op, body)
            assert isinstance(operation, SetWatches)
            self._said_watches = True
            lists = (operation.data, operation.exist, operation.child)
            session.stream.append(Rewatching(*(tuple(paths) for paths in lists)))
            return body
        if xid == requests.AUTH_XID:
            return body
        if not self._said_watches:
            self._said_watches = True
            session.stream.append(Rewatching())
        session.cxid += 1
        operation = requests.decode_operation(op, body)
        now = self._tap.now_us()
        call = Call(session.place, self._session_id, session.cxid, op, operation, now, self._sid)
        self._tap.history.calls.append(call)
        self._pending.append((xid, call))
        return INT.pack(session.cxid) + body[INT.size :]

    def _forward(self, body: bytes) -> None:
        if self._server is None:
            self._held.append(frame(body))
        else:
            self._server.write(frame(body))

    # -- what the server says ----------------------------------------------------------------------------

    def answered(self, body: bytes) -> None:
        if self._over or self._client is None:
            return
        if self._session is None:
            self._note_connect_reply(body)
        else:
            body = self._note_answer(self._session, body)
        self._client.write(frame(body))

    def _note_connect_reply(self, body: bytes) -> None:
        reply = replies.decode_connect_reply(body)
        now = self._tap.now_us()
        known = self._tap.sessions.get(self._asked_for)
        its_own = known is None or known.password == self._password
        if reply.timeout_ms <= 0:
            if known is not None and its_own:
                reign = self._tap.reign(self._sid)
                known.stream.append(Expired(self._asked_for, now - known.heard_us, reign))
            return
        if not its_own:
            self.complain(f"took session {self._asked_for:#x} over with a wrong password", "C5")
        resumed = self._asked_for != 0
        if resumed and reply.session_id != self._asked_for:
            self.complain(f"asked for {self._asked_for:#x}, got {reply.session_id:#x}")
        if not resumed and reply.session_id in self._tap.sessions:
            self.complain("a new session has the id of another")
        record = self._tap.session(reply.session_id)
        if record.line is not None and record.line is not self:
            record.line.hang_up()
        record.line, record.heard_us, record.password = self, now, reply.password
        self._session, self._session_id = record, reply.session_id
        self._said_watches = not resumed
        record.stream.append(Attached(reply.session_id, self._sid, resumed, self._relative_zxid))

    def _note_answer(self, session: _SessionRecord, body: bytes) -> bytes:
        xid, zxid, error = replies.decode_header(body)
        session.heard_us = self._tap.now_us()
        if xid == replies.NOTIFICATION_XID:
            event = replies.read_event(replies.body_reader(body))
            session.stream.append(Fired(zxid, event.type, event.path))
        elif xid == requests.PING_XID:
            self._pings -= 1
            if self._pings < 0:
                self.complain("a ping was answered that was never sent")
            session.stream.append(Pinged(zxid))
        elif xid == requests.SET_WATCHES_XID:
            session.stream.append(Rewatched(zxid))
        elif xid != requests.AUTH_XID:
            return self._note_reply(session, body, xid, zxid, error)
        return body

    def _note_reply(self, session: _SessionRecord, body: bytes, xid: int, zxid: int, error: int) -> bytes:
        if not self._pending or self._pending[0][1].cxid != xid:
            due = self._pending[0][1].cxid if self._pending else None
            raise WireError(f"an answer to request {xid}, {due} is due")
        theirs, call = self._pending.popleft()
        if call.op in ANSWERED_OPS:
            call.answer = decode_answer(call.op, body, error)
            self._tap.answered += 1
        if call.op == Op.SYNC:
            call.reign = self._tap.reign(self._sid)
        call.returned_us, call.zxid = session.heard_us, zxid
        session.stream.append(Replied(call))
        return INT.pack(theirs) + body[INT.size :]
