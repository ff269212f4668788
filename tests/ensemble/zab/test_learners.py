"""Learners brought to their leader's history, and acks in the order of durability."""

from __future__ import annotations

import itertools
from struct import pack

import pytest

from ensemble.zab.leader import broadcast
from ensemble.zab.leader.followers import PACKET_BYTES
from ensemble.zab.messages import Packet, PacketType
from ensemble.zab.patience import APART_MS, FORGOTTEN_MS, Patience
from ensemble.zxid import make
from tests.ensemble.zab.harness import MemoryHistory, Table, TableLink, fresh, history, states


def with_a_learner_whose_disk_is_stuck() -> Table:
    """Servers 2 and 3 serve; 1 has their history, and cannot ack it while it is not written."""
    table = fresh()
    table.start(2, 3)
    table.write(b"a")
    table.stuck_disks = {1}
    table.start(1)
    table.advance(300)
    return table


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
    table = with_a_learner_whose_disk_is_stuck()
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
    table = with_a_learner_whose_disk_is_stuck()
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


def test_a_learner_that_never_acks_its_synchronization_is_cut_off_before_too_much_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(broadcast, "LEARNER_HELD_BYTES_MAX", 3 * PACKET_BYTES)
    table = with_a_learner_whose_disk_is_stuck()
    (held,) = [learner for learner in table.leader._term._followers if learner.sid == 1]
    for _ in range(3):
        table.write(b"b")
    assert len(held.commits) == 3
    assert not held.link.closed
    table.write(b"b")
    assert held.link.closed
    table.stuck_disks.clear()
    table.advance(1_000)
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


def test_a_learner_that_comes_back_unnoticed_takes_the_place_of_what_it_was():
    """What it acked on the link of before does not count: it may have lost that since."""
    table = fresh()
    table.start(1, 2, 3)
    leader = table.leader
    before = next(link for link in table.links if link.owner == leader.sid and link.other.owner == 1)
    again = TableLink(table, leader.sid)
    leader.on_accepted(again)
    info = pack(">qiq", 1, 0x10000, 0)
    leader.on_packets(again, [Packet(PacketType.FOLLOWERINFO, make(1, 0), info)])
    assert before.closed
    assert not again.closed
    assert [status["connected"] for status in leader.peers() if status["sid"] == 1] == [True]
    zxid = leader.next_zxid()
    leader.propose(zxid, b"x")
    leader.flush()
    leader.on_packets(before, [Packet(PacketType.ACK, zxid)])
    assert table.histories[leader.sid].complete()
    leader.flush()
    assert leader.zxid_committed < zxid


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


class Refused:
    """A leader's answer to learners: it hangs up on them. Keeps when they came, in ms."""

    def __init__(self, table: Table) -> None:
        self.at_ms: list[float] = []
        self._table, self._leader = table, table.leader
        self._on_accepted = table.leader.on_accepted
        self._leader.on_accepted = self

    def __call__(self, link: TableLink) -> None:
        self.at_ms.append(self._table.clock.now_us / 1000)
        assert len(self.at_ms) < 100, "it spins"
        link.close()

    def end(self) -> None:
        self._leader.on_accepted = self._on_accepted


def test_a_learner_that_its_leader_refuses_does_not_spin():
    """The ensemble names the leader again within the millisecond, whose server list lacks the learner."""
    table = fresh()
    table.start(2, 3)
    refused = Refused(table)
    table.start(1)
    table.advance(10_000)
    apart = [later - earlier for earlier, later in itertools.pairwise(refused.at_ms)]
    assert apart[: len(APART_MS)] == list(APART_MS)
    assert set(apart[len(APART_MS) :]) == {APART_MS[-1]}
    refused.end()
    table.advance(APART_MS[-1])
    assert table.peers[1].serving


def test_a_leader_that_is_not_the_same_or_was_left_long_ago_is_approached_at_once():
    patience = Patience()

    def wait_ms(leader: int, at_ms: int) -> int:
        return patience.wait_ms(leader, at_ms * 1000)

    assert [wait_ms(3, 0), wait_ms(3, 1), wait_ms(3, 2), wait_ms(3, 40)] == [0, 0, 24, 36]
    assert wait_ms(2, 41) == 0
    assert [wait_ms(3, 42), wait_ms(3, 42), wait_ms(3, 42)] == [0, 0, 25]
    assert wait_ms(3, 42 + 25 + APART_MS[2]) == 0, "the time apart counts from one approach to the next"
    later = 42 + 25 + APART_MS[2] + FORGOTTEN_MS + 1
    assert [wait_ms(3, later), wait_ms(3, later)] == [0, 0]


def test_a_wait_longer_than_the_time_a_leader_is_given_does_not_keep_its_learner_away_for_ever():
    table = fresh()
    table.times.init_limit_ticks = 2
    table.start(2, 3)
    refused = Refused(table)
    table.start(1)
    table.advance(10_000)
    refused.end()
    table.advance(APART_MS[-1])
    assert table.peers[1].serving
