"""Who may still act: deadlines, owners, and the news of them that learners bring.

Only the leader expires sessions, and only by a transaction; a learner collects which of its sessions were
heard of and tells the leader with every ping. A session that exists is in the tree; this module knows
only what is not agreed on: when it was last heard of, and which server its client is connected to.

A new leader knows neither, so every session gets a fresh deadline, and the first server that speaks for a
session owns it (Apache's LeaderSessionTracker).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ensemble.errors import Code
from ensemble.ports import Timer
from ensemble.replica.service import Service
from ensemble.trace import session_text
from ensemble.tree.sessions import ExpiryQueue

TICKS_PER_TICK_TIME = 2
"""How often deadlines are looked at: a session dies at most that part of a tick late."""

STALL_TICKS = 2
"""A longer time between two looks means that this server did not run, and so heard nobody."""


class Sessions:
    """The sessions of the ensemble as this server hears of them."""

    def __init__(self, service: Service, expire: Callable[[int], None]) -> None:
        self._service = service
        self._expire = expire
        self._tick_ms = service.config.tick_ms
        self._queue = ExpiryQueue(self._tick_ms)
        self._owners: dict[int, int] = {}
        self._closing: dict[int, None] = {}
        self._timer: Timer | None = None
        self._looked_ms = 0
        self.heard: dict[int, int] = {}
        """Time-outs (ms) of the sessions heard of since the last look (leader) or ping (learner)."""

    # ------------------------------------------------------------------ the role

    def lead(self) -> None:
        """Begin to keep deadlines: all sessions start afresh."""
        self.stop()
        now = self._looked_ms = self._service.now_ms()
        for session_id, timeout_ms in self._service.tree.sessions.items():
            self._queue.touch(session_id, timeout_ms, now)
        self._schedule()

    def stop(self) -> None:
        """Forget everything that only a serving server may know."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue = ExpiryQueue(self._tick_ms)
        self._owners.clear()
        self._closing.clear()
        self.heard.clear()

    # ------------------------------------------------------------------ the agreed state changed

    def opened(self, session_id: int, timeout_ms: int) -> None:
        """A session was created."""
        if self._service.leading:
            self._queue.touch(session_id, timeout_ms, self._service.now_ms())

    def closed(self, session_id: int) -> None:
        """A session was closed or has expired."""
        self._queue.remove(session_id)
        self._owners.pop(session_id, None)
        self._closing.pop(session_id, None)
        self.heard.pop(session_id, None)

    # ------------------------------------------------------------------ leader: deadlines

    def _schedule(self) -> None:
        self._timer = self._service.clock.call_later(self._tick_ms / TICKS_PER_TICK_TIME, self._look)

    def _look(self) -> None:
        """Give the sessions heard of their new deadlines, then expire the overdue."""
        now = self._service.now_ms()
        stalled_ms = now - self._looked_ms - self._tick_ms // TICKS_PER_TICK_TIME
        if stalled_ms > STALL_TICKS * self._tick_ms:
            self._service.log(f"this server did not run for {stalled_ms} ms: sessions are extended by that")
            self._queue.postpone(stalled_ms)
        self._looked_ms = now
        self.touch_all(self.heard.items())
        self.heard.clear()
        self._schedule()
        for session_id in self._queue.expired(now):
            if self.is_live(session_id):
                self._service.counters.sessions_expired += 1
                self._expire(session_id)

    def touch_all(self, touches: Iterable[tuple[int, int]]) -> None:
        """Leader: note that sessions were heard of, with the time-out each is to have."""
        now, sessions, closing = self._service.now_ms(), self._service.tree.sessions, self._closing
        for session_id, timeout_ms in touches:
            if session_id in sessions and session_id not in closing:
                self._queue.touch(session_id, timeout_ms, now)

    def remaining_ms(self, session_id: int) -> int | None:
        """Leader: return the milliseconds until the session would expire; None when not known."""
        if not self._service.leading:
            return None
        left_ms = self._queue.remaining(session_id, self._service.now_ms())
        return None if left_ms is None else max(left_ms, 0)

    # ------------------------------------------------------------------ leader: owners

    def is_live(self, session_id: int) -> bool:
        """Leader: tell whether a session exists and nothing has ended it yet."""
        return session_id in self._service.tree.sessions and session_id not in self._closing

    def owner(self, session_id: int) -> int | None:
        """Leader: return the server the session's client is connected to; None when not known."""
        return self._owners.get(session_id)

    def claim(self, session_id: int, timeout_ms: int, server: int) -> bool:
        """Leader: give a session to the server its client has come to; False when it is no more.

        Requests that its former server still sends for it are refused from now on. A session whose end is
        proposed is still claimed: a leader that has been replaced may have proposed it, and then the session
        lives on. Once the end is agreed on, the connection is closed.
        """
        service = self._service
        if session_id not in service.tree.sessions:
            return False
        before = self._owners.get(session_id)
        self._owners[session_id] = server
        if session_id not in self._closing:
            self._queue.touch(session_id, timeout_ms, service.now_ms())
        if service.trace.on and before is not None and before != server:
            service.trace.emit(
                "session", what="moved", session=session_text(session_id), timeout_ms=timeout_ms, client=None
            )
        return True

    def create(self, session_id: int, server: int) -> None:
        """Leader: note which server a session is being created for."""
        self._owners[session_id] = server

    def refusal(self, session_id: int, server: int) -> Code | None:
        """Leader: tell why ``server`` may not make a request for a session; None when it may."""
        if not self.is_live(session_id):
            return Code.SESSION_EXPIRED
        owner = self._owners.setdefault(session_id, server)
        return None if owner == server else Code.SESSION_MOVED

    def close(self, session_id: int) -> None:
        """Leader: the session's end is proposed; nothing it asks from now on will happen."""
        self._closing[session_id] = None
