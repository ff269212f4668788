"""How the requests of one client are answered: strictly in order, and reads in runs.

A read is answered from the state as it is when nothing before it waits any more. Which requests are on their way, and
when others may follow them, ``pipeline`` knows. What is answered in a step is measured once, when the step ends.
"""

from __future__ import annotations

from struct import Struct

from ensemble.errors import Code
from ensemble.replica.requests import reads
from ensemble.replica.requests.activity import Activity
from ensemble.replica.requests.backlog import STEP_BYTES_MAX, Backlog
from ensemble.replica.requests.waiting import Outlet, Waiting, WaitingReads
from ensemble.replica.service import Client, Service
from ensemble.tree.operations import Op
from ensemble.wire import replies
from ensemble.wire.frames import LENGTH_BYTES

_PING = int(Op.PING)
_GET_DATA = int(Op.GET_DATA)
_HEAD = Struct(">iii")
_unpack_head = _HEAD.unpack_from
_UNBOUNDED = 1 << 62


class Answering(Backlog):
    """The answers to one client."""

    __slots__ = (
        "_answered",
        "_answered_bytes",
        "_client",
        "_in_flight",
        "_reads",
        "_reads_answered",
        "_service",
        "_throttle",
        "activity",
        "barred",
        "ended",
        "gone",
    )

    def __init__(self, client: Client, outlet: Outlet, service: Service, *, barred: bool) -> None:
        super().__init__(service.admission, outlet)
        self._client = client
        self._service = service
        self._throttle = service.admission.throttle
        self._in_flight = 0
        """Writes on their way."""
        self._reads = 0
        """Reads that wait."""
        self._answered: list[int] = []
        """Since when each request but reads waited that was answered in this step."""
        self._reads_answered: list[tuple[int, int]] = []
        """Numbers of reads that waited and were answered in this step, and since when they waited."""
        self._answered_bytes = 0
        self.barred = barred
        """The client has to prove first who it is (``enforce.auth.enabled``)."""
        self.ended = False
        """No request is taken any more: one was the last."""
        self.gone = False
        """The connection is closed."""
        self.activity = Activity()
        """What the client last asked for."""

    # ------------------------------------------------------------------ from the front

    @property
    def answerable(self) -> bool:
        """Whether what stands at the front could be answered: it is read, or has its answer."""
        if not self.waiting:
            return False
        head = self.waiting[0]
        return isinstance(head, WaitingReads) or head.reply is not None

    def _drain(self) -> bool:
        """Answer from the front what can be answered; tell whether anything was."""
        waiting = self.waiting
        any_answered = False
        # A write on its way will change what the reads before it are to see: those cannot wait for the client.
        while waiting and (not self.choked or self._in_flight):
            head = waiting[0]
            if isinstance(head, WaitingReads):
                if self.barred or self._throttle is not None:
                    self._judge(head)
                else:
                    self._answer_waiting(head)
            elif head.reply is None:
                break
            else:
                self._answer_head(head, head.reply)
                if head.last:
                    self._close()
            any_answered = True
        return any_answered

    def _answer_head(self, head: Waiting, reply: bytes, zxid: int = -1) -> None:
        """Give the request at the front, which is no read, its answer; ``zxid`` is that of a write."""
        self.waiting.popleft()
        self._answered.append(head.since_us)
        self._answered_bytes += head.size
        self.activity.note(head.op, head.xid, zxid)
        self._outlet.write(reply)
        self._spend(len(reply))

    def _close(self) -> None:
        """Close behind the last answer."""
        self._outlet.close("its last request is answered")

    def _bar(self, xid: int) -> bytes:
        """Refuse a request of somebody who has not proved who it is: the last one that is answered."""
        self._service.counters.auth_failures += 1
        self.ended = True
        return replies.reply(xid, 0, Code.SESSION_CLOSED_REQUIRE_AUTH)

    # ------------------------------------------------------------------ reads

    def _answer_waiting(self, head: WaitingReads) -> None:
        """Answer the reads at the front, from one state (under mixed load most reads wait behind a write)."""
        before = head.offset
        head.offset, count = self._answer_run(head.stream, before)
        if self.gone:
            return
        size = head.offset - before - count * LENGTH_BYTES
        self._reads -= count
        self._reads_answered.append((count, head.since_us))
        self._answered_bytes += size
        head.count -= count
        head.size -= size
        if not head.count:
            self.waiting.popleft()

    def _answer_run(self, stream: bytes, offset: int) -> tuple[int, int]:
        """Answer reads and pings from ``offset`` of a stream of whole frames; return the offset of those that have
        to wait for the next step, and how many are answered."""
        service, out = self._service, self._outlet.gathering()
        room = budget = _UNBOUNDED if self._in_flight else STEP_BYTES_MAX - self.spent
        count = plain = 0
        end = len(stream)
        while offset < end and budget >= 0:
            length, xid, op = _unpack_head(stream, offset)
            if op == _GET_DATA:
                offset, run, budget = reads.get_data_run(stream, offset, service, out, budget)
                if run:
                    plain += run
                    self.activity.run_reply = out[-1]
                    continue
            offset += LENGTH_BYTES + length
            reply = self._read(op, xid, stream[offset - length : offset])
            if self.gone:
                return offset, 0
            out.append(reply)
            budget -= len(reply)
            count += 1
        service.counters.reads += plain
        self._spend(room - budget)
        return offset, count + plain

    def _read(self, op: int, xid: int, frame: bytes) -> bytes:
        """Answer a read or a ping from the state as it is."""
        service = self._service
        self.activity.note(op, xid, service.tree.zxid)
        if op != _PING:
            service.counters.reads += 1
        return reads.answer(service, self._client, xid, op, frame)

    def _judge(self, head: WaitingReads) -> None:
        """Answer the read at the front where not all are answered, and each waits by itself."""
        _, xid, op = _unpack_head(head.stream, head.offset)
        if self.barred:
            self._outlet.write(self._bar(xid))
            self._close()
        elif self._throttle is not None and op != _PING and self._throttle.is_late(head.since_us):
            self.waiting.popleft()
            self._reads -= 1
            self._reads_answered.append((1, head.since_us))
            self._answered_bytes += head.size
            reply = replies.reply(xid, self._service.tree.zxid, Code.THROTTLED_OP)
            self._outlet.write(reply)
            self._spend(len(reply))
        else:
            self._answer_waiting(head)

    # ------------------------------------------------------------------ the end of a step

    def measure(self) -> None:
        """Count out and measure what was answered in this step."""
        answered, reads_answered = self._answered, self._reads_answered
        if not answered and not reads_answered:
            return
        counters = self._service.counters
        now_us = self.activity.last_response_us = self._service.clock.monotonic_us()
        count = len(answered)
        if answered:
            waits = [now_us - since_us for since_us in answered]
            counters.latencies.add_all(waits)
            self.activity.latency.add_all(waits)
            answered.clear()
        if reads_answered:
            number = sum([each for each, _ in reads_answered])
            waited_us = sum([each * (now_us - since_us) for each, since_us in reads_answered])
            # The first of them has waited longest.
            shortest, longest = now_us - reads_answered[-1][1], now_us - reads_answered[0][1]
            counters.read_waits.add_run(number, waited_us, shortest, longest)
            count += number
            reads_answered.clear()
        self._count(-count, -self._answered_bytes)
        self._answered_bytes = 0

    def clear(self) -> None:
        """Forget everything: the connection is gone."""
        self._forget_all()
        self._answered.clear()
        self._reads_answered.clear()
        self._answered_bytes = 0
        self._in_flight = self._reads = 0
        self.ended = self.gone = True
