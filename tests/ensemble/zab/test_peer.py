"""Elections, terms and hand-overs between three peers."""

from __future__ import annotations

from struct import pack

import pytest

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.limits import EPOCHS_AHEAD_MAX
from ensemble.zab.messages import Notification, Packet, PacketType, ServerState, Vote
from ensemble.zab.phase import Phase
from ensemble.zxid import make
from tests.ensemble.zab.harness import MemoryHistory, Table, TableLink


def fresh(count: int = 3) -> Table:
    return Table({sid: MemoryHistory() for sid in range(1, count + 1)})


def history(*zxids: int, accepted: int, current: int) -> MemoryHistory:
    made = MemoryHistory(
        [(zxid, b"%x" % zxid) for zxid in zxids], accepted_epoch=accepted, current_epoch=current
    )
    made.durable = made.zxid_logged
    return made


def states(table: Table) -> dict[int, list[tuple[int, bytes]]]:
    return {sid: app.state for sid, app in table.apps.items()}


def test_three_fresh_servers_elect_the_greatest_and_serve():
    table = fresh()
    table.start(1, 2, 3)
    assert {peer.role for peer in table.peers.values()} == {ServerState.LEADING, ServerState.FOLLOWING}
    assert all(peer.serving and peer.phase is Phase.BROADCAST for peer in table.peers.values())
    assert {h.current_epoch for h in table.histories.values()} == {1}


def test_a_lone_server_is_an_ensemble_of_one():
    table = fresh(1)
    table.start(1)
    zxid = table.write(b"a")
    assert zxid == make(1, 1)
    assert table.apps[1].state == [(zxid, b"a")]


def test_a_minority_never_serves():
    table = fresh()
    table.start(1)
    table.advance(5_000)
    assert not table.peers[1].serving
    assert table.peers[1].role is ServerState.LOOKING


def test_a_write_reaches_every_server_in_order():
    table = fresh()
    table.start(1, 2, 3)
    for payload in (b"a", b"b", b"c"):
        table.write(payload)
    assert len({tuple(state) for state in states(table).values()}) == 1
    assert [payload for _, payload in table.apps[1].state] == [b"a", b"b", b"c"]


def test_a_dead_leader_is_replaced_and_nothing_committed_is_lost():
    table = fresh()
    table.start(1, 2, 3)
    first = table.leader.sid
    table.write(b"a")
    table.kill(first)
    table.settle()
    table.advance(1_000)
    second = table.leader
    assert second.sid != first
    assert second.epoch == 2
    table.write(b"b")
    table.start(first)
    table.advance(1_000)
    assert [payload for _, payload in table.apps[first].state] == [b"a", b"b"]
    assert table.peers[first].serving


def test_the_longest_history_of_the_latest_epoch_leads():
    table = Table(
        {
            1: history(make(1, 1), make(1, 2), make(1, 3), accepted=1, current=1),
            2: history(make(1, 1), make(2, 1), accepted=2, current=2),
            3: history(make(1, 1), accepted=2, current=1),
        }
    )
    table.start(1, 2, 3)
    assert table.leader.sid == 2
    assert len({tuple(state) for state in states(table).values()}) == 1
    assert [zxid for zxid, _ in table.apps[1].state] == [make(1, 1), make(2, 1)]


def test_an_uncommitted_tail_is_truncated_on_the_server_that_comes_back():
    table = fresh()
    table.start(1, 2, 3)
    table.write(b"a")
    leader = table.leader
    table.stuck_disks = {sid for sid in table.peers if sid != leader.sid}
    leader.propose(leader.next_zxid(), b"lost")
    leader.flush()
    table.histories[leader.sid].complete()
    table.stuck_disks.clear()
    for link in table.links:
        link.inbox.clear()  # the proposal never arrives
    table.kill(leader.sid)
    table.advance(1_000)
    table.write(b"b")
    table.start(leader.sid)
    table.advance(1_000)
    assert len({tuple(state) for state in states(table).values()}) == 1
    assert b"lost" not in [payload for _, payload in table.apps[leader.sid].state]


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


def test_an_ack_waits_for_history_then_epoch():
    table = fresh()
    table.stuck_disks = {1}
    table.start(1, 2, 3)
    assert table.histories[1].effects == ["accepted 1"]
    assert not table.peers[1].serving
    assert (1, PacketType.ACK, make(1, 0)) not in table.transcript
    table.stuck_disks.clear()
    table.settle()
    assert table.histories[1].effects == ["accepted 1", "current 1"]
    assert table.peers[1].serving


def test_proposals_may_come_while_the_synchronized_history_is_still_being_written():
    table = fresh()
    table.start(2, 3)
    table.write(b"a")
    table.stuck_disks = {1}
    table.start(1)
    table.advance(300)
    table.write(b"b")
    assert not table.peers[1].serving
    assert table.histories[1].zxid_logged == make(1, 2)
    table.stuck_disks.clear()
    table.settle()
    assert table.peers[1].serving
    assert table.apps[1].state == table.apps[2].state
    acks = [zxid for sid, kind, zxid in table.transcript if sid == 1 and kind == PacketType.ACK]
    assert acks[0] == make(1, 0)
    assert sorted(acks) == [make(1, 0), make(1, 0), make(1, 2)]


def test_commits_wait_for_a_learner_that_is_being_synchronized():
    """Apache 3.8 fails on a commit between NEWLEADER and UPTODATE (ZOOKEEPER-4394)."""
    table = fresh()
    table.start(2, 3)
    table.write(b"a")
    table.stuck_disks = {1}
    table.start(1)
    table.advance(300)
    table.write(b"b")
    assert table.apps[2].zxid_applied == make(1, 2)
    table.stuck_disks.clear()
    table.settle()
    to_learner = {link.other for link in table.links if link.owner == 1}
    assert to_learner
    (said,) = [link.said for link in to_learner if link.said]
    kinds = [kind for kind, _ in said]
    assert (PacketType.COMMIT, make(1, 2)) in said[kinds.index(PacketType.UPTODATE) :]
    assert (
        PacketType.COMMIT not in kinds[kinds.index(PacketType.NEWLEADER) : kinds.index(PacketType.UPTODATE)]
    )
    assert table.apps[1].state == table.apps[2].state


def test_an_early_ack_counts_once_the_learner_is_synchronized():
    """Apache 3.8 acks proposals and NEWLEADER from two threads, in any order (ZOOKEEPER-4685)."""
    table = fresh()
    table.start(2, 3)
    table.stuck_disks = {1, 2}
    table.start(1)
    table.advance(300)
    leader = table.leader
    zxid = leader.next_zxid()
    table.write(b"a")
    link = next(link for link in table.links if link.other is not None and link.other.owner == 1)
    leader.on_packets(link, [Packet(PacketType.ACK, zxid)])
    table.settle()
    assert leader.zxid_committed < zxid
    leader.on_packets(link, [Packet(PacketType.ACK, make(1, 0))])
    table.settle()
    assert leader.zxid_committed == zxid


def test_an_ack_of_another_epochs_new_leader_breaks_the_link():
    table = fresh()
    table.start(2, 3)
    table.stuck_disks = {1}
    table.start(1)
    table.advance(300)
    link = next(link for link in table.links if link.other is not None and link.other.owner == 1)
    with pytest.raises(PeerProtocolError, match="instead of NEWLEADER's"):
        table.leader.on_packets(link, [Packet(PacketType.ACK, make(7, 0))])


def test_an_ack_before_new_leader_breaks_the_link():
    table = fresh(5)
    table.stuck_disks = {3, 4, 5}
    table.start(2, 3, 4, 5)
    candidate = next(peer for peer in table.peers.values() if peer.role is ServerState.LEADING)
    assert not candidate.serving
    link = next(link for link in table.links if link.other is not None and link.other.owner == 2)
    with pytest.raises(PeerProtocolError, match="before NEWLEADER"):
        candidate.on_packets(link, [Packet(PacketType.ACK, make(1, 0))])
    assert link.closed


def test_a_leader_that_loses_its_followers_stops_serving():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    for sid in {1, 2, 3} - {leader.sid}:
        table.kill(sid)
    table.settle()
    assert not leader.serving
    with pytest.raises(InvariantViolation):
        leader.propose(make(1, 1), b"a")


def test_a_learner_may_connect_before_the_leader_knows_that_it_leads():
    table = fresh()
    table.start(1, 2, 3)
    table.kill(table.leader.sid)
    table.advance(2_000)
    assert table.leader.epoch == 2


def elected_alone() -> Table:
    """Server 3 was elected with the vote of server 1; nobody has come to follow it yet."""
    table = fresh()
    table.peers[3].start()
    table.peers[3].on_notification(Notification(1, ServerState.LOOKING, Vote(3, 0, 0), 1))
    assert table.peers[3].role is ServerState.LEADING
    return table


def test_a_leader_whose_voters_have_gone_to_another_does_not_wait_for_them():
    elected = elected_alone().peers[3]
    elected.on_notification(Notification(1, ServerState.FOLLOWING, Vote(2, 0, 0), 2))
    assert elected.role is ServerState.LEADING  # server 2 would be enough
    elected.on_notification(Notification(2, ServerState.LEADING, Vote(2, 0, 0), 2))
    assert elected.role is ServerState.LOOKING


@pytest.mark.parametrize("vote", [Vote(2, 5, 0), Vote(1, 5, 0)])
def test_a_leader_whose_voters_look_for_a_better_one_looks_too(vote: Vote):
    elected = elected_alone().peers[3]
    for sid in (1, 2):
        elected.on_notification(Notification(sid, ServerState.LOOKING, vote, 1))
    assert elected.role is ServerState.LOOKING


def test_a_leader_waits_for_voters_that_only_have_not_heard_of_it_yet():
    elected = elected_alone().peers[3]
    for sid in (1, 2):
        elected.on_notification(Notification(sid, ServerState.LOOKING, Vote(sid, 0, 0), 1))
    assert elected.role is ServerState.LEADING


def test_words_of_before_do_not_unseat_a_leader_that_is_followed():
    table = fresh()
    table.start(1, 2, 3)
    for sid in (1, 2):
        table.leader.on_notification(Notification(sid, ServerState.LOOKING, Vote(sid, 0, 0), 9))
    assert table.leader.sid == 3


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


def test_an_ack_beyond_the_last_proposal_breaks_the_link():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    link = next(link for link in table.links if link.owner == leader.sid and not link.closed)
    with pytest.raises(PeerProtocolError, match="beyond"):
        leader.on_packets(link, [Packet(PacketType.ACK, make(1, 99))])
    assert link.closed


def test_a_packet_its_phase_forbids_breaks_the_link():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    learner = next(peer for peer in table.peers.values() if peer is not leader)
    link = next(link for link in table.links if link.owner == learner.sid and not link.closed)
    with pytest.raises(PeerProtocolError, match="type 10"):
        learner.on_packets(link, [Packet(PacketType.NEWLEADER, make(1, 0))])
    assert link.closed
    assert not learner.serving


def test_a_gap_in_the_proposals_breaks_the_link():
    table = fresh()
    table.start(1, 2, 3)
    learner = next(peer for peer in table.peers.values() if peer is not table.leader)
    link = next(link for link in table.links if link.owner == learner.sid and not link.closed)
    with pytest.raises(PeerProtocolError, match="does not follow"):
        learner.on_packets(link, [Packet(PacketType.PROPOSAL, make(1, 2), b"x")])


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


def test_pings_keep_a_quiet_ensemble_together():
    table = fresh()
    table.start(1, 2, 3)
    table.advance(60_000)
    assert table.leader.epoch == 1


def test_a_silent_leader_is_left_and_found_again():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    for link in table.links:
        link.other = None  # packets vanish, nobody notices a break
    table.advance(2_000)
    assert any("silent" in line for app in table.apps.values() for line in app.log)
    assert leader.serving  # both came back over new links before it noticed
    table.write(b"a")
    assert len({tuple(state) for state in states(table).values()}) == 1


def test_a_late_server_gets_only_what_it_lacks():
    table = fresh()
    table.start(2, 3)
    for payload in (b"a", b"b"):
        table.write(payload)
    table.transcript.clear()
    table.start(1)
    table.advance(500)
    kinds = [
        kind
        for _, kind, _ in table.transcript
        if kind in (PacketType.DIFF, PacketType.SNAP, PacketType.TRUNC)
    ]
    assert kinds == [PacketType.DIFF]
    assert table.apps[1].state == table.apps[2].state


def test_a_server_whose_past_is_purged_elsewhere_gets_a_snapshot():
    table = fresh()
    table.start(2, 3)
    for payload in (b"a", b"b"):
        table.write(payload)
    for sid in (2, 3):
        purged = table.histories[sid]
        purged.base = purged.entries[0][0]
        del purged.entries[0]
    table.start(1)
    table.advance(500)
    assert any(line.startswith("install") for line in table.apps[1].log)
    assert table.apps[1].state == table.apps[2].state


def test_what_is_proposed_in_the_step_that_synchronizes_a_learner_is_made_durable():
    table = fresh()
    table.start(2, 3)
    table.write(b"a")
    leader = table.leader
    handle = leader.on_packets

    def propose_first(link: TableLink, packets: list[Packet]) -> None:
        if packets[0].type == PacketType.ACKEPOCH:
            leader.propose(leader.next_zxid(), b"b")
        handle(link, packets)

    leader.on_packets = propose_first
    table.start(1)
    table.advance(500)
    assert table.histories[leader.sid].durable == make(1, 2)
    assert len({tuple(state) for state in states(table).values()}) == 1


def test_a_stranger_that_was_early_does_not_keep_the_others_out():
    table = fresh()
    table.start(3)
    strangers = [TableLink(table, 3) for _ in range(2)]
    for stranger in strangers:
        table.peers[3].on_accepted(stranger)
    table.peers[3].on_packets(strangers[0], [Packet(PacketType.OBSERVERINFO, 0, bytes(20))])
    table.start(2)
    table.advance(500)
    assert table.leader.sid == 3
    assert [stranger.closed for stranger in strangers] == [True, False]
    table.advance(2_000)
    assert [stranger.closed for stranger in strangers] == [True, True]


@pytest.mark.parametrize("kind", [PacketType.REQUEST, PacketType.REVALIDATE])
def test_a_learner_that_asks_before_it_may_breaks_its_link(kind: PacketType):
    table = fresh(5)
    table.stuck_disks = {3, 4}
    table.start(2, 3, 4, 5)
    table.stuck_disks = {3, 4, 5}
    candidate = next(peer for peer in table.peers.values() if peer.role is ServerState.LEADING)
    assert not candidate.serving
    links = [link for link in table.links if link.owner == candidate.sid and not link.closed]
    link = next(link for link in links if link.other is not None and link.other.owner == 2)
    with pytest.raises(PeerProtocolError, match="not established"):
        candidate.on_packets(link, [Packet(kind, -1, bytes(20))])
    assert link.closed


def test_a_proposal_that_is_not_what_it_says_breaks_the_link():
    table = fresh()
    table.start(1, 2, 3)
    learner = next(peer for peer in table.peers.values() if peer is not table.leader)
    link = next(link for link in table.links if link.owner == learner.sid and not link.closed)

    def refuse(zxid: int, payload: bytes) -> None:
        raise InvariantViolation(f"{zxid:x} carries {payload!r}")

    table.histories[learner.sid].append = refuse
    with pytest.raises(PeerProtocolError, match="carries"):
        learner.on_packets(link, [Packet(PacketType.PROPOSAL, make(1, 1), b"x")])
    assert link.closed


def purged(base: int, *zxids: int, accepted: int, current: int) -> MemoryHistory:
    made = history(*zxids, accepted=accepted, current=current)
    made.base = base
    return made


def test_a_snapshot_of_what_never_got_established_can_be_left_again():
    """A leader that dies before its epoch is established may have given a learner a snapshot that goes too far."""
    shared = (make(5, 3), make(5, 4))
    table = Table(
        {
            1: history(make(4, 1), accepted=4, current=4),
            2: purged(make(5, 2), *shared, accepted=5, current=5),
            3: purged(make(5, 2), *shared, make(5, 5), make(5, 6), accepted=5, current=5),
        }
    )
    table.stuck_disks = {1}
    table.start(1, 3)
    table.advance(500)
    assert table.apps[1].log[-1] == f"install {make(5, 6):x}"
    assert not table.peers[3].serving
    table.kill(3)
    table.stuck_disks.clear()
    table.start(2)
    table.advance(3_000)
    assert table.leader.sid == 2
    assert table.apps[1].state == table.apps[2].state
    assert table.apps[1].zxid_applied == make(5, 4)
    zxid = table.write(b"a")
    assert table.apps[1].zxid_applied == zxid


def test_a_leader_that_proposes_an_epoch_far_ahead_is_refused_and_shuts_nobody_out():
    table = fresh()
    table.start(1)
    peer, leader = table.peers[1], Vote(2, 0, 0)
    for proposed in (2**31 - 1, 2 * EPOCHS_AHEAD_MAX + 1):
        peer._on_elected(leader)
        link = TableLink(table, 1)
        peer.on_dialed(2, link)
        with pytest.raises(PeerProtocolError, match=f"proposes epoch {proposed}, 0 is promised"):
            peer.on_packets(link, [Packet(PacketType.LEADERINFO, make(proposed, 0), pack(">i", 0x10000))])
        assert link.closed
    table.start(2, 3)
    assert peer.serving
    assert {history.accepted_epoch for history in table.histories.values()} == {1}


def test_a_newcomer_joins_an_ensemble_that_is_millions_of_epochs_old():
    old = 5 * EPOCHS_AHEAD_MAX
    table = Table({sid: history(accepted=old, current=old) for sid in (1, 2)} | {3: MemoryHistory()})
    table.start(1, 2)
    table.start(3)
    assert table.peers[3].serving
    assert table.histories[3].accepted_epoch == old + 1


def test_who_claims_an_epoch_far_ahead_is_refused_and_no_epochs_are_used_up():
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    for claimed in (2**31 - 1, EPOCHS_AHEAD_MAX + 2):
        link = TableLink(table, leader.sid)
        leader.on_accepted(link)
        with pytest.raises(PeerProtocolError, match="says it has promised epoch"):
            leader.on_packets(
                link, [Packet(PacketType.FOLLOWERINFO, make(claimed, 0), pack(">qiq", 1, 0x10000, 0))]
            )
        assert link.closed
    table.advance(2_000)
    assert table.leader is leader
    assert {history.accepted_epoch for history in table.histories.values()} == {1}
