"""Sessions that only this server knows of: they cost no transaction, and end with the term.

They are what a server with ``localSessionsEnabled`` opens, until the session is to own an ephemeral: then it
becomes one like any other by a createSession ahead of that request, or the request is refused where
``localSessionsUpgradingEnabled`` is off. A server in read-only mode has no others.

Facts: LocalSessionTracker, UpgradeableSessionTracker, QuorumZooKeeperServer.checkUpgradeSession. Such a
session is expired by the server that holds it, and for every other server it is no more.
"""

from __future__ import annotations

from ensemble.errors import KeeperError, WireError
from ensemble.replica.service import Service
from ensemble.replica.sessions.deadlines import Deadlines
from ensemble.trace import session_text
from ensemble.tree.operations import Create, CreateMode, Multi, Op, Operation
from ensemble.tree.prepare.multi import part_of
from ensemble.wire.requests import decode_operation

_EPHEMERAL = (CreateMode.EPHEMERAL, CreateMode.EPHEMERAL_SEQUENTIAL)
_CREATE_OPS = (Op.CREATE, Op.CREATE2)


class LocalSessions:
    """The local sessions of one server, and when each of them expires."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._deadlines = Deadlines(service, self._hear, self._expire)
        self.timeouts = service.local_sessions
        self.heard: dict[int, int] = {}
        """Time-outs (ms) of the sessions heard of since the last look."""

    def start(self) -> None:
        """Begin a term, without sessions."""
        self.stop()
        self._deadlines.start()

    def stop(self) -> None:
        """End the term, and with it all its sessions."""
        self._deadlines.stop()
        self.timeouts.clear()
        self.heard.clear()

    def open(self, session_id: int, timeout_ms: int) -> None:
        """Begin a session under an id made here."""
        self.timeouts[session_id] = timeout_ms
        self._deadlines.touch([(session_id, timeout_ms)])

    def resume(self, session_id: int, timeout_ms: int) -> bool:
        """Note that a client came back with a session; False when it is none of these."""
        if session_id not in self.timeouts:
            return False
        self._deadlines.touch([(session_id, timeout_ms)])
        return True

    def release(self, session_id: int) -> int | None:
        """Forget a session, which ends or is a local one no more; return its time-out, None when there is none."""
        self._deadlines.remove(session_id)
        self.heard.pop(session_id, None)
        return self.timeouts.pop(session_id, None)

    def end(self, session_id: int, what: str = "closed") -> bool:
        """Close a session; False when there is none."""
        if self.release(session_id) is None:
            return False
        if self._service.trace.on:
            session = session_text(session_id)
            self._service.trace.emit("session", what=what, session=session, timeout_ms=0, client=None)
        return True

    def expire(self, session_id: int) -> bool:
        """End a session because its time is over, or an operator wants it; False when there is none."""
        if not self.end(session_id, "expired"):
            return False
        self._service.counters.sessions_expired += 1
        client = self._service.by_session.get(session_id)
        if client is not None:
            client.close("the session is over")
        return True

    def remaining_ms(self, session_id: int) -> int | None:
        """Return the milliseconds until a session would expire; None when it is not known."""
        return self._deadlines.remaining_ms(session_id)

    def _hear(self) -> None:
        self._deadlines.touch([item for item in self.heard.items() if item[0] in self.timeouts])
        self.heard.clear()

    def _expire(self, session_id: int) -> None:
        self.expire(session_id)


def wants_ephemeral(op: int, frame: bytes, offset: int) -> bool:
    """Tell whether a request, whose record stands in ``frame`` from ``offset`` on, creates an ephemeral.

    One that cannot be read creates nothing: the leader answers it.
    """
    if op not in _CREATE_OPS and op != Op.MULTI:
        return False
    try:
        operation = decode_operation(op, frame, offset)
        if isinstance(operation, Multi):
            return any(_is_ephemeral(*part_of(part_op, part)) for part_op, part in operation.ops)
    except (WireError, KeeperError):
        return False
    return _is_ephemeral(op, operation)


def _is_ephemeral(op: int, operation: Operation) -> bool:
    return op in _CREATE_OPS and isinstance(operation, Create) and operation.mode in _EPHEMERAL
