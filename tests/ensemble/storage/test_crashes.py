"""A crash at every effect of everything a store does: it opens again, and has lost nothing that was durable."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from ensemble.storage.store import Store
from tests.ensemble.storage.harness import Bench, Entry, body_of, crashes, entries, entry, recovered


class Story:
    """A life of a store, and at every moment what a crash may leave of its history."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.store: Store
        self.history: list[Entry] = []
        self.durable = 0
        self.instead: list[list[Entry]] = []
        """Histories that may be found in the place of this one, because it is being replaced."""

    def open(self) -> None:
        self.store = self.bench.open()

    def append(self, added: list[Entry]) -> None:
        for zxid, payload in added:
            self.history.append((zxid, payload))
            self.store.append(zxid, payload)

    def sync(self) -> None:
        history, upto = self.history, len(self.history)

        def done() -> None:
            if history is not self.history:
                return  # asked before the history was cut
            assert self.store.zxid_durable >= self.history[upto - 1][0]
            self.durable = max(self.durable, upto)

        self.store.sync(done)

    def run(self) -> None:
        self.bench.run()

    def snapshot(self, keep: int | None = None) -> None:
        self.store.save_snapshot(self.history[-1][0], [body_of(self.history)], 5, lambda: None)
        if keep:
            self.run()
            self.store.purge(keep)

    def truncate(self, zxid: int) -> None:
        kept = [found for found in self.history if found[0] <= zxid]
        self.durable = min(self.durable, len(kept))
        self.store.truncate(zxid)
        self.history = kept
        self.durable = len(kept)

    def install(self, history: list[Entry]) -> None:
        self.instead = [history]
        self.store.install_snapshot(history[-1][0], body_of(history), 5)
        self.history, self.durable, self.instead = history, len(history), []

    def epochs(self, accepted: int, current: int) -> None:
        self.store.save_accepted_epoch(accepted)
        self.store.save_current_epoch(current)

    def check(self, found: list[Entry]) -> None:
        """Raise unless ``found`` is what a crash at this moment may leave."""
        if found in self.instead:
            return
        assert found == self.history[: len(found)]
        assert len(found) >= self.durable


def appending(story: Story) -> None:
    story.open()
    story.append(entries(1, 1, 3))
    story.sync()
    story.append(entries(1, 4, 4, 2000))
    story.sync()
    story.append(entries(1, 5, 9, 300))
    story.run()
    story.sync()
    story.run()


def rolling(story: Story) -> None:
    story.open()
    story.append(entries(1, 1, 5))
    story.sync()
    story.append(entries(1, 6, 9))
    story.snapshot()
    story.sync()
    story.run()
    story.append(entries(2, 1, 4))
    story.sync()
    story.append(entries(2, 5, 6, 700))
    story.run()
    story.snapshot(keep=1)
    story.append(entries(2, 7, 9))
    story.sync()
    story.run()


def truncating(story: Story) -> None:
    story.open()
    story.append(entries(1, 1, 4))
    story.sync()
    story.run()
    story.snapshot()
    story.run()
    story.append(entries(1, 5, 8))
    story.sync()
    story.run()
    story.snapshot()
    story.append(entries(1, 9, 9))
    story.sync()
    story.truncate(entry((1 << 32) + 6)[0])
    story.append(entries(2, 1, 3, seed=1))
    story.sync()
    story.run()
    story.truncate((1 << 32) + 4)
    story.append(entries(3, 1, 2, seed=2))
    story.sync()
    story.run()


def installing(story: Story) -> None:
    story.open()
    story.append(entries(1, 1, 6))
    story.sync()
    story.run()
    story.snapshot()
    story.append(entries(2, 1, 3))
    story.sync()
    # Another branch: it ends below what is here, and the log here would follow it.
    story.install(entries(1, 1, 9, seed=9))
    story.append(entries(3, 1, 2))
    story.sync()
    story.run()
    story.install([*entries(1, 1, 9, seed=9), *entries(3, 1, 5, seed=3)])
    story.run()


def changing_epochs(story: Story) -> None:
    story.open()
    story.epochs(1, 1)
    story.append(entries(1, 1, 2))
    story.sync()
    story.run()
    story.epochs(2, 2)
    story.store.save_accepted_epoch(3)
    story.install([*entries(1, 1, 2), *entries(3, 1, 1)])
    story.store.save_current_epoch(3)


def restarting(story: Story) -> None:
    story.open()
    story.append(entries(1, 1, 3, 600))
    story.sync()
    story.run()
    story.append(entries(1, 4, 6, 600))
    story.sync()
    story.bench.crash(Random(5))
    story.open()
    story.history = recovered(story.store)
    assert len(story.history) >= 3
    story.durable = len(story.history)
    story.append(entries(2, 1, 2))
    story.sync()
    story.run()


STORIES = [appending, rolling, truncating, installing, changing_epochs, restarting]


@pytest.mark.parametrize("tell", STORIES)
@pytest.mark.parametrize("disks", [1, 2])
def test_a_crash_before_any_effect(tell: Callable[[Story], None], disks: int) -> None:
    for target in range(disks):
        effect = 0
        while crash_at(tell, disks, target, effect):
            effect += 1
        assert effect


def crash_at(tell: Callable[[Story], None], disks: int, target: int, effect: int) -> bool:
    """Tell a story up to an effect, and look at what several power cuts leave; False when it ended before."""
    for seed in range(6):
        story = Story(Bench(seed, disks=disks))
        story.bench.disks[target].crash_before(effect)
        if not crashes(lambda story=story: tell(story)):
            return False
        epochs = accepted_and_current(story)
        # The power goes, or only the process: then what was not synced is still there, and still not durable.
        story.bench.crash(Random(seed)) if seed % 3 else story.bench.kill()
        store = story.bench.open()
        story.check(recovered(store))
        assert accepted_and_current(story, store) >= epochs
        # What was found is durable by now, even though it may have been in memory only.
        before = story.bench.open().zxid_logged
        story.bench.crash(Random(seed + 1))
        again = story.bench.open()
        assert again.zxid_logged == before
        goes_on(story.bench, again)
    return True


def accepted_and_current(story: Story, store: Store | None = None) -> tuple[int, int]:
    store = store or getattr(story, "store", None)
    return (store.accepted_epoch, store.current_epoch) if store else (0, 0)


def goes_on(bench: Bench, store: Store) -> None:
    """A server that came back can be used as any other."""
    history = recovered(store)
    epoch = max(store.accepted_epoch, store.zxid_logged >> 32) + 1
    store.save_accepted_epoch(epoch)
    added = entries(epoch, 1, 3)
    bench.synced(store, added)
    bench.snapshot(store, history + added)
    bench.crash()
    assert recovered(bench.open()) == history + added


@pytest.mark.parametrize("tell", STORIES)
def test_a_crash_at_every_effect_of_the_recovery_itself(tell: Callable[[Story], None]) -> None:
    """Recovery repairs; a crash of the repair is repaired by the next one."""
    for effect in range(0, 400, 3):
        story = Story(Bench(effect))
        story.bench.data.crash_before(effect)
        if not crashes(lambda story=story: tell(story)):
            return
        story.bench.crash(Random(effect))
        for repair in range(30):
            story.bench.data.crash_before(repair)
            if not crashes(lambda story=story: story.bench.open() and None):
                break
            story.bench.crash(Random(repair))
        else:
            pytest.fail("the recovery never came to its end")
        story.bench.data.detach()
        story.check(recovered(story.bench.open()))
