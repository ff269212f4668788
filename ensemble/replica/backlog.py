"""What one client has asked for and is not answered yet, and the bounds of that.

Whatever waits is counted twice: for its connection, and in the server's :class:`Admission` for all clients together.
It knows nothing of what the requests are.
"""

from __future__ import annotations

from collections import deque

from ensemble.limits import OUTSTANDING_BYTES_PER_CONNECTION_MAX, OUTSTANDING_PER_CONNECTION_MAX
from ensemble.replica.admission import Admission
from ensemble.replica.waiting import Waiting


class Backlog:
    """The requests of one connection that wait, in order."""

    __slots__ = ("_admission", "_large_bytes", "choked", "waiting", "waiting_bytes")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._large_bytes = 0
        """Bytes of the large requests that wait, where these are looked for."""
        self.waiting: deque[Waiting] = deque()
        self.waiting_bytes = 0
        self.choked = False
        """The client is not given more answers in this step, or does not read those it has."""

    @property
    def full(self) -> bool:
        """Whether so much is unanswered that no more should be read from the socket."""
        return (
            len(self.waiting) > OUTSTANDING_PER_CONNECTION_MAX
            or self.waiting_bytes > OUTSTANDING_BYTES_PER_CONNECTION_MAX
            or self.choked
            or (bool(self.waiting) and self._admission.crowded)
        )

    @property
    def slack(self) -> bool:
        """Whether enough has been answered to read again."""
        return (
            len(self.waiting) <= OUTSTANDING_PER_CONNECTION_MAX // 2
            and self.waiting_bytes <= OUTSTANDING_BYTES_PER_CONNECTION_MAX // 2
            and not self.choked
            and not (self.waiting and self._admission.crowded)
        )

    def _count(self, requests: int, size: int) -> None:
        """Count requests that wait, or with negative numbers wait no more: here, and for all clients."""
        admission = self._admission
        admission.unanswered += requests
        admission.unanswered_bytes += size
        self.waiting_bytes += size
        if requests < 0 and self._large_bytes:
            self._weigh()

    def _weigh(self) -> None:
        """Count the bytes of large requests anew."""
        admission = self._admission
        large_bytes = sum([request.size for request in self.waiting if admission.is_large(request.size)])
        admission.large_bytes += large_bytes - self._large_bytes
        self._large_bytes = large_bytes

    def _forget_all(self) -> None:
        """Let nothing wait any more."""
        self._count(-len(self.waiting), -sum([request.size for request in self.waiting]))
        self._admission.large_bytes -= self._large_bytes
        self._large_bytes = 0
        self.waiting.clear()
