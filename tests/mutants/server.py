"""Known ways to get ZAB, storage and replica wrong, as patches of the real code.

The numbers are those of the reliability reference (B7). A simulator that does not catch these proves
nothing by its silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ensemble.simulator.machine.disk import Directory
from ensemble.simulator.machine.members import DiskMembers
from ensemble.storage.epochs import Epochs
from ensemble.storage.store import Store
from ensemble.storage.txnlog import TxnLog
from ensemble.zab.election import Election
from ensemble.zab.leader import leader as leader_module
from ensemble.zab.leader.followers import Follower, Followers, FollowerStep
from ensemble.zab.leader.leader import Leader
from ensemble.zab.leader.synchronization import Synchronization
from ensemble.zab.leader.syncs import Syncs
from ensemble.zab.learner import learner as learner_module
from ensemble.zab.learner.following import Following
from ensemble.zab.learner.joining import Joining, Step
from ensemble.zab.learner.learner import Learner
from ensemble.zab.messages import Packet, PacketType
from ensemble.zab.quorum import Majority, rule_of
from ensemble.zab.term import Term
from ensemble.zab.view import View
from ensemble.zxid import make
from tests.mutants import serving

Patch = pytest.MonkeyPatch


def _on_learner(patch: Patch, step: Step, packet_type: PacketType, handler: Callable[..., None]) -> None:
    patch.setitem(learner_module._TABLE[step], packet_type, handler)


def ack_new_leader_before_sync(patch: Patch) -> None:
    """M1 (ZOOKEEPER-3911): the history is acked while it is still in memory."""

    def on_new_leader(self: Learner, packet: Packet) -> None:
        Learner._on_new_leader(self, packet)
        self._send(Packet(PacketType.ACK, make(self.epoch, 0)))

    _on_learner(patch, Step.SYNCING, PacketType.NEWLEADER, on_new_leader)


def epoch_before_history(patch: Patch) -> None:
    """M2 (ZOOKEEPER-4643): currentEpoch is durable before the history it names."""

    def on_new_leader(self: Learner, packet: Packet) -> None:
        self.history.save_current_epoch(self.epoch)
        Learner._on_new_leader(self, packet)

    _on_learner(patch, Step.SYNCING, PacketType.NEWLEADER, on_new_leader)


def trust_a_shorter_history(patch: Patch) -> None:
    """M3 (ZOOKEEPER-2845): servers vote with less than they have logged, and discovery does not look again."""

    def on_ack_epoch(self: Leader, follower: Any, packet: Packet) -> None:
        follower.history = (int.from_bytes(packet.data or b"", "big", signed=True), packet.zxid)
        if self._proven:
            self._synchronize(follower)
        else:
            self._prove()

    patch.setitem(leader_module._TABLE[FollowerStep.DISCOVERY], PacketType.ACKEPOCH, on_ack_epoch)
    start = Election.start
    patch.setattr(Election, "start", lambda self, zxid, epoch: start(self, 0, 0))


def half_is_a_quorum(patch: Patch) -> None:
    """M5: n // 2 servers decide."""
    init = Majority.__init__

    def short(self: Majority, voters: Any) -> None:
        init(self, voters)
        self.size = len(self.voters) // 2
        self._index = self.size - 1

    patch.setattr(Majority, "__init__", short)


def no_proposals_while_synchronizing(patch: Patch) -> None:
    """M6 (protocol-spec issue 1): a joining learner misses what is proposed meanwhile."""
    forwarding = Followers.forwarding
    patch.setattr(Followers, "forwarding", lambda self: [f for f in forwarding(self) if f.synced])


def promise_not_durable(patch: Patch) -> None:
    """M8: acceptedEpoch stays in memory."""
    patch.setattr(Epochs, "save_accepted", lambda self, epoch: setattr(self, "accepted", epoch))


def commit_out_of_order(patch: Patch) -> None:
    """M9: a learner applies the second pending transaction first."""

    def on_commit(self: Learner, packet: Packet) -> None:
        if len(self._pending) > 1:
            self._pending[0], self._pending[1] = self._pending[1], self._pending[0]
        self.zxid_committed = packet.zxid
        self.app.deliver(*self._pending.popleft())

    _on_learner(patch, Step.BROADCAST, PacketType.COMMIT, on_commit)


def keep_what_is_to_be_cut(patch: Patch) -> None:
    """A learner goes on from where its leader told it to truncate, and keeps what stands behind."""

    def on_trunc(self: Learner, packet: Packet) -> None:
        self._begin_sync("TRUNC", packet, packet.zxid)

    _on_learner(patch, Step.OFFERED, PacketType.TRUNC, on_trunc)


def no_directory_sync(patch: Patch) -> None:
    """M15: files are synced, their names are not."""
    patch.setattr(Directory, "sync", lambda self: None)


def leader_without_followers(patch: Patch) -> None:
    """M19: a leader does not notice that it lost its quorum."""

    def on_tick(self: Leader) -> None:
        self._ping()
        self._tick = self.clock.call_later(self.timing.tick_ms / 2, self._if_active(self._on_tick))

    patch.setattr(Leader, "_on_tick", on_tick)
    patch.setattr(Leader, "on_closed", lambda self, link: self._followers.remove(link))


def lead_without_a_disk(patch: Patch) -> None:
    """A leader does not notice that its disk answers nobody (B7, row 9)."""
    patch.setattr(Leader, "_is_late", lambda *_: False)


def ack_before_fsync(patch: Patch) -> None:
    """A proposal is acked when it was written, not when it is durable."""

    def flush(self: Learner) -> None:
        if self._unsynced:
            self._unsynced = False
            self.sync_history(lambda: None)
        while self._acked_new_leader and self._unacked:
            self._send(Packet(PacketType.ACK, self._unacked.popleft()))

    patch.setattr(Learner, "flush", flush)


def log_says_durable_too_early(patch: Patch) -> None:
    """The log believes that what it handed to the disk is durable."""
    write_batch = TxnLog._write_batch

    def write_and_believe(self: TxnLog) -> None:
        write_batch(self)
        self.zxid_durable = self.zxid_logged

    patch.setattr(TxnLog, "_write_batch", write_and_believe)
    sync = TxnLog.sync

    def sync_and_answer(self: TxnLog, done: Callable[[], None]) -> None:
        sync(self, lambda: None)
        done()

    patch.setattr(TxnLog, "sync", sync_and_answer)


def snapshot_in_memory(patch: Patch) -> None:
    """M16 (ZOOKEEPER-3642): a leader's snapshot is taken over in memory, and what follows is logged."""

    def install(self: Store, zxid: int, _body: bytes, _digest: int) -> None:
        self._log.settle()
        self._log.recent.clear()
        self._log.base = zxid
        self._log._continue_from(zxid)
        self._snapshots = [zxid]
        self.snapshot_zxid = zxid

    patch.setattr(Store, "install_snapshot", install)


def honour_stale_completions(patch: Patch) -> None:
    """M17 (ZOOKEEPER-4712): what a term asked for is done although the term is over."""
    patch.setattr(Term, "_if_active", lambda self, callback: callback)


def leader_goes_on_pinging(patch: Patch) -> None:
    """M17: the timer of a leader that has stepped down is not stopped."""
    close = Leader.close

    def close_and_go_on(self: Leader) -> None:
        close(self)
        self.clock.call_later(self.timing.tick_ms / 2, lambda: self.give_up("lost its followers"))

    patch.setattr(Leader, "close", close_and_go_on)


def learner_goes_on_dialing(patch: Patch) -> None:
    """M17: a learner that looks for another leader still calls the old one."""
    close = Joining.close

    def close_without_timers(self: Joining) -> None:
        self._redial = None
        close(self)

    patch.setattr(Joining, "close", close_without_timers)
    patch.setattr(Joining, "_dial", lambda self: self.network.dial(self.leader))


def acks_that_overtake(patch: Patch) -> None:
    """ZOOKEEPER-4685: acks of proposals leave before that of NEWLEADER."""
    ack_durable = Following._ack_durable

    def ack_at_once(self: Following) -> None:
        acked, self._acked_new_leader = self._acked_new_leader, True
        ack_durable(self)
        self._acked_new_leader = acked

    patch.setattr(Following, "_ack_durable", ack_at_once)


def memory_ahead_of_the_log(patch: Patch) -> None:
    """ZOOKEEPER-5094: a learner truncates its log, and keeps in memory what it cut."""

    def on_trunc(self: Learner, packet: Packet) -> None:
        self.history.truncate(packet.zxid)
        self._begin_sync("TRUNC", packet, packet.zxid)

    _on_learner(patch, Step.OFFERED, PacketType.TRUNC, on_trunc)


def commits_before_uptodate(patch: Patch) -> None:
    """ZOOKEEPER-4394: as Apache's leader does, it sends commits of what came before NEWLEADER behind it, to the first
    three learners that it sends a DIFF."""
    send_plan, synchronize = Leader._send_plan, Leader._synchronize
    late: dict[Follower, list[int]] = {}

    def send_proposals_only(self: Leader, follower: Follower, plan: Synchronization) -> None:
        if plan.mode is not PacketType.DIFF or not plan.txns or len(late) == 3:
            send_plan(self, follower, plan)
            return
        late[follower] = [zxid for zxid, _ in plan.txns]
        self._send(follower, Packet(plan.mode, plan.zxid))
        for zxid, payload in plan.txns:
            self._send(follower, Packet(PacketType.PROPOSAL, zxid, payload))

    def synchronize_and_commit(self: Leader, follower: Follower) -> None:
        before = follower.synchronizing
        synchronize(self, follower)
        if follower.synchronizing and not before:
            for zxid in late.get(follower, []):
                self._send(follower, Packet(PacketType.COMMIT, zxid))

    patch.setattr(Leader, "_send_plan", send_proposals_only)
    patch.setattr(Leader, "_synchronize", synchronize_and_commit)


def hole_in_the_committed_log(patch: Patch) -> None:
    """M18 (ZOOKEEPER-4925): what came during a synchronization is logged, and not kept for other learners."""
    on_sync_proposal = Learner._on_sync_proposal

    def forget(self: Learner, packet: Packet) -> None:
        on_sync_proposal(self, packet)
        store: Any = self.history
        log = store._log
        if len(log.recent) > 1 and log.recent[-1][0] == packet.zxid:
            del log.recent[-2]

    _on_learner(patch, Step.SYNCING, PacketType.PROPOSAL, forget)


def sync_without_a_quorum(patch: Patch) -> None:
    """M26 (ZOOKEEPER-1675): a leader answers sync without asking whether it still leads."""
    complete = Syncs.complete
    patch.setattr(Syncs, "complete", lambda self, committed, _confirmed: complete(self, committed, 1 << 62))


def forget_what_left_memory(patch: Patch) -> None:
    """The log does not note which transaction is the last one before those in memory."""

    def trim(self: TxnLog) -> None:
        while len(self.recent) > self._settings.recent_txns_max:
            self.recent.popleft()

    patch.setattr(TxnLog, "_trim_recent", trim)


def old_members_decide_alone(patch: Patch) -> None:
    """A change of the membership is committed without a quorum of the new members."""
    decide = View._decide

    def without_the_new(self: View) -> None:
        decide(self)
        self.quorum = self.rule

    patch.setattr(View, "_decide", without_the_new)


def new_members_decide_alone(patch: Patch) -> None:
    """A change of the membership is committed without a quorum of the old members."""
    decide = View._decide

    def without_the_old(self: View) -> None:
        decide(self)
        if self.pending:
            self.quorum = self.rule = rule_of(self.seen)

    patch.setattr(View, "_decide", without_the_old)


def proposed_members_forgotten(patch: Patch) -> None:
    """A proposed membership is not kept: a leader after a crash does not know whose quorum it needs."""
    patch.setattr(DiskMembers, "save_proposed", lambda self, membership: None)


MUTANTS: dict[Callable[[Patch], None], tuple[str, ...]] = {
    ack_new_leader_before_sync: ("I10",),
    epoch_before_history: ("I8",),
    trust_a_shorter_history: ("I5", "I7", "I2", "I3", "I4"),
    half_is_a_quorum: ("I1", "I4"),
    no_proposals_while_synchronizing: ("C9", "I11"),
    promise_not_durable: ("I8",),
    commit_out_of_order: ("I2",),
    no_directory_sync: ("I10", "I4"),
    lead_without_a_disk: ("C9",),
    leader_without_followers: ("C9",),
    ack_before_fsync: ("I10",),
    log_says_durable_too_early: ("I10", "I4"),
    snapshot_in_memory: ("I2", "I3", "I4", "I8", "I9", "I10", "ServerFailed"),
    honour_stale_completions: ("I13",),
    leader_goes_on_pinging: ("I13",),
    learner_goes_on_dialing: ("I13",),
    acks_that_overtake: ("I10",),
    memory_ahead_of_the_log: ("I2", "I9", "I11", "ServerFailed"),
    hole_in_the_committed_log: ("I2", "I3", "I11", "ServerFailed"),
    serving.forget_what_the_client_saw: ("C2",),
    serving.session_ends_locally: ("C5",),
    serving.half_a_multi: ("C1", "C6", "C7", "I9"),
    serving.watch_after_reply: ("C4",),
    serving.deaf_watches: ("C4",),
    serving.staying_watches_that_do_not_stay: ("C4",),
    serving.recursive_watches_of_one_znode: ("C4",),
    serving.staying_watches_left_behind: ("C4",),
    sync_without_a_quorum: ("C3",),
    serving.forget_an_ephemeral: ("I9", "C1", "C4"),
    serving.expire_early: ("C5",),
    old_members_decide_alone: ("I4",),
    new_members_decide_alone: ("I4",),
    proposed_members_forgotten: ("I4", "I5", "I2", "C9"),
    serving.reap_what_is_in_time: ("C1",),
    serving.count_what_is_gone: ("I14",),
    serving.take_whatever_comes: ("I12",),
    serving.hold_back_for_ever: ("C9",),
    forget_what_left_memory: ("I9", "I2", "I5", "I11", "C9", "ServerFailed"),
    serving.holder_that_checks_nothing: ("C8",),
    serving.counter_without_versions: ("C8",),
}
"""Each mutant, with what may catch it."""

RARE_MUTANTS = (
    serving.recursive_watches_of_one_znode,
    learner_goes_on_dialing,
    memory_ahead_of_the_log,
)
"""Those that take more schedules than there is time for with every change."""

CHANGING_MUTANTS = (
    old_members_decide_alone,
    new_members_decide_alone,
    proposed_members_forgotten,
)
"""Those that need a membership that changes; a theme makes many."""

RECIPE_MUTANTS = (serving.holder_that_checks_nothing, serving.counter_without_versions)
"""Those of clients that follow recipes; a theme makes many."""

STALE_LEADER_MUTANTS = (sync_without_a_quorum, serving.forget_what_the_client_saw)
"""Those that need a leader that was replaced and does not notice; a theme makes many."""

STUCK_MUTANTS = (lead_without_a_disk,)
"""What shows only where servers go on without their disks: one run in nine."""
