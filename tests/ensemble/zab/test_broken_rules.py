"""What no server may say: the link is broken, and nothing else happens."""

from __future__ import annotations

from struct import pack

import pytest

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.limits import EPOCHS_AHEAD_MAX
from ensemble.zab.learner.joining import DIAL_DELAYS_MS
from ensemble.zab.messages import Notification, Packet, PacketType, ServerState, Vote
from ensemble.zxid import make
from tests.ensemble.zab.harness import MemoryHistory, Table, TableLink, fresh, history


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


def following(promised: int) -> tuple[Table, TableLink]:
    """Server 1, which has promised an epoch and been elected to follow server 2, and its link there."""
    table = Table({sid: history(accepted=promised, current=0) for sid in (1, 2, 3)})
    table.peers[1].start()
    table.peers[1]._on_elected(Vote(2, 0, 0))
    link = TableLink(table, 1)
    table.peers[1].on_dialed(2, link)
    return table, link


def leader_info(epoch: int) -> Packet:
    return Packet(PacketType.LEADERINFO, make(epoch, 0), pack(">i", 0x10000))


def test_who_has_promised_a_greater_epoch_follows_in_no_smaller_one():
    table, link = following(promised=5)
    table.peers[1].on_packets(link, [leader_info(4)])
    assert link.closed
    assert table.peers[1].role is ServerState.LOOKING
    assert (PacketType.ACKEPOCH, 0) not in link.said
    assert table.histories[1].accepted_epoch == 5


def test_the_epoch_that_is_established_is_the_one_that_was_promised():
    table, link = following(promised=5)
    offered = [leader_info(6), Packet(PacketType.DIFF, 0)]
    with pytest.raises(PeerProtocolError, match="NEWLEADER 7:0 in epoch 6"):
        table.peers[1].on_packets(link, [*offered, Packet(PacketType.NEWLEADER, make(7, 0))])
    assert link.closed
    assert table.histories[1].current_epoch == 0


def test_a_commit_of_what_was_never_sent_breaks_the_link():
    table, link = following(promised=5)
    offered = [leader_info(6), Packet(PacketType.DIFF, 0)]
    with pytest.raises(PeerProtocolError, match="of a proposal that was never sent"):
        table.peers[1].on_packets(link, [*offered, Packet(PacketType.COMMIT, make(5, 1))])
    assert link.closed


def test_a_newcomer_joins_an_ensemble_that_is_millions_of_epochs_old():
    old = 5 * EPOCHS_AHEAD_MAX
    table = Table({sid: history(accepted=old, current=old) for sid in (1, 2)} | {3: MemoryHistory()})
    table.start(1, 2)
    table.start(3)
    assert table.peers[3].serving
    assert table.histories[3].accepted_epoch == old + 1


@pytest.mark.parametrize("zxid", [make(1, 1), make(1, 3), make(2, 1)])
def test_a_commit_out_of_order_breaks_the_link_and_applies_nothing(zxid: int):
    table = fresh()
    table.start(1, 2, 3)
    learner = next(peer for peer in table.peers.values() if peer is not table.leader)
    link = next(link for link in table.links if link.owner == learner.sid and not link.closed)
    proposals = [Packet(PacketType.PROPOSAL, make(1, counter), b"x") for counter in (1, 2)]
    learner.on_packets(link, [*proposals, Packet(PacketType.COMMIT, make(1, 1))])
    with pytest.raises(PeerProtocolError, match="out of order"):
        learner.on_packets(link, [Packet(PacketType.COMMIT, zxid)])
    assert link.closed
    assert [applied for applied, _ in table.apps[learner.sid].state] == [make(1, 1)]


def test_an_epoch_acked_before_it_was_proposed_breaks_the_link():
    table = fresh(5)
    elected = table.peers[5]
    elected.start()
    for sid in (1, 2):
        elected.on_notification(Notification(sid, ServerState.LOOKING, Vote(5, 0, 0), 1))
    assert elected.role is ServerState.LEADING
    link = TableLink(table, 5)
    elected.on_accepted(link)
    elected.on_packets(link, [Packet(PacketType.FOLLOWERINFO, 0, pack(">qiq", 1, 0x10000, 0))])
    with pytest.raises(PeerProtocolError, match="ACKEPOCH before LEADERINFO"):
        elected.on_packets(link, [Packet(PacketType.ACKEPOCH, 0, pack(">i", 0))])
    assert link.closed


def test_a_ping_that_answers_none_breaks_the_link_and_confirms_nothing():
    """A leader that has been replaced would answer syncs on the word of it."""
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    table.advance(1_000)
    link = next(link for link in table.links if link.owner == leader.sid and not link.closed)
    leader.sync()
    with pytest.raises(PeerProtocolError, match="answers none of ours"):
        leader.on_packets(link, [Packet(PacketType.PING, 0)] * 2)
    assert link.closed
    assert leader.pending_syncs == 1


@pytest.mark.parametrize("changeable", [False, True])
def test_a_caller_that_says_it_is_the_leader_itself_is_refused(changeable: bool):
    """Its acks would be taken for the leader's own."""
    table = Table({sid: MemoryHistory() for sid in (1, 2, 3)}, changeable=changeable)
    table.start(1, 2, 3)
    leader = table.leader
    link = TableLink(table, leader.sid)
    leader.on_accepted(link)
    info = Packet(PacketType.FOLLOWERINFO, make(1, 0), pack(">qiq", leader.sid, 0x10000, 0))
    with pytest.raises(PeerProtocolError, match=f"server {leader.sid} is not a member"):
        leader.on_packets(link, [info])
    assert link.closed
    assert leader.serving


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


def test_a_membership_put_in_force_by_a_transaction_that_holds_none_breaks_the_link():
    table = fresh()
    table.start(1, 2, 3)
    link = next(link for link in table.links if link.owner == 1 and not link.closed)
    zxid = make(1, 1)
    table.peers[1].on_packets(link, [Packet(PacketType.PROPOSAL, zxid, b"x")])
    with pytest.raises(PeerProtocolError, match="holds none"):
        table.peers[1].on_packets(link, [Packet(PacketType.COMMITANDACTIVATE, zxid, pack(">q", 3))])
    assert link.closed
    assert table.apps[1].state == []


UNHELD = make(1, 9)


def asking_for_a_snapshot() -> tuple[Table, TableLink]:
    """Server 1, told to cut its history back to where it never was, and its new link to the leader."""
    table, link = following(promised=5)
    peer = table.peers[1]
    peer.on_packets(link, [leader_info(6), Packet(PacketType.TRUNC, UNHELD)])
    assert link.closed
    assert table.dials.pop() == (1, 2)
    again = TableLink(table, 1)
    peer.on_dialed(2, again)
    peer.on_packets(again, [leader_info(6)])
    assert again.said[-1] == (PacketType.ACKEPOCH, make(6, 0))
    return table, again


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (Packet(PacketType.TRUNC, UNHELD), "told to truncate to 1:9"),
        (Packet(PacketType.DIFF, UNHELD), "sent a DIFF to a server that needs a snapshot"),
    ],
    ids=["TRUNC", "DIFF"],
)
def test_who_asks_for_a_snapshot_takes_nothing_else(packet: Packet, why: str):
    table, link = asking_for_a_snapshot()
    with pytest.raises(PeerProtocolError, match=why):
        table.peers[1].on_packets(link, [packet])
    assert link.closed
    assert table.peers[1].role is ServerState.LOOKING


def test_who_asks_for_a_snapshot_takes_it():
    table, link = asking_for_a_snapshot()
    snapshot = Packet(PacketType.SNAP, make(5, 7), repr((make(5, 7), [])).encode())
    table.peers[1].on_packets(link, [snapshot, Packet(PacketType.NEWLEADER, make(6, 0))])
    table.histories[1].complete()
    assert link.said[-1] == (PacketType.ACK, make(6, 0))
    assert table.histories[1].zxid_logged == make(5, 7)


def test_a_log_that_does_not_reach_back_to_what_is_applied_is_not_served_from():
    table, link = following(promised=5)
    peer = table.peers[1]
    peer.on_packets(
        link, [leader_info(6), Packet(PacketType.DIFF, 0), Packet(PacketType.NEWLEADER, make(6, 0))]
    )
    table.histories[1].complete()
    table.histories[1].read_after = lambda zxid: None
    with pytest.raises(PeerProtocolError, match="does not reach back"):
        peer.on_packets(link, [Packet(PacketType.UPTODATE, -1)])
    assert not peer.serving


def test_a_leader_that_cannot_be_reached_is_given_up_after_a_few_attempts():
    table = fresh()
    table.peers[1].start()
    table.peers[1]._on_elected(Vote(2, 0, 0))
    for wait_ms in (*DIAL_DELAYS_MS, 0):
        assert table.peers[1].term is not None
        assert table.dials.popleft() == (1, 2)
        table.peers[1].on_dialed(2, None)
        table.clock.advance(wait_ms, lambda: None)
    assert not table.dials
    assert table.apps[1].log[-1] == "looking: leader 2 cannot be reached"


def test_who_is_elected_and_followed_by_nobody_looks_again_after_init_limit():
    table = fresh()
    for sid in table.peers:
        table.peers[sid].start()
    table.peers[3]._on_elected(Vote(3, 0, 0))
    limit_ms = table.times.init_limit_ticks * table.times.tick_ms
    table.clock.advance(limit_ms, lambda: None)
    assert table.peers[3].role is ServerState.LEADING
    table.clock.advance(table.times.tick_ms, lambda: None)
    assert table.peers[3].role is ServerState.LOOKING
    assert table.apps[3].log[-1] == "looking: no quorum followed within initLimit"
