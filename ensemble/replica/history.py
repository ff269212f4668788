"""The store with a stopwatch: how long its syncs take, for the status."""

from __future__ import annotations

from collections.abc import Callable

from ensemble.ports import Clock, Disk
from ensemble.replica.counters import Ring
from ensemble.storage.settings import StorageSettings
from ensemble.storage.store import Store


class History(Store):
    """A store whose syncs are timed."""

    __slots__ = ("_clock", "_samples")

    _clock: Clock
    _samples: Ring

    @classmethod
    def opened(cls, data: Disk, log: Disk, clock: Clock, samples: Ring, settings: StorageSettings) -> History:
        """Open the store as ``Store.open`` does; every sync adds its duration (microseconds) to ``samples``."""
        store = cls.open(data, log, settings=settings)
        assert isinstance(store, cls)
        store._clock = clock
        store._samples = samples
        return store

    def sync(self, done: Callable[[], None]) -> None:
        """Call ``done`` when everything appended before is durable."""
        clock, samples = self._clock, self._samples
        asked_us = clock.monotonic_us()

        def on_durable() -> None:
            samples.add(clock.monotonic_us() - asked_us)
            done()

        super().sync(on_durable)
