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
from ensemble.jute import Reader, pack_string
from ensemble.replica.admission.throttle import Throttle
from ensemble.replica.requests.answering import Answering
from ensemble.replica.requests.credentials import Credentials
from ensemble.replica.requests.outcomes import body_of
from ensemble.replica.requests.waiting import Outlet, Waiting, WaitingReads
from ensemble.replica.requests.writes import WRITE_OPS, Writes
from ensemble.replica.service import Client, Service
from ensemble.trace import session_text
from ensemble.tree.operations import Op
from ensemble.tree.tree import Outcome
from ensemble.tree.txns import Txn
from ensemble.wire import replies
from ensemble.wire.frames import LENGTH_BYTES
from ensemble.wire.records import lenient_text
from ensemble.wire.request_runs import Run
from ensemble.wire.requests import HEADER_BYTES

READS_PASSED_MAX = 100
"""A write waits when more reads than that are unanswered: each may bring an answer of a megabyte."""

_SYNC = int(Op.SYNC)
_PROOFS = frozenset({int(Op.AUTH), int(Op.SASL)})
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


class Pipeline(Answering):
    """Unanswered requests of one connection."""

    __slots__ = ("_credentials", "_earlier", "_local", "_opened", "_sync", "_unbegun", "_writes", "held")

    def __init__(self, client: Client, outlet: Outlet, service: Service, writes: Writes) -> None:
        self._credentials = Credentials(client, service)
        super().__init__(client, outlet, service, barred=not self._credentials.suffice)
        self._writes = writes
        self._local = service.local_sessions
        self._sync: Waiting | None = None
        self._unbegun: deque[Waiting] = deque()
        """Requests other than reads that are not on their way yet."""
        self._opened = False
        """The session is open."""
        self._earlier = 0
        """The last transaction that may have been asked for by an earlier connection of the session."""
        self.held = True
        """Nothing is begun: the session is not open yet, or a sync is unanswered."""

    # ------------------------------------------------------------------ requests come in

    def take(self, runs: list[Run], now_us: int) -> None:
        """Answer, begin or keep each request; ``WireError`` for one that is too large by now."""
        admission = self._admission
        if not admission.weighs:
            self._take(runs, now_us)
            return
        for run in runs:
            if not self.ended:
                admission.weigh(len(run[2]) - LENGTH_BYTES * run[3])
                self._take([run], now_us)
                self._weigh()

    def _take(self, runs: list[Run], now_us: int) -> None:
        waiting, unbegun, client, submit = self.waiting, self._unbegun, self._client, self._writes.submit
        service = self._service
        goes_at_once = (
            self._opened and self._throttle is None and service.audit is None and not service.read_only
        )
        kept = size = 0
        for xid, op, data, count in runs:
            if self.ended:
                break
            if count:
                self._take_reads(data, count, now_us)
                continue
            request = Waiting(xid, op, data, now_us)
            waiting.append(request)
            kept += 1
            size += request.size
            if (
                goes_at_once
                and op in _PLAIN_WRITES
                and not (unbegun or self.held or self.choked or self.barred)
                and self._reads <= READS_PASSED_MAX
            ):
                # ``_begin``, as far as it concerns a write that nothing is in the way of.
                self._in_flight += 1
                request.frame = None
                submit(client.session_id, xid, op, data, HEADER_BYTES, client.identities)
                continue
            unbegun.append(request)
            if self._opened:
                self._advance()
        if kept and not self.gone:
            self._count(kept, size)

    def _take_reads(self, stream: bytes, count: int, now_us: int) -> None:
        """Answer a run of reads, or let them wait behind what was asked before."""
        offset = 0
        if not (self.waiting or self.choked or self.held or self.barred):
            self.activity.last_response_us = now_us
            offset, answered = self._answer_run(stream, 0)
            if self.gone or offset == len(stream):
                return
            count -= answered
        waits = WaitingReads(stream, offset, count, now_us)
        self.waiting.append(waits)
        self._reads += count
        self._count(count, waits.size)
        if self.barred and self._opened:
            self._advance()

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
            request.reply, request.last = self._bar(request.xid), True
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
            path = reader.optional_bytes()
        except WireError:
            request.reply = replies.reply(request.xid, self._service.tree.zxid, Code.MARSHALLING_ERROR)
            request.frame = None
            return
        self.held = True
        request.frame = frame[:HEADER_BYTES] + pack_string(None if path is None else lenient_text(path))
        self._sync = request
        self._writes.sync(self._client, request.xid, frame, HEADER_BYTES)

    # ------------------------------------------------------------------ answers go out

    def applied(self, txn: Txn, outcome: Outcome) -> None:
        """A transaction of the session is in the tree: the answer, if its request came in here."""
        if not self.waiting:
            return
        head = self.waiting[0]
        if isinstance(head, WaitingReads) or head.frame is not None:
            return
        if head.xid != txn.cxid or head.op not in WRITE_OPS:
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
        self._answer_head(head, reply, txn.zxid)
        if self._unbegun or self.answerable:
            self._advance()

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

    def clear(self) -> None:
        """Forget everything: the connection is gone."""
        if self._throttle is not None:
            self._throttle.leave(self)
            self._throttle.finished(self._in_flight)
        super().clear()
        self._unbegun.clear()
        self._sync = None
