"""One term as leader: discovery, synchronization and broadcast, seen from the primary.

    discovery        a quorum of FOLLOWERINFO names the epoch; LEADERINFO; a quorum of ACKEPOCH proves that
                     nobody in it has a longer history than ours
    synchronization  each learner gets DIFF, TRUNC or SNAP, then NEWLEADER; a quorum of its acks commits
                     our whole history and establishes the epoch
    broadcast        proposals go to every learner that was synchronized; what a quorum acked is committed

Our own acks count like everybody's: only for what our disk holds. Acks belong to a link; those of a link
that broke are forgotten, since the learner may be truncated when it comes back.

Facts: 2.15 of the reference (Apache's Leader and LearnerHandler). What differs: ``sync`` is answered only
after a quorum confirmed, by answering a ping sent later, that we still lead (ZOOKEEPER-1675).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from struct import Struct
from struct import error as StructError

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.ports import Timer
from ensemble.zab.followers import Follower, Followers, FollowerStep
from ensemble.zab.messages import PROTOCOL_VERSION, Packet, PacketType
from ensemble.zab.phase import Phase
from ensemble.zab.ports import PeerLink
from ensemble.zab.synchronization import Synchronization, choose
from ensemble.zab.syncs import Syncs
from ensemble.zab.term import Term
from ensemble.zxid import COUNTER_MAX, counter_of, epoch_of, make, text

_LEARNER_INFO = Struct(">qiq")
_EPOCH = Struct(">i")
_PROPOSAL = int(PacketType.PROPOSAL)
_COMMIT = int(PacketType.COMMIT)
_COUNTER_RESERVE = 1 << 20
"""A leader hands over this many zxids before its epoch runs out: more than one step can propose."""


class Leader(Term):
    """The leader of one epoch, from the election until it loses its quorum."""

    def __init__(self, context: Term.Context) -> None:
        super().__init__(context)
        self.leader = self.sid
        self.epoch = 0
        self.zxid_committed = self.app.zxid_applied
        self._followers = Followers(self.sid)
        self._decided = False
        self._proven = False
        self._zxid_proposed = self.history.zxid_logged
        self._own_acked = -1
        self._unsent: list[Packet] = []
        self._acked = False
        self._outstanding: deque[tuple[int, bytes]] = deque()
        self._syncs = Syncs()
        self._tick: Timer | None = None
        self._started_us = self.clock.monotonic_us()

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Bring memory up to the log, which is our candidate for the initial history; wait for followers."""
        self.set_phase(Phase.DISCOVERY, "elected")
        self.meter.begin_term()
        tail = self.history.read_after(self.app.zxid_applied)
        if tail is None:
            raise InvariantViolation(f"the log does not hold {text(self.app.zxid_applied)}, which is applied")
        for zxid, payload in tail:
            self.app.deliver(zxid, payload)
        self._on_tick()
        self._decide_epoch()

    def close(self) -> None:
        """End the term and every link of it."""
        super().close()
        if self._tick is not None:
            self._tick.cancel()
        for follower in self._followers:
            self._followers.drop(follower)

    def on_accepted(self, link: PeerLink) -> None:
        """A learner connected; it speaks first."""
        self._followers.add(link, self.clock.monotonic_us())

    def on_closed(self, link: PeerLink) -> None:
        """Forget a learner, and its acks with it."""
        follower = self._followers.remove(link)
        if follower is not None and self.serving and not self.quorum.contains(self._followers.loyal()):
            self.give_up("lost the quorum of followers")

    def on_packets(self, link: PeerLink, packets: list[Packet]) -> None:
        """Handle what a learner sent, in order, by the table below."""
        follower = self._followers.at(link)
        if follower is None:
            return
        follower.heard_us = self.clock.monotonic_us()
        table = _TABLE[follower.step]
        acked = follower.zxid_acked
        for packet in packets:
            if self.trace.on and follower.sid is not None:
                self.trace_packet("received", follower.sid, packet)
            handler = table.get(packet.type)
            if handler is None:
                raise PeerProtocolError(
                    f"packet type {packet.type} from server {follower.sid} while {follower.step.value}"
                )
            handler(self, follower, packet)
            if not self.active:
                return
            if table is not _BROADCAST:
                table = _TABLE[follower.step]
        if follower.zxid_acked > acked:
            self.meter.acked(str(follower.sid), acked, follower.zxid_acked, follower.heard_us)

    def _on_tick(self) -> None:
        """Ping; drop the silent; step down without a quorum of live followers (ZAB's leader lease)."""
        now = self.clock.monotonic_us()
        tick_us = self.timing.tick_ms * 1000
        if not self.serving and now - self._started_us > self.timing.init_limit_ticks * tick_us:
            self.give_up("no quorum followed within initLimit")
            return
        for follower in self._followers:
            limit = self.timing.sync_limit_ticks if follower.synced else self.timing.init_limit_ticks
            if now - follower.heard_us > limit * tick_us:
                self._followers.drop(follower)
        if self.serving and not self.quorum.contains(self._followers.loyal()):
            self.give_up("lost the quorum of followers")
            return
        self._ping()
        self._tick = self.clock.call_later(self.timing.tick_ms / 2, self._if_active(self._on_tick))

    # ------------------------------------------------------------------ discovery

    def _on_follower_info(self, follower: Follower, packet: Packet) -> None:
        try:
            sid, _version, _config = _LEARNER_INFO.unpack(packet.data or b"")
        except StructError as error:
            raise PeerProtocolError(f"FOLLOWERINFO: {error}") from None
        if sid == self.sid or sid not in self.quorum.voters:
            raise PeerProtocolError(f"server {sid} is not a follower of this ensemble")
        for other in self._followers:
            if other.sid == sid:
                self._followers.drop(other)  # it came back before we noticed that it was gone
        follower.sid = sid
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

    def _decide_epoch(self) -> None:
        known = self._followers.known()
        if self._decided or not self.quorum.contains(
            [self.sid, *[f.sid for f in known if f.sid is not None]]
        ):
            return
        self._decided = True
        self.epoch = max([self.history.accepted_epoch, *[f.accepted_epoch for f in known]]) + 1
        self.history.save_accepted_epoch(self.epoch)
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
        elif (current, packet.zxid) > ours:
            self.give_up(f"server {follower.sid} has a longer history: {current}, {text(packet.zxid)}")
        else:
            self._prove()

    def _prove(self) -> None:
        """With a quorum of acked epochs our history is the longest: make it durable, then synchronize."""
        acked = [f.sid for f in self._followers if f.sid is not None and f.history and f.history[0] >= 0]
        if not self._proven and self.quorum.contains([self.sid, *acked]):
            self._proven = True
            self.set_phase(Phase.SYNCHRONIZATION, f"epoch {self.epoch} accepted by a quorum")
            self.history.sync(self._if_active(self._on_history_durable))

    def _on_history_durable(self) -> None:
        self.history.save_current_epoch(self.epoch)
        self._own_acked = self.history.zxid_durable
        self.zxid_committed = self._zxid_proposed
        for follower in self._followers:
            if follower.history is not None:
                self._synchronize(follower)
        self._establish()

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
        for zxid, payload in self._outstanding:
            self._send(follower, Packet(PacketType.PROPOSAL, zxid, payload))
        self._send(follower, Packet(PacketType.NEWLEADER, make(self.epoch, 0), self.config))
        follower.synchronizing = True

    def _send_plan(self, follower: Follower, plan: Synchronization) -> None:
        snapshot = None
        if plan.mode is PacketType.SNAP:
            if self.app.zxid_applied != self.zxid_committed:
                raise InvariantViolation(
                    f"applied {text(self.app.zxid_applied)}, committed {text(self.zxid_committed)}"
                )
            snapshot = self.app.snapshot()
        self._send(follower, Packet(plan.mode, plan.zxid, snapshot))
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
        self._zxid_proposed = make(self.epoch, 0)
        self.set_phase(Phase.BROADCAST, f"epoch {self.epoch} established")
        for follower in self._followers:
            if follower.synced:
                self._send(follower, Packet(PacketType.UPTODATE, -1))
        self.established(self.epoch)
        self.app.on_serving()

    # ------------------------------------------------------------------ broadcast

    def next_zxid(self) -> int:
        """Return the zxid of the next proposal."""
        return self._zxid_proposed + 1

    def propose(self, zxid: int, payload: bytes) -> None:
        """Append one transaction here and send it to every learner; it is committed in its turn."""
        if zxid != self._zxid_proposed + 1 or not self.serving:
            raise InvariantViolation(f"proposal {text(zxid)} after {text(self._zxid_proposed)}")
        self._zxid_proposed = zxid
        self.history.append(zxid, payload)
        self._outstanding.append((zxid, payload))
        self._unsent.append(Packet(_PROPOSAL, zxid, payload))

    def flush(self) -> None:
        """End a step: send its proposals and make them durable, commit what its acks allow, and ask for the
        proof that its syncs need."""
        if self._unsent:
            self._send_proposals()
        if self._acked:
            self._acked = False
            self._advance()
        if self._syncs.begin_round():
            self._ping()
            self._answer_syncs()
        if counter_of(self._zxid_proposed) > COUNTER_MAX - _COUNTER_RESERVE:
            self.give_up("the epoch has no zxid left")  # ZOOKEEPER-1277

    def _send_proposals(self) -> None:
        """Send what was proposed to all who get proposals, and make it durable here too."""
        unsent, self._unsent = self._unsent, []
        if unsent:
            self.meter.proposed(self._zxid_proposed, self.clock.monotonic_us())
            self._broadcast(unsent, self._followers.forwarding())
            self.sync_history(self._on_durable)

    def _on_durable(self) -> None:
        if self.trace.on:
            self._trace_acked(self.sid, self.history.zxid_durable, self._own_acked)
        before, self._own_acked = self._own_acked, self.history.zxid_durable
        self.meter.acked(str(self.sid), before, self._own_acked, self.clock.monotonic_us())
        self._acked = True

    def _on_ack(self, follower: Follower, packet: Packet) -> None:
        zxid = packet.zxid
        if zxid > self._zxid_proposed:
            raise PeerProtocolError(f"ack {text(zxid)} beyond the last proposal {text(self._zxid_proposed)}")
        if zxid <= follower.zxid_acked or not zxid & COUNTER_MAX:
            return  # the second ack of NEWLEADER, after UPTODATE
        if self.trace.on:
            self._trace_acked(follower.sid, zxid, follower.zxid_acked)
        # What this allows is committed at the end of the step: acks come in runs, and cover all before them.
        follower.zxid_acked = zxid
        self._acked = True

    def _trace_acked(self, sid: int | None, zxid: int, before: int) -> None:
        """Emit what an ack, which covers all before it, has newly covered."""
        if self._outstanding:
            # Outstanding proposals are of one epoch, and their zxids are successive.
            for outstanding in range(max(before + 1, self._outstanding[0][0]), zxid + 1):
                if self.trace.wants(outstanding):
                    self.trace.emit("acked", zxid=str(outstanding), by=sid)

    def _advance(self) -> None:
        """Commit, in order, what a quorum has acked; the learners hear of it in one write."""
        if not self._outstanding or not self.serving:
            return
        reached = self.quorum.reached(self._followers.progress(self._own_acked))
        outstanding = self._outstanding
        commits: list[Packet] = []
        while outstanding and outstanding[0][0] <= reached:
            zxid, payload = outstanding.popleft()
            self.zxid_committed = zxid
            if self.trace.on and self.trace.wants(zxid):
                self.trace.emit("committed", zxid=str(zxid))
            commits.append(Packet(_COMMIT, zxid))
            self.app.deliver(zxid, payload)
        if commits:
            self.meter.committed(self.zxid_committed, len(commits), self.clock.monotonic_us())
            self._tell_committed(commits)
            self._answer_syncs()

    def _tell_committed(self, commits: list[Packet]) -> None:
        """Send commits to every learner; those that have not acked NEWLEADER hear of them when they have.

        Apache 3.8's learner fails on a commit in between, and under load never comes in (ZOOKEEPER-4394).
        """
        synced: list[Follower] = []
        for follower in self._followers.forwarding():
            if follower.synced:
                synced.append(follower)
            else:
                follower.commits += commits
        self._broadcast(commits, synced)

    # ------------------------------------------------------------------ pings and syncs

    def _ping(self) -> None:
        for follower in self._followers:
            if follower.synced and self.serving:
                follower.pings.append(self._syncs.round)
                self._send(follower, Packet(PacketType.PING, self._zxid_proposed))

    def _on_ping(self, follower: Follower, packet: Packet) -> None:
        if not follower.pings:
            raise PeerProtocolError("a ping that answers none of ours")
        follower.confirmed = follower.pings.popleft()
        if packet.data and follower.sid is not None:
            self.app.on_touches(follower.sid, packet.data)
        self._answer_syncs()

    def sync(self, learner: int | None) -> None:
        """Report (``app.on_synced`` here, SYNC to ``learner``) once all that is proposed now is committed,
        and a quorum has confirmed since that we lead."""
        follower = None if learner is None else self._followers.of(learner)
        if learner is None or follower is not None:  # otherwise its link broke, and its client's with it
            self._syncs.add(self._zxid_proposed, follower)

    def _answer_syncs(self) -> None:
        if not self._syncs:
            return
        committed = self._zxid_proposed if not self._outstanding else self.zxid_committed
        confirmed = self.quorum.reached(self._followers.confirmations(self._syncs.round))
        for follower in self._syncs.complete(committed, confirmed):
            if follower is None:
                self.app.on_synced()
            elif self._followers.at(follower.link) is follower:
                self._send(follower, Packet(PacketType.SYNC, 0))

    # ------------------------------------------------------------------ the application's traffic

    def _on_request(self, follower: Follower, packet: Packet) -> None:
        self._check_established(follower)
        if follower.sid is not None:
            self.app.on_request(follower.sid, packet.data or b"", packet.auth)

    def _on_revalidate(self, follower: Follower, packet: Packet) -> None:
        self._check_established(follower)
        if follower.sid is not None:
            self._send_proposals()  # the learner is to know all that was asked for before it has the session
            answer = self.app.on_revalidate(follower.sid, packet.data or b"")
            self._send(follower, Packet(PacketType.REVALIDATE, packet.zxid, answer))

    def _check_established(self, follower: Follower) -> None:
        if not self.serving:
            raise PeerProtocolError(f"server {follower.sid} asks while epoch {self.epoch} is not established")

    @property
    def outstanding(self) -> int:
        """Proposals not yet committed."""
        return len(self._outstanding)

    @property
    def pending_syncs(self) -> int:
        """Syncs not yet answered."""
        return len(self._syncs)

    def peer_status(self) -> list[dict[str, object]]:
        """Describe every other voter as this leader sees it."""
        now = self.clock.monotonic_us()
        rows: list[dict[str, object]] = []
        for sid in self.quorum.voters:
            if sid == self.sid:
                continue
            follower = self._followers.of(sid)
            rows.append(
                {
                    "sid": sid,
                    "connected": follower is not None,
                    "synced": follower is not None and follower.synced,
                    "zxid_acked": str(follower.zxid_acked) if follower and follower.zxid_acked >= 0 else None,
                    "heard_ms_ago": (now - follower.heard_us) // 1000 if follower else None,
                }
            )
        return rows

    # ------------------------------------------------------------------ sending

    def _send(self, follower: Follower, packet: Packet) -> None:
        if self.trace.on and follower.sid is not None:
            self.trace_packet("sent", follower.sid, packet)
        follower.link.send(packet)

    def _broadcast(self, packets: list[Packet], followers: list[Follower]) -> None:
        if self.trace.on:
            for packet in packets:
                for follower in followers:
                    if follower.sid is not None:
                        self.trace_packet("sent", follower.sid, packet)
        self.network.broadcast([f.link for f in followers], packets)


_Handler = Callable[[Leader, Follower, Packet], None]

_BROADCAST: dict[int, _Handler] = {
    PacketType.ACK: Leader._on_ack,
    PacketType.PING: Leader._on_ping,
    PacketType.REQUEST: Leader._on_request,
    PacketType.REVALIDATE: Leader._on_revalidate,
}
_TABLE: dict[FollowerStep, dict[int, _Handler]] = {
    FollowerStep.CONNECTED: {PacketType.FOLLOWERINFO: Leader._on_follower_info},
    FollowerStep.DISCOVERY: {PacketType.ACKEPOCH: Leader._on_ack_epoch},
    FollowerStep.SYNCHRONIZATION: {PacketType.ACK: Leader._on_new_leader_ack},
    FollowerStep.BROADCAST: _BROADCAST,
}
"""What a learner may say in which step; every pair that is not here breaks its link (ZOOKEEPER-4394)."""
