"""Disks that do not answer while their servers do."""

from __future__ import annotations

from ensemble.zab.leader.sync_limit import SyncLimit
from ensemble.zab.messages import ServerState
from ensemble.zxid import make
from tests.ensemble.zab.harness import Table, Times, fresh, history

INIT_MS = Times().init_limit_ticks * Times().tick_ms
SYNC_MS = Times().sync_limit_ticks * Times().tick_ms


def test_a_leader_whose_disk_does_not_answer_leaves_the_lead_to_another():
    table = fresh()
    table.start(1, 2, 3)
    old = table.leader
    assert old.sid == 3
    table.stuck_disks = {3}
    zxid = old.next_zxid()
    table.write(b"a")
    assert table.apps[1].zxid_applied == zxid  # by the disks of the others
    table.advance(2 * SYNC_MS)
    assert old.role is ServerState.LOOKING
    assert "looking: its disk did not answer within syncLimit" in table.apps[3].log
    assert table.leader.sid == 2
    table.write(b"b")
    table.advance(20 * SYNC_MS)
    assert old.role is ServerState.LOOKING
    assert table.leader.sid == 2
    assert table.apps[3].zxid_applied < table.apps[1].zxid_applied
    table.stuck_disks.clear()
    table.advance(SYNC_MS)
    assert old.role is ServerState.FOLLOWING
    assert table.apps[3].state == table.apps[2].state


def test_a_disk_that_answers_late_and_in_time_costs_nothing():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    for payload in (b"a", b"b", b"c"):
        table.stuck_disks = {1, 2, 3}
        table.write(payload)
        table.advance(SYNC_MS // 2)
        table.stuck_disks = set()
        table.settle()
    assert table.leader is leader
    assert all("looking" not in line for app in table.apps.values() for line in app.log[2:])


def test_nothing_to_log_is_not_late():
    table = fresh()
    table.start(1, 2, 3)
    table.stuck_disks = {1, 2, 3}
    table.advance(10 * SYNC_MS)
    assert table.leader.sid == 3


def test_a_follower_that_answers_pings_and_logs_nothing_is_not_counted_on():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    table.stuck_disks = {1, 2}
    table.write(b"a")
    table.advance(2 * SYNC_MS)
    assert not leader.serving
    assert "looking: lost the quorum of followers" in table.apps[3].log
    table.stuck_disks.clear()
    table.advance(10 * SYNC_MS)
    assert {app.state[-1][1] for app in table.apps.values()} == {b"a"}


def test_who_cannot_make_its_history_durable_does_not_stay_elected():
    """It holds the most, in its memory; the others would elect it for ever."""
    held = [make(1, 1), make(1, 2)]
    table = Table({sid: history(*held[: sid if sid > 2 else 1], accepted=1, current=1) for sid in (1, 2, 3)})
    table.histories[3].durable = held[0]
    table.stuck_disks = {3}
    table.start(1, 2, 3)
    assert table.peers[3].role is ServerState.LEADING
    table.advance(INIT_MS + SYNC_MS)
    assert table.leader.sid == 2
    table.write(b"b")
    table.advance(2 * INIT_MS)
    assert table.leader.sid == 2
    table.stuck_disks.clear()
    table.advance(SYNC_MS)
    assert table.apps[3].state == table.apps[2].state == table.apps[1].state


def test_an_ensemble_of_one_waits_for_its_disk():
    table = fresh(1)
    table.start(1)
    table.stuck_disks = {1}
    table.write(b"a")
    table.advance(10 * SYNC_MS)
    assert table.leader.sid == 1
    table.stuck_disks.clear()
    table.settle()
    assert table.apps[1].state[-1][1] == b"a"


def test_the_limit_counts_from_the_look_that_found_something_unlogged():
    limit = SyncLimit(7, 0)
    assert not limit.exceeded(-1, 7, 50, 10)  # of 7 no ack is waited for
    assert not limit.exceeded(-1, 9, 60, 10)
    assert not limit.exceeded(8, 12, 70, 10)
    assert limit.exceeded(8, 12, 71, 10)
    assert not limit.exceeded(9, 12, 72, 10)
    assert not limit.exceeded(11, 12, 82, 10)
    assert limit.exceeded(11, 12, 83, 10)
