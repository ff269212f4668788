"""The reaper: the leader deletes containers that have had their day and TTL znodes whose time is over.

A container goes when it has had children and has none any more, or, where ``container_unused_ms_max`` is set,
when nobody has used it for that long; a TTL znode goes when it has no children and was not changed for its time
to live (Apache's ContainerManager). Each goes by a transaction of its own, asked for by no session; what
has changed until that is prepared makes it a refusal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ensemble.ports import Timer
from ensemble.replica.service import Service
from ensemble.tree.owner import CONTAINER, is_ttl, ttl_of

MINUTE_MS = 60_000


class Reaper:
    """Looks for znodes to delete, at fixed intervals, and deletes them at a bounded rate."""

    def __init__(self, service: Service, delete: Callable[[str], None]) -> None:
        """``delete`` proposes the deletion of one path."""
        self._service = service
        self._delete = delete
        self._config = service.config.znodes
        self._timer: Timer | None = None
        self._due_ms = 0
        self._found: deque[str] = deque()

    def lead(self) -> None:
        """Begin to look, the first time after a whole interval."""
        self.stop()
        self._due_ms = self._service.now_ms()
        self._await_next_look()

    def stop(self) -> None:
        """Look no more: this server does not lead."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._found.clear()

    def _await_next_look(self) -> None:
        """Looks keep their rhythm; one that took longer than an interval is followed by the next at once."""
        self._due_ms += self._config.container_check_ms
        wait_ms = max(0, self._due_ms - self._service.now_ms())
        self._timer = self._service.clock.call_later(wait_ms, self._look)

    def _look(self) -> None:
        tree, now = self._service.tree, self._service.clock.wall_ms()
        self._found.extend([path for path in (*tree.containers, *tree.ttls) if self._is_over(path, now)])
        self._reap()

    def _reap(self) -> None:
        """Delete the next of those found that is still to go; then wait a little before the one after it."""
        found, now = self._found, self._service.clock.wall_ms()
        while found:
            path = found.popleft()
            if self._is_over(path, now):
                self._delete(path)
                pause_ms = MINUTE_MS // self._config.containers_per_minute_max
                self._timer = self._service.clock.call_later(pause_ms, self._reap)
                return
        self._await_next_look()

    def _is_over(self, path: str, now_ms: int) -> bool:
        node = self._service.tree.find(path)
        if node is None or node.children:
            return False
        idle_ms = now_ms - node.mtime
        if node.ephemeral_owner == CONTAINER:
            return node.cversion > 0 or self._was_never_used(idle_ms)
        return is_ttl(node.ephemeral_owner) and 0 < ttl_of(node.ephemeral_owner) < idle_ms

    def _was_never_used(self, idle_ms: int) -> bool:
        return 0 < self._config.container_unused_ms_max < idle_ms
