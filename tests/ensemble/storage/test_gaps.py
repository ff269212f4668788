"""Logs as Apache leaves them when a leader's snapshot came in between."""

from __future__ import annotations

from random import Random

import pytest

from ensemble.errors import CorruptionError
from ensemble.storage import snapshots
from ensemble.storage.records import HEADER, encode
from ensemble.zxid import make
from tests.ensemble.storage.harness import Bench, Entry, body_of, crashes, entries, recovered

OLD = entries(1, 1, 12)
MISSED = entries(1, 13, 40)
WITHIN_EPOCH = (make(1, 40), entries(1, 41, 60))
AT_ITS_END = (make(1, 40), entries(2, 1, 20))
AT_ITS_BEGINNING = (make(2, 0), entries(2, 1, 20))
"""Apache's leader of a new epoch, and who gets a snapshot of it then, say that they are at its zxid 0."""

CASES = pytest.mark.parametrize(
    ("zxid", "later"), [WITHIN_EPOCH, AT_ITS_END, AT_ITS_BEGINNING], ids=["within", "at-end", "at-beginning"]
)


def apache_files(bench: Bench, zxid: int, later: list[Entry], *, one_file: bool = True) -> list[Entry]:
    """Write a directory whose server got a snapshot at ``zxid`` after ``OLD``; return its history."""
    state = OLD + MISSED
    snapshot(bench, 0, [])
    snapshot(bench, zxid, state)
    if one_file:
        log(bench, OLD + later)
    else:
        log(bench, OLD)
        log(bench, later)
    return state + later


def snapshot(bench: Bench, zxid: int, history: list[Entry]) -> None:
    """Write a snapshot file."""
    content = b"".join(snapshots.encode(zxid, [body_of(history)], 1))
    bench.data.write_atomic(f"version-2/snapshot.{zxid:x}", content)


def log(bench: Bench, history: list[Entry], behind: bytes = bytes(64)) -> None:
    """Write a log file as Apache does, without marks."""
    content = HEADER + b"".join([encode(payload) for _, payload in history]) + behind
    bench.log.write_atomic(f"version-2/log.{history[0][0]:x}", content)


@CASES
@pytest.mark.parametrize("one_file", [True, False])
def test_the_history_goes_on_behind_the_snapshot(zxid: int, later: list[Entry], one_file: bool) -> None:
    bench = Bench()
    history = apache_files(bench, zxid, later, one_file=one_file)
    for _ in range(2):
        store = bench.open()
        assert recovered(store) == history
        assert store.zxid_logged == later[-1][0]


@CASES
@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize("newer", [False, True])
def test_nobody_is_led_over_the_gap(zxid: int, later: list[Entry], one_file: bool, newer: bool) -> None:
    """Who ends before it would miss what only the snapshot holds: also when a newer snapshot was opened."""
    bench = Bench()
    history = apache_files(bench, zxid, later, one_file=one_file)
    if newer:
        snapshot(bench, later[9][0], history[:-10])
    for _ in range(2):
        store = bench.open()
        assert store.read_after(OLD[3][0]) is None
        assert store.read_after(OLD[-1][0]) is None
        assert store.read_after(later[9][0]) == later[10:]


@CASES
def test_what_is_behind_the_gap_can_be_cut(zxid: int, later: list[Entry]) -> None:
    bench = Bench()
    history = apache_files(bench, zxid, later)
    store = bench.open()
    store.truncate(later[4][0])
    assert store.zxid_logged == later[4][0]
    assert recovered(bench.open()) == history[:-15]


def test_several_gaps_and_a_torn_end() -> None:
    bench = Bench()
    apache_files(bench, *WITHIN_EPOCH)
    first, then, last = entries(1, 41, 60), entries(2, 1, 9), entries(4, 31, 50)
    state = OLD + MISSED + first + entries(1, 61, 70)
    snapshot(bench, make(1, 70), state)
    snapshot(bench, make(4, 30), [*state, *then, *entries(3, 1, 30)])
    torn = encode(entries(4, 51, 51)[0][1])[:-5]
    log(bench, OLD + first + then + last, torn + bytes(64))
    store = bench.open()
    assert recovered(store)[-20:] == last
    assert store.read_after(then[0][0]) is None


def test_a_gap_that_no_snapshot_bridges_is_corruption() -> None:
    bench = Bench()
    snapshot(bench, 0, [])
    log(bench, OLD + entries(1, 41, 60))
    with pytest.raises(CorruptionError, match="no crash explains it"):
        bench.open()


def test_a_bad_snapshot_in_a_gap_is_no_bridge() -> None:
    bench = Bench()
    apache_files(bench, *AT_ITS_END, one_file=False)
    name = f"version-2/snapshot.{make(1, 40):x}"
    bench.data.write(name, 40, b"????")
    with pytest.raises(CorruptionError, match="does not continue"):
        bench.open()


@CASES
def test_a_crash_at_every_effect_of_the_repair(zxid: int, later: list[Entry]) -> None:
    effect = 0
    while True:
        bench = Bench()
        history = apache_files(bench, zxid, later)
        bench.data.crash_before(effect)
        if not crashes(lambda bench=bench: bench.open() and None):
            break
        bench.crash(Random(effect))
        assert recovered(bench.open()) == history
        effect += 1
    assert effect > 2
