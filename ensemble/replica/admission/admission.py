"""How much clients may ask of this server, and how much of it they ask now.

Counts what is not answered yet, of all clients together; the bounds of one connection are its own. A client beyond
a bound is not read from any more, or turned away with an error it can try again after; nothing grows.
"""

from __future__ import annotations

from ensemble.errors import Code, KeeperError, WireError
from ensemble.ports import Clock, Entropy
from ensemble.quiet_log import Remarks
from ensemble.replica.admission.arrivals import Arrivals
from ensemble.replica.admission.config import AdmissionConfig
from ensemble.replica.admission.throttle import Throttle
from ensemble.replica.counters import Counters


class Admission:
    """The limits of one server and what they are held against."""

    __slots__ = (
        "_bytes_max",
        "_counters",
        "_max",
        "_remarks",
        "arrivals",
        "config",
        "large_bytes",
        "throttle",
        "unanswered",
        "unanswered_bytes",
        "weighs",
    )

    def __init__(
        self, config: AdmissionConfig, clock: Clock, entropy: Entropy, counters: Counters, remarks: Remarks
    ) -> None:
        self.config = config
        self._counters = counters
        self._remarks = remarks
        self._max = config.unanswered_max
        self._bytes_max = config.unanswered_bytes_max
        self.arrivals = Arrivals(config.arrivals, clock, entropy)
        self.throttle = Throttle(config.throttle, clock, counters) if config.throttle.on else None
        self.weighs = config.large_request_bytes >= 0
        """Whether large requests are looked for."""
        self.large_bytes = 0
        """Bytes of large requests that are not answered."""
        self.unanswered = 0
        """Requests that are not answered, of all clients."""
        self.unanswered_bytes = 0

    @property
    def crowded(self) -> bool:
        """Whether so much is unanswered that nobody who waits for an answer is to ask for more."""
        return self.unanswered > self._max or self.unanswered_bytes > self._bytes_max

    def is_large(self, size: int) -> bool:
        """Tell whether a request of ``size`` bytes counts among the large ones."""
        return size > self.config.large_request_bytes

    def weigh(self, size: int) -> None:
        """Judge a request of ``size`` bytes; ``WireError`` when there is no room for it among the large ones."""
        if self.is_large(size) and self.large_bytes + size > self.config.large_bytes_max:
            self._counters.large_requests_rejected += 1
            raise WireError(
                f"a request of {size} bytes, with {self.large_bytes} bytes of large ones unanswered"
            )

    def watch(self, host: str, count: int, more: int, in_all: int, path: str | None = None) -> None:
        """Judge a client of ``host`` with ``count`` watches that asks for ``more``; ``in_all`` is what this server has.

        Raises ``KeeperError(THROTTLED_OP)``, which clients may try again after. Apache has no such bound.
        """
        config = self.config
        if count + more <= config.watches_per_connection_max and in_all + more <= config.watches_max:
            return
        self._counters.watches_refused += 1
        self._remarks.say(
            "watch",
            host,
            f"a watch of client {host} is refused: it has {count}, this server {in_all} (coordinator.maxWatches)",
        )
        raise KeeperError(Code.THROTTLED_OP, path)
