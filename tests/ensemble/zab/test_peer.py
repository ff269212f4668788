"""Servers that find a leader, follow it, and look for another when it is gone."""

from __future__ import annotations

import pytest

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.zab.messages import Notification, Packet, PacketType, ServerState, Vote
from ensemble.zab.peer import EARLY_PACKETS_MAX
from ensemble.zab.phase import Phase
from ensemble.zxid import make
from tests.ensemble.zab.harness import Table, TableLink, fresh, history, states


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


def test_a_learner_that_talks_on_before_there_is_a_leader_loses_its_link_and_nobody_else_does():
    table = fresh()
    table.start(3)
    talker, patient = TableLink(table, 3), TableLink(table, 3)
    for link in (talker, patient):
        table.peers[3].on_accepted(link)
    packet = Packet(PacketType.FOLLOWERINFO, 0, bytes(20))
    for _ in range(EARLY_PACKETS_MAX):
        table.peers[3].on_packets(talker, [packet])
    assert not talker.closed
    with pytest.raises(PeerProtocolError, match="does not wait for its leader"):
        table.peers[3].on_packets(talker, [packet])
    assert talker.closed
    assert list(table.peers[3]._early) == [patient]
    table.start(2)
    table.advance(500)
    assert table.leader.sid == 3


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
