"""Plays a script against one server, one step after the other, and writes down all that can be seen.

Requests leave as raw bytes; answers are read field by field. Numbers that differ from server to server carry
a type (``Zxid``, ``Time``, ``Session``), so that whoever compares can tell them from the rest.

After every step each other client asks for a ping: what the step has told it arrives before the answer, so
notifications are seen at the step that caused them.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ensemble.errors import WireError
from ensemble.jute import Reader, pack_long
from ensemble.tree.operations import Op
from ensemble.wire import replies
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import ConnectRequest, encode_connect, request_frame
from tests.differential.steps import BASE, PING_XID, Ask, Connect, HangUp, How, Raw, Request, Step

SILENCE_S = 5.0
"""A server that has not answered by then does not answer."""

REPLY_BYTES_MAX = 1 << 24
NO_SUCH_SESSION = 0x7F00_0000_0000_1234
ZXID_AHEAD = 1 << 60

Seen = tuple[Any, ...]
"""One thing seen: (client, what, fields ...)."""


class Zxid(int):
    """A transaction's number."""


class Time(int):
    """Milliseconds since 1970."""


class Session(int):
    """A session's id."""


class Password(bytes):
    """A session's password."""


class _Link:
    """A client's connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = FrameBuffer(REPLY_BYTES_MAX)
        self._ready: list[bytes] = []
        self.asked: list[Request] = []
        self.xid = 0

    def send(self, data: bytes) -> None:
        with suppress(OSError):  # what the server said before it hung up is still to be read
            self.socket.sendall(data)

    def receive(self) -> bytes | None:
        """Return the next frame; None when the server has hung up. Raises ``TimeoutError``."""
        while not self._ready:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError:
                return None
            if not data:
                return None
            self._ready += self._frames.feed(data)
        return self._ready.pop(0)


class Player:
    """One run of one script against the server on ``port``."""

    def __init__(self, port: int, base: str) -> None:
        assert len(base) == len(BASE)
        self._port = port
        self._base = base
        self._links: dict[int, _Link] = {}
        self._sessions: dict[int, tuple[int, bytes]] = {}
        self._open: dict[int, bytes] = {}
        self._last_zxid: dict[int, int] = {}
        self._seen: list[Seen] = []

    def play(self, script: list[Step]) -> list[list[Seen]]:
        """Return what was seen, step by step."""
        trace: list[list[Seen]] = []
        try:
            for step in script:
                self._seen = []
                self._take(step)
                self._settle(step.client)
                trace.append(self._seen)
        finally:
            self._clean_up()
        return trace

    def _take(self, step: Step) -> None:
        client = step.client
        if isinstance(step, Connect):
            self._connect(step)
        elif client not in self._links:
            self._seen.append((client, "not connected"))
        elif isinstance(step, Ask):
            self._ask(client, step.requests)
        elif isinstance(step, Raw):
            self._links[client].send(step.data)
            self._read(client, 1)
        else:
            assert isinstance(step, HangUp)
            self._links.pop(client).socket.close()

    # ------------------------------------------------------------------ connecting

    def _connect(self, step: Connect) -> None:
        client = step.client
        older = self._links.pop(client, None)
        if older is not None and (step.how is How.NEW or client not in self._sessions):
            older.socket.close()
            older = None
        session_id, password = self._claim(step)
        zxid = ZXID_AHEAD if step.how is How.AHEAD else 0
        link = _Link(self._port)
        link.send(
            encode_connect(ConnectRequest(0, zxid, step.timeout_ms, session_id, password, step.read_only))
        )
        self._welcome(client, link)
        if older is not None:
            self._watch_end(client, older)

    def _claim(self, step: Connect) -> tuple[int, bytes]:
        how, (session_id, password) = step.how, self._sessions.get(step.client, (0, bytes(16)))
        if how in (How.NEW, How.AHEAD):
            return 0, bytes(16)
        if how is How.WRONG_PASSWORD:
            return session_id or NO_SUCH_SESSION, bytes(16)
        if how is How.SHORT_PASSWORD:
            return session_id, password[:7]
        if how is How.NO_PASSWORD:
            return session_id, b""
        if how is How.NO_SUCH_SESSION:
            return NO_SUCH_SESSION, bytes(16)
        return session_id, password

    def _welcome(self, client: int, link: _Link) -> None:
        try:
            frame = link.receive()
        except TimeoutError:
            self._seen.append((client, "no answer to connect"))
            frame = None
        if frame is None:
            self._seen.append((client, "sent away"))
            link.socket.close()
            return
        reply = replies.decode_connect_reply(frame)
        fields = (reply.protocol_version, reply.timeout_ms, Session(reply.session_id))
        self._seen.append((client, "connected", *fields, Password(reply.password), reply.read_only))
        self._links[client] = link
        if reply.timeout_ms > 0:
            self._sessions[client] = (reply.session_id, reply.password)
            self._open[reply.session_id] = reply.password
        else:
            self._read(client, 1)

    def _watch_end(self, client: int, older: _Link) -> None:
        """See whether the connection that a client had before was closed."""
        older.send(request_frame(PING_XID, Op.PING, b""))
        try:
            while (frame := older.receive()) is not None:
                if replies.decode_header(frame)[0] == PING_XID:
                    break
            self._seen.append((client, "the older connection", "is open" if frame else "is closed"))
        except TimeoutError:
            self._seen.append((client, "the older connection", "is silent"))
        older.socket.close()

    # ------------------------------------------------------------------ asking

    def _ask(self, client: int, requests: tuple[Request, ...]) -> None:
        link = self._links[client]
        frames: list[bytes] = []
        for request in requests:
            if request.xid is None:
                link.xid += 1
            xid = link.xid if request.xid is None else request.xid
            record = request.record.replace(BASE.encode(), self._base.encode())
            if request.zxid_first:
                record = pack_long(self._last_zxid.get(client, 0)) + record[8:]
            link.asked.append(request)
            frames.append(request_frame(xid, request.op, record))
        link.send(b"".join(frames))
        self._read(client, len(requests))

    def _read(self, client: int, answers: int) -> None:
        """Write down what the server sends until so many answers have come, or it has hung up."""
        link = self._links[client]
        try:
            while answers:
                frame = link.receive()
                if frame is None:
                    self._closed(client)
                    return
                answers -= self._frame(client, link, frame)
        except TimeoutError:
            self._seen.append((client, "silence"))
            return
        if self._seen and self._seen[-1][1] == "reply" and self._is_last(self._seen[-1]):
            self._read(client, 1)

    @staticmethod
    def _is_last(seen: Seen) -> bool:
        """Tell whether the server hangs up behind an answer, as far as can be told from it."""
        _, _, _xid, op, _zxid, error, *_ = seen
        return (
            op == Op.CLOSE_SESSION or (op == Op.AUTH and error != 0) or (error == -6 and op not in list(Op))
        )

    def _closed(self, client: int) -> None:
        self._seen.append((client, "closed"))
        self._links.pop(client).socket.close()

    def _frame(self, client: int, link: _Link, frame: bytes) -> int:
        """Write down one frame; return 1 for an answer, 0 for a notification."""
        xid, zxid, error = replies.decode_header(frame)
        if zxid > 0:
            self._last_zxid[client] = zxid
        if xid == replies.NOTIFICATION_XID:
            event = replies.read_event(replies.body_reader(frame))
            path = self._plain(event.path)
            self._seen.append((client, "event", Zxid(zxid), error, event.type, event.state, path))
            return 0
        op = link.asked.pop(0).op if link.asked else None
        body = self._plain(_body(op, error, frame))
        self._seen.append((client, "reply", xid, op, Zxid(zxid), error, body))
        return 1

    def _plain(self, value: Any) -> Any:
        """Put ``BASE`` in the place of the path this run uses."""
        if type(value) is str:
            # What is numbered beside the place itself depends on the scripts before this one.
            return re.sub(rf"^{BASE}\d{{10}}", f"{BASE}-numbered", value.replace(self._base, BASE))
        if isinstance(value, tuple | list):
            return type(value)([self._plain(each) for each in value])
        return value

    def _settle(self, client: int) -> None:
        """Have every other client hear what the step has told it."""
        for other in sorted(self._links):
            if other != client:
                link = self._links[other]
                link.send(request_frame(PING_XID, Op.PING, b""))
                self._hear(other, link)

    def _hear(self, client: int, link: _Link) -> None:
        try:
            while (frame := link.receive()) is not None:
                if replies.decode_header(frame)[0] == PING_XID:
                    return
                self._frame(client, link, frame)
            self._closed(client)
        except TimeoutError:
            self._seen.append((client, "silence"))

    # ------------------------------------------------------------------ the end

    def _clean_up(self) -> None:
        """End every session: one that expires later would disturb another script."""
        for link in self._links.values():
            link.socket.close()
        for session_id, password in self._open.items():
            # Apache may hang up a connection for the end of an older one of its session.
            while not self._is_over(session_id, password):
                pass

    def _is_over(self, session_id: int, password: bytes) -> bool:
        """Close a session; tell whether it is no more."""
        link = _Link(self._port)
        link.send(encode_connect(ConnectRequest(0, 0, 30_000, session_id, password, False)))
        welcome = link.receive()
        over = welcome is not None and replies.decode_connect_reply(welcome).timeout_ms <= 0
        if welcome is not None and not over:
            link.send(request_frame(1, Op.CLOSE_SESSION, b""))
            answer = link.receive()
            over = answer is not None and replies.decode_header(answer)[2] == 0
        link.socket.close()
        return over


# --- bodies, field by field ----------------------------------------------------------------------------


def _body(op: int | None, error: int, frame: bytes) -> Seen:
    reader = replies.body_reader(frame)
    if not reader.remaining():
        return ()
    read = None if error or op is None else _BODIES.get(op)
    if read is None:
        return ("unread", reader.rest().hex())
    try:
        body = read(reader)
    except WireError as fault:
        return ("unreadable", str(fault), frame.hex())
    return (*body, "and more", reader.rest().hex()) if reader.remaining() else body


def _stat(stat: replies.Stat) -> Seen:
    return (
        "stat",
        Zxid(stat.czxid),
        Zxid(stat.mzxid),
        Time(stat.ctime_ms),
        Time(stat.mtime_ms),
        stat.version,
        stat.cversion,
        stat.aversion,
        Session(stat.ephemeral_owner),
        stat.data_length,
        stat.num_children,
        Zxid(stat.pzxid),
    )


def _read_stat(reader: Reader) -> Seen:
    return (_stat(replies.read_stat(reader)),)


def _read_data(reader: Reader) -> Seen:
    data, stat = replies.read_data(reader)
    return data, _stat(stat)


def _read_children(reader: Reader) -> Seen:
    return (sorted(replies.read_children(reader)),)


def _read_children2(reader: Reader) -> Seen:
    names, stat = replies.read_children2(reader)
    return sorted(names), _stat(stat)


def _read_acl(reader: Reader) -> Seen:
    acl, stat = replies.read_acls(reader)
    return tuple([(entry.perms, *entry.identity) for entry in acl]), _stat(stat)


def _read_create2(reader: Reader) -> Seen:
    path, stat = replies.read_create2(reader)
    return path, _stat(stat)


def _read_multi(reader: Reader) -> Seen:
    return tuple(
        [
            (
                result.op,
                result.error,
                result.path,
                result.data,
                None if result.children is None else sorted(result.children),
                None if result.stat is None else _stat(result.stat),
            )
            for result in replies.read_multi(reader)
        ]
    )


_BODIES: dict[int, Callable[[Reader], Seen]] = {
    Op.CREATE: lambda reader: (replies.read_path(reader),),
    Op.CREATE2: _read_create2,
    Op.CREATE_CONTAINER: _read_create2,
    Op.CREATE_TTL: _read_create2,
    Op.EXISTS: _read_stat,
    Op.GET_DATA: _read_data,
    Op.SET_DATA: _read_stat,
    Op.GET_ACL: _read_acl,
    Op.SET_ACL: _read_stat,
    Op.GET_CHILDREN: _read_children,
    Op.GET_CHILDREN2: _read_children2,
    Op.SYNC: lambda reader: (reader.optional_string(),),
    Op.MULTI: _read_multi,
    Op.MULTI_READ: _read_multi,
    Op.GET_EPHEMERALS: _read_children,
    Op.GET_ALL_CHILDREN_NUMBER: lambda reader: (replies.read_number(reader),),
    Op.ADD_WATCH: lambda reader: (replies.read_number(reader),),
    Op.WHO_AM_I: lambda reader: (sorted([tuple(identity) for identity in replies.read_identities(reader)]),),
}
