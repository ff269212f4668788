"""Transactions, syncs and requests under a leader that is established."""

from __future__ import annotations

import pytest

from ensemble.zab.leader import broadcast
from ensemble.zab.messages import Packet, PacketType
from ensemble.zxid import COUNTER_MAX, make
from tests.ensemble.zab.harness import Table, fresh, history, states


def test_a_write_reaches_every_server_in_order():
    table = fresh()
    table.start(1, 2, 3)
    for payload in (b"a", b"b", b"c"):
        table.write(payload)
    assert len({tuple(state) for state in states(table).values()}) == 1
    assert [payload for _, payload in table.apps[1].state] == [b"a", b"b", b"c"]


def test_nothing_commits_before_a_quorum_of_disks_has_it():
    table = fresh()
    table.start(1, 2, 3)
    table.stuck_disks = {sid for sid in table.peers if sid != 3}
    leader = table.leader
    assert leader.sid == 3
    leader.propose(leader.next_zxid(), b"a")
    table.settle()
    assert table.apps[3].state == []
    table.stuck_disks = {1}
    table.settle()
    assert [payload for _, payload in table.apps[3].state] == [b"a"]


def test_sync_needs_proof_that_we_still_lead():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    leader.sync()
    assert table.apps[leader.sid].synced == 0
    leader.flush()
    assert table.apps[leader.sid].synced == 0
    table.settle()
    assert table.apps[leader.sid].synced == 1


def test_a_learners_sync_comes_back_after_what_was_proposed_before_it():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    learner = next(sid for sid in table.peers if sid != leader.sid)
    table.stuck_disks = {1, 2, 3}
    zxid = leader.next_zxid()
    leader.propose(zxid, b"a")
    leader.sync(learner)
    table.settle()
    assert table.apps[learner].synced == 0
    table.stuck_disks.clear()
    table.settle()
    assert table.apps[learner].synced == 1
    assert table.apps[learner].zxid_applied == zxid


def test_a_learners_sync_comes_back_before_what_was_proposed_after_it():
    """Apache's learner answers no client any more after a commit that overtook a sync (CommitProcessor)."""
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    assert leader.sid == 3
    to_1, to_2 = (
        next(link for link in table.links if link.owner == 3 and link.other and link.other.owner == sid)
        for sid in (1, 2)
    )
    to_1.said.clear()
    zxids = []
    for payload in (b"a", b"b", b"c"):
        zxids.append(leader.next_zxid())
        leader.propose(zxids[-1], payload)
        leader.sync(1 if payload < b"c" else 2)
    leader.flush()
    while table.histories[3].complete():
        leader.flush()
    # Nobody has answered the ping yet, but server 2 has acked: as one that has only just joined may.
    leader.on_packets(to_2, [Packet(PacketType.ACK, zxids[-1])])
    leader.flush()
    told = [(kind, zxid) for kind, zxid in to_1.said if kind in (PacketType.COMMIT, PacketType.SYNC)]
    commits = [(PacketType.COMMIT, zxid) for zxid in zxids]
    assert told == [commits[0], (PacketType.SYNC, 0), commits[1], (PacketType.SYNC, 0), commits[2]]
    assert (PacketType.SYNC, 0) not in to_2.said, "nothing proves yet that we led when its sync came"
    table.settle()
    assert [table.apps[sid].synced for sid in (1, 2)] == [2, 1]


def test_requests_and_revalidations_pass_through():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    learner = next(peer for peer in table.peers.values() if peer is not leader)
    learner.submit(b"request")
    learner.revalidate(b"session")
    table.settle()
    assert table.apps[leader.sid].requests == [(learner.sid, b"request")]
    assert "revalidated b'valid:session'" in table.apps[learner.sid].log


@pytest.mark.timeout(
    20
)  # a leader that takes the end of the last epoch for that of its own is elected for ever
def test_a_leader_hands_over_before_its_epoch_has_no_zxid_left(monkeypatch: pytest.MonkeyPatch):
    """ZOOKEEPER-1277: the counter would run into the epoch."""
    monkeypatch.setattr(broadcast, "_COUNTER_RESERVE", COUNTER_MAX - 3)
    table = fresh()
    table.start(1, 2, 3)
    written = [table.write(b"x") for _ in range(3)]
    assert written == [make(1, counter) for counter in (1, 2, 3)]
    beyond = table.write(b"x")
    assert beyond == make(1, 4)
    table.advance(2_000)
    assert table.leader.epoch == 2
    assert table.write(b"y") == make(2, 1)
    expected = [*written, beyond, make(2, 1)]
    assert all([zxid for zxid, _ in state] == expected for state in states(table).values())


@pytest.mark.timeout(20)
def test_an_ensemble_whose_last_epoch_was_used_up_begins_another():
    last = make(1, COUNTER_MAX - 5)
    table = Table({sid: history(last, accepted=1, current=1) for sid in (1, 2, 3)})
    table.start(1, 2, 3)
    assert table.leader.epoch == 2
    assert table.write(b"x") == make(2, 1)
    assert all([zxid for zxid, _ in state] == [last, make(2, 1)] for state in states(table).values())
