"""What is judged by the chaos run itself: locks, watches that stay, and the log put together from several disks."""

from __future__ import annotations

from struct import pack

import pytest

from ensemble.chaos.book import Book
from ensemble.chaos.judge import check_locks, judge
from ensemble.errors import Code
from ensemble.simulator.checks.checkers import HistoryViolation, Replay
from ensemble.simulator.checks.model import CHANGED, CHILDREN, CREATED, DELETED, Model
from ensemble.simulator.checks.staying import check_staying_watches
from ensemble.simulator.clients.history import (
    Answer,
    Attached,
    Call,
    Fired,
    History,
    Pinged,
    Replied,
    Rewatched,
    Seen,
)
from ensemble.storage.names import DIRECTORY
from ensemble.storage.records import HEADER, encode
from ensemble.tree.operations import OPEN_ACL, AddWatch, Check, Create, Multi, Op, SetData, Sync
from ensemble.zxid import make

OLDER, NEWER = "/lock/_c_a-lock-0000000001", "/lock/_c_b-lock-0000000002"


def guarded_write(holder: str, zxid: int) -> Call:
    multi = Multi([(Op.CHECK, Check(holder, -1)), (Op.SET_DATA, SetData("/fenced", b"", -1))])
    return Call(0, 1, 1, Op.MULTI, multi, 0, 1, 5, zxid, Answer(results=[Answer(), Answer()]))


LINE = Replay(Model(), {OLDER: [(10, CREATED), (20, DELETED)], NEWER: [(11, CREATED), (30, DELETED)]})


def test_who_writes_while_somebody_else_holds_the_lock_is_caught():
    assert check_locks(History([guarded_write(OLDER, 15), guarded_write(NEWER, 25)]), LINE) == 2
    with pytest.raises(HistoryViolation, match="C8"):
        check_locks(History([guarded_write(NEWER, 15)]), LINE)


WATCHED = Replay(Model(), {"/w": [(2, CREATED), (5, CHILDREN)], "/w/a": [(5, CREATED), (6, CHANGED)]})


def watcher(*seen: Seen, mode: int = 1) -> list[Seen]:
    added = Call(0, 1, 1, Op.ADD_WATCH, AddWatch("/w", mode), 0, 1, 5, 3)
    return [Attached(1, 1, False, 0), Replied(added), *seen]


@pytest.mark.parametrize(
    "stream",
    [
        watcher(Fired(5, CREATED, "/w/a"), Fired(6, CHANGED, "/w/a"), Pinged(6)),
        watcher(Fired(5, CHILDREN, "/w"), Pinged(6), mode=0),
        watcher(Pinged(4), Attached(1, 2, True, 4), Rewatched(5), Fired(6, CHANGED, "/w/a"), Pinged(7)),
    ],
)
def test_a_persistent_watch_that_is_told_everything_holds(stream: list[Seen]):
    assert check_staying_watches({0: stream}, WATCHED) > 0


@pytest.mark.parametrize(
    "stream",
    [
        watcher(Pinged(5)),
        watcher(Fired(6, CHANGED, "/w/a")),
        watcher(Fired(5, CREATED, "/w/a"), Fired(5, CREATED, "/w/a")),
        watcher(Fired(5, CHILDREN, "/w")),
        watcher(Attached(1, 2, True, 4), Fired(5, CREATED, "/w/a")),
    ],
)
def test_a_persistent_watch_that_misses_or_repeats_something_is_caught(stream: list[Seen]):
    with pytest.raises(HistoryViolation, match="C4"):
        check_staying_watches({0: stream}, WATCHED)


def test_the_changes_of_one_transaction_may_be_told_in_any_order():
    replay = Replay(Model(), {"/w/a": [(5, CREATED)], "/w/b": [(5, CREATED)]})
    told = [Fired(5, CREATED, "/w/b"), Fired(5, CREATED, "/w/a")]
    assert check_staying_watches({0: watcher(*told, Pinged(5))}, replay) == 2
    for wrong in (watcher(told[0], Pinged(5)), watcher(told[0], told[0])):
        with pytest.raises(HistoryViolation, match="C4"):
            check_staying_watches({0: wrong}, replay)


UNTOLD = -1
"""What events of Apache's before 3.9 say instead of a zxid."""


def test_events_of_apaches_are_judged_by_their_order():
    all_of_it = watcher(Fired(UNTOLD, CREATED, "/w/a"), Fired(UNTOLD, CHANGED, "/w/a"), Pinged(6))
    assert check_staying_watches({0: all_of_it}, WATCHED, vague=[1]) == 2
    with pytest.raises(HistoryViolation, match="C4"):
        check_staying_watches({0: all_of_it}, WATCHED, vague=[2])
    with pytest.raises(HistoryViolation, match="C4"):
        check_staying_watches({0: watcher(Fired(UNTOLD, CHANGED, "/w/a"))}, WATCHED, vague=[1])


def test_a_sync_that_missed_a_write_is_broken_or_known_of_apaches():
    write = Call(0, 1, 1, Op.SET_DATA, SetData("/x", b"", -1), 0, 1, 5, 7, Answer())
    sync = Call(1, 2, 1, Op.SYNC, Sync("/x"), 6, 1, 9, 3, Answer())
    ours, mixed = (judge(History([write, sync]), [], {}, apache) for apache in ([], [3]))
    assert [what[:2] for what in ours.violations] == ["C3", "C1"]
    assert [what[:2] for what in mixed.violations] == ["C1"]
    (known,) = mixed.known
    assert known.startswith("C3")
    assert known.endswith("(ZOOKEEPER-1675)")


def test_what_a_session_asks_for_last_may_be_refused_by_apaches_before_it_ends():
    def entry(zxid: int, cxid: int, kind: int, rest: bytes) -> tuple[int, bytes]:
        return zxid, pack(">qiqqi", 1, cxid, zxid, 0, kind) + rest

    opened = entry(1, 0, Op.CREATE_SESSION, pack(">i", 4000))
    refused = entry(2, 1, Op.ERROR, pack(">i", Code.SESSION_EXPIRED))
    call = Call(0, 1, 1, Op.CREATE, Create("/x", b"", OPEN_ACL, 0), 0, 3, 5, 2, Answer(Code.SESSION_EXPIRED))
    ended = entry(3, 0, Op.CLOSE_SESSION, b"")
    ours, mixed = (judge(History([call]), [opened, refused, ended], {}, apache) for apache in ([], [3]))
    assert [what[:2] for what in ours.violations] == ["C1"]
    assert mixed.violations == []
    assert mixed.known[0].startswith("C5: 1 requests were refused too early")
    living = judge(History([call]), [opened, refused], {}, [3])
    assert [what[:2] for what in living.violations] == ["C1"]


class Logs:
    """The log files of a server: each a list of zxids."""

    def __init__(self, *logs: list[int], last: bytes = b"") -> None:
        self.logs = {f"log.{log[0]:x}": log for log in logs}
        self.last = last

    def names(self, directory: str) -> list[str]:
        return sorted(self.logs) if directory == DIRECTORY else []

    def read(self, name: str) -> bytes:
        zxids = self.logs[name.rpartition("/")[2]]
        return HEADER + b"".join(encode(payload(zxid) + self.last) for zxid in zxids) + bytes(64)


def payload(zxid: int) -> bytes:
    return (
        (1).to_bytes(8) + (0).to_bytes(4) + zxid.to_bytes(8) + (0).to_bytes(8) + (-1).to_bytes(4, signed=True)
    )


def test_the_log_is_put_together_from_servers_that_each_hold_a_part():
    book = Book()
    first, second = [make(1, n) for n in (1, 2, 3)], [make(2, n) for n in (1, 2)]
    book.collect(Logs(first), make(1, 2))
    assert book.newest == make(1, 2)
    book.collect(Logs(second), make(2, 2))
    assert book.newest == make(1, 2), "a log that begins behind a snapshot was taken to follow"
    book.collect(Logs(first, second), make(2, 1))
    assert [zxid for zxid, _ in book.entries] == [*first, second[0]]


def test_a_server_with_another_transaction_or_too_few_is_caught():
    book = Book()
    zxids = [make(1, n) for n in (1, 2, 3)]
    book.collect(Logs(zxids), zxids[-1])
    book.compare(1, Logs(zxids[1:]), zxids[-1])
    with pytest.raises(HistoryViolation, match="I2"):
        book.compare(1, Logs(zxids, last=b"!"), zxids[-1])
    with pytest.raises(HistoryViolation, match="C9"):
        book.compare(1, Logs(zxids[:2]), zxids[-1])


def test_before_a_gap_apaches_log_may_end_with_what_was_never_committed():
    committed = [*(make(1, n) for n in (1, 2)), *(make(2, n) for n in (1, 2, 3))]
    book = Book()
    # Server 3 had logged 1:3 when it was given a snapshot at 2:2.
    theirs = Logs([*committed[:2], make(1, 3)], [committed[4]])
    book.collect(theirs, committed[-1], apache=True)
    assert book.newest == 0
    book.collect(Logs(committed), committed[1])
    book.collect(theirs, committed[-1], apache=True)
    assert book.newest == committed[1]
    book.collect(Logs(committed), committed[-1])
    book.compare(3, theirs, committed[-1], apache=True)
    with pytest.raises(HistoryViolation, match="I2: server 3: the transaction at 1:3 was never committed"):
        book.compare(3, theirs, committed[-1])
    with pytest.raises(HistoryViolation, match="I2: server 3: the transaction at 2:4 was never committed"):
        book.compare(3, Logs([*committed[:2], make(1, 3)], [committed[4], make(2, 4)]), 0, apache=True)


def test_a_log_that_repeats_itself_is_told_from_one_with_a_gap():
    committed = [make(1, n) for n in range(1, 6)]
    book = Book()
    book.collect(Logs(committed), committed[-1])
    again = Logs(committed[:3], [committed[3], *committed[1:]])
    book.compare(3, again, committed[-1], apache=True)
    assert book.repeats(again)
    assert not book.repeats(Logs(committed[:2], committed[4:]))
    assert not book.repeats(Logs(committed))
    assert not book.repeats(Logs([*committed[:3], *committed[1:]], last=b"!"))
