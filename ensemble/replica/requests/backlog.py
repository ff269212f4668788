"""What one client has asked for and is not answered yet, how much it is answered at once, and the bounds of both.

Whatever waits is counted twice: for its connection, and in the server's :class:`Admission` for all clients together.
It knows nothing of what the requests are.
"""

from __future__ import annotations

from collections import deque

from ensemble.limits import OUTSTANDING_BYTES_PER_CONNECTION_MAX, OUTSTANDING_PER_CONNECTION_MAX
from ensemble.replica.admission.admission import Admission
from ensemble.replica.requests.waiting import Outlet, Waiting, WaitingReads

STEP_BYTES_MAX = 1024 * 1024
"""Replies given to one client in one step; what it asked beyond that is answered in the next."""


class Backlog:
    """The requests of one connection that wait, in order."""

    __slots__ = (
        "_admission",
        "_large_bytes",
        "_outlet",
        "choked",
        "spent",
        "unanswered",
        "waiting",
        "waiting_bytes",
    )

    def __init__(self, admission: Admission, outlet: Outlet) -> None:
        self._admission = admission
        self._outlet = outlet
        self._large_bytes = 0
        """Bytes of the large requests that wait, where these are looked for."""
        self.waiting: deque[Waiting | WaitingReads] = deque()
        self.unanswered = 0
        """Requests that wait: what is answered is counted out with the step that answers it."""
        self.waiting_bytes = 0
        self.choked = False
        """The client is not given more answers in this step, or does not read those it has."""
        self.spent = 0
        """Bytes of answers in this step."""

    @property
    def full(self) -> bool:
        """Whether so much is unanswered that no more should be read from the socket."""
        return (
            self.unanswered > OUTSTANDING_PER_CONNECTION_MAX
            or self.waiting_bytes > OUTSTANDING_BYTES_PER_CONNECTION_MAX
            or self.choked
            or (bool(self.waiting) and self._admission.crowded)
        )

    @property
    def slack(self) -> bool:
        """Whether enough has been answered to read again."""
        return (
            self.unanswered <= OUTSTANDING_PER_CONNECTION_MAX // 2
            and self.waiting_bytes <= OUTSTANDING_BYTES_PER_CONNECTION_MAX // 2
            and not self.choked
            and not (self.waiting and self._admission.crowded)
        )

    def _count(self, requests: int, size: int) -> None:
        """Count requests that wait, or with negative numbers wait no more: here, and for all clients."""
        admission = self._admission
        admission.unanswered += requests
        admission.unanswered_bytes += size
        self.unanswered += requests
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
        self.waiting.clear()
        self._count(-self.unanswered, -self.waiting_bytes)

    def _spend(self, size: int) -> None:
        """Count bytes of answers in this step; beyond a bound the rest waits for the next."""
        self.spent += size
        if self.spent > STEP_BYTES_MAX:
            self.choked = True
            self._outlet.choke()
