"""One client's socket: its first frame, its session, its end. What it asks goes through its ``pipeline``.

    FIRST --four letters--> WORD --answer--> CLOSED
    FIRST --ConnectRequest--> OPENING --session agreed--> OPEN --closeSession--> CLOSED

What a client sends behind its ConnectRequest waits, unbegun, until the session is open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ensemble import limits
from ensemble.errors import WireError
from ensemble.jute import pack_string
from ensemble.ports import ClientTransport, Timer
from ensemble.replica.clients.channel import Channel, State
from ensemble.replica.clients.handshake import Handshakes, Verdict
from ensemble.replica.requests import reads
from ensemble.replica.requests.backlog import STEP_BYTES_MAX
from ensemble.replica.requests.pipeline import Pipeline
from ensemble.replica.requests.writes import Writes
from ensemble.replica.service import Service
from ensemble.trace import session_text
from ensemble.tree.operations import Op
from ensemble.tree.sessions import password_of
from ensemble.tree.tree import Outcome
from ensemble.tree.txns import Txn
from ensemble.wire import replies
from ensemble.wire.four_letter import WORD_BYTES, word_of
from ensemble.wire.request_runs import RequestBuffer, Run
from ensemble.wire.requests import decode_connect

_CREATE_SESSION = int(Op.CREATE_SESSION)
_CLOSE_SESSION = int(Op.CLOSE_SESSION)
_ROOT = pack_string("/")
"""The record of the sync that confirms the end of a session."""


class Speech(Protocol):
    """Whoever answers four-letter words."""

    def bytes_wanted(self, word: str) -> int:
        """Return how many bytes make up ``word`` and what belongs to it."""

    def answer(self, word: str, rest: bytes, reply: Callable[[bytes], None]) -> None:
        """Hand the answer to ``reply``, at once or later."""


class Connection(Channel):
    """The server's end of one client's socket."""

    __slots__ = (
        "_blocked",
        "_first",
        "_forget",
        "_frames",
        "_handshakes",
        "_read_only",
        "_resume",
        "_speech",
        "_timer",
        "_turn",
        "_writes",
        "established_ms",
        "pipeline",
        "received",
    )

    def __init__(
        self,
        transport: ClientTransport,
        service: Service,
        writes: Writes,
        handshakes: Handshakes,
        *,
        speech: Speech,
        forget: Callable[[Connection], None],
    ) -> None:
        """``speech`` answers four-letter words; ``forget`` is called once, when the connection is closed."""
        super().__init__(transport, service)
        self._writes = writes
        self._handshakes = handshakes
        self._speech = speech
        self._forget = forget
        admission = service.admission
        self._frames = RequestBuffer(
            service.config.frame_bytes_max,
            limits.CONNECT_FRAME_BYTES_MAX,
            together=reads.OPS,
            singly=admission.weighs or admission.throttle is not None,
        )
        self._first = b""
        self._read_only: bool | None = None
        self._blocked = False
        self._resume: Timer | None = None
        self._turn: Timer | None = None
        self._timer: Timer | None = service.clock.call_later(
            service.config.sessions.sessionless_ms, self._on_no_session
        )
        self.identities = service.authentication.of_socket(transport.address[0], transport.subject)
        self.established_ms = service.clock.wall_ms()
        self.received = 0
        self.pipeline = Pipeline(self, self, service, writes)

    # ------------------------------------------------------------------ from the host

    def on_data(self, data: bytes) -> None:
        """Take bytes from the client; answers leave by the transport."""
        if self.state is State.CLOSED:
            return
        self._service.counters.bytes_received += len(data)
        try:
            if self.state is State.OPEN:
                self._on_requests(data)
            else:
                self._on_first(data)
        except WireError as error:
            self._cut_off(error)
        self.flush()

    def on_closed(self) -> None:
        """Take note that the client is gone."""
        if self.state is not State.CLOSED:
            self._service.counters.dropped += 1
            self._end()

    def on_write_full(self) -> None:
        """The client does not read: answer it no further until :meth:`on_write_drained`."""
        self._blocked = self.pipeline.choked = True
        self._throttle()

    def on_write_drained(self) -> None:
        """The client has caught up."""
        self._blocked = False
        self._on_resume()

    # ------------------------------------------------------------------ requests

    def _on_requests(self, data: bytes) -> None:
        service, pipeline = self._service, self.pipeline
        if not (pipeline.waiting or pipeline.choked or pipeline.barred or self._frames.begun):
            offset, count, _ = reads.get_data_run(data, 0, service, self._out, STEP_BYTES_MAX)
            if count:
                self.heard[self.session_id] = self.timeout_ms
                self.received += count
                counters = service.counters
                counters.received += count
                counters.reads += count
                pipeline.activity.run_reply = self._out[-1]
                pipeline.activity.last_response_us = service.clock.monotonic_us()
                if offset == len(data):
                    return
                data = data[offset:]
        pipeline.spent = 0
        runs = self._frames.feed_runs(data)
        if runs:
            # Only a whole request is a sign of life: dribbled bytes keep nobody's session.
            self.heard[self.session_id] = self.timeout_ms
            self._take(runs)
        if self._frames.fault is not None:
            raise self._frames.fault
        if pipeline.full:
            self._throttle()

    def _take(self, runs: list[Run]) -> None:
        count = sum([run[3] or 1 for run in runs])
        self.received += count
        self._service.counters.received += count
        self.pipeline.take(runs, self._service.clock.monotonic_us())

    def on_applied(self, txn: Txn, outcome: Outcome) -> None:
        """A transaction of this client's session is in the tree."""
        if txn.type == _CREATE_SESSION and self.state is State.OPENING:
            self._open("opened")
            return
        if self.state is not State.CLOSED:
            try:
                self.pipeline.applied(txn, outcome)
            except WireError as error:
                self._cut_off(error)
        if txn.type == _CLOSE_SESSION:
            self.close("the session is over")

    def flush(self) -> None:
        """Send what was gathered in this step, and read on when enough is answered."""
        if not self._out:
            return
        if self.pipeline.unanswered:
            self.pipeline.measure()
        Channel.flush(self)
        if self._paused:
            self._unthrottle()

    def on_synced(self) -> None:
        """The oldest unanswered sync of this client is complete."""
        if self.state is State.OPENING:
            self._on_confirmed()
        else:
            self._guarded(self.pipeline.synced)

    def _on_resume(self) -> None:
        self._resume = None
        if not self._blocked:
            self._guarded(self.pipeline.resume)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step of the pipeline outside ``on_data``."""
        if self.state is State.CLOSED:
            return
        try:
            step()
        except WireError as error:
            self._cut_off(error)
        if self._paused:
            self._unthrottle()

    def _unthrottle(self) -> None:
        if self._paused and self.pipeline.slack:
            self._paused = False
            self._transport.resume_reading()

    def _cut_off(self, error: WireError) -> None:
        self._service.counters.cut_off += 1
        self._service.remarks.say(
            "cut off", self.address[0], f"client {self.client_text} is cut off: {error}"
        )
        self.close(str(error))

    def choke(self) -> None:
        """Give no more answers in this step."""
        self._throttle()
        if self._resume is None:
            self._resume = self._service.clock.call_later(0, self._on_resume)

    def call_back(self) -> None:
        """Let the pipeline go on in a later step."""
        if self._turn is None:
            self._turn = self._service.clock.call_later(0, self._on_turn)

    def _on_turn(self) -> None:
        self._turn = None
        self._guarded(self.pipeline.go_on)

    # ------------------------------------------------------------------ the end

    def close(self, why: str) -> None:
        """Close the connection behind what was already answered."""
        if self.state is State.CLOSED:
            return
        self.flush()
        self._end()
        self._transport.close()

    def _end(self) -> None:
        service = self._service
        was_open, self.state = self.state is State.OPEN, State.CLOSED
        for timer in (self._timer, self._resume, self._turn):
            if timer is not None:
                timer.cancel()
        self._timer = self._resume = self._turn = None
        self.pipeline.clear()
        self._out.clear()
        self._handshakes.detach(self, self.session_id)
        service.watches.forget(self)
        self._forget(self)
        if was_open and (
            self.session_id in service.tree.sessions or self.session_id in service.local_sessions
        ):
            self._trace_session("disconnected")

    # ------------------------------------------------------------------ the first frame

    def _on_first(self, data: bytes) -> None:
        """Tell a four-letter word from a ConnectRequest; keep what comes before the session is open."""
        if self.state is State.WORD:
            return
        if len(self._first) < WORD_BYTES or word_of(self._first) is not None:
            self._first += data
            if len(self._first) < WORD_BYTES:
                return
            data, word = self._first, word_of(self._first)
            if word is not None:
                if len(self._first) >= self._speech.bytes_wanted(word):
                    self.state = State.WORD
                    self.received += 1
                    self._service.counters.received += 1
                    self._speech.answer(word, self._first[WORD_BYTES:], self._on_answered)
                return
        frames = self._frames.feed(data)
        if frames and self.state is State.FIRST:
            self.state = State.OPENING
            connect, frames = frames[0], frames[1:]
            self._connect(connect)
            if self.state is State.OPENING:
                self._throttle()
        if frames and self.state is not State.CLOSED:
            self._take([self._frames.run_of(frame) for frame in frames])
        if self._frames.fault is not None:
            raise self._frames.fault

    def _on_answered(self, answer: bytes) -> None:
        """The answer to a word is there, at once or some time later."""
        if self.state is State.WORD:
            self._service.counters.sent += 1
            self._transport.write(answer)
            self.close("a word is answered")

    def _connect(self, frame: bytes) -> None:
        request = decode_connect(frame)
        self.received += 1
        self._service.counters.received += 1
        self._service.counters.connect_requests += 1
        if request.session_id:
            self._service.counters.revalidations += 1
        # The byte says whether this server serves reads only, to whoever knows the byte (ZOOKEEPER-4814).
        self._read_only = None if request.read_only is None else self._service.read_only
        self.timeout_ms = self._service.config.negotiate(request.timeout_ms)
        self.session_id = request.session_id
        verdict, why = self._handshakes.begin(self, request, self.timeout_ms)
        if verdict is Verdict.OPEN:
            self._open("resumed" if request.session_id else "opened")
        elif verdict is Verdict.GONE:
            self._confirm()
        elif verdict is Verdict.EXPIRED:
            self._expired(why)
        elif verdict is Verdict.REFUSED:
            # One line a client would be thousands while a leader is sought; the role's own lines tell of that.
            if not self._service.serving:
                self._service.counters.not_serving += 1
            else:
                self._service.remarks.say(
                    "sent away", self.address[0], f"client {self.client_text} is sent away: {why}"
                )
            self.close(why)

    def on_revalidated(self, valid: bool) -> None:
        """The leader has said whether the session is alive."""
        if self.state is not State.OPENING:
            return
        if valid:
            self._open("resumed")
        else:
            self._confirm()

    def _confirm(self) -> None:
        """Make sure that the session is no more: whoever says so may have been replaced as leader."""
        self._writes.sync(self, 0, _ROOT, 0)

    def _on_confirmed(self) -> None:
        """What this server applied includes all that was agreed on when the client came."""
        if self.session_id in self._service.tree.sessions:
            self.close("its session was only just created")
        else:
            self._expired("the session is no more")

    def _open(self, what: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._handshakes.attach(self, self.session_id)
        self.state = State.OPEN
        password = password_of(self.session_id)
        self.write(replies.connect_reply(self.timeout_ms, self.session_id, password, self._read_only))
        self._trace_session(what)
        self._guarded(self.pipeline.open)

    def _expired(self, why: str) -> None:
        session = session_text(self.session_id)
        self._service.remarks.say(
            "expired", self.address[0], f"client {self.client_text}: session {session}: {why}"
        )
        self.write(replies.connect_refusal(self._read_only))
        self.close(why)

    def _on_no_session(self) -> None:
        self._timer = None
        self._service.counters.sessionless_expired += 1
        self.close("no session within the time for one")

    def _trace_session(self, what: str) -> None:
        trace = self._service.trace
        if trace.on:
            session = session_text(self.session_id)
            trace.emit(
                "session", what=what, session=session, timeout_ms=self.timeout_ms, client=self.client_text
            )
