"""What is judged by the chaos run itself: locks, watches that stay, and the log put together from several disks."""

from __future__ import annotations

from struct import pack

import pytest

from ensemble.chaos.book import Book
from ensemble.chaos.judge import Judgement, check_locks, judge
from ensemble.errors import Code
from ensemble.simulator.checks.checkers import HistoryViolation, Replay
from ensemble.simulator.checks.model import CHANGED, CHILDREN, CREATED, DELETED, Model
from ensemble.simulator.checks.staying import check_staying_watches
from ensemble.simulator.clients.history import (
    Answer,
    Attached,
    Call,
    Expired,
    Fired,
    History,
    Pinged,
    Reign,
    Replied,
    Rewatched,
    Seen,
)
from ensemble.storage.names import DIRECTORY
from ensemble.storage.records import HEADER, encode
from ensemble.tree.operations import OPEN_ACL, AddWatch, Check, Create, Multi, Op, Read, SetData, Sync
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


OURS, THEIRS = 1, 3
APACHE = [THEIRS]
LED_BY_THEIRS = {1: THEIRS, 2: OURS}
LED_BY_OURS = {1: OURS, 2: THEIRS}
CUT_OFF = Reign(epoch=1, newest=2)


def late_sync(reign: Reign | None) -> History:
    write = Call(0, 1, 1, Op.SET_DATA, SetData("/x", b"", -1), 0, 1, 5, make(2, 7), Answer())
    return History([write, Call(1, 2, 1, Op.SYNC, Sync("/x"), 6, 1, 9, make(1, 3), Answer(), reign)])


def test_a_late_sync_is_known_of_a_leader_of_apaches_and_broken_under_one_of_ours():
    known = judge(late_sync(CUT_OFF), [], {}, APACHE, led=LED_BY_THEIRS)
    # The write stands in no log here, which is another matter.
    assert [what[:2] for what in known.violations] == ["C1"]
    (told,) = known.known
    assert told.startswith("C3: 2:7 had returned before this began, answered at 1:3")
    assert told.endswith("(ZOOKEEPER-1675)")
    broken = judge(late_sync(CUT_OFF), [], {}, APACHE, led=LED_BY_OURS)
    assert [what[:2] for what in broken.violations] == ["C3", "C1"]
    assert broken.known == []


def test_a_leader_of_apaches_may_answer_its_own_client_before_it_has_applied_what_it_has_committed():
    def judged(server: int, newest: int, led: dict[int, int]) -> Judgement:
        history = late_sync(Reign(epoch=1, newest=1))
        write, sync = history.calls
        write.zxid, sync.server = newest, server
        return judge(history, [], {}, APACHE, led=led)

    own = judged(THEIRS, make(1, 4), {1: THEIRS})
    assert [what[:2] for what in own.violations] == ["C1"]
    assert own.known[0].endswith("before it has applied all that it has committed itself")
    for broken in (
        judged(
            2, make(1, 4), {1: THEIRS}
        ),  # a follower asks its leader, whose commits come before its answer
        judged(THEIRS, make(2, 1), {1: THEIRS}),  # what another committed
        judged(OURS, make(1, 4), {1: OURS}),
        judged(THEIRS, make(1, 4), {1: OURS}),
    ):
        assert [what[:2] for what in broken.violations] == ["C3", "C1"]
        assert broken.known == []


@pytest.mark.parametrize(
    ("reign", "led"),
    [
        (Reign(epoch=1, newest=1), LED_BY_THEIRS),  # nobody else led yet
        (Reign(epoch=2, newest=2), LED_BY_THEIRS),  # answered under its successor
        (CUT_OFF, {2: OURS}),  # nobody says that he led
        (None, LED_BY_THEIRS),
    ],
)
def test_a_late_sync_is_broken_unless_its_leader_of_apaches_had_a_successor(
    reign: Reign | None, led: dict[int, int]
):
    broken = judge(late_sync(reign), [], {}, APACHE, led=led)
    assert [what[:2] for what in broken.violations] == ["C3", "C1"]


def test_one_late_sync_under_a_leader_of_ours_is_not_hidden_by_others():
    history = late_sync(CUT_OFF)
    later = Reign(epoch=2, newest=3)
    history.calls.append(Call(1, 2, 2, Op.SYNC, Sync("/x"), 10, 1, 12, make(1, 3), Answer(), later))
    history.calls.append(Call(1, 2, 3, Op.SYNC, Sync("/x"), 13, 1, 15, make(1, 3), Answer(), CUT_OFF))
    mixed = judge(history, [], {}, APACHE, led=LED_BY_THEIRS)
    assert mixed.violations[0].endswith("client 1 cxid 2 SYNC Sync(path='/x')")
    assert "(and 1 more)" in mixed.known[0]


def entry(zxid: int, cxid: int, kind: int, rest: bytes) -> tuple[int, bytes]:
    return zxid, pack(">qiqqi", 1, cxid, zxid, 0, kind) + rest


def opened(zxid: int) -> tuple[int, bytes]:
    return entry(zxid, 0, Op.CREATE_SESSION, pack(">i", 4000))


def test_what_a_session_asks_for_last_may_be_refused_by_apaches_before_it_ends():
    refused = entry(make(1, 2), 1, Op.ERROR, pack(">i", Code.SESSION_EXPIRED))
    answer = Answer(Code.SESSION_EXPIRED)
    call = Call(0, 1, 1, Op.CREATE, Create("/x", b"", OPEN_ACL, 0), 0, 3, 5, make(1, 2), answer)
    log = [opened(make(1, 1)), refused, entry(make(1, 3), 0, Op.CLOSE_SESSION, b"")]
    known = judge(History([call]), log, {}, APACHE, led=LED_BY_THEIRS)
    assert known.violations == []
    assert known.known[0].startswith("C5: 1 requests were refused too early")
    for broken in (
        judge(History([call]), log, {}, APACHE, led=LED_BY_OURS),
        judge(History([call]), log[:2], {}, APACHE, led=LED_BY_THEIRS),  # it lives on
    ):
        assert [what[:2] for what in broken.violations] == ["C1"]
        assert broken.known == []


def test_a_session_is_called_expired_too_early_by_a_leader_of_apaches_that_was_replaced_and_by_nobody_else():
    def told(reign: Reign | None, led: dict[int, int]) -> Judgement:
        history = History([], {0: [Attached(1, 3, False, 0), Expired(1, 0, reign)]})
        return judge(history, [opened(make(1, 1))], {}, APACHE, led=led)

    known = told(CUT_OFF, LED_BY_THEIRS)
    assert known.violations == []
    assert known.known[0].startswith("C5: client 0 was told 0x1 expired; no txn says so")
    for broken in (
        told(CUT_OFF, LED_BY_OURS),
        told(Reign(epoch=1, newest=1), {1: THEIRS}),  # which nobody replaced
        told(None, LED_BY_THEIRS),
    ):
        assert broken.violations == ["C5: client 0 was told 0x1 expired; no txn says so"]


def test_one_shot_watches_are_judged_until_their_client_meets_a_server_of_apaches():
    create = Call(0, 1, 1, Op.CREATE, Create("/w", b"", OPEN_ACL, 0), 0, 1, 5, 2, Answer(path="/w"))
    log = [opened(1), entry(2, 1, Op.CREATE, b"")]
    watch = Call(0, 1, 2, Op.EXISTS, Read("/w", True), 0, 1, 1, 1, Answer(Code.NO_NODE))
    missed: list[Seen] = [Replied(watch), Pinged(2)]

    def judged(*stream: Seen) -> Judgement:
        return judge(History([create, watch], {0: list(stream)}), log, {}, APACHE)

    at_ours, at_theirs = Attached(1, OURS, False, 0), Attached(1, THEIRS, False, 0)
    for broken in (judged(at_ours, *missed), judged(at_ours, *missed, at_theirs)):
        assert broken.violations == ["C4: client 0: /w changed at 0:2, the watch of 0:1 had not fired by 0:2"]
    unjudged = judged(at_theirs, *missed)
    assert unjudged.violations == []
    assert unjudged.known[0].startswith("C4: the one-shot watches of 1 sessions are judged only until then")


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
    never = "I2: server 3: the transaction at 1:3 was never committed"
    for snapshots in (set(), {committed[1]}, {committed[-1]}):
        book.snapshots_seen[3] = snapshots
        with pytest.raises(HistoryViolation, match=never):
            book.compare(3, theirs, committed[-1], apache=True)
    book.snapshots_seen[3] = {make(2, 2)}
    book.compare(3, theirs, committed[-1], apache=True)
    with pytest.raises(HistoryViolation, match=never):
        book.compare(3, theirs, committed[-1])
    with pytest.raises(HistoryViolation, match="I2: server 3: the transaction at 2:4 was never committed"):
        book.compare(3, Logs([*committed[:2], make(1, 3)], [committed[4], make(2, 4)]), 0, apache=True)


def test_what_a_log_holds_twice_counts_once_and_is_held_against_the_others_like_any():
    """Apache's servers log again what they have logged (ZOOKEEPER-4712)."""
    committed = [make(1, n) for n in range(1, 7)]
    again = Logs(committed[:3], [committed[3], *committed[1:]])
    book = Book()
    book.collect(again, committed[-1], apache=True)
    assert [zxid for zxid, _ in book.entries] == committed
    book.compare(3, again, committed[-1], apache=True)
    with pytest.raises(HistoryViolation, match="I2: server 3: 1:2 stands in its log behind 1:4"):
        book.compare(3, again, committed[-1])
    with pytest.raises(HistoryViolation, match="C9: server 3: its log ends at 1:5"):
        book.compare(3, Logs(committed[:5], committed[2:4]), committed[-1], apache=True)
    with pytest.raises(HistoryViolation, match="I2: server 3: the transaction at 1:7 was never committed"):
        book.compare(3, Logs([*committed, make(1, 7), *committed[2:]]), committed[-1], apache=True)
    with pytest.raises(HistoryViolation, match="I2: server 3: the transaction at 1:1 is another"):
        book.compare(
            3, Logs(committed[:3], [committed[3], *committed[1:]], last=b"!"), committed[-1], apache=True
        )
