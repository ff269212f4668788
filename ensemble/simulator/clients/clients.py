"""Simulated clients: they speak the client protocol in bytes, and write down all they do and see.

A client keeps its session as the Java client does: it pings when idle, looks for another server when it
heard nothing for two thirds of the time-out, resumes its session with its id, password and the last zxid it
saw, and then tells the server what it watches.

What a server must never do to a connection (a reply out of order, a zxid that goes back) is caught here at
once, as :class:`ClientViolation`; everything that needs the whole history is left to the checkers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from ensemble.limits import FRAME_BYTES_MAX
from ensemble.simulator.clients.history import (
    Attached,
    Call,
    Expired,
    Fired,
    History,
    Pinged,
    Replied,
    Rewatched,
    Seen,
    decode_answer,
)
from ensemble.simulator.clock import Timeline
from ensemble.simulator.network.network import SimulatedNetwork
from ensemble.simulator.network.streams import End
from ensemble.tree.operations import AddWatch, CloseSession, NoBody, Op, Operation, Read, SetWatches
from ensemble.wire import replies, requests
from ensemble.wire.frames import FrameBuffer
from ensemble.wire.requests import ConnectRequest

_EVENT_XID = -1


class ClientViolation(Exception):
    """A server did to a client what it must never do (C2: order within a session)."""

    checker = "C2"


@dataclass(slots=True)
class Habits:
    """How a client behaves."""

    session_timeout_ms: int
    think_us: int
    """The mean pause between two requests."""
    pipeline: int
    """How many requests it keeps open at once."""
    requests: int
    """After so many it only keeps its session (or closes it)."""
    closes: bool
    """Whether it closes its session in the end."""
    restless: float = 0.0
    """How often, per request, it moves to another server for no reason."""


@dataclass(slots=True)
class Watched:
    """What a client believes it watches: path to nothing (an ordered set)."""

    data: dict[str, None] = field(default_factory=dict)
    exist: dict[str, None] = field(default_factory=dict)
    child: dict[str, None] = field(default_factory=dict)
    staying: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    """Watches that no event uses up: those of a znode, those of all below it too."""

    def any(self) -> bool:
        """Tell whether there is anything to tell a new server."""
        return bool(self.data or self.exist or self.child or any(self.staying))

    def add(self, call: Call) -> None:
        """Note the watch that a read has set (2.7: only exists sets one on a missing node)."""
        if isinstance(call.operation, AddWatch) and call.answer is not None and not call.answer.error:
            self.staying[call.operation.mode].append(call.operation.path)
        if not isinstance(call.operation, Read) or not call.operation.watch or call.answer is None:
            return
        if call.answer.error:
            if call.op == Op.EXISTS:
                self.exist[call.operation.path] = None
        elif call.op in (Op.GET_CHILDREN, Op.GET_CHILDREN2):
            self.child[call.operation.path] = None
        else:
            self.data[call.operation.path] = None

    def fire(self, event: int, path: str) -> None:
        """Forget what an event used up."""
        if event in (1, 2, 3):
            self.data.pop(path, None)
            self.exist.pop(path, None)
        if event in (2, 4):
            self.child.pop(path, None)


class Wants(Protocol):
    """What a client asks for (``workload``, ``recipes``)."""

    def next(self) -> tuple[int, Operation] | None:
        """Return the next request; None while there is only to wait."""

    def learn(self, call: Call) -> None:
        """Take in a reply."""

    def heard(self, path: str) -> None:
        """Be told that a watch fired."""

    def attached(self, *, resumed: bool) -> None:
        """Be connected, with the session of before or with another one."""


class SimulatedClient:
    """One client with at most one connection and one session."""

    def __init__(
        self,
        place: int,
        servers: list[int],
        *,
        timeline: Timeline,
        network: SimulatedNetwork,
        rng: Random,
        history: History,
        habits: Habits,
        workload: Wants,
        note: Callable[[str], None],
    ) -> None:
        self.place = place
        self.habits = habits
        self.session = 0
        self.issued = 0
        self.connected = False
        self.retired = False
        self._servers = servers
        self._timeline = timeline
        self._network = network
        self._rng = rng
        self._history = history
        self._stream: list[Seen] = history.streams.setdefault(place, [])
        self._workload = workload
        self._password = bytes(16)
        self._timeout_us = habits.session_timeout_ms * 1000
        self._last_zxid = 0
        self._relative_zxid = 0
        self._cxid = 0
        self._pending: deque[Call] = deque()
        self._pings = 0
        self._watched = Watched()
        self._end: End | None = None
        self._frames = FrameBuffer(FRAME_BYTES_MAX)
        self._server = 0
        self._heard_us = 0
        self._sent_us = 0
        self._attempt = 0
        self._thinking = False
        self._note = note
        self.on_reply: Callable[[Call], None] | None = None
        self.on_asked: Callable[[], None] | None = None
        """Called, once, when the request that is made ``once`` is on its way."""
        self.once: tuple[int, Operation] | None = None
        """A request to make whenever there is a connection, until it is answered."""

    @property
    def waiting(self) -> bool:
        """Whether a request is open."""
        return bool(self._pending)

    # -- connection --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and keep connected until retired."""
        self._attempt += 1
        attempt = self._attempt
        self._server = self._rng.choice(self._servers)
        self._heard_us = self._timeline.now_us
        self._network.connect_client(self.place, self._server, lambda end: self._reached(attempt, end))

    def retire(self) -> None:
        """Ask for nothing more; what is connected stays so."""
        self.retired = True

    def leave(self) -> None:
        """Drop the connection and do not come back."""
        self.retired = True
        self._attempt += 1
        self._drop()

    def _reached(self, attempt: int, end: End | None) -> None:
        if attempt != self._attempt:
            if end is not None:
                end.vanish()
            return
        if end is None:
            self._retry()
            return
        self._end = end
        self._frames = FrameBuffer(FRAME_BYTES_MAX)
        end.on_data = lambda data: self._on_data(end, data)
        end.on_closed = self._lost
        self._relative_zxid = self._last_zxid
        timeout_ms = self.habits.session_timeout_ms
        end.send(
            requests.encode_connect(
                ConnectRequest(0, self._last_zxid, timeout_ms, self.session, self._password, read_only=False)
            )
        )
        self._heard_us = self._timeline.now_us
        self._timeline.after(self._timeout_us // 3, lambda: self._watch(attempt))

    def _lost(self) -> None:
        self._drop()
        self._retry()

    def _drop(self) -> None:
        """Give the connection up; what was asked on it has an unknown outcome."""
        end, self._end = self._end, None
        self.connected = False
        self._pending.clear()
        self._pings = 0
        if end is not None:
            end.vanish()

    def _retry(self) -> None:
        self._attempt += 1
        attempt = self._attempt
        delay_us = self._rng.randint(1_000, 200_000)
        self._timeline.after(delay_us, lambda: self.start() if attempt == self._attempt else None)

    def _watch(self, attempt: int) -> None:
        """Ping when idle; look for another server when this one is silent."""
        if attempt != self._attempt or self._end is None:
            return
        now = self._timeline.now_us
        if now - self._heard_us > self._timeout_us * 2 // 3:
            self._lost()
            return
        if self.connected and now - self._sent_us >= self._timeout_us // 4:
            self._pings += 1
            self._send(requests.encode_request(requests.PING_XID, Op.PING, NoBody()))
        self._timeline.after(self._timeout_us // 6, lambda: self._watch(attempt))

    def _send(self, data: bytes) -> None:
        if self._end is not None:
            self._sent_us = self._timeline.now_us
            self._end.send(data)

    # -- what arrives --------------------------------------------------------------------------------------

    def _on_data(self, end: End, data: bytes) -> None:
        idle_us = self._timeline.now_us - self._heard_us
        self._heard_us = self._timeline.now_us
        for frame in self._frames.feed(data):
            if self._end is not end:
                return
            if not self.connected:
                self._on_connect_reply(frame, idle_us)
            else:
                self._on_frame(frame)

    def _on_connect_reply(self, frame: bytes, idle_us: int) -> None:
        reply = replies.decode_connect_reply(frame)
        if reply.timeout_ms <= 0:
            self._stream.append(Expired(self.session, idle_us))
            self.session, self._password = 0, bytes(16)
            self._last_zxid, self._cxid = 0, 0
            self._watched = Watched()
            self._lost()
            return
        resumed = self.session != 0
        if resumed and reply.session_id != self.session:
            raise ClientViolation(
                f"client {self.place} asked for {self.session:#x}, got {reply.session_id:#x}"
            )
        self.session, self._password = reply.session_id, reply.password
        self._timeout_us = reply.timeout_ms * 1000
        self.connected = True
        self._stream.append(Attached(self.session, self._server, resumed, self._relative_zxid))
        if resumed and self._watched.any():
            watched = self._watched
            operation = SetWatches(
                self._relative_zxid,
                list(watched.data),
                list(watched.exist),
                list(watched.child),
                *watched.staying,
            )
            op = Op.SET_WATCHES2 if any(watched.staying) else Op.SET_WATCHES
            self._send(requests.encode_request(requests.SET_WATCHES_XID, op, operation))
        self._note(f"client {self.place} has session {self.session:#x} at server {self._server}")
        self._workload.attached(resumed=resumed)
        if self.once is not None:
            self.ask(*self.once)
            if self.on_asked is not None:
                asked, self.on_asked = self.on_asked, None
                asked()
        self._think()

    def _on_frame(self, frame: bytes) -> None:
        xid, zxid, error = replies.decode_header(frame)
        if xid == _EVENT_XID:
            event = replies.read_event(replies.body_reader(frame))
            self._stream.append(Fired(zxid, event.type, event.path))
            self._watched.fire(event.type, event.path)
            self._workload.heard(event.path)
            return
        if zxid < self._last_zxid:
            raise ClientViolation(f"client {self.place}: zxid {zxid:#x} after {self._last_zxid:#x}")
        self._last_zxid = zxid
        if xid == requests.PING_XID:
            self._pings -= 1
            if self._pings < 0:
                raise ClientViolation(f"client {self.place}: a ping answered that was never sent")
            self._stream.append(Pinged(zxid))
        elif xid == requests.SET_WATCHES_XID:
            self._stream.append(Rewatched(zxid))
        else:
            self._on_reply(frame, xid, zxid, error)

    def _on_reply(self, frame: bytes, xid: int, zxid: int, error: int) -> None:
        if not self._pending or self._pending[0].cxid != xid:
            expected = self._pending[0].cxid if self._pending else None
            raise ClientViolation(f"client {self.place}: reply to {xid}, {expected} is due")
        call = self._pending.popleft()
        call.returned_us, call.zxid = self._timeline.now_us, zxid
        call.answer = decode_answer(call.op, frame, error)
        self._stream.append(Replied(call))
        self._note(f"answered client {self.place} cxid {xid} at {zxid:#x}: {call.answer}")
        self._watched.add(call)
        self._workload.learn(call)
        if self.on_reply is not None:
            self.on_reply(call)
        if call.op == Op.CLOSE_SESSION:
            self._forget_session()
        else:
            self._think()

    def _forget_session(self) -> None:
        self.session, self._password = 0, bytes(16)
        self._last_zxid, self._cxid = 0, 0
        self._watched = Watched()
        self.leave()

    # -- what it asks for -----------------------------------------------------------------------------------

    def ask(self, op: int, operation: Operation) -> Call | None:
        """Send one request now; None when there is no connection."""
        if not self.connected:
            return None
        self._cxid += 1
        now = self._timeline.now_us
        call = Call(self.place, self.session, self._cxid, op, operation, now, self._server)
        self._history.calls.append(call)
        self._pending.append(call)
        self._note(f"asked {call}")
        self._send(requests.encode_request(call.cxid, op, operation))
        return call

    def _think(self) -> None:
        if not self._thinking and not self.retired and self.issued < self.habits.requests:
            self._thinking = True
            pause_us = int(self._rng.random() * 2 * self.habits.think_us)
            self._timeline.after(pause_us, self._act)

    def _act(self) -> None:
        self._thinking = False
        if self.retired or not self.connected:
            return
        if self._rng.random() < self.habits.restless:
            self._lost()
            return
        if len(self._pending) >= self.habits.pipeline:
            return
        self.issued += 1
        if self.issued >= self.habits.requests and self.habits.closes:
            self.ask(Op.CLOSE_SESSION, CloseSession())
            return
        request = self._workload.next()
        if request is not None:
            self.ask(*request)
        else:
            self.issued -= 1
        if len(self._pending) < self.habits.pipeline:
            self._think()
