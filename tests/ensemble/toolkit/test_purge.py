"""What nobody needs any more."""

from __future__ import annotations

from ensemble.storage.store import Store
from ensemble.toolkit import purge, snapshot
from tests.ensemble.toolkit.harness import Directory, history, log_of, snapshot_of, written


def long() -> Directory:
    return written(
        history(1, 1, 4), "snapshot", history(1, 5, 8), "snapshot", history(1, 9, 12), "snapshot", history(1, 13, 16), "snapshot"
    )  # fmt: skip


def test_the_newest_snapshots_and_the_logs_they_need_stay() -> None:
    directory = long()
    snapshots, logs = purge.plan(directory, directory, 3, lambda name: True)
    assert snapshots == ["version-2/snapshot.0", snapshot_of(1, 4)]
    assert logs == [log_of(1, 1)]
    for name in [*snapshots, *logs]:
        directory.remove(name)
    assert Store.open(directory, directory).read_after(history(1, 8, 8)[0].zxid) is not None
    assert purge.plan(directory, directory, 3, lambda name: True) == ([], [])


def test_a_snapshot_that_cannot_be_read_does_not_count() -> None:
    directory = long()
    directory.spoil(snapshot_of(1, 16), 30)

    def sound(name: str) -> bool:
        try:
            snapshot.load(directory.read(name), name)
        except Exception:  # noqa: BLE001
            return False
        return True

    snapshots, logs = purge.plan(directory, directory, 3, sound)
    assert snapshots == ["version-2/snapshot.0"]
    assert logs == []
    assert purge.plan(directory, directory, 3, lambda name: False) == ([], [])
