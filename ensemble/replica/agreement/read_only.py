"""Read-only mode: a server without a quorum answers reads, of the state it last applied, to clients that agreed.

Facts: QuorumPeer.run, ReadOnlyZooKeeperServer. It begins some time after the quorum is lost and ends with the
next election, when every client is dropped: it will come back, here or elsewhere, with a session of its own.
What such a server refuses is in ``pipeline``; whom, in ``handshake``.
"""

from __future__ import annotations

from collections.abc import Callable

from ensemble.ports import Timer
from ensemble.replica.service import Service
from ensemble.replica.sessions.local_sessions import LocalSessions
from ensemble.zxid import text

GRACE_MS_MIN = 2000
"""A quorum is missed so long before it counts as lost; a tick, when that is longer (QuorumPeer.run)."""


class ReadOnlyMode:
    """Whether this server is in that mode, and how it gets there and back."""

    def __init__(self, service: Service, local: LocalSessions, close_clients: Callable[[str], None]) -> None:
        self._service = service
        self._local = local
        self._close_clients = close_clients
        self._grace: Timer | None = None

    def on_looking(self) -> None:
        """There is no quorum, or none yet."""
        config = self._service.config
        self._cancel()
        if config.sessions.read_only_mode and not config.standalone:
            grace_ms = max(GRACE_MS_MIN, config.tick_ms)
            self._grace = self._service.clock.call_later(grace_ms, self._begin)

    def end(self, why: str) -> None:
        """Serve nobody in this mode any more."""
        self._cancel()
        service = self._service
        if service.read_only:
            service.read_only = False
            self._close_clients(why)
            self._local.stop()

    def _begin(self) -> None:
        self._grace = None
        service = self._service
        service.read_only = True
        self._local.start()
        service.log(f"no quorum: serving reads only, as of {text(service.tree.zxid)}")

    def _cancel(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
