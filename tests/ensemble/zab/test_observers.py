"""Servers without a vote: they learn everything, decide nothing, and find the leader by asking."""

from __future__ import annotations

import pytest

from ensemble.errors import PeerProtocolError
from ensemble.zab.messages import Notification, Packet, PacketType, ServerState, Vote
from tests.ensemble.members import plain
from tests.ensemble.zab.harness import MemoryHistory, Table
from tests.ensemble.zab.test_election import Booth

NOBODY = -(1 << 63)


def table_with_observer() -> Table:
    """Voters 1 to 3, observer 4."""
    return Table({sid: MemoryHistory() for sid in (1, 2, 3, 4)}, plain((1, 2, 3), 4))


def test_an_observer_is_told_what_is_committed_and_acks_nothing() -> None:
    table = table_with_observer()
    table.start(1, 2, 3, 4)
    assert table.peers[4].role is ServerState.OBSERVING
    assert table.peers[4].serving
    table.transcript.clear()
    zxid = table.write(b"x")
    said = [(owner, kind) for owner, kind, at in table.transcript if at == zxid]
    assert (3, PacketType.INFORM) in said
    assert (4, PacketType.ACK) not in said
    assert table.apps[4].state[-1] == (zxid, b"x")
    assert table.histories[4].durable == zxid


def test_an_observer_does_not_make_a_quorum() -> None:
    table = table_with_observer()
    table.start(1, 4)
    table.advance(5_000)
    assert not any(peer.serving for peer in table.peers.values())
    table.start(2)
    table.advance(3_000)
    assert table.leader.sid == 2
    zxid = table.write(b"x")
    table.stuck_disks = {1}
    late = table.leader.next_zxid()
    table.leader.propose(late, b"y")
    table.settle()
    assert table.leader.zxid_committed == zxid


def test_a_leader_that_is_left_with_observers_steps_down() -> None:
    table = table_with_observer()
    table.start(1, 3, 4)
    table.kill(1)
    table.settle()
    assert table.peers[3].role is ServerState.LOOKING


def test_an_observer_that_comes_late_is_brought_up_to_date() -> None:
    table = table_with_observer()
    table.start(1, 2, 3)
    for number in range(5):
        table.write(b"%d" % number)
    table.start(4)
    table.advance(1_000)
    assert table.apps[4].state == table.apps[3].state
    assert table.peers[4].serving


def test_a_longer_history_without_a_vote_is_cut_back() -> None:
    """What only an observer holds was never committed: it hinders nobody from leading."""
    table = table_with_observer()
    table.histories[4] = MemoryHistory([(0x100000001, b"never")], 0x100000001, 1, 1)
    table.make(4)
    table.start(1, 2, 3, 4)
    table.advance(2_000)
    zxid = table.write(b"x")
    assert table.apps[4].state == [(zxid, b"x")]


def test_a_session_comes_to_an_observer_behind_all_that_was_asked_for_before() -> None:
    table = table_with_observer()
    table.start(1, 2, 3, 4)
    table.stuck_disks = {1, 2, 3}
    leader = table.leader
    leader.propose(leader.next_zxid(), b"asked before")
    table.peers[4].revalidate(b"s")
    table.settle()
    assert "revalidated b'valid:s'" not in table.apps[4].log
    table.stuck_disks = set()
    table.settle()
    assert table.apps[4].state[-1][1] == b"asked before"
    assert table.apps[4].log[-1] == "revalidated b'valid:s'"


def test_a_stranger_is_refused() -> None:
    table = Table({sid: MemoryHistory() for sid in (1, 2, 3, 4)}, plain((1, 2, 3)))
    table.start(1, 2, 3)
    with pytest.raises(PeerProtocolError, match="server 4 is not a member"):
        table.start(4)


def test_an_observer_votes_for_nobody() -> None:
    booth = Booth(sid=4, voters=3, observers=(4,))
    booth.election.start(0x500000000, 5)
    assert [sid for sid, _ in booth.sent] == [1, 2, 3]
    assert all(said.vote == Vote(NOBODY, NOBODY, NOBODY) for _, said in booth.sent)


def test_an_observer_joins_whom_a_quorum_names() -> None:
    booth = Booth(sid=4, voters=3, observers=(4,))
    booth.election.start(0, 0)
    vote = Vote(3, 0, 1)
    booth.election.on_notification(Notification(2, ServerState.FOLLOWING, vote, 1))
    assert booth.elected == []
    booth.election.on_notification(Notification(3, ServerState.LEADING, vote, 1))
    assert [elected.leader for elected in booth.elected] == [3]


def test_who_asks_without_a_vote_is_answered_and_not_for_ever() -> None:
    booth = Booth(sid=1, voters=3, observers=(4,))
    booth.election.start(0, 0)
    booth.sent.clear()
    asked = Notification(4, ServerState.LOOKING, Vote(NOBODY, NOBODY, NOBODY), 1)
    booth.election.on_notification(asked)
    booth.election.on_notification(asked)
    assert [sid for sid, _ in booth.sent] == [4]
    booth.election.settle(ServerState.FOLLOWING)
    booth.sent.clear()
    booth.election.on_notification(asked)
    booth.election.on_notification(asked)
    assert [sid for sid, _ in booth.sent] == [4, 4]


def test_observers_hear_of_the_end_of_an_election() -> None:
    booth = Booth(sid=1, voters=3, observers=(4,))
    booth.election.start(0, 0)
    booth.election.on_link(4, up=True)
    booth.sent.clear()
    booth.election.settle(ServerState.FOLLOWING)
    assert [sid for sid, _ in booth.sent] == [4]


def test_a_vote_without_weight_is_no_candidate() -> None:
    booth = Booth(sid=1, voters=3, weights={1: 0})
    booth.election.start(0x900000000, 9)
    booth.election.on_notification(Notification(2, ServerState.LOOKING, Vote(2, 0, 0), 1))
    booth.election.on_notification(Notification(3, ServerState.LOOKING, Vote(2, 0, 0), 1))
    assert [elected.leader for elected in booth.elected] == [2]


def test_an_inform_before_the_synchronization_breaks_the_link() -> None:
    table = table_with_observer()
    table.start(1, 2, 3)
    peer = table.peers[4]
    peer.start()
    peer._on_elected(Vote(3, 0, 1))
    table._connect(*table.dials.popleft())
    link = next(link for link in table.links if link.owner == 4 and not link.closed)
    with pytest.raises(PeerProtocolError, match="type 8"):
        peer.on_packets(link, [Packet(PacketType.INFORM, 1, b"")])
