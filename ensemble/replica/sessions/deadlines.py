"""When sessions expire: looked at twice a tick, by whoever keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ensemble.ports import Timer
from ensemble.replica.service import Service
from ensemble.tree.sessions import ExpiryQueue

TICKS_PER_TICK_TIME = 2
"""How often deadlines are looked at: a session dies at most that part of a tick late."""

STALL_TICKS = 2
"""A longer time between two looks means that this server did not run, and so heard nobody."""


class Deadlines:
    """An expiry queue with its clock: it forgives sessions what this server itself has slept through."""

    def __init__(self, service: Service, hear: Callable[[], None], expire: Callable[[int], None]) -> None:
        """``hear`` is to :meth:`touch` the sessions heard of since the last look; then the overdue
        ``expire``, one by one."""
        self._service = service
        self._hear = hear
        self._expire = expire
        self._tick_ms = service.config.tick_ms
        self._queue = ExpiryQueue(self._tick_ms)
        self._timer: Timer | None = None
        self._looked_ms = 0

    def start(self) -> None:
        """Begin to look, at no session yet."""
        self.stop()
        self._looked_ms = self._service.now_ms()
        self._schedule()

    def stop(self) -> None:
        """Forget all sessions, and look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue = ExpiryQueue(self._tick_ms)

    def touch(self, sessions: Iterable[tuple[int, int]]) -> None:
        """Note that sessions, new or known, are alive, each with the time-out (ms) it is to have."""
        now, queue = self._service.now_ms(), self._queue
        for session_id, timeout_ms in sessions:
            queue.touch(session_id, timeout_ms, now)

    def remove(self, session_id: int) -> None:
        """Forget a session; harmless when it is not known."""
        self._queue.remove(session_id)

    def remaining_ms(self, session_id: int) -> int | None:
        """Return the milliseconds until a session would expire; None when it is not known."""
        return self._queue.remaining(session_id, self._service.now_ms())

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
        self._hear()
        self._schedule()
        for session_id in self._queue.expired(now):
            self._expire(session_id)
