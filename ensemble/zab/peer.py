"""One server's part in ZAB: an election, then a term as leader or as learner, then the next election.

``Peer`` knows which of the three it is in and passes everything on; the rules are in ``election``,
``learner`` and ``leader``.
"""

from __future__ import annotations

from contextlib import suppress

from ensemble.errors import InvariantViolation, PeerProtocolError
from ensemble.membership import Membership
from ensemble.ports import Clock
from ensemble.trace import Trace
from ensemble.zab.election import Election
from ensemble.zab.leader.leader import Leader
from ensemble.zab.learner.learner import Learner
from ensemble.zab.messages import Notification, Packet, ServerState, Vote
from ensemble.zab.meter import Meter
from ensemble.zab.patience import Patience
from ensemble.zab.phase import Phase
from ensemble.zab.ports import Application, History, PeerLink, PeerNetwork, Timing
from ensemble.zab.restoration import Restoration
from ensemble.zab.term import Term
from ensemble.zab.view import View
from ensemble.zxid import COUNTER_MAX, make

__all__ = ["Peer", "Phase"]

EARLY_PACKETS_MAX = 16
"""Packets kept from a learner that connected before our own election ended; it sends one."""


class Peer:
    """One server of an ensemble, whether it votes or not."""

    def __init__(
        self,
        sid: int,
        view: View,
        *,
        timing: Timing,
        clock: Clock,
        network: PeerNetwork,
        history: History,
        app: Application,
        trace: Trace,
    ) -> None:
        self.sid = sid
        self.role = ServerState.LOOKING
        self.phase = Phase.ELECTION
        self.phase_since_us = clock.monotonic_us()
        self.meter = Meter()
        self.view = view
        self._clock = clock
        self._history = history
        self._app = app
        self._trace = trace
        self._term: Leader | Learner | None = None
        self._early: dict[PeerLink, list[Packet]] = {}
        self._stopped = True
        self._context = Term.Context(
            sid=sid,
            view=view,
            timing=timing,
            clock=clock,
            network=network,
            history=history,
            app=app,
            trace=trace,
            meter=self.meter,
            patience=Patience(),
            give_up=self._look,
            stand_aside=self._stand_aside,
            hand_over=self._go_over,
            set_phase=self._set_phase,
            established=self._on_established,
        )
        self.election = Election(
            sid,
            view,
            clock=clock,
            send=network.notify,
            elected=self._on_elected,
            trace=trace,
        )

    # ------------------------------------------------------------------ state

    @property
    def term(self) -> Leader | Learner | None:
        """The present term; None while this server looks for a leader."""
        return self._term

    @property
    def leader(self) -> int | None:
        """The server that leads or is about to, as far as this one knows."""
        return self._term.leader if self._term is not None else None

    @property
    def epoch(self) -> int:
        """The epoch of the present term, 0 while it is not known."""
        return self._term.epoch if self._term is not None else 0

    @property
    def serving(self) -> bool:
        """Whether clients may be served: synchronized with a leader that a quorum follows."""
        return self._term is not None and self._term.serving

    @property
    def zxid_committed(self) -> int:
        """The last transaction this server knows to be committed."""
        return self._term.zxid_committed if self._term is not None else self._app.zxid_applied

    @property
    def zxid_logged(self) -> int:
        """The last transaction proposed, as far as this server knows."""
        return self._history.zxid_logged

    @property
    def outstanding(self) -> int:
        """Proposals not yet committed."""
        return self._term.outstanding if self._term is not None else 0

    @property
    def pending_syncs(self) -> int:
        """Leader: syncs not yet answered."""
        return self._term.pending_syncs if isinstance(self._term, Leader) else 0

    def peers(self) -> list[dict[str, object]]:
        """Describe the links to other servers (``admin.schema.PeerStatus``)."""
        return self._term.peer_status() if self._term is not None else []

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Join the ensemble."""
        self._stopped = False
        self._look("started")

    def stop(self) -> None:
        """Leave without a word; links are closed, timers forgotten."""
        self._stopped = True
        self._end_restoration("this server stops")
        self.election.stop()
        self._end_term()
        self._close_early()

    def flush(self) -> None:
        """End a step of the host: what was appended in it is made durable with one sync."""
        if self._term is not None:
            self._term.flush()

    def _look(self, why: str) -> None:
        if self._stopped:
            return
        self._end_restoration(why)
        self._begin_election(why, self._history.zxid_logged)

    def _begin_election(self, why: str, zxid: int) -> None:
        self._serve_nobody(why)
        self.election.start(zxid, self._history.current_epoch)

    def _serve_nobody(self, why: str) -> None:
        self._end_term()
        self.role = ServerState.LOOKING
        self.meter.looking += 1
        self._set_phase(Phase.ELECTION, why)
        self._app.on_looking(why)

    def _stand_aside(self, why: str) -> None:
        """Leave the lead, and every election, to others until our disk answers.

        Our vote may be the greatest, for what only our memory holds: we would be elected again, and again.
        """
        if self._stopped:
            return
        self._end_restoration(why)
        self.election.rest()
        self._serve_nobody(why)
        self._close_early()
        self._history.sync(self._on_disk_answers)

    def _on_disk_answers(self) -> None:
        if self.election.resting:
            self._look("its disk answers again")

    def restore(self, restoration: Restoration) -> None:
        """Leader: begin another epoch, with another history than ours.

        The vote names more than we hold, so that none of those who are level with us is elected. That wins the
        election only: who leads proves by its true history that nobody in its quorum knows of more.
        """
        assert self.serving
        assert self.role is ServerState.LEADING
        assert self._context.restoration is None
        self._history.save_accepted_epoch(max(self._history.accepted_epoch, restoration.epoch))
        self._context.restoration = restoration
        self._begin_election("a snapshot is to be restored", make(self._history.current_epoch, COUNTER_MAX))

    @property
    def restoring(self) -> bool:
        """Whether a restoration has not ended yet."""
        return self._context.restoration is not None

    def cancel_restore(self, why: str) -> None:
        """Give up a restoration that has not ended, and look for a leader with our true history."""
        if self._context.restoration is not None:
            self._look(why)

    def _end_restoration(self, why: str) -> None:
        restoration, self._context.restoration = self._context.restoration, None
        if restoration is not None:
            restoration.fail(why)

    def _go_over(self, leader: int, why: str) -> None:
        """Begin a term under a leader that was named to us: a change of the membership costs no election."""
        if self._stopped:
            return
        self._end_restoration(why)
        self._end_term()
        self._app.on_looking(why)
        vote = Vote(leader, self._history.zxid_logged, self._history.current_epoch)
        self.election.appoint(vote)
        self._on_elected(vote)

    def _end_term(self) -> None:
        if self._term is not None:
            term, self._term = self._term, None
            term.close()

    def _on_elected(self, vote: Vote) -> None:
        context = self._context
        self._app.on_elected()
        self.meter.elections.add(self._clock.monotonic_us() - self.phase_since_us)
        if vote.leader == self.sid:
            self.role = ServerState.LEADING
            self._term = leader = Leader(context)
            self.election.settle(self.role)
            leader.start()
            self._hand_over_early(leader)
        else:
            self._end_restoration(f"server {vote.leader} was elected meanwhile")
            self.role = ServerState.OBSERVING if self.view.observes else ServerState.FOLLOWING
            self._term = Learner(context, vote)
            self.election.settle(self.role)
            self._close_early()
            self._term.start()

    def _on_established(self, epoch: int) -> None:
        self.election.confirm(epoch)
        restoration, self._context.restoration = self._context.restoration, None
        if restoration is not None:
            restoration.done(restoration.zxid, "")

    def _set_phase(self, phase: Phase, why: str) -> None:
        self.phase = phase
        self.phase_since_us = self._clock.monotonic_us()
        if self._trace.on:
            role = self.role.name.lower()
            epoch = self.epoch or self._history.current_epoch
            self._trace.emit("phase", role=role, phase=phase.value, epoch=epoch, leader=self.leader, why=why)

    # ------------------------------------------------------------------ from the network

    def on_notification(self, notification: Notification) -> None:
        """Take in an election message. ``ConfigError`` when the membership in it is none."""
        if self._stopped:
            return
        if self._trace.on:
            vote, state = notification.vote, notification.state.name.lower()
            self._trace.emit(
                "message",
                way="received",
                peer=notification.sender,
                type="NOTIFICATION",
                zxid=str(max(vote.zxid, 0)),
                vote=max(vote.leader, 0),  # who has no vote names nobody
                state=state,
            )
        if self.election.resting:
            return
        # Also while we lead or follow nobody yet: who is its own quorum by an old membership never looks for long.
        if not self.serving and self.view.hear(notification.config):
            self._look("the membership has changed")
        elif not self.serving:
            self._on_lost(notification)
        self.election.on_notification(notification)

    def _on_lost(self, heard: Notification) -> None:
        """End a term that cannot come to be, since those it waits for have gone on: else initLimit would.

        What others said made us lead or follow, and may have been overtaken by what they then heard.
        """
        term = self._term
        if isinstance(term, Leader):
            if self.election.is_lost_to_us(heard):
                term.on_lost(heard.sender)
        elif (
            # It has stepped down, or begun anew, and takes nobody's word from another round that it leads.
            term is not None
            and heard.sender == term.leader
            and heard.state is ServerState.LOOKING
            and heard.round != self.election.round
        ):
            self._look(f"leader {term.leader} looks for a leader itself")

    def on_election_link(self, sid: int, up: bool) -> None:
        """Note that the election link to ``sid`` came up or went down."""
        if not self._stopped:
            self.election.on_link(sid, up=up)

    def on_accepted(self, link: PeerLink) -> None:
        """A server connected to our quorum port: a learner, if we lead or are about to."""
        if isinstance(self._term, Leader):
            self._term.on_accepted(link)
        elif not self._stopped and not self.election.resting and (self._term is None or self.view.pending):
            self._early[link] = []  # with a change pending we may be named leader, and not know it yet
        else:
            link.close()

    def on_dialed(self, sid: int, link: PeerLink | None) -> None:
        """Our call to ``sid``'s quorum port succeeded, or failed (None)."""
        if isinstance(self._term, Learner) and self._term.leader == sid:
            self._term.on_dialed(link)
        elif link is not None:
            link.close()

    def on_packets(self, link: PeerLink, packets: list[Packet]) -> None:
        """Handle what came on a link, in order.

        A packet that its sender's phase forbids breaks the link and raises ``PeerProtocolError`` for the
        host to log; the peer has done what follows from it already.
        """
        early = self._early.get(link)
        if early is not None:
            early.extend(packets)
            if len(early) > EARLY_PACKETS_MAX:
                self._break(link)
                raise PeerProtocolError("a learner that does not wait for its leader")
            return
        if self._term is None:
            return
        try:
            self._term.on_packets(link, packets)
        except PeerProtocolError:
            self._break(link)
            raise

    def on_closed(self, link: PeerLink) -> None:
        """A link broke."""
        if self._early.pop(link, None) is None and self._term is not None:
            self._term.on_closed(link)

    def _break(self, link: PeerLink) -> None:
        link.close()
        self.on_closed(link)

    def _hand_over_early(self, leader: Leader) -> None:
        """Learners were quicker than our own election: now they are heard."""
        early, self._early = self._early, {}
        for link, packets in early.items():
            if leader.active:
                leader.on_accepted(link)
                # Who was wrong has lost its link by that; whoever brought the news of the election is not to blame.
                with suppress(PeerProtocolError):
                    self.on_packets(link, packets)
            else:
                link.close()

    def _close_early(self) -> None:
        early, self._early = self._early, {}
        for link in early:
            link.close()

    # ------------------------------------------------------------------ from the application

    def _leading(self) -> Leader:
        if not isinstance(self._term, Leader) or not self._term.serving:
            raise InvariantViolation("asked to lead while not leading")
        return self._term

    def _learning(self) -> Learner:
        if not isinstance(self._term, Learner) or not self._term.serving:
            raise InvariantViolation("asked to follow while not following")
        return self._term

    def next_zxid(self) -> int:
        """Leader: the zxid of the next proposal."""
        return self._leading().next_zxid()

    def propose(self, zxid: int, payload: bytes, membership: Membership | None = None) -> None:
        """Leader: propose a transaction under ``next_zxid()``, and the membership it puts in force."""
        self._leading().propose(zxid, payload, membership)

    def synced_quorum_of(self, membership: Membership) -> bool:
        """Leader: tell whether a quorum of ``membership`` follows."""
        return self._leading().synced_quorum_of(membership)

    def sync(self, learner: int | None = None) -> None:
        """Leader: report a sync, to ``app.on_synced`` or to ``learner`` by SYNC, in its turn.

        A learner forwards its clients' syncs with ``submit``; SYNC comes back as ``app.on_synced``.
        """
        self._leading().sync(learner)

    def submit(self, data: bytes, auth: tuple[tuple[str, str], ...] = ()) -> None:
        """Learner: forward a request to the leader."""
        self._learning().submit(data, auth)

    def revalidate(self, data: bytes) -> None:
        """Learner: ask the leader whether a session is alive; answered by ``app.on_revalidated``."""
        self._learning().revalidate(data)
