"""The requests of one session, in the order they were sent, until each is answered.

Requests are answered strictly in order. A read is answered when nothing before it waits; a write goes on its
way at once, whatever is before it; what comes behind an unanswered ``sync`` is not begun before the sync is
answered. So a session's operations take effect in the order they were sent, and a read sees all of
the session's writes before it and none behind it.

It knows nothing of sockets: answers leave through its connection, which also says when it may go on.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from ensemble.errors import Code
from ensemble.limits import OUTSTANDING_BYTES_PER_CONNECTION_MAX, OUTSTANDING_PER_CONNECTION_MAX
from ensemble.replica import reads
from ensemble.replica.answers import body_of
from ensemble.replica.authentication import identify
from ensemble.replica.counters import Latency
from ensemble.replica.service import Client, Service
from ensemble.replica.writes import WRITE_OPS, Writes, op_name
from ensemble.trace import session_text
from ensemble.tree.operations import Auth, Op
from ensemble.tree.tree import Outcome
from ensemble.tree.txns import Txn
from ensemble.wire import replies
from ensemble.wire.requests import HEADER_BYTES, decode_header, decode_operation

STEP_BYTES_MAX = 1024 * 1024
"""Replies given to one client in one step; what it asked beyond that is answered in the next."""

_PING = int(Op.PING)
_SYNC = int(Op.SYNC)
_AUTH = int(Op.AUTH)
_CLOSE_SESSION = int(Op.CLOSE_SESSION)
_SESSION_MOVED = int(Code.SESSION_MOVED)


class Waiting:
    """A request that is not answered yet."""

    __slots__ = ("frame", "last", "op", "reply", "since_us", "size", "xid")

    def __init__(self, xid: int, op: int, frame: bytes, since_us: int) -> None:
        self.xid = xid
        self.op = op
        self.frame: bytes | None = frame
        """None once the request is on its way."""
        self.reply: bytes | None = None
        self.last = False
        """The connection closes behind this answer."""
        self.since_us = since_us
        self.size = len(frame)


class Outlet(Protocol):
    """What a pipeline needs of its connection."""

    def write(self, data: bytes) -> None:
        """Send an answer, framed."""

    def close(self, why: str) -> None:
        """Close behind what was written."""

    def choke(self) -> None:
        """Call :meth:`Pipeline.resume` in a later step."""


class Pipeline:
    """Unanswered requests of one connection."""

    __slots__ = (
        "_client",
        "_outlet",
        "_service",
        "_sync",
        "_writes",
        "choked",
        "ended",
        "held",
        "last_cxid",
        "last_op",
        "last_zxid",
        "latency",
        "spent",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, client: Client, outlet: Outlet, service: Service, writes: Writes) -> None:
        self._client = client
        self._outlet = outlet
        self._service = service
        self._writes = writes
        self._sync: Waiting | None = None
        self.waiting: deque[Waiting] = deque()
        self.waiting_bytes = 0
        self.held = True
        """Nothing new is begun: the session is not open yet, or a sync is unanswered."""
        self.choked = False
        """The client is not given more answers in this step, or does not read those it has."""
        self.ended = False
        """No request is taken any more: one was the last."""
        self.spent = 0
        """Bytes of answers in this step."""
        self.last_op = 0
        self.last_cxid = -1
        self.last_zxid = 0
        self.latency = Latency()
        """Of requests that had to wait; a read that is answered in the step it came in is not measured."""

    @property
    def full(self) -> bool:
        """Whether so much is unanswered that no more should be read from the socket."""
        return (
            len(self.waiting) > OUTSTANDING_PER_CONNECTION_MAX
            or self.waiting_bytes > OUTSTANDING_BYTES_PER_CONNECTION_MAX
            or self.choked
        )

    @property
    def slack(self) -> bool:
        """Whether enough has been answered to read again."""
        return (
            len(self.waiting) <= OUTSTANDING_PER_CONNECTION_MAX // 2
            and self.waiting_bytes <= OUTSTANDING_BYTES_PER_CONNECTION_MAX // 2
            and not self.choked
        )

    # ------------------------------------------------------------------ requests come in

    def take(self, frames: list[bytes], now_us: int) -> None:
        """Answer, begin or keep each request; ``WireError`` for one that is none."""
        waiting = self.waiting
        for frame in frames:
            if self.ended:
                return
            xid, op = decode_header(frame)
            if not waiting and not self.choked and not self.held and self._answer_now(xid, op, frame):
                continue
            request = Waiting(xid, op, frame, now_us)
            waiting.append(request)
            self.waiting_bytes += request.size
            if not self.held:
                self._begin(request)
                if waiting[0] is request:
                    self.drain()

    def _answer_now(self, xid: int, op: int, frame: bytes) -> bool:
        """Answer a request that needs nobody else; False when it is none of those."""
        service = self._service
        if op in reads.HANDLERS:
            reply = reads.answer(service, self._client, xid, op, frame)
            service.counters.reads += 1
        elif op == _PING:
            reply = replies.reply(xid, service.tree.zxid, 0)
        else:
            return False
        self.last_op, self.last_cxid = op, xid
        self._reply(reply)
        return True

    def _begin(self, request: Waiting) -> None:
        """Start what does not wait for answers before it: writes, syncs, auth packets, and refusals."""
        op, frame, client = request.op, request.frame, self._client
        if frame is None or op in reads.HANDLERS or op == _PING:
            return
        if op in WRITE_OPS:
            if op == _CLOSE_SESSION:
                request.last = self.ended = True
            self._writes.submit(client.session_id, request.xid, op, frame, HEADER_BYTES, client.identities)
        elif op == _SYNC:
            decode_operation(op, frame)
            self.held = True
            self._sync = request
            # The answer repeats the record of the request: a path.
            self._writes.sync(client, request.xid, frame, HEADER_BYTES)
            return
        elif op == _AUTH:
            self._authenticate(request, frame)
        else:
            request.reply = replies.reply(request.xid, self._service.tree.zxid, Code.UNIMPLEMENTED)
            request.last = self.ended = True
        request.frame = None

    def _authenticate(self, request: Waiting, frame: bytes) -> None:
        packet = decode_operation(_AUTH, frame)
        assert isinstance(packet, Auth)
        identities = identify(packet.scheme, packet.auth, self._client.identities)
        if identities is None:
            self._service.counters.auth_failures += 1
            request.last = self.ended = True
        else:
            self._client.identities = identities
        code = Code.AUTH_FAILED if identities is None else Code.OK
        request.reply = replies.reply(request.xid, 0, code)

    # ------------------------------------------------------------------ answers go out

    def applied(self, txn: Txn, outcome: Outcome) -> None:
        """A transaction of the session is in the tree: the answer, if its request came in here."""
        if not self.waiting:
            return
        head = self.waiting[0]
        if head.xid != txn.cxid or head.frame is not None or head.op not in WRITE_OPS:
            return
        if outcome.error == _SESSION_MOVED:
            # The client is served elsewhere by now: it must not take this for an answer (ZOOKEEPER-710).
            self._outlet.close("the session has moved to another server")
            return
        body = b"" if outcome.error else body_of(head.op, outcome)
        head.reply = replies.reply(head.xid, txn.zxid, outcome.error, body)
        self.last_zxid = txn.zxid
        service = self._service
        service.counters.writes += 1
        trace = service.trace
        if trace.on and trace.wants(txn.zxid):
            session, error = session_text(txn.session_id), outcome.error
            trace.emit("replied", zxid=str(txn.zxid), session=session, cxid=head.xid, error=error)
        self.drain()

    def synced(self) -> None:
        """The sync is complete: answer it, and begin what was held behind it."""
        request, self._sync = self._sync, None
        if request is None or request.frame is None:
            return
        request.reply = replies.reply(request.xid, self._service.tree.zxid, 0, request.frame[HEADER_BYTES:])
        request.frame = None
        self.release()

    def release(self) -> None:
        """Begin what was held, in order, as far as the next sync; answer what can be answered."""
        self.held = False
        for request in self.waiting:
            if self.held or self.ended:
                break
            self._begin(request)
        self.drain()

    def resume(self) -> None:
        """A new step: answers may leave again."""
        self.choked = False
        self.spent = 0
        self.drain()

    def drain(self) -> None:
        """Answer from the front what can be answered."""
        waiting, service = self.waiting, self._service
        now_us = 0
        while waiting and not self.choked:
            head = waiting[0]
            reply = head.reply
            if reply is None:
                if head.op in reads.HANDLERS and head.frame is not None:
                    reply = reads.answer(service, self._client, head.xid, head.op, head.frame)
                    service.counters.reads += 1
                elif head.op == _PING:
                    reply = replies.reply(head.xid, service.tree.zxid, 0)
                else:
                    return
            waiting.popleft()
            self.waiting_bytes -= head.size
            self.last_op, self.last_cxid = head.op, head.xid
            now_us = now_us or service.clock.monotonic_us()
            self.latency.add(now_us - head.since_us)
            service.counters.add_latency(now_us - head.since_us)
            self._reply(reply)
            if head.last:
                self._outlet.close(f"after {op_name(head.op)}")
                return

    def _reply(self, reply: bytes) -> None:
        self._outlet.write(reply)
        self.spent += len(reply)
        if self.spent > STEP_BYTES_MAX:
            self.choked = True
            self._outlet.choke()

    def clear(self) -> None:
        """Forget everything: the connection is gone."""
        self.waiting.clear()
        self.waiting_bytes = 0
        self._sync = None
        self.ended = True
