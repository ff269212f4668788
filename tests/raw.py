"""A blocking client of values and frames, for asking any server, ours or Apache's, the same."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

from ensemble.tree.operations import OPEN_ACL, Create, NoBody, Op, Operation
from ensemble.wire import replies
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import ConnectRequest, encode_connect, encode_request

TIMEOUT_S = 20
NEW = (0, bytes(16))
Answer = tuple[int, int, int]
"""xid, zxid and error of a reply."""


class RawClient:
    """One connection to a server of this machine; it asks when told and pings never."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._frames = FrameBuffer(1 << 30)
        self._inbox: list[bytes] = []
        self.xid = 0
        self.session = NEW

    def connect(
        self,
        *,
        session: tuple[int, bytes] = NEW,
        timeout_ms: int = 30_000,
        zxid: int = 0,
        read_only: bool | None = False,
        behind: bytes = b"",
    ) -> replies.ConnectReply | None:
        """Open a session or go on with one, ``behind`` pipelined; None when the server hangs up without a word."""
        self.send(
            encode_connect(ConnectRequest(0, zxid, timeout_ms, session[0], session[1], read_only)) + behind
        )
        frame = self.frame()
        if frame is None:
            return None
        answer = replies.decode_connect_reply(frame)
        self.session = (answer.session_id, answer.password)
        return answer

    def send(self, data: bytes) -> None:
        """Send bytes; that the server has hung up meanwhile is seen when reading."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def frame(self) -> bytes | None:
        """Return the next frame, None at the end of the connection."""
        while not self._inbox:
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._inbox += self._frames.feed(data)
        return self._inbox.pop(0)

    def request(self, op: int, operation: Operation, xid: int | None = None) -> bytes:
        """Encode a request, with the next xid unless one is given."""
        if xid is None:
            self.xid += 1
            xid = self.xid
        return encode_request(xid, op, operation)

    def ask(self, op: int, operation: Operation) -> tuple[int, bytes]:
        """Ask and return the error of the answer and its frame."""
        self.send(self.request(op, operation))
        frame = self.frame()
        assert frame is not None, "the server has hung up"
        return replies.decode_header(frame)[2], frame

    def error(self, op: int, operation: Operation) -> int:
        """Ask and return the error of the answer."""
        return self.ask(op, operation)[0]

    def create(self, path: str, mode: int = 0) -> int:
        """Create a znode and return the error."""
        return self.error(Op.CREATE, Create(path, b"", OPEN_ACL, mode))

    def end(self) -> int:
        """End the session and return the error; the server hangs up behind its answer."""
        error = self.error(Op.CLOSE_SESSION, NoBody())
        assert self.ended
        return error

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more but the end of the connection."""
        return self.frame() is None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


@contextlib.contextmanager
def raw(port: int) -> Iterator[RawClient]:
    """A connection that is closed at the end; no session is asked for yet."""
    client = RawClient(port)
    try:
        yield client
    finally:
        client.close()
