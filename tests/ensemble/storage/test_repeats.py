"""Logs in which Apache's server stands twice with the same: it failed before UPTODATE and joined again (ZOOKEEPER-4712)."""

from __future__ import annotations

from random import Random

import pytest

from ensemble.errors import CorruptionError, StorageError
from ensemble.storage import snapshots
from ensemble.storage.records import HEADER, encode, mark, scan
from ensemble.storage.settings import StorageSettings
from ensemble.storage.store import Store
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, Entry, body_of, crashes, entries, names, recovered

HISTORY = entries(1, 1, 12)


def part(first: int, last: int) -> list[Entry]:
    """Return a part of the history, from one counter to another."""
    return HISTORY[first - 1 : last]


def log(bench: Bench, *runs: list[Entry], behind: bytes = bytes(64)) -> None:
    """Write a log file as Apache does, without marks."""
    history = [entry for run in runs for entry in run]
    content = HEADER + b"".join([encode(payload) for _, payload in history]) + behind
    bench.log.write_atomic(f"version-2/log.{history[0][0]:x}", content)


def snapshot(bench: Bench, history: list[Entry]) -> None:
    """Write a snapshot file."""
    zxid = history[-1][0] if history else 0
    content = b"".join(snapshots.encode(zxid, [body_of(history)], 1))
    bench.data.write_atomic(f"version-2/snapshot.{zxid:x}", content)


def apache(*files: list[list[Entry]], history: list[Entry] | None = None) -> Bench:
    """Return disks that hold a snapshot of ``history`` (none: of the empty tree), and log files, each of some runs."""
    bench = Bench()
    snapshot(bench, history or [])
    for runs in files:
        log(bench, *runs)
    return bench


def in_logs(bench: Bench) -> list[Entry]:
    """Return what the log files hold, one after another."""
    content = bench.log.content()
    return [entry for name in sorted(content) if "log." in name for entry in scan(content[name])[0]]


SHAPES = {
    "all-of-it": [[part(1, 5), part(1, 5)]],
    "all-of-it-and-more": [[part(1, 5), part(1, 12)]],
    "the-end": [[part(1, 5), part(3, 12)]],
    "three-times": [[part(1, 5), part(2, 7), part(2, 3), part(2, 12)]],
    "two-threads-at-once": [[part(1, 4), part(3, 3), part(5, 5), part(4, 4), part(6, 12)]],
    "cut-off-in-the-second-pass": [[part(1, 12), part(4, 6)]],
    "a-file-each": [[part(1, 5)], [part(3, 12)]],
    "a-file-each-as-far": [[part(1, 5)], [part(3, 5)], [part(6, 12)]],
    "a-file-that-stops-short": [[part(1, 5)], [part(3, 4)], [part(6, 12)]],
    "the-last-file-stops-short": [[part(1, 12)], [part(3, 4)]],
    "rolled-in-the-first-pass": [[part(1, 5)], [part(6, 8), part(3, 12)]],
    "rolled-in-the-second-pass": [[part(1, 5), part(3, 4)], [part(5, 12)]],
    "rolled-in-both": [[part(1, 5)], [part(3, 7)], [part(6, 8), part(3, 5)], [part(8, 12)]],
    "rolled-three-times": [[part(1, 5)], [part(5, 12)], [part(6, 7), part(3, 4)]],
    "many-files-in-one": [[part(1, 9)], [part(3, 4)], [part(5, 7)], [part(8, 12)]],
}


ENDS_SHORT = {"cut-off-in-the-second-pass", "the-last-file-stops-short", "rolled-three-times"}
"""What may come behind them only tells their own epoch."""
SHORT_FILES = {"a-file-that-stops-short", "the-last-file-stops-short"}
"""A start from a snapshot within them does not see all there is; neither does Apache's."""
LATER = entries(2, 1, 4)


def held(shape: str) -> list[Entry]:
    """Return the history that the files hold."""
    newest = max(entry for file in SHAPES[shape] for run in file for entry in run)
    return HISTORY[: HISTORY.index(newest) + 1]


def with_newer(shape: str) -> Bench:
    """Return disks with a snapshot and a file behind those of the shape, which no start reads then."""
    bench = apache(*SHAPES[shape])
    log(bench, LATER)
    snapshot(bench, held(shape) + LATER[:2])
    return bench


@pytest.mark.parametrize("shape", SHAPES)
def test_what_was_logged_again_counts_once(shape: str) -> None:
    bench, history = apache(*SHAPES[shape]), held(shape)
    for _ in range(2):
        store = bench.open()
        assert recovered(store) == history
        assert store.zxid_logged == store.zxid_durable == history[-1][0]
        assert in_logs(bench) == history
    bench.synced(store, LATER)
    bench.crash()
    assert recovered(bench.open()) == history + LATER


def opened(bench: Bench, *, few: bool) -> Store:
    """Open, with the newest few transactions in memory only, or with all."""
    bench.settings = StorageSettings(recent_txns_max=2) if few else StorageSettings()
    return bench.open()


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_each_is_given_once_and_in_order_to_whoever_is_behind(shape: str, newer: bool, few: bool) -> None:
    bench, history = with_newer(shape) if newer else apache(*SHAPES[shape]), held(shape)
    store = opened(bench, few=few)
    for index in range(len(history)):
        behind = history[index + 1 :] + (LATER if newer else [])
        zxid = history[index][0]
        if newer and shape in ENDS_SHORT:
            assert store.read_after(zxid) is None
        else:
            assert store.read_after(zxid) == behind
            assert store.last_not_after(zxid) == zxid
    if not (newer and shape in ENDS_SHORT):
        assert store.read_after(0) == history + (LATER if newer else [])


@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_can_be_cut_anywhere(shape: str, newer: bool, few: bool) -> None:
    for index in range(len(held(shape))):
        bench, zxid, kept = (
            with_newer(shape) if newer else apache(*SHAPES[shape]),
            *HISTORY[index][:1],
            HISTORY[: index + 1],
        )
        store = opened(bench, few=few)
        if newer and shape in ENDS_SHORT:
            with pytest.raises(StorageError, match="cannot truncate"):
                store.truncate(zxid)
            assert recovered(bench.open()) == held(shape) + LATER
            continue
        store.truncate(zxid)
        assert store.zxid_logged == zxid
        bench.crash()
        for _ in range(2):
            store = bench.open()
            assert recovered(store) == kept
        bench.synced(store, entries(3, 1, 2))
        bench.crash()
        assert recovered(bench.open()) == kept + entries(3, 1, 2)


@pytest.mark.parametrize("behind", [2, 4, 6, 8])
@pytest.mark.parametrize("shape", sorted({*SHAPES} - SHORT_FILES))
def test_a_snapshot_in_between_is_gone_on_from(shape: str, behind: int) -> None:
    bench = apache(*SHAPES[shape], history=part(1, behind))
    snapshot(bench, [])
    assert recovered(bench.open()) == max(held(shape), part(1, behind))


def test_what_was_purged_before_the_repeats_is_not_missed() -> None:
    bench = apache(*SHAPES["rolled-in-both"])
    store = bench.open()
    bench.snapshot(store, HISTORY)
    store.purge(1)
    assert names(bench) == ["log.100000008", "snapshot.10000000c"]
    assert recovered(bench.open()) == HISTORY


def test_repeats_behind_a_leaders_snapshot_in_the_same_file() -> None:
    """As two kinds of log that only Apache writes: with a gap, and with repeats."""
    later = entries(2, 5, 9)
    state = HISTORY + entries(2, 1, 4)
    for runs in (
        [HISTORY, later, later[1:]],
        [HISTORY, part(3, 12), later],
        [HISTORY, part(9, 12), later, later],
    ):
        bench = apache(runs, history=state)
        snapshot(bench, [])
        for _ in range(2):
            store = bench.open()
            assert recovered(store) == state + later
            assert store.read_after(HISTORY[-1][0]) is None
            assert store.read_after(later[0][0]) == later[1:]


def test_a_snapshot_tells_what_a_repeat_that_stops_short_is_followed_by() -> None:
    later = entries(2, 5, 9)
    state = part(1, 8) + entries(2, 1, 4)
    bench = apache([HISTORY, part(3, 6), later], history=state)
    snapshot(bench, [])
    store = bench.open()
    assert recovered(store) == state + later
    assert store.read_after(HISTORY[-1][0]) is None


OTHER = entries(1, 1, 12, seed=1)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([[part(1, 5), OTHER[2:5], part(6, 12)]], "corrupt at byte .* no crash explains it"),
        ([[part(1, 5), part(3, 4), OTHER[4:5], part(6, 12)]], "corrupt at byte .* no crash explains it"),
        ([[part(1, 5)], [part(3, 4), OTHER[4:5], part(6, 12)]], "does not continue the history"),
        ([[part(1, 5)], [part(6, 8), OTHER[3:8], part(9, 12)]], "corrupt at byte .* no crash explains it"),
        ([[part(1, 5)], [OTHER[2], *part(4, 12)]], "does not continue the history"),
    ],
    ids=["in-one-file", "at-the-end-of-the-repeat", "in-the-next-file", "of-the-file-before", "at-its-beginning"],
)  # fmt: skip
def test_another_transaction_of_the_same_zxid_is_refused(files: list[list[list[Entry]]], said: str) -> None:
    bench = apache(*[[run if isinstance(run, list) else [run] for run in file] for file in files])
    before = bench.data.content()
    with pytest.raises(CorruptionError, match=said):
        bench.open()
    assert bench.data.content() == before


def test_a_checksum_that_is_the_same_is_no_proof() -> None:
    """Adler-32 forgives what is changed here: the bytes alone tell."""
    zxid, payload = entries(1, 3, 3)[0]
    end = bytearray(payload[-3:])
    changed = payload[:-3] + bytes([(end[0] + 1) % 256, (end[1] - 2) % 256, (end[2] + 1) % 256])
    assert 0 < end[0] < 255
    assert end[1] > 1
    assert end[2] < 255
    assert encode(changed)[:12] == encode(payload)[:12]
    assert changed != payload
    bench = apache([part(1, 5), [(zxid, changed)], part(4, 12)])
    with pytest.raises(CorruptionError, match="no crash explains it"):
        bench.open()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([[part(1, 5), part(3, 5), part(7, 12)]], "corrupt at byte .* no crash explains it"),
        ([[part(1, 5)], [part(3, 5), part(7, 12)]], "corrupt at byte .* no crash explains it"),
        ([[part(1, 5), part(3, 5)], [part(8, 12)]], "a log file is missing"),
        ([[part(1, 5)], [part(3, 8)], [part(10, 12)]], "a log file is missing"),
    ],
    ids=["in-one-file", "in-the-next-file", "between-files", "between-later-files"],
)
def test_a_gap_behind_repeats_is_refused_as_any_gap(files: list[list[list[Entry]]], said: str) -> None:
    with pytest.raises(CorruptionError, match=said):
        apache(*files).open()


@pytest.mark.parametrize(
    "files",
    [
        [[part(1, 5), part(2, 3), entries(2, 1, 4)]],
        [[part(1, 5), part(2, 3)], [entries(2, 1, 4)]],
        [[part(1, 5)], [part(2, 3)], [entries(2, 1, 4)]],
        [[part(1, 5)], [part(2, 3), entries(2, 1, 4)]],
    ],
    ids=["in-one-file", "in-the-next-file", "in-a-file-each", "in-the-repeats-file"],
)
def test_an_epoch_behind_a_repeat_that_stops_short_is_refused(files: list[list[list[Entry]]]) -> None:
    """Its leader may have had nothing of what the repeat leaves out, or all of it."""
    bench = apache(*files)
    before = bench.data.content()
    with pytest.raises(CorruptionError, match=r"no crash explains it|does not continue the history"):
        bench.open()
    assert bench.data.content() == before


def test_what_was_logged_before_the_first_file_cannot_be_compared_and_is_refused() -> None:
    bench = apache([part(6, 8), part(3, 12)], history=part(1, 7))
    with pytest.raises(CorruptionError, match="no crash explains it"):
        bench.open()
    log(bench, part(1, 5))
    assert recovered(bench.open()) == HISTORY


def test_a_file_of_ours_has_no_repeats() -> None:
    again = part(3, 6)
    content = b"".join([encode(payload) for _, payload in again])
    bench = apache([part(1, 5)])
    log(bench, again, behind=mark(len(content)) + bytes(64))
    with pytest.raises(CorruptionError, match="does not continue the history"):
        bench.open()
    bench = Bench()
    snapshot(bench, [])
    log(bench, part(1, 5), again, behind=mark(len(content)) + bytes(64))
    with pytest.raises(CorruptionError, match="no crash explains it"):
        bench.open()


def test_a_torn_end_behind_repeats_is_dropped_and_damage_is_not() -> None:
    torn = encode(HISTORY[6][1])
    for runs in ([part(1, 5), part(3, 6)], [part(1, 6), part(3, 4)]):
        bench = Bench()
        snapshot(bench, [])
        log(bench, *runs, behind=torn[:-5] + bytes(64))
        assert recovered(bench.open()) == part(1, 6)
        snapshot(bench, [])
        log(bench, *runs, behind=torn[:-5] + b"????!" + encode(HISTORY[7][1]) + bytes(64))
        before = bench.data.content()
        with pytest.raises(CorruptionError, match="behind transaction 1:6, and no crash explains it"):
            bench.open()
        assert bench.data.content() == before


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("power", [False, True])
def test_a_crash_at_every_effect_of_the_repair(shape: str, power: bool) -> None:
    effect = 0
    while True:
        bench = apache(*SHAPES[shape])
        bench.data.crash_before(effect)
        if not crashes(lambda bench=bench: bench.open() and None):
            break
        if power:
            bench.crash(Random(effect))
        else:
            bench.kill()
        assert recovered(bench.open()) == held(shape)
        effect += 1
    assert effect > 1


def test_what_is_not_on_the_platter_yet_is_before_its_other_copy_goes() -> None:
    """A process was killed and what it wrote last is in the page cache only; then the power fails."""
    for files in (SHAPES["a-file-each"], [[part(1, 12)], [part(10, 11)]]):
        effect = 0
        while True:
            bench = apache(*files)
            bench.settings = StorageSettings()
            name = sorted(name for name in bench.log.content() if "log." in name)[
                0 if len(files[1][0]) == 2 else 1
            ]
            content = bench.log.content()[name]
            bench.log.write_atomic(name, content[:16])
            bench.log.write(name, 16, content[16:])
            bench.kill()
            bench.data.crash_before(effect)
            if not crashes(lambda bench=bench: bench.open() and None):
                break
            bench.crash()
            held = {zxid for zxid, _ in in_logs(bench)}
            both = {zxid for zxid, _ in files[0][0]} & {zxid for zxid, _ in files[1][0]}
            assert both <= held
            effect += 1
        assert effect > 1


def test_older_files_that_do_not_prove_to_be_repeats_lead_nobody_astray() -> None:
    for files in (
        [[part(1, 5), OTHER[2:12]]],
        [[part(1, 5)], [OTHER[2:12]]],
        [[part(1, 5)], [[OTHER[2]], part(4, 12)]],
    ):
        bench = apache(*files)
        log(bench, LATER)
        snapshot(bench, HISTORY + LATER[:2])
        store = opened(bench, few=True)
        before = bench.data.content()
        assert store.read_after(make(1, 2)) is None
        assert store.read_after(LATER[0][0]) == LATER[1:]
        with pytest.raises(StorageError, match="cannot truncate to 1:2"):
            store.truncate(make(1, 2))
        assert bench.data.content() == before


class ApacheLog:
    """What Apache's FileTxnLog leaves: a file is named by what it begins with, and replaces one of that name."""

    def __init__(self, rng: Random) -> None:
        self.files: dict[int, list[Entry]] = {}
        self.rng = rng
        self._open: list[Entry] | None = None

    def append(self, entry: Entry, *, roll: float = 0.15) -> None:
        if self._open is None or self.rng.random() < roll:
            self._open = self.files[entry[0]] = []
        self._open.append(entry)

    def written(self) -> Bench:
        return apache(*[[entries] for entries in self.files.values()])

    def in_order(self) -> list[Entry]:
        return [entry for first in sorted(self.files) for entry in self.files[first]]


def test_however_often_it_joins_and_rolls_its_log_nothing_is_lost_or_added() -> None:
    """It is sent the same again and again, each time as far as the link lasts. Until a file that begins again with
    the same replaces what went further, all is there; and then a server says so."""
    opened = lost = 0
    for seed in range(400):
        rng = Random(seed)
        theirs = ApacheLog(rng)
        for entry in part(1, 3):
            theirs.append(entry)
        for _ in range(rng.randint(2, 4)):
            for entry in part(4, rng.randint(4, 12)):
                theirs.append(entry)
        newest = max(theirs.in_order())
        reads, complete = 0, True
        for zxid, _ in theirs.in_order():
            complete = complete and zxid <= reads + 1 if reads else True
            reads = max(reads, zxid)
        bench = theirs.written()
        if not complete:
            lost += 1
            with pytest.raises(CorruptionError):
                bench.open()
            continue
        opened += 1
        assert recovered(bench.open()) == HISTORY[: HISTORY.index(newest) + 1], seed
        assert in_logs(bench) == recovered(bench.open())
    assert opened > 350
    assert lost


def test_what_another_leader_has_cut_off_is_not_brought_back() -> None:
    """The last leader it joins has less of the first epoch, and goes on in the next one."""
    opened = refused = 0
    for seed in range(400):
        rng = Random(seed)
        theirs = ApacheLog(rng)
        agreed = part(1, rng.randint(4, 12))
        for _ in range(rng.randint(1, 3)):
            for entry in part(1, rng.randint(4, 12)):
                theirs.append(entry)
        for entry in agreed + LATER:
            # A file that begins with an epoch does not tell what it follows; Apache's do so by chance only.
            theirs.append(entry, roll=0.0 if entry is LATER[0] else 0.15)
        bench = theirs.written()
        try:
            found = recovered(bench.open())
        except CorruptionError:
            refused += 1
            continue
        opened += 1
        assert found == agreed + LATER, seed
    assert opened > 50
    assert refused > 50
