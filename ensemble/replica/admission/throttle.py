"""Requests on their way, when only so many may be: the others wait in line, one turn for each client.

A write is on its way from the moment it is given to the leader until it is applied here. Reads are answered at
once and are never many; they wait with the writes before them. Facts: Apache's RequestThrottler.
"""

from __future__ import annotations

from itertools import islice
from typing import Protocol

from ensemble.errors import WireError
from ensemble.ports import Clock, Timer
from ensemble.replica.admission.config import ThrottleConfig
from ensemble.replica.counters import Counters


class Queue(Protocol):
    """The requests of one client."""

    def wake(self) -> None:
        """Ask for admission again, in a later step, and say then that its turn has passed."""


class Throttle:
    """The line of one server."""

    def __init__(self, config: ThrottleConfig, clock: Clock, counters: Counters) -> None:
        self._config = config
        self._clock = clock
        self._counters = counters
        self._line: dict[Queue, None] = {}
        self._timer: Timer | None = None
        self.in_process = 0
        """Writes on their way."""

    def admits(self, queue: Queue, since_us: int, timeout_ms: int) -> bool:
        """Tell whether a request that came at ``since_us`` may begin; if not, ``queue`` is woken for its turn.

        Raises ``WireError`` when it has waited longer than its session, of ``timeout_ms``, may be silent: whoever
        sent it has given up long since.
        """
        config = self._config
        if config.stale_by_latency and timeout_ms and self._waited_ms(since_us) > timeout_ms:
            self._counters.stale_requests += 1
            if config.drop_stale and config.requests_max:
                self._counters.stale_requests_dropped += 1
                self.leave(queue)
                raise WireError(f"a request of its own waited longer than the {timeout_ms} ms of its session")
        if not config.requests_max or (self._free > 0 and (not self._line or self._is_next(queue))):
            self._line.pop(queue, None)
            self._counters.throttle_waits.add(self._waited_ms(since_us))
            return True
        self._counters.request_throttle_wait_count += 1
        self._line[queue] = None
        self._watch()
        return False

    def is_late(self, since_us: int) -> bool:
        """Tell whether a request has waited too long to be carried out, and count it if so."""
        limit_ms = self._config.wait_ms_max
        if not limit_ms or self._waited_ms(since_us) <= limit_ms:
            return False
        self._counters.throttled_ops += 1
        return True

    def finished(self, count: int = 1) -> None:
        """So many writes are on their way no more."""
        self.in_process -= count
        self._call()

    def passed(self, queue: Queue) -> None:
        """A client has had its turn; one that could not use it, because it does not read, has to come again."""
        if queue in self._line and self._is_next(queue):
            self.leave(queue)
            self._call()

    def leave(self, queue: Queue) -> None:
        """Forget a client that is gone, or has nothing to ask any more."""
        self._line.pop(queue, None)

    @property
    def _free(self) -> int:
        return max(0, self._config.requests_max - self.in_process)

    def _is_next(self, queue: Queue) -> bool:
        return queue in islice(self._line, self._free)

    def _call(self) -> None:
        """Wake the first in line, as many as may begin."""
        for queue in islice(self._line, self._free):
            queue.wake()

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(self._config.stall_ms, self._look)

    def _look(self) -> None:
        """Let all that wait look at their clocks again."""
        self._timer = None
        for queue in self._line:
            queue.wake()
        if self._line:
            self._watch()

    def _waited_ms(self, since_us: int) -> int:
        return (self._clock.monotonic_us() - since_us) // 1000
