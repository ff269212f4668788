"""A store against a list: any order of appends, syncs, cuts, snapshots, crashes and restarts.

As in ZAB a zxid stands for one transaction and one history before it: each branch gets epochs of its own.
"""

from __future__ import annotations

from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ensemble.storage.store import Store
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, Entry, body_of, entry, recovered


class StoreAgainstList(RuleBasedStateMachine):
    """``history`` is everything appended and not cut; its first ``durable`` entries must never be lost."""

    @initialize(seed=st.integers(0, 2**16), disks=st.integers(1, 2))
    def start(self, seed: int, disks: int) -> None:
        self.bench = Bench(seed, disks=disks)
        self.store: Store = self.bench.open()
        self.history: list[Entry] = []
        self.durable = 0
        self.epoch = 0
        self.purged = False

    def next_entry(self, history: list[Entry], new_epoch: bool) -> Entry:
        """Return a transaction that may follow, the same for the same zxid."""
        last = history[-1][0] if history else 0
        if new_epoch or not last:
            self.epoch += 1
            zxid = make(self.epoch, 1)
        else:
            zxid = last + 1
        return entry(zxid, Random(zxid).choice((0, 30, 600, 1500)))

    @rule(count=st.integers(1, 12), new_epoch=st.booleans())
    def append(self, count: int, new_epoch: bool) -> None:
        for index in range(count):
            added = self.next_entry(self.history, new_epoch and index == 0)
            self.store.append(*added)
            self.history.append(added)

    @rule()
    def sync(self) -> None:
        history, upto = self.history, len(self.history)

        def done() -> None:
            if history is self.history:
                self.durable = max(self.durable, upto)

        self.store.sync(done)

    @rule(steps=st.integers(1, 4))
    def time_passes(self, steps: int) -> None:
        for _ in range(steps):
            self.bench.timeline.step()

    @precondition(lambda self: not self.store.saving_snapshot)
    @rule(back=st.integers(0, 5))
    def snapshot(self, back: int) -> None:
        # A server applies no more than what is durable, and snapshots what it applied.
        applied = self.history[: max(0, self.durable - back)]
        zxid = applied[-1][0] if applied else 0
        if zxid >= self.store.snapshot_zxid:
            self.store.save_snapshot(zxid, [body_of(applied)], 3, lambda: None)

    @rule(keep=st.integers(1, 3))
    def purge(self, keep: int) -> None:
        self.store.purge(keep)
        self.purged = True

    @rule(data=st.data())
    def truncate(self, data: st.DataObject) -> None:
        held = [zxid for zxid, _ in self.history if zxid >= min(self.store._snapshots)]
        if held:
            zxid = data.draw(st.sampled_from(held))
            self.store.truncate(zxid)
            self.history = [found for found in self.history if found[0] <= zxid]
            self.durable = len(self.history)

    @rule(data=st.data(), ahead=st.integers(0, 3))
    def install(self, data: st.DataObject, ahead: int) -> None:
        kept = data.draw(st.integers(0, len(self.history)))
        history = self.history[:kept]
        for _ in range(ahead):
            history.append(self.next_entry(history, new_epoch=True))
        self.store.install_snapshot(history[-1][0] if history else 0, body_of(history), 3)
        self.history, self.durable = history, len(history)
        self.purged = True

    @rule(seed=st.integers(0, 2**16), power=st.booleans())
    def crash(self, seed: int, power: bool) -> None:
        if power:
            self.bench.crash(Random(seed))
        else:
            self.bench.kill()
        self.store = self.bench.open()
        found = recovered(self.store)
        assert found == self.history[: len(found)]
        assert len(found) >= self.durable
        self.history, self.durable = found, len(found)
        self.purged = True

    @invariant()
    def reads_agree(self) -> None:
        store, history = self.store, self.history
        assert store.zxid_logged == (history[-1][0] if history else store.snapshot_zxid)
        assert store.zxid_durable <= store.zxid_logged
        if not self.purged:
            assert store.read_after(0) == history
        for index in range(0, len(history), 7):
            zxid = history[index][0]
            after = store.read_after(zxid)
            assert after in (None, history[index + 1 :])
            assert after is not None or zxid < store.snapshot_zxid
            held = store.last_not_after(zxid)
            assert held == zxid or zxid < store.snapshot_zxid


TestStoreAgainstList = StoreAgainstList.TestCase
TestStoreAgainstList.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)
