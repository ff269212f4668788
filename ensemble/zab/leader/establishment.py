"""The first part of a term as leader: discovery and synchronization, until the epoch is established.

    discovery        a quorum of FOLLOWERINFO names the epoch; LEADERINFO; a quorum of ACKEPOCH proves that
                     nobody in it has a longer history than ours
    synchronization  each learner gets DIFF, TRUNC or SNAP, then NEWLEADER; a quorum of its acks commits
                     our whole history and establishes the epoch

NEWLEADER carries the membership: the last one we have seen, so that a change our predecessor left half done is
completed, or the first one under a version of its own (ZOOKEEPER-1783). It is in force with the epoch.

Learners that have no vote, observers and servers that are about to join, are synchronized like all others and
decide nothing. One that observes by the membership in force and votes by the pending one, which it may not have
heard of, counts until the epoch is established: its history is as durable as anybody's, and without it the change
could never end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from struct import Struct
from struct import error as StructError

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.limits import EPOCHS_AHEAD_MAX
from ensemble.zab.leader.followers import Follower, Followers, FollowerStep
from ensemble.zab.leader.sync_limit import SyncLimit
from ensemble.zab.leader.synchronization import Synchronization, choose
from ensemble.zab.messages import PROTOCOL_VERSION, Packet, PacketType
from ensemble.zab.phase import Phase
from ensemble.zab.restoration import Restoration
from ensemble.zab.term import Term
from ensemble.zxid import counter_of, epoch_of, make, text

_LEARNER_INFO = Struct(">qiq")
_EPOCH = Struct(">i")


class Establishment(Term, ABC):
    """A leader on the way to its epoch; what it does with it is ``leader``'s part."""

    def __init__(self, context: Term.Context) -> None:
        super().__init__(context)
        self.leader = self.sid
        self.epoch = 0
        self.zxid_committed = self.app.zxid_applied
        self._followers = Followers(self.sid)
        self._lost: set[int] = set()
        """Voters that did not support us any more when they were last heard of."""
        self._decided = False
        self._proven = False
        self._zxid_proposed = self.history.zxid_logged
        self._own_acked = -1
        self._own_sync_limit: SyncLimit | None = None
        self._unsent: list[tuple[int, bytes]] = []
        self._acked = False
        self._outstanding: deque[tuple[int, bytes]] = deque()

    # ------------------------------------------------------------------ discovery

    def _on_learner_info(self, follower: Follower, packet: Packet) -> None:
        try:
            sid, _version, config_version = _LEARNER_INFO.unpack(packet.data or b"")
        except StructError as error:
            raise PeerProtocolError(f"FOLLOWERINFO: {error}") from None
        self._judge_learner(sid, config_version)
        if epoch_of(packet.zxid) - self.history.accepted_epoch > EPOCHS_AHEAD_MAX:
            raise PeerProtocolError(f"server {sid} says it has promised epoch {epoch_of(packet.zxid)}")
        for other in self._followers:
            if other.sid == sid:
                self._followers.drop(other)  # it came back before we noticed that it was gone
        follower.sid = sid
        self._lost.discard(sid)
        follower.observer = packet.type == PacketType.OBSERVERINFO
        promoted = not self.serving and self.view.pending and self.view.seen.votes(sid)
        follower.counts = promoted or not follower.observer
        follower.accepted_epoch = epoch_of(packet.zxid)
        if self.trace.on:
            self.trace_packet("received", sid, packet)
        if self._decided and follower.accepted_epoch > self.epoch:
            # It promised more to a leader that was never established, so it can join none of a smaller epoch.
            # Only a quorum makes such a promise, so servers cut off for a while cannot unseat a leader. We take
            # the promise over, or the next epoch could be too small again.
            self.history.save_accepted_epoch(follower.accepted_epoch)
            self.give_up(f"server {sid} has promised epoch {follower.accepted_epoch}, ours is {self.epoch}")
        elif self._decided:
            self._offer_epoch(follower)
        else:
            self._decide_epoch()

    def on_lost(self, sid: int) -> None:
        """A voter supports another leader, or looks for one: without a quorum of the others we wait for nothing."""
        if any(follower.sid == sid for follower in self._followers):
            return  # it has come since
        self._lost.add(sid)
        if not self.quorum.contains([voter for voter in self.quorum.voters if voter not in self._lost]):
            self.give_up("those who were to follow look elsewhere")

    def _judge_learner(self, sid: int, config_version: int) -> None:
        """Refuse strangers, unless they may be about to join, and whoever knows of a later membership."""
        view = self.view
        if sid == self.sid or (not view.changeable and sid not in view.others):
            raise PeerProtocolError(f"server {sid} is not a member of this ensemble")
        if view.changeable and config_version > view.active.version:
            raise PeerProtocolError(
                f"server {sid} holds a later membership, of {text(config_version)}, ours is of "
                f"{text(view.active.version)}"
            )

    def _decide_epoch(self) -> None:
        known = self._followers.known()
        if self._decided or not self.quorum.contains([self.sid, *self._followers.voting()]):
            return
        self._decided = True
        self.epoch = max([self.history.accepted_epoch, *[f.accepted_epoch for f in known]]) + 1
        self.history.save_accepted_epoch(self.epoch)
        if self.view.seen.version == 0:
            self.view.see(self.view.active.under(make(self.epoch, 0)))
        for follower in known:
            self._offer_epoch(follower)
        self._prove()

    def _offer_epoch(self, follower: Follower) -> None:
        self._send(
            follower, Packet(PacketType.LEADERINFO, make(self.epoch, 0), _EPOCH.pack(PROTOCOL_VERSION))
        )

    def _on_ack_epoch(self, follower: Follower, packet: Packet) -> None:
        if not self._decided:
            raise PeerProtocolError("ACKEPOCH before LEADERINFO")
        try:
            current: int = _EPOCH.unpack(packet.data or b"")[0]
        except StructError as error:
            raise PeerProtocolError(f"ACKEPOCH: {error}") from None
        ours = (self.history.current_epoch, self.history.zxid_logged)
        follower.history = (current, packet.zxid)
        if self._proven:
            self._synchronize(follower)
        elif (current, packet.zxid) > ours and self._decides(follower):
            self.give_up(f"server {follower.sid} has a longer history: {current}, {text(packet.zxid)}")
        else:
            self._prove()

    def _decides(self, follower: Follower) -> bool:
        """Tell whether what a learner holds beyond our history may be committed.

        Not what one holds that has no vote, nor one that has its vote by a membership that is only pending: what
        was committed meanwhile a quorum of the membership in force holds as well.
        """
        return not follower.observer and follower.sid is not None and self.view.active.votes(follower.sid)

    def _prove(self) -> None:
        """With a quorum of acked epochs our history is the longest: make it durable, then synchronize."""
        acked = self._followers.voting(lambda f: f.history is not None and f.history[0] >= 0)
        if not self._proven and self.quorum.contains([self.sid, *acked]):
            self._proven = True
            self.set_phase(Phase.SYNCHRONIZATION, f"epoch {self.epoch} accepted by a quorum")
            self.history.sync(self._if_active(self._on_history_durable))

    def _on_history_durable(self) -> None:
        if self.restoration is not None:
            self._restore(self.restoration)
        self.history.save_current_epoch(self.epoch)
        self._own_acked = self.history.zxid_durable
        self.zxid_committed = self._zxid_proposed
        for follower in self._followers:
            if follower.history is not None:
                self._synchronize(follower)
        self._establish()

    def _restore(self, restoration: Restoration) -> None:
        """Begin with another history than ours, under the first zxid of an epoch that is ours alone.

        Not under the zero-th: Apache's leader takes that for the end of the epoch before.
        """
        restoration.zxid = self._zxid_proposed = make(self.epoch, 1)
        restoration.install(restoration.zxid)

    # ------------------------------------------------------------------ synchronization

    def _synchronize(self, follower: Follower) -> None:
        """Send what a learner lacks, then NEWLEADER; from here on it gets every proposal.

        Proposals go to learners that only *began* to synchronize too, or a joining one would miss a
        transaction for ever (protocol-spec issue 1).
        """
        if self._own_acked < 0 or follower.synchronizing or follower.history is None:
            return
        self._send_proposals()  # to those who began before; this one gets them below, with all outstanding
        plan = choose(self.history, follower.history[1], self.zxid_committed)
        if self.trace.on:
            mode, count = plan.mode.name, len(plan.txns)
            self.trace.emit("sync", peer=follower.sid, mode=mode, zxid=str(plan.zxid), txns=count)
        syncing = sum([each.synchronizing and not each.synced for each in self._followers])
        self.meter.synchronizing(syncing + 1, snap=plan.mode is PacketType.SNAP)
        self._send_plan(follower, plan)
        if not follower.observer:
            for zxid, payload in self._outstanding:
                self._send(follower, Packet(PacketType.PROPOSAL, zxid, payload))
        membership = self.view.seen.text().encode() if self.view.changeable else self.view.text
        self._send(follower, Packet(PacketType.NEWLEADER, make(self.epoch, 0), membership))
        follower.synchronizing = True

    def _send_plan(self, follower: Follower, plan: Synchronization) -> None:
        packet = Packet(plan.mode, plan.zxid)
        if plan.mode is PacketType.SNAP:
            if self.app.zxid_applied != self.zxid_committed:
                raise InvariantViolation(
                    f"applied {text(self.app.zxid_applied)}, committed {text(self.zxid_committed)}"
                )
            self._trace_sent(follower, packet)
            follower.link.send_snapshot(packet, self.app.snapshot())
        else:
            self._send(follower, packet)
        for zxid, payload in plan.txns:
            self._send(follower, Packet(PacketType.PROPOSAL, zxid, payload))
            self._send(follower, Packet(PacketType.COMMIT, zxid))

    def _on_new_leader_ack(self, follower: Follower, packet: Packet) -> None:
        if not follower.synchronizing:
            raise PeerProtocolError(f"ack {text(packet.zxid)} before NEWLEADER")
        if counter_of(packet.zxid):
            # Apache's learner acks what came before NEWLEADER from another thread (ZOOKEEPER-4685).
            self._on_ack(follower, packet)
            return
        if packet.zxid != make(self.epoch, 0):
            raise PeerProtocolError(f"ack {text(packet.zxid)} instead of NEWLEADER's")
        follower.synced = True
        follower.sync_limit = SyncLimit(max(self._zxid_proposed, packet.zxid), follower.heard_us)
        if self.serving:
            self._send(follower, Packet(PacketType.UPTODATE, -1))
            for commit in follower.commits:
                self._send(follower, commit)
            follower.commits.clear()
            self._acked = True
        else:
            self._establish()

    def _establish(self) -> None:
        if self.serving or self._own_acked < 0 or not self.quorum.contains(self._followers.loyal()):
            return
        self.serving = True
        for follower in self._followers:
            follower.counts = not follower.observer
        self._zxid_proposed = max(make(self.epoch, 0), self._zxid_proposed)
        self._own_sync_limit = SyncLimit(self._zxid_proposed, self.clock.monotonic_us())
        self.set_phase(Phase.BROADCAST, f"epoch {self.epoch} established")
        for follower in self._followers:
            if follower.synced:
                self._send(follower, Packet(PacketType.UPTODATE, -1))
        self.view.activate(self.view.seen)
        self.established(self.epoch)
        if self._may_stay():
            self.app.on_serving()
        else:
            self.give_up("the membership that was completed has another leader")

    def _may_stay(self) -> bool:
        """Tell whether this server may lead the membership in force."""
        return not self.view.active.servers or self.view.active.votes(self.sid)

    # ------------------------------------------------------------------ for the broadcast

    @abstractmethod
    def _send_proposals(self) -> None:
        """Send what was proposed to all who get proposals, and make it durable here too."""

    @abstractmethod
    def _on_ack(self, follower: Follower, packet: Packet) -> None:
        """A learner has logged a proposal."""

    def _send(self, follower: Follower, packet: Packet) -> None:
        self._trace_sent(follower, packet)
        follower.link.send(packet)

    def _trace_sent(self, follower: Follower, packet: Packet) -> None:
        if self.trace.on and follower.sid is not None:
            self.trace_packet("sent", follower.sid, packet)


Handler = Callable[[Establishment, Follower, Packet], None]

TABLE: dict[FollowerStep, dict[int, Handler]] = {
    FollowerStep.CONNECTED: {
        PacketType.FOLLOWERINFO: Establishment._on_learner_info,
        PacketType.OBSERVERINFO: Establishment._on_learner_info,
    },
    FollowerStep.DISCOVERY: {PacketType.ACKEPOCH: Establishment._on_ack_epoch},
    FollowerStep.SYNCHRONIZATION: {PacketType.ACK: Establishment._on_new_leader_ack},
}
"""What a learner may say until it is synchronized."""
