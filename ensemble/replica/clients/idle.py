"""Connections that have gone silent are closed, though their session lives on elsewhere.

A client that changes its server may never get to say so to the first one, whose end of the socket then stays, with
its watches, as long as the session. Facts: NIOServerCnxnFactory, which closes a connection some time between its
session's time-out and ``nio.sessionlessCnxnTimeout`` later.
"""

from __future__ import annotations

from collections.abc import Iterable

from ensemble.ports import Timer
from ensemble.replica.clients.channel import State
from ensemble.replica.clients.connection import Connection
from ensemble.replica.service import Service

LATE_INTERVALS = 2
"""Looks that are further apart mean that this server did not run: nobody is to blame for silence then."""


class Idle:
    """Looks at all connections now and then; nothing is noted when a request comes in."""

    def __init__(self, service: Service, connections: Iterable[Connection]) -> None:
        self._service = service
        self._connections = connections
        self._interval_ms = service.config.sessions.sessionless_ms
        self._timer: Timer | None = None
        self._looked_ms = 0
        self._seen: dict[Connection, tuple[int, int]] = {}
        """Of each connection the requests it had made, and since when it has made no more (ms)."""

    def watch(self) -> None:
        """There is a connection: look, until there is none."""
        if self._timer is None:
            self._looked_ms = self._service.now_ms()
            self._schedule()

    def _schedule(self) -> None:
        self._timer = self._service.clock.call_later(self._interval_ms, self._look)

    def _look(self) -> None:
        now = self._service.now_ms()
        stalled = now - self._looked_ms > LATE_INTERVALS * self._interval_ms
        self._looked_ms = now
        before, self._seen = self._seen, {}
        for connection in list(self._connections):
            requests, since = before.get(connection, (-1, now))
            if stalled or connection.paused or requests != connection.received:
                since = now
            if connection.state is State.OPEN and now - since >= connection.timeout_ms:
                self._service.counters.sessionless_expired += 1
                connection.close("its client has gone silent")
            else:
                self._seen[connection] = (connection.received, since)
        self._timer = None
        if self._seen:
            self._schedule()
