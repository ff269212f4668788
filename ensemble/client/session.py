"""One session with an ensemble, sans-I/O: requests and bytes in, bytes and answers out.

Lives as long as the session, over any number of connections, one at a time. It keeps what must outlast a
connection (the id and its password, the last zxid seen, watches, credentials), matches answers to requests,
and puts all of it to a new connection. It knows no socket and no clock: ``connection`` brings the bytes and
decides when a server is lost.

    CONNECTING --- connect reply ---> CONNECTED, CONNECTED_READ_ONLY
        ^  \\                             |
        |   \\-- time-out 0, or silence -> EXPIRED       closed -> CLOSED      (from any state)
        |                                |              credentials refused at a reconnect -> AUTH_FAILED
        +-------- connection lost -------+

Rules: answers come in the order of requests, save those of pings and credentials, which are told by their
xid; a request is sent on one connection only, so that losing it says "perhaps". A request made while there
is no connection waits for one. Facts: ClientCnxn, ZKWatchManager.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ensemble import limits
from ensemble.client.errors import AuthFailed, ClientClosed, ConnectionLoss, SessionExpired, refusal
from ensemble.client.watches import Watcher, Watches, WatchEvent, WatchKind
from ensemble.errors import Code, WireError
from ensemble.jute import Reader
from ensemble.sasl.digest_md5 import Initiator, SaslError
from ensemble.tree.operations import Auth, EventType, NoBody, Op, Sasl, SetWatches
from ensemble.wire import replies, requests
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import AUTH_XID, PING_XID, SET_WATCHES_XID, ConnectRequest

_XID_MAX = 2**31 - 1


class State(Enum):
    """Where a client stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    CONNECTED_READ_ONLY = "connected, read-only"
    """To a server without a quorum, which answers reads from what it has."""
    EXPIRED = "expired"
    AUTH_FAILED = "not authenticated"
    CLOSED = "closed"

    @property
    def connected(self) -> bool:
        """Whether a server answers."""
        return self in (State.CONNECTED, State.CONNECTED_READ_ONLY)

    @property
    def over(self) -> bool:
        """Whether this is the end: no other state follows."""
        return self in (State.EXPIRED, State.AUTH_FAILED, State.CLOSED)


@dataclass(slots=True, eq=False)
class Call:
    """A request and whom to give its outcome to: exactly one of ``done`` and ``failed`` is called, once."""

    op: int
    record: bytes
    path: str | None
    read: Callable[[Reader], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    watcher: Watcher | None = None
    watch_kind: WatchKind = WatchKind.DATA
    credential: Auth | None = None
    """What an auth request carries: kept, once accepted, for the next connection."""


def _size(call: Call) -> str:
    """Name the likeliest cause of a loss: a server cuts off, without a word, who sends more than it takes."""
    if len(call.record) <= limits.FRAME_BYTES_MAX:
        return ""
    return f" of {len(call.record)} bytes; beyond jute.maxbuffer, {limits.FRAME_BYTES_MAX} unless set, servers cut off"


class Session:
    """The state machine.

    ``tell(watcher, event)`` and ``state_changed(state)`` are called from inside the other methods, in the
    order things happened; they must not raise.
    """

    def __init__(
        self,
        timeout_ms: int,
        *,
        tell: Callable[[Watcher, WatchEvent], None],
        state_changed: Callable[[State], None],
        session_id: int = 0,
        password: bytes = bytes(limits.SESSION_PASSWORD_BYTES),
        read_only: bool = False,
        frame_bytes_max: int = limits.PEER_FRAME_BYTES_MAX,
        sasl: Callable[[], Initiator] | None = None,
    ) -> None:
        """``sasl`` makes our end of an exchange of SASL tokens, which every connection begins with."""
        self.state = State.CONNECTING
        self.session_id = session_id
        self.password = password
        self.timeout_ms = timeout_ms
        """What was asked for, then what the server granted."""
        self.zxid_seen = 0
        self._frame_bytes_max = frame_bytes_max
        self._agreed = session_id != 0
        """Whether a quorum knows the session: what a read-only server opens is known to nobody else."""
        self._timeout_ms_wanted = timeout_ms
        self._read_only_allowed = read_only
        self._tell = tell
        self._state_changed = state_changed
        self._watches = Watches()
        self._credentials: list[Auth] = []
        self._sasl = sasl
        self._initiator: Initiator | None = None
        self._read_only: bool | None = None
        self._frames = FrameBuffer(frame_bytes_max)
        self._out: list[bytes] = []
        self._waiting: deque[Call] = deque()
        self._sent: deque[tuple[int, Call]] = deque()
        self._auth_sent: deque[Call] = deque()
        self._xid = 0
        self.asked = self.answered = 0
        """How many requests, pings among them, went to the server we are connected to, and how many came back."""

    # --- from the host: connections ---------------------------------------------------------------------

    def on_connection(self) -> None:
        """A connection to a server is open: introduce ourselves."""
        self._frames = FrameBuffer(self._frame_bytes_max)
        self._initiator = None
        self.asked, self.answered = 1, 0
        request = ConnectRequest(
            0,
            self.zxid_seen,
            self._timeout_ms_wanted,
            self.session_id if self._agreed else 0,
            self.password if self._agreed else bytes(limits.SESSION_PASSWORD_BYTES),
            self._read_only_allowed,
        )
        self._out = [requests.encode_connect(request)]

    def on_data(self, data: bytes) -> None:
        """Bytes from the server. Raises ``WireError`` when they are not the protocol: drop the connection."""
        for frame in self._frames.feed(data):
            if self.state.connected:
                self._on_answer(frame)
            elif self._initiator is not None:
                self._on_token(self._initiator, frame)
            elif self.state is State.CONNECTING:
                self._on_connect_reply(frame)
        if self._frames.fault is not None:
            raise self._frames.fault

    def on_connection_lost(self) -> None:
        """The connection broke, or never became one: what was sent on it may have happened or not."""
        self._out = []
        lost = [call for _, call in self._sent] + list(self._auth_sent)
        self._sent.clear()
        self._auth_sent.clear()
        if self.state.connected:
            self._enter(State.CONNECTING)
        for call in lost:
            call.failed(
                ConnectionLoss(f"connection lost before the answer to {Op(call.op).name}{_size(call)}")
            )

    def take(self) -> list[bytes]:
        """Return what is to be written, and forget it."""
        out, self._out = self._out, []
        return out

    # --- from the host: requests ------------------------------------------------------------------------

    def submit(self, call: Call) -> None:
        """Send a request, or keep it until there is a connection.

        Raises ``SessionExpired`` or ``ClientClosed`` when there will be none, ``ConnectionLoss`` when too
        many are waiting for one already.
        """
        if self.state.connected:
            self._send(call)
        elif self.state is State.CONNECTING:
            if len(self._waiting) >= limits.OUTSTANDING_PER_CONNECTION_MAX:
                raise ConnectionLoss(f"{len(self._waiting)} requests are waiting for a connection")
            self._waiting.append(call)
        else:
            raise self._gone()

    def withdraw(self, call: Call) -> None:
        """Nobody waits for this one any more. If it still waits for a connection it is never sent; if it was
        sent, its answer goes nowhere."""
        if call in self._waiting:
            self._waiting.remove(call)

    def ping(self) -> None:
        """Send a ping, so that the session lives and the server has something to answer."""
        self._out.append(requests.encode_request(PING_XID, Op.PING, NoBody()))
        self.asked += 1

    def expire(self) -> None:
        """The servers were out of reach for so long that they have ended the session: do the same, and do not
        wait to hear it (ZOOKEEPER-4508)."""
        self._finish(State.EXPIRED)

    def close(self) -> None:
        """End the client's side: nothing is called afterwards, and everybody who waits is told."""
        self._finish(State.CLOSED)

    def watchers(self, kind: WatchKind, path: str) -> tuple[Watcher, ...]:
        """Return who watches a path."""
        return self._watches.watchers(kind, path)

    def forget_watch(self, kind: WatchKind, path: str, watcher: Watcher) -> bool:
        """Take a watcher out; tell whether anything still watches that path."""
        self._watches.remove(kind, path, watcher)
        return self._watches.watched(path)

    # --- sending ----------------------------------------------------------------------------------------

    def _send(self, call: Call) -> None:
        self.asked += 1
        if call.op == Op.AUTH:
            self._out.append(requests.request_frame(AUTH_XID, call.op, call.record))
            self._auth_sent.append(call)
            return
        self._xid = 1 if self._xid == _XID_MAX else self._xid + 1
        self._out.append(requests.request_frame(self._xid, call.op, call.record))
        self._sent.append((self._xid, call))

    def _introduce(self) -> None:
        """Put what outlasts a connection to a new one: first who we are, then what we watch."""
        for credential in self._credentials:
            self._send(self._unasked(Op.AUTH, credential))
        for watches in self._watches.requests(self.zxid_seen):
            op = Op.SET_WATCHES2 if watches.persistent or watches.persistent_recursive else Op.SET_WATCHES
            call = self._unasked(op, watches)
            self._out.append(requests.request_frame(SET_WATCHES_XID, op, call.record))
            self.asked += 1
            self._sent.append((SET_WATCHES_XID, call))
        while self._waiting:
            self._send(self._waiting.popleft())

    # --- receiving --------------------------------------------------------------------------------------

    def _on_connect_reply(self, frame: bytes) -> None:
        reply = replies.decode_connect_reply(frame)
        self.answered += 1
        if reply.timeout_ms <= 0:
            self._finish(State.EXPIRED)
            return
        self.session_id, self.password = reply.session_id, reply.password
        self.timeout_ms = reply.timeout_ms
        # Servers of 3.4 without read-only mode leave the flag out.
        self._agreed = self._agreed or not reply.read_only
        if self._sasl is None:
            self._begin(reply.read_only)
            return
        self._initiator = self._sasl()
        self._read_only = reply.read_only
        self._send_token(b"")

    def _begin(self, read_only: bool | None) -> None:
        self._enter(State.CONNECTED_READ_ONLY if read_only else State.CONNECTED)
        self._introduce()

    def _send_token(self, token: bytes) -> None:
        self._xid = 1 if self._xid == _XID_MAX else self._xid + 1
        self._out.append(requests.encode_request(self._xid, Op.SASL, Sasl(token)))
        self.asked += 1

    def _on_token(self, initiator: Initiator, frame: bytes) -> None:
        """Answer the server's token; begin once the server has proved itself. No token: it knows no SASL."""
        error = replies.decode_header(frame)[2]
        self.answered += 1
        token = None if error else replies.body_reader(frame).optional_bytes()
        try:
            answer = None if token is None else initiator.step(token)
        except SaslError:
            answer = None
        if answer is None:
            self._finish(State.AUTH_FAILED)
        elif initiator.complete:
            self._initiator = None
            self._begin(self._read_only)
        else:
            self._send_token(answer)

    def _on_answer(self, frame: bytes) -> None:
        xid, zxid, error = replies.decode_header(frame)
        if xid == replies.NOTIFICATION_XID:
            self._on_event(frame)
            return
        self.answered += 1
        if zxid > self.zxid_seen:
            self.zxid_seen = zxid
        if xid == PING_XID:
            return
        if xid == AUTH_XID:
            if not self._auth_sent:
                raise WireError("an answer to credentials that were not sent")
            call = self._auth_sent.popleft()
        else:
            if not self._sent or self._sent[0][0] != xid:
                raise WireError(f"an answer to {xid}, which is not the next one")
            call = self._sent.popleft()[1]
        self._complete(call, error, frame)

    def _on_event(self, frame: bytes) -> None:
        event = replies.read_event(replies.body_reader(frame))
        try:
            told = WatchEvent(EventType(event.type), event.path)
        except ValueError:
            raise WireError(f"an event of type {event.type}") from None
        for watcher in self._watches.fire(told):
            self._tell(watcher, told)

    def _complete(self, call: Call, error: int, frame: bytes) -> None:
        if call.watcher is not None and (error == 0 or (call.op == Op.EXISTS and error == Code.NO_NODE)):
            kind = WatchKind.EXIST if error else call.watch_kind
            self._watches.add(kind, call.path or "", call.watcher)
        if error == 0:
            # Read before anybody is told: an answer that does not decode costs the connection.
            try:
                value = call.read(replies.body_reader(frame))
            except WireError:
                call.failed(ConnectionLoss(f"the answer to {Op(call.op).name} does not decode"))
                raise
            if call.credential is not None and call.credential not in self._credentials:
                self._credentials.append(call.credential)
            call.done(value)
        else:
            call.failed(refusal(error, call.path))

    # --- the end ----------------------------------------------------------------------------------------

    def _enter(self, state: State) -> None:
        self.state = state
        self._state_changed(state)

    def _finish(self, state: State) -> None:
        if self.state.over:
            return
        self._initiator = None
        self._enter(state)
        calls = [call for _, call in self._sent] + list(self._auth_sent) + list(self._waiting)
        self._sent.clear()
        self._auth_sent.clear()
        self._waiting.clear()
        for call in calls:
            call.failed(self._gone())
        for watcher, path in self._watches.end():
            self._tell(watcher, WatchEvent(EventType.NONE, path))

    def _gone(self) -> Exception:
        if self.state is State.EXPIRED:
            return SessionExpired(f"session 0x{self.session_id & (2**64 - 1):x} expired")
        if self.state is State.AUTH_FAILED:
            return AuthFailed()
        return ClientClosed("the client is closed")

    def _on_unasked_failure(self, error: Exception) -> None:
        """Credentials that were good and are not any more: without them the client would go on as somebody
        else. A watch that is not set is set at the next connection."""
        if isinstance(error, AuthFailed):
            self._finish(State.AUTH_FAILED)

    def _unasked(self, op: int, operation: Auth | SetWatches) -> Call:
        """A request of the session itself."""
        record = requests.encode_operation(op, operation)
        return Call(op, record, None, lambda reader: None, lambda value: None, self._on_unasked_failure)
