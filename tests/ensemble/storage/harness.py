"""A store on a simulated disk, whose state is its whole history, so that recovery can be compared."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from struct import Struct

from ensemble.jute import Reader, pack_bytes, pack_int
from ensemble.simulator.clock import Timeline
from ensemble.simulator.machine.disk import SimulatedCrash, SimulatedDisk
from ensemble.storage.settings import DEFAULTS, StorageSettings
from ensemble.storage.store import Store
from ensemble.zxid import make

Entry = tuple[int, bytes]

_HEADER = Struct(">qiqqi")


def entry(zxid: int, size: int = 30, *, seed: int = 0) -> Entry:
    """Return a transaction; ``seed`` tells apart two that contend for one zxid."""
    return zxid, _HEADER.pack(0x1F00 + seed, 7, zxid, 1_700_000_000_000, 5) + Random(zxid + seed).randbytes(
        size
    )


def entries(epoch: int, first: int, last: int, size: int = 30, *, seed: int = 0) -> list[Entry]:
    """Return the transactions of an epoch from one counter to another."""
    return [entry(make(epoch, counter), size, seed=seed) for counter in range(first, last + 1)]


def body_of(history: list[Entry]) -> bytes:
    """Serialize a state: here, all transactions that led to it."""
    return pack_int(len(history)) + b"".join([pack_bytes(payload) for _, payload in history])


def history_in(body: bytes) -> list[Entry]:
    """Undo :func:`body_of`; the pristine tree is the empty history."""
    reader = Reader(body)
    payloads = [reader.optional_bytes() or b"" for _ in range(reader.int())]
    return [(_HEADER.unpack_from(payload)[2], payload) for payload in payloads]


class Bench:
    """Disks that outlive stores."""

    def __init__(self, seed: int = 0, *, disks: int = 1, settings: StorageSettings = DEFAULTS) -> None:
        self.settings = settings
        self.timeline = Timeline()
        self.disks = [SimulatedDisk(self.timeline.after, Random(seed + index)) for index in range(disks)]
        self.data, self.log = self.disks[0], self.disks[-1]

    def open(self) -> Store:
        """Start a server on the disks."""
        return Store.open(self.data, self.log, settings=self.settings)

    def crash(self, rng: Random | None = None) -> None:
        """Cut the power."""
        for disk in self.disks:
            disk.crash(rng)

    def kill(self) -> None:
        """End the process; the page cache stays."""
        for disk in self.disks:
            disk.detach()

    def run(self) -> None:
        """Let everything happen that is under way."""
        while self.timeline.step():
            pass

    def synced(self, store: Store, added: list[Entry] = ()) -> None:  # type: ignore[assignment]
        """Append, and wait until it is durable."""
        for zxid, payload in added:
            store.append(zxid, payload)
        store.sync(lambda: None)
        self.run()
        assert store.zxid_durable == store.zxid_logged

    def snapshot(self, store: Store, history: list[Entry]) -> None:
        """Save a snapshot of the state after ``history``, and wait for it."""
        zxid = history[-1][0] if history else 0
        store.save_snapshot(zxid, [body_of(history)], 1, lambda: None)
        self.run()


def recovered(store: Store) -> list[Entry]:
    """Return the whole history a server has after opening its store."""
    snapshot = store.read_snapshot()
    assert snapshot is not None
    zxid, body = snapshot
    tail = store.read_after(zxid)
    assert tail is not None
    return history_in(body) + tail


LONG = [*entries(1, 1, 8), *entries(3, 1, 6)]
"""The history that the fixture ``long`` holds in three files."""


def names(bench: Bench) -> list[str]:
    """Return the files of the data directory."""
    return [name.removeprefix("version-2/") for name in bench.data.content()]


def crashes(work: Callable[[], None]) -> bool:
    """Do some work; tell whether the process died in it."""
    try:
        work()
    except SimulatedCrash:
        return True
    return False
