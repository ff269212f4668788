"""The broadcast: what is proposed goes to all, what a quorum acked is committed, and everybody is told.

Proposals go to every learner that was synchronized; what a quorum acked is committed. Observers hear of a
transaction when it is committed, and are never counted.

Our own acks count like everybody's: only for what our disk holds. Acks belong to a link; those of a link
that broke are forgotten, since the learner may be truncated when it comes back.

A proposal that changes the membership, and all that is proposed before it is committed, needs a quorum of the old
and of the new one. When the new one does not have us among its voters we commit nothing more: the commit names
the server that is to lead, and our followers go over to it.

Facts: 2.15 and 2.17 of the reference (Apache's Leader and LearnerHandler). What differs: ``sync`` is answered only
after a quorum confirmed, by answering a ping sent later, that we still lead (ZOOKEEPER-1675).
"""

from __future__ import annotations

from collections import deque
from struct import Struct

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.limits import LEARNER_HELD_BYTES_MAX
from ensemble.membership import Membership
from ensemble.zab.leader.establishment import Establishment
from ensemble.zab.leader.followers import Follower
from ensemble.zab.leader.syncs import Syncs
from ensemble.zab.messages import Packet, PacketType, Run
from ensemble.zab.quorum import Quorum
from ensemble.zab.term import Term
from ensemble.zxid import COUNTER_MAX, text

_DESIGNATED = Struct(">q")
_PROPOSAL = int(PacketType.PROPOSAL)
_COMMIT = int(PacketType.COMMIT)
_INFORM = int(PacketType.INFORM)
_COUNTER_RESERVE = 1 << 20
"""A leader hands over this many zxids before its epoch runs out: more than one step can propose."""


class Broadcast(Establishment):
    """A leader and its transactions; when its term ends, for want of followers or otherwise, is ``leader``'s part."""

    def __init__(self, context: Term.Context) -> None:
        super().__init__(context)
        self._own_acks = self.meter.acks.of(str(self.sid))
        self._syncs = Syncs()
        self._held: deque[tuple[int, Follower, Packet]] = deque()
        """Revalidations of observers, each with the transaction it waits for."""
        self._transition: tuple[Quorum, int] | None = None
        """What was proposed while a membership was pending needs both quorums also when that is in force: the
        joint rule, and the last of those proposals."""
        self._successor: int | None = None
        """Who leads from now on, when the membership in force has no place for us."""

    # ------------------------------------------------------------------ proposals, acks, commits

    def next_zxid(self) -> int:
        """Return the zxid of the next proposal."""
        return self._zxid_proposed + 1

    def propose(self, zxid: int, payload: bytes, membership: Membership | None = None) -> None:
        """Append one transaction here and send it to every learner; it is committed in its turn.

        ``membership`` is the one that it puts in force.
        """
        if membership is not None:
            self.view.see(membership)
        if zxid != self._zxid_proposed + 1 or not self.serving:
            raise InvariantViolation(f"proposal {text(zxid)} after {text(self._zxid_proposed)}")
        self._zxid_proposed = zxid
        self.history.append(zxid, payload)
        proposal = (zxid, payload)
        self._outstanding.append(proposal)
        self._unsent.append(proposal)

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
        if self.serving and self._zxid_proposed & COUNTER_MAX > COUNTER_MAX - _COUNTER_RESERVE:
            self.give_up("the epoch has no zxid left")  # ZOOKEEPER-1277

    def _send_proposals(self) -> None:
        """Send what was proposed to all who get proposals, and make it durable here too."""
        unsent, self._unsent = self._unsent, []
        if unsent:
            self.meter.proposed(self._zxid_proposed, self.clock.monotonic_us())
            self._broadcast(_PROPOSAL, unsent, self._followers.forwarding())
            self.sync_history(self._on_durable)

    def _on_durable(self) -> None:
        if self.trace.on:
            self._trace_acked(self.sid, self.history.zxid_durable, self._own_acked)
        before, self._own_acked = self._own_acked, self.history.zxid_durable
        self.meter.acked(self._own_acks, before, self._own_acked, self.clock.monotonic_us())
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
        if not self._outstanding or not self.serving or self._successor is not None:
            return
        reached = self._reached()
        trace, deliver = self.trace, self.app.deliver
        change = self.view.seen.version if self.view.pending else 0
        outstanding = self._outstanding
        activation = b""
        run: list[tuple[int, bytes]] = []
        while outstanding and outstanding[0][0] <= reached:
            proposal = outstanding.popleft()
            run.append(proposal)
            zxid, payload = proposal
            self.zxid_committed = zxid
            if trace.on and trace.wants(zxid):
                trace.emit("committed", zxid=str(zxid))
            if zxid == change:
                activation = self._activate(zxid)
            deliver(zxid, payload)
            if self._successor is not None:
                break
        if run:
            self.meter.committed(self.zxid_committed, len(run), self.clock.monotonic_us())
            if self._syncs:
                run = self._tell_around_syncs(run, change, activation)
            self._tell_committed(run, change, activation)
            if self._held:
                self._answer_held()
            self._answer_syncs()

    def _reached(self) -> int:
        """Return how far a quorum has acked; of what was proposed in a transition, both."""
        progress = self._followers.progress(self._own_acked)
        reached = self.view.reached(progress)
        if self._transition is not None:
            joint, last = self._transition
            if self.zxid_committed >= last:
                self._transition = None
            else:
                both = joint.reached(progress)
                reached = reached if both >= last else min(reached, both)
        return reached

    def _activate(self, zxid: int) -> bytes:
        """Put the membership that a transaction carries in force; return who is to lead it, as learners are told."""
        designated = self._designated(zxid)
        self._transition = (self.view.quorum, self._zxid_proposed)
        self.view.activate(self.view.seen)
        if designated != self.sid:
            self._successor = designated
        return _DESIGNATED.pack(designated)

    def _designated(self, zxid: int) -> int:
        """Return who is to lead the membership we have seen: we, or the voter that has acked most."""
        new = self.view.seen
        if new.votes(self.sid) and self.view.same_place(self.sid):
            return self.sid
        acked = self._followers.progress(self._own_acked)
        candidates = [sid for sid in new.voters if sid != self.sid and acked.get(sid, -1) >= zxid]
        # Nobody but us: we have only moved to another address.
        return max(candidates, key=lambda sid: (new.weight(sid) > 0, acked[sid], sid), default=self.sid)

    def _tell_committed(self, run: list[tuple[int, bytes]], change: int, activation: bytes) -> None:
        """Send commits to every learner, and with that of ``change`` its ``activation``, if it is among them."""
        if not activation:
            self._tell(_COMMIT, [(zxid, None) for zxid, _ in run], _INFORM, run)
            return
        for zxid, payload in run:
            if zxid == change:
                told, informed = [(zxid, activation)], [(zxid, activation + payload)]
                self._tell(PacketType.COMMITANDACTIVATE, told, PacketType.INFORMANDACTIVATE, informed)
            else:
                self._tell(_COMMIT, [(zxid, None)], _INFORM, [(zxid, payload)])

    def _tell_around_syncs(
        self, run: list[tuple[int, bytes]], change: int, activation: bytes
    ) -> list[tuple[int, bytes]]:
        """Send the commits before each sync that ``run`` passes, and answer the sync; return what is left of it."""
        first, sent = run[0][0], 0
        for zxid, follower in self._syncs.passed(run[-1][0]):
            before = max(sent, zxid + 1 - first)  # the zxids of a run are successive
            if before > sent:
                self._tell_committed(run[sent:before], change, activation)
                sent = before
            self._answer_sync(follower)
        return run[sent:]

    def _tell(self, commit: int, commits: Run, inform: int, informs: Run) -> None:
        """Send commits to followers and informs to observers; those that have not acked NEWLEADER hear of them when
        they have.

        Apache 3.8's learner fails on a commit in between, and under load never comes in (ZOOKEEPER-4394).
        """
        synced: list[Follower] = []
        observers: list[Follower] = []
        for follower in self._followers.learning():
            if not follower.synced:
                kind, run = (inform, informs) if follower.observer else (commit, commits)
                follower.hold(kind, run)
                if follower.held_bytes > LEARNER_HELD_BYTES_MAX:
                    self._followers.drop(follower)
            elif follower.observer:
                observers.append(follower)
            else:
                synced.append(follower)
        self._broadcast(commit, commits, synced)
        if observers:
            self._broadcast(inform, informs, observers)

    def _broadcast(self, kind: int, run: Run, followers: list[Follower]) -> None:
        if self.trace.on:
            for zxid, data in run:
                for follower in followers:
                    if follower.sid is not None:
                        self.trace_packet("sent", follower.sid, Packet(kind, zxid, data))
        self.network.broadcast([f.link for f in followers], kind, run)

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
            self._answer_sync(follower)

    def _answer_sync(self, follower: Follower | None) -> None:
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
        # The learner is to know all that was asked for before it has the session.
        if follower.observer and self._outstanding:
            self._held.append((self._zxid_proposed, follower, packet))
            return
        self._send_proposals()
        self._answer_revalidate(follower, packet)

    def _answer_revalidate(self, follower: Follower, packet: Packet) -> None:
        if follower.sid is not None:
            answer = self.app.on_revalidate(follower.sid, packet.data or b"")
            self._send(follower, Packet(PacketType.REVALIDATE, packet.zxid, answer))

    def _answer_held(self) -> None:
        """Answer the revalidations of observers that have heard of all that was asked for before."""
        held = self._held
        while held and held[0][0] <= self.zxid_committed:
            _, follower, packet = held.popleft()
            if self._followers.at(follower.link) is follower:
                self._answer_revalidate(follower, packet)

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
