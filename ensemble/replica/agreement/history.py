"""The store with a stopwatch: how long its syncs take, and how old what they hold is."""

from __future__ import annotations

from collections.abc import Callable

from ensemble.ports import Disk
from ensemble.replica.service import Service
from ensemble.storage.store import Store
from ensemble.tree.txns import time_of
from ensemble.zxid import COUNTER_MAX


class History(Store):
    """A store whose syncs are timed."""

    __slots__ = ("_measured_to", "_service")

    _service: Service
    _measured_to: int

    @classmethod
    def opened(cls, data: Disk, log: Disk, service: Service) -> History:
        """Open the store as ``Store.open`` does; every sync is counted in the counters of ``service``."""
        store = cls.open(data, log, settings=service.config.storage)
        assert isinstance(store, cls)
        store._service = service
        store._measured_to = store.zxid_logged
        return store

    def sync(self, done: Callable[[], None]) -> None:
        """Call ``done`` when everything appended before is durable."""
        service = self._service
        clock, counters = service.clock, service.counters
        asked_us = clock.monotonic_us()
        appended = self._count_appended()
        # What a learner logs was stamped by its leader; the clocks of the two may differ.
        stamped_ms = time_of(self._log.recent[-1][1]) if appended and not service.leading else 0
        if stamped_ms:
            counters.proposal_delays.add(max(0, clock.wall_ms() - stamped_ms))

        def on_durable() -> None:
            counters.fsyncs.add(clock.monotonic_us() - asked_us)
            if stamped_ms:
                counters.ack_creation.add(max(0, clock.wall_ms() - stamped_ms))
            done()

        super().sync(on_durable)

    def install_snapshot(self, zxid: int, body: bytes, digest: int) -> None:
        """Replace the whole history by a leader's snapshot: nothing of it was appended."""
        super().install_snapshot(zxid, body, digest)
        self._measured_to = self.zxid_logged

    def truncate(self, zxid: int) -> None:
        """Remove everything after ``zxid``."""
        super().truncate(zxid)
        self._measured_to = self.zxid_logged

    def _count_appended(self) -> int:
        """Count the transactions appended since the last sync: within an epoch their zxids are successive."""
        before, last = self._measured_to, self.zxid_logged
        self._measured_to = last
        if last <= before:  # nothing, or the history was cut
            return 0
        count = last - before if before | COUNTER_MAX == last | COUNTER_MAX else last & COUNTER_MAX
        counters = self._service.counters
        counters.logged += count
        counters.batches.add(count)
        return count
