"""Another membership while the ensemble runs: who must agree, who leads behind it, and who hears of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ensemble.errors import ConfigError, PeerProtocolError
from ensemble.zab.messages import Notification, PacketType, ServerState, Vote
from ensemble.zab.view import View
from tests.ensemble.members import plain
from tests.ensemble.zab.harness import MemberStore, MemoryHistory, Table


def table_of(*voters: int, spares: tuple[int, ...] = ()) -> Table:
    """Servers of which only ``voters`` are members."""
    table = Table({sid: MemoryHistory() for sid in (*voters, *spares)}, plain(voters), changeable=True)
    table.start(*voters)
    if spares:
        table.start(*spares)
        table.advance(3_000)
    return table


def in_force(table: Table) -> set[int]:
    """The versions in force, of all servers."""
    return {peer.view.active.version for peer in table.peers.values()}


def test_the_first_membership_takes_the_version_of_the_epoch_that_agreed_on_it() -> None:
    table = table_of(1, 2, 3)
    assert in_force(table) == {0x100000000}
    assert all(store.followed == [0x100000000] for store in table.stores.values())


def test_a_server_that_is_no_member_follows_without_a_vote() -> None:
    table = table_of(1, 2, 3, spares=(4,))
    assert table.peers[4].role is ServerState.FOLLOWING
    assert table.peers[4].serving
    table.stuck_disks = {1, 2}
    leader = table.leader
    before = leader.zxid_committed
    leader.propose(leader.next_zxid(), b"x")
    table.settle()
    assert leader.zxid_committed == before  # two logged it, one of them without a vote


def test_figures_are_kept_of_members_only() -> None:
    """Whoever comes may call itself any server: what is kept for each would grow without end."""
    table = table_of(1, 2, 3, spares=(4,))
    meter = table.leader.meter
    table.write(b"x")
    assert [sid for sid, _ in meter.acks.items()] == ["1", "2", "3"]
    table.propose_members(plain((1, 2, 3, 4)))
    table.settle()
    table.write(b"y")
    assert [sid for sid, _ in meter.acks.items()] == ["1", "2", "3", "4"]


def test_a_member_joins_and_counts_from_then_on() -> None:
    table = table_of(1, 2, 3, spares=(4,))
    wanted = table.propose_members(plain((1, 2, 3, 4)))
    table.settle()
    assert in_force(table) == {wanted.version}
    assert table.leader.view.voters == (1, 2, 3, 4)
    table.kill(1)
    table.kill(2)
    table.settle()
    assert not any(peer.serving for peer in table.peers.values())


def test_a_change_and_what_is_proposed_behind_it_needs_the_old_and_the_new() -> None:
    table = table_of(1, 2, 3, spares=(4, 5))
    leader = table.leader
    table.stuck_disks = {4, 5}
    wanted = table.propose_members(plain((3, 4, 5)))
    leader.propose(leader.next_zxid(), b"behind")
    table.settle()
    assert leader.zxid_committed < wanted.version  # all of the old, one of the new
    assert leader.view.pending
    table.stuck_disks = {1, 2}
    table.settle()
    assert leader.view.active.version == wanted.version
    assert leader.zxid_committed == wanted.version + 1


def test_what_was_proposed_before_the_change_is_behind_it_still_needs_the_old() -> None:
    table = table_of(1, 2, 3, spares=(4, 5))
    leader = table.leader
    wanted = table.propose_members(plain((3, 4, 5)))
    leader.flush()
    behind = leader.next_zxid()
    leader.propose(behind, b"behind")
    leader.flush()
    for sid in (1, 2, 3, 4, 5):
        table.histories[sid].complete()
    held = {1, 2}
    table.stuck_disks = held
    table.settle()
    if leader.view.active.version == wanted.version:
        assert leader.zxid_committed <= behind
    table.stuck_disks = set()
    table.settle()
    assert leader.zxid_committed == behind


def test_a_leader_that_leaves_hands_over_without_an_election() -> None:
    table = table_of(1, 2, 3)
    rounds = {sid: peer.election.round for sid, peer in table.peers.items()}
    wanted = table.propose_members(plain((1, 2)))
    table.settle()
    table.advance(200)
    assert table.leader.sid == 2
    assert table.peers[1].serving
    assert in_force(table) == {wanted.version}
    assert {sid: peer.election.round for sid, peer in table.peers.items()} == rounds
    assert table.peers[3].serving  # without a vote, until somebody stops it
    assert not table.peers[3].view.votes


def test_a_voter_becomes_an_observer_and_comes_back_as_one() -> None:
    table = table_of(1, 2, 3)
    table.propose_members(plain((2, 3), 1))
    table.settle()
    table.advance(200)
    assert table.peers[1].role is ServerState.OBSERVING
    assert table.peers[1].serving
    zxid = table.write(b"x")
    assert table.apps[1].state[-1] == (zxid, b"x")


def test_a_change_that_was_half_done_is_completed_by_the_next_leader() -> None:
    table = table_of(1, 2, 3, spares=(4,))
    table.stuck_disks = {1, 2, 4}
    wanted = table.propose_members(plain((1, 2, 3, 4)))
    table.settle()
    assert in_force(table) == {0x100000000}
    table.stuck_disks = set()
    for sid in (1, 2, 4):
        table.histories[sid].waiting.clear()
    table.kill(3)
    table.advance(5_000)
    assert table.leader.view.active == wanted
    assert all(table.peers[sid].view.active == wanted for sid in (1, 2, 4))


def test_an_observer_that_did_not_hear_of_its_vote_gives_it_to_complete_the_change() -> None:
    """C9, found by the simulator: the leader waited for a vote, of a server that had come to observe, for ever."""
    table = Table({sid: MemoryHistory() for sid in (1, 2)}, plain((1,), 2), changeable=True)
    table.start(1, 2)
    table.advance(1_000)
    assert table.peers[2].role is ServerState.OBSERVING
    table.kill(2)
    wanted = table.propose_members(plain((1, 2)))
    table.settle()
    table.kill(1)
    table.start(1, 2)
    table.advance(10_000)
    assert table.leader.view.active == wanted
    assert all(peer.serving and peer.view.votes for peer in table.peers.values())


def test_a_restart_finds_the_proposed_membership_again() -> None:
    table = table_of(1, 2, 3)
    table.stuck_disks = {1, 2}
    wanted = table.propose_members(plain((2, 3)))
    table.settle()
    table.kill(2)
    assert table.peers[2].view.seen == wanted
    assert table.peers[2].view.pending


def test_who_missed_a_change_hears_of_it_in_the_election() -> None:
    table = table_of(1, 2, 3, spares=(4,))
    table.kill(1)
    table.settle()
    wanted = table.propose_members(plain((2, 3, 4)))
    table.settle()
    table.start(1)
    table.advance(2_000)
    assert table.peers[1].view.active == wanted
    assert table.peers[1].serving
    assert not table.peers[1].view.votes


def test_its_own_quorum_by_an_old_membership_hears_of_the_change_too() -> None:
    """C9: it elected itself at once, never looked for long, and so never listened."""
    table = Table({1: MemoryHistory(), 2: MemoryHistory()}, plain((1,)), changeable=True)
    peer = table.peers[1]
    table.stores[1].seen = plain((1, 2), version=5)
    table.make(1)
    peer = table.peers[1]
    peer.start()
    assert peer.role is ServerState.LEADING
    later = plain((2,), version=0x200000000)
    peer.on_notification(Notification(2, ServerState.LEADING, Vote(2, 0, 2), 1, later.text().encode()))
    assert peer.view.active == later
    assert (peer.role, peer.leader) == (ServerState.FOLLOWING, 2)


def test_a_leader_refuses_who_knows_of_a_later_membership() -> None:
    table = table_of(1, 2, 3)
    table.kill(1)
    table.stores[1].active = plain((1, 2, 3), version=0x900000000)
    table.make(1)
    with pytest.raises(PeerProtocolError, match="holds a later membership"):
        table.start(1)
    assert table.leader.sid == 3


def test_without_reconfiguration_no_notification_changes_anything() -> None:
    table = Table({sid: MemoryHistory() for sid in (1, 2, 3)})
    table.peers[1].start()
    text = plain((1, 2, 3, 4), version=7).text().encode()
    table.peers[1].on_notification(Notification(2, ServerState.LOOKING, Vote(2, 0, 0), 1, text))
    assert table.peers[1].view.voters == (1, 2, 3)


def test_a_membership_that_is_none_is_the_senders_fault() -> None:
    view = View(1, plain((1, 2, 3)), store=MemberStore())
    with pytest.raises(ConfigError):
        view.hear(b"server.1=nonsense")


def test_the_commit_of_a_change_names_the_leader() -> None:
    table = table_of(1, 2, 3)
    table.transcript.clear()
    wanted = table.propose_members(plain((2, 3)))
    table.settle()
    said = [(owner, kind) for owner, kind, zxid in table.transcript if zxid == wanted.version]
    assert said.count((3, PacketType.COMMITANDACTIVATE)) == 2
    assert (3, PacketType.COMMIT) not in said
    assert table.leader.sid == 3


def test_the_only_voter_may_move() -> None:
    table = table_of(1, spares=(2,))
    moved = replace(table.membership.servers[0], quorum_port=2999)
    wanted = table.propose_members(replace(table.membership, servers=(moved,)))
    table.settle()
    assert table.leader.sid == 1
    assert table.leader.view.active == wanted


def test_a_membership_told_of_late_is_no_news() -> None:
    """A server that missed several changes hears of the last one first, and of the others by its log."""
    table = table_of(1, 2, 3)
    table.kill(1)
    table.settle()
    table.propose_members(plain((2, 3), 1))
    table.settle()
    wanted = table.propose_members(plain((1, 2, 3)))
    table.settle()
    table.start(1)
    table.advance(2_000)
    assert table.peers[1].serving
    assert table.peers[1].view.active == wanted == table.peers[1].view.seen
    assert table.stores[1].seen is None or table.stores[1].seen.version <= wanted.version


@pytest.mark.parametrize("voters", [(3, 4, 5), (1, 2, 3, 4)])
def test_who_comes_while_a_change_is_proposed_has_it_in_force_when_it_is_committed(
    voters: tuple[int, ...],
) -> None:
    """Or those who came late would be a quorum of the new membership that the old one never agreed on."""
    table = table_of(1, 2, 3, spares=(4, 5))
    table.stuck_disks = {1, 2}
    wanted = table.propose_members(plain(voters))
    table.settle()
    table.kill(4)
    table.settle()
    table.start(4)
    table.advance(400)
    assert table.peers[4].serving
    assert table.peers[4].view.active.version == 0x100000000
    assert table.peers[4].view.seen == wanted == table.stores[4].seen
    table.stuck_disks = set()
    table.settle()
    table.advance(400)
    assert in_force(table) == {wanted.version}


def test_an_observer_that_comes_while_a_change_is_proposed_waits_for_its_commit() -> None:
    table = Table({sid: MemoryHistory() for sid in (1, 2, 3, 4, 5)}, plain((1, 2, 3), 4, 5), changeable=True)
    table.start(1, 2, 3, 4, 5)
    table.advance(2_000)
    table.stuck_disks = {1, 2}
    wanted = table.propose_members(plain((1, 2, 3, 4), 5))
    table.settle()
    table.kill(4)
    table.settle()
    table.start(4)
    table.advance(400)
    assert table.peers[4].serving
    assert table.peers[4].view.active.version < wanted.version
    table.stuck_disks = set()
    table.settle()
    table.advance(400)
    assert in_force(table) == {wanted.version}
