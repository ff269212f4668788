"""How fast clients may come: a token bucket, and a chance of being turned away that grows while it is empty.

The chance is the BLUE algorithm of queue management: without it those who come back at once, all together, would
find the bucket empty together again. Facts: Apache's BlueThrottle.
"""

from __future__ import annotations

from enum import Enum

from ensemble.ports import Clock, Entropy
from ensemble.replica.admission.config import ArrivalConfig

_DICE_BYTES = 6
_DICE_SIDES = 1 << (8 * _DICE_BYTES)


class Arrival(Enum):
    """What a client wants that comes."""

    NEW = "new"
    LOCAL = "local"
    RENEWED = "renewed"


class Arrivals:
    """The bucket of one server."""

    def __init__(self, config: ArrivalConfig, clock: Clock, entropy: Entropy) -> None:
        self._config = config
        self._clock = clock
        self._entropy = entropy
        self._tokens = config.tokens_max
        self._filled_ms = self._looked_ms = clock.monotonic_us() // 1000
        self._costs = {
            Arrival.NEW: config.new_cost,
            Arrival.LOCAL: config.local_cost,
            Arrival.RENEWED: config.renewed_cost,
        }
        self.drop_chance = 0.0

    @property
    def deficit(self) -> int:
        """How many tokens are taken."""
        return self._config.tokens_max - self._tokens

    def admit(self, arrival: Arrival) -> bool:
        """Tell whether a client may come in now, and take its tokens if so."""
        config = self._config
        if not config.tokens_max:
            return True
        now = self._clock.monotonic_us() // 1000
        self._fill(now)
        if config.freeze_ms >= 0 and self._is_dropped(now):
            return False
        cost = self._costs[arrival]
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True

    def _fill(self, now: int) -> None:
        config, passed = self._config, now - self._filled_ms
        if passed > config.fill_ms:
            more = passed * config.fill_count // config.fill_ms
            self._tokens = min(self._tokens + more, config.tokens_max)
            self._filled_ms = now

    def _is_dropped(self, now: int) -> bool:
        config = self._config
        if now - self._looked_ms > config.freeze_ms:
            if self.deficit == config.tokens_max:
                self.drop_chance = min(self.drop_chance + config.drop_increase, 1.0)
            elif self.deficit <= round(config.tokens_max * config.decrease_ratio):
                self.drop_chance = max(self.drop_chance - config.drop_decrease, 0.0)
            self._looked_ms = now
        if not self.drop_chance:
            return False
        return int.from_bytes(self._entropy(_DICE_BYTES), "big") < self.drop_chance * _DICE_SIDES
