"""The requests of one session, in the order they were sent, until each is answered.

Requests are answered strictly in order. A read is answered when nothing before it waits; a write goes on its
way at once, though others before it wait; what comes behind an unanswered ``sync`` is not begun before the
sync is answered. So a session's operations take effect in the order they were sent, and a read sees all of
the session's writes before it and none behind it. The latter sets a bound: a write that is on its way forces
out the answers to the reads before it, so it does not pass many of them, and none that a slow client keeps.

It knows nothing of sockets: answers leave through its connection, which also says when it may go on.
"""

from __future__ import annotations

from collections import deque

from ensemble.errors import Code, WireError
from ensemble.jute import Reader
from ensemble.replica import reads
from ensemble.replica.activity import Activity
from ensemble.replica.answers import body_of
from ensemble.replica.backlog import STEP_BYTES_MAX, Backlog
from ensemble.replica.credentials import Credentials
from ensemble.replica.service import Client, Service
from ensemble.replica.throttle import Throttle
from ensemble.replica.waiting import Outlet, Waiting
from ensemble.replica.writes import WRITE_OPS, Writes, op_name
from ensemble.trace import session_text
from ensemble.tree.operations import Op
from ensemble.tree.tree import Outcome
from ensemble.tree.txns import Txn
from ensemble.wire import replies
from ensemble.wire.requests import HEADER_BYTES, PING_XID, decode_header

READS_PASSED_MAX = 100
"""A write waits when more reads than that are unanswered: each may bring an answer of a megabyte."""

_PING = int(Op.PING)
_SYNC = int(Op.SYNC)
_PROOFS = frozenset({int(Op.AUTH), int(Op.SASL)})
_GET_DATA = int(Op.GET_DATA)
_CREATES = (int(Op.CREATE), int(Op.CREATE2))
_CLOSE_SESSION = int(Op.CLOSE_SESSION)
_ERROR = int(Op.ERROR)
_SESSION_MOVED = int(Code.SESSION_MOVED)
_SESSION_EXPIRED = int(Code.SESSION_EXPIRED)
_THROTTLED = (WRITE_OPS | {_SYNC}) - {_CLOSE_SESSION}
"""What may be refused for having waited too long, besides reads."""
_PLAIN_WRITES = WRITE_OPS - {_CLOSE_SESSION}
_NO_ZXID = -1
"""In the answer to an unknown operation, as Apache gives it."""
_READS = frozenset({*reads.HANDLERS, _PING})


class Pipeline(Backlog):
    """Unanswered requests of one connection."""

    __slots__ = (
        "_client",
        "_credentials",
        "_earlier",
        "_in_flight",
        "_local",
        "_opened",
        "_reads",
        "_service",
        "_sync",
        "_throttle",
        "_unbegun",
        "_writes",
        "activity",
        "barred",
        "ended",
        "held",
    )

    def __init__(self, client: Client, outlet: Outlet, service: Service, writes: Writes) -> None:
        super().__init__(service.admission, outlet)
        self._client = client
        self._credentials = Credentials(client, service)
        self._service = service
        self._writes = writes
        self._local = service.local_sessions
        self._throttle = service.admission.throttle
        self._sync: Waiting | None = None
        self._unbegun: deque[Waiting] = deque()
        """Requests other than reads that are not on their way yet."""
        self._opened = False
        """The session is open."""
        self._earlier = 0
        """The last transaction that may have been asked for by an earlier connection of the session."""
        self._in_flight = 0
        """Writes on their way."""
        self._reads = 0
        """Reads that wait."""
        self.held = True
        """Nothing is begun: the session is not open yet, or a sync is unanswered."""
        self.barred = not self._credentials.suffice
        """The client has to prove first who it is (``enforce.auth.enabled``)."""
        self.ended = False
        """No request is taken any more: one was the last."""
        self.activity = Activity()
        """What the client last asked for."""

    # ------------------------------------------------------------------ requests come in

    def take(self, frames: list[bytes], now_us: int) -> None:
        """Answer, begin or keep each request; ``WireError`` for one that is none, or too large by now."""
        if not self.waiting:
            self.activity.last_response_us = (
                now_us  # of reads answered below; whatever waits is answered later
            )
        admission = self._admission
        if not admission.weighs:
            self._take(frames, now_us)
            return
        for frame in frames:
            if not self.ended:
                admission.weigh(len(frame))
                self._take([frame], now_us)
                self._weigh()

    def _take(self, frames: list[bytes], now_us: int) -> None:
        waiting, unbegun = self.waiting, self._unbegun
        goes_at_once = self._opened and self._throttle is None
        kept = size = 0
        try:
            for frame in frames:
                if self.ended:
                    return
                xid, op = decode_header(frame)
                is_read = op in _READS
                if is_read and not (waiting or self.choked or self.held or self.barred):
                    self._reply(self._read(op, xid, frame))
                    continue
                request = Waiting(xid, op, frame, now_us)
                waiting.append(request)
                kept += 1
                size += request.size
                if is_read:
                    self._reads += 1
                    if not self.barred:
                        continue
                elif goes_at_once and op in _PLAIN_WRITES and not unbegun and self._is_free():
                    self._begin(request)
                    if request.reply is None:
                        continue
                else:
                    unbegun.append(request)
                if self._opened:
                    self._advance()
        finally:
            if kept:
                self._count(kept, size)

    def _is_free(self) -> bool:
        """Tell whether a write may go on its way when no other waits to: nothing is answered before its turn."""
        return not (self.held or self.choked or self.barred) and self._reads <= READS_PASSED_MAX

    def _advance(self) -> None:
        """Begin and answer, each in order, all that can be."""
        unbegun, waiting = self._unbegun, self.waiting
        while True:
            while unbegun and not self.held and not self.ended and self._may_pass(unbegun[0]):
                if self._throttle is None:
                    self._begin(unbegun.popleft())
                elif not self._begin_in_turn(self._throttle):
                    break
            if not waiting or not self._drain() or not unbegun:
                return

    def _may_pass(self, request: Waiting) -> bool:
        """Tell whether a request may be begun though reads before it are unanswered."""
        if self.waiting[0] is request:
            return True
        # The end of a local session asks nobody, so it takes effect at once: not before its turn.
        ends_here = request.op == _CLOSE_SESSION and self._client.session_id in self._local
        return not ends_here and not self.choked and self._reads <= READS_PASSED_MAX

    def _begin_in_turn(self, throttle: Throttle) -> bool:
        """Begin the next request if it is admitted; refuse it when that is too late. False: it waits in line."""
        request = self._unbegun[0]
        if not throttle.admits(self, request.since_us, self._client.timeout_ms):
            return False
        self._unbegun.popleft()
        if request.op in _THROTTLED and throttle.is_late(request.since_us):
            self._answer_at_once(request, Code.THROTTLED_OP)
            return True
        before = self._in_flight
        self._begin(request)
        throttle.in_process += self._in_flight - before
        return True

    def _begin(self, request: Waiting) -> None:
        """Send a write or a sync on its way; carry out an auth packet; refuse what is none of these.

        Raises ``WireError`` for an auth or SASL packet that is none; any other bad record is answered.
        """
        op, frame, client = request.op, request.frame, self._client
        assert frame is not None
        if self.barred and op not in _PROOFS:
            request.reply = self._bar(request)
        elif op in WRITE_OPS:
            if op == _CLOSE_SESSION:
                request.last = self.ended = True
                if self._writes.sessions.local.end(client.session_id):
                    self._answer_at_once(request, Code.OK)
                    return
            if self._service.read_only:
                self._answer_at_once(request, Code.NOT_READ_ONLY)
                return
            self._in_flight += 1
            if self._service.audit is not None:
                request.asked = frame
            self._writes.submit(client.session_id, request.xid, op, frame, HEADER_BYTES, client.identities)
        elif op == _SYNC:
            if self._service.read_only:
                self._answer_at_once(request, Code.NOT_READ_ONLY)
            else:
                self._begin_sync(request, frame)
            return
        elif op in _PROOFS:
            request.reply, request.last = self._credentials.take(request.xid, op, frame)
            self.ended = request.last
            self.barred = not self._credentials.suffice
        else:
            request.reply = replies.reply(request.xid, _NO_ZXID, Code.UNIMPLEMENTED)
            request.last = self.ended = True
        request.frame = None

    def _answer_at_once(self, request: Waiting, code: Code) -> None:
        request.reply = replies.reply(request.xid, self._service.tree.zxid, code)
        request.frame = None

    def _begin_sync(self, request: Waiting, frame: bytes) -> None:
        """Send a sync on its way. It keeps its frame: the answer repeats its record, a path."""
        reader = Reader(frame, HEADER_BYTES)
        try:
            reader.optional_string()
        except WireError:
            request.reply = replies.reply(request.xid, self._service.tree.zxid, Code.MARSHALLING_ERROR)
            request.frame = None
            return
        self.held = True
        request.frame = frame[: reader.offset]
        self._sync = request
        self._writes.sync(self._client, request.xid, frame, HEADER_BYTES)

    def _bar(self, request: Waiting) -> bytes:
        """Refuse a request of somebody who has not proved who it is: the last one that is answered."""
        self._service.counters.auth_failures += 1
        request.last = self.ended = True
        return replies.reply(request.xid, 0, Code.SESSION_CLOSED_REQUIRE_AUTH)

    # ------------------------------------------------------------------ answers go out

    def applied(self, txn: Txn, outcome: Outcome) -> None:
        """A transaction of the session is in the tree: the answer, if its request came in here."""
        if not self.waiting:
            return
        head = self.waiting[0]
        if head.xid != txn.cxid or head.frame is not None or head.op not in WRITE_OPS:
            return
        # Not every client counts on where its last connection ended, or begins at 1 (expiry has cxid 0).
        if txn.zxid <= self._earlier or (txn.type != head.op and txn.type != _ERROR):
            return
        if outcome.error == _SESSION_MOVED:
            # The client is served elsewhere by now: it must not take this for an answer (ZOOKEEPER-710).
            self._outlet.close("the session has moved to another server")
            return
        error = outcome.error
        if error == _SESSION_EXPIRED and head.op in _CREATES and self._client.session_id in self._local:
            # The leader, which does not know the session, cannot say it better (FinalRequestProcessor).
            error = Code.EPHEMERAL_ON_LOCAL_SESSION
        body = b"" if error else body_of(head.op, outcome)
        reply = replies.reply(head.xid, txn.zxid, error, body)
        self._in_flight -= 1
        if self._throttle is not None:
            self._throttle.finished()
        self.activity.last_zxid = txn.zxid
        service = self._service
        if service.audit is not None:
            client = self._client
            service.audit.changed(
                client.session_id, client.identities, op=head.op, frame=head.asked, outcome=outcome
            )
        service.counters.writes += 1
        trace = service.trace
        if trace.on and trace.wants(txn.zxid):
            session = session_text(txn.session_id)
            trace.emit("replied", zxid=str(txn.zxid), session=session, cxid=head.xid, error=error)
        if self.choked or head.last:
            head.reply = reply
            self._advance()
            return
        self._answer_head(head, reply)
        waiting = self.waiting
        if self._unbegun or (waiting and (waiting[0].frame is not None or waiting[0].reply is not None)):
            self._advance()

    def _answer_head(self, head: Waiting, reply: bytes) -> None:
        """Give the request at the front its answer."""
        now_us = self.activity.last_response_us = self._service.clock.monotonic_us()
        waited_us = now_us - head.since_us
        if head.op in _READS:
            self._reads -= 1
            self._service.counters.read_waits.add(waited_us)
        else:
            self.activity.note_answer(head.op, head.xid, waited_us)
            self._service.counters.latencies.add(waited_us)
        self.waiting.popleft()
        # ``_count``, written out: once for each write.
        admission, size = self._admission, head.size
        admission.unanswered -= 1
        admission.unanswered_bytes -= size
        self.waiting_bytes -= size
        if self._large_bytes:
            self._weigh()
        self._outlet.write(reply)
        self._spend(len(reply))

    def synced(self) -> None:
        """The sync is complete: answer it, and begin what was held behind it."""
        request, self._sync = self._sync, None
        if request is None or request.frame is None:
            return
        request.reply = replies.reply(request.xid, self._service.tree.zxid, 0, request.frame[HEADER_BYTES:])
        request.frame = None
        self.release()

    def open(self) -> None:
        """Begin what was held: the session is open. What is logged by now was not asked for here."""
        self._opened = True
        self._earlier = self._service.peer.zxid_logged
        self.release()

    def release(self) -> None:
        """Begin what was held, and answer what can be answered."""
        self.held = False
        self._advance()

    def resume(self) -> None:
        """A new step: answers may leave again."""
        self.choked = False
        self.spent = 0
        self._advance()

    def wake(self) -> None:
        """There may be room for what waits in line: go on in a later step."""
        self._outlet.call_back()

    def go_on(self) -> None:
        """It is this client's turn."""
        self._advance()
        if self._throttle is not None:
            self._throttle.passed(self)

    def _drain(self) -> bool:
        """Answer from the front what can be answered; tell whether anything was."""
        waiting = self.waiting
        any_answered = False
        # A write on its way will change what the reads before it are to see: those cannot wait for the client.
        while waiting and (not self.choked or self._in_flight):
            head = waiting[0]
            reply = head.reply
            if reply is None:
                if head.op not in _READS:
                    break
                if not (self.barred or self._throttle is not None):
                    self._answer_reads()
                    any_answered = True
                    continue
                assert head.frame is not None
                reply = self._judge(head, head.frame)
            self._answer_head(head, reply)
            any_answered = True
            if head.last:
                self._outlet.close(f"after {op_name(head.op)}")
                break
        return any_answered

    def _answer_reads(self) -> None:
        """Answer the reads at the front, from one state (under mixed load most reads wait behind a write)."""
        service, waiting, write = self._service, self.waiting, self._outlet.write
        get_data_frame, last_plain = reads.get_data_frame, b""
        now_us = self.activity.last_response_us = service.clock.monotonic_us()
        since_us_first = waiting[0].since_us
        count = plain = since_us_sum = since_us = size = freed = 0
        while waiting:
            head = waiting[0]
            frame = head.frame
            if head.op not in _READS or frame is None:
                break
            waiting.popleft()
            count += 1
            since_us = head.since_us
            since_us_sum += since_us
            freed += head.size
            plain_reply = get_data_frame(frame, service) if head.op == _GET_DATA else None
            if plain_reply is None:
                reply = self._read(head.op, head.xid, frame)
            else:
                reply = last_plain = plain_reply
                plain += 1
            write(reply)
            size += len(reply)
            if self.spent + size > STEP_BYTES_MAX and not self._in_flight:
                break
        if plain:
            service.counters.reads += plain
            if reply is last_plain:
                self.activity.note_run(reply, now_us)
        self._reads -= count
        # The first of them has waited longest.
        service.counters.read_waits.add_run(
            count, count * now_us - since_us_sum, now_us - since_us, now_us - since_us_first
        )
        self._count(-count, -freed)
        self._spend(size)

    def _judge(self, request: Waiting, frame: bytes) -> bytes:
        """Answer a read where not all are answered."""
        if self.barred:
            return self._bar(request)
        late = self._throttle is not None and request.op != _PING and self._throttle.is_late(request.since_us)
        if late:
            return replies.reply(request.xid, self._service.tree.zxid, Code.THROTTLED_OP)
        return self._read(request.op, request.xid, frame)

    def _read(self, op: int, xid: int, frame: bytes) -> bytes:
        """Answer a read or a ping from the state as it is."""
        service = self._service
        activity = self.activity
        activity.last_op, activity.last_zxid = op, service.tree.zxid
        if xid >= 0:
            activity.last_cxid = xid
        if op == _PING:
            return replies.reply(PING_XID, service.tree.zxid, 0)
        service.counters.reads += 1
        reply = reads.get_data_frame(frame, service) if op == _GET_DATA else None
        return reads.answer(service, self._client, xid, op, frame) if reply is None else reply

    def clear(self) -> None:
        """Forget everything: the connection is gone."""
        throttle = self._throttle
        self._forget_all()
        if throttle is not None:
            throttle.leave(self)
            throttle.finished(self._in_flight)
        self._unbegun.clear()
        self._in_flight = self._reads = 0
        self._sync = None
        self.ended = True
