"""Fast leader election: which server might lead, by (epoch, zxid, sid).

The election only has to end, and with a good candidate; whether the winner *may* lead is proved afterwards
in discovery. Facts: Apache's FastLeaderElection (2.14 of the reference). What differs from Apache: a
candidate with a quorum of votes waits ``FINALIZE_WAIT_MS`` for a better vote only while some voter whose
link is up has not yet agreed, so a usual election ends as soon as everybody alive was heard.

Who has no vote, an observer or a server that is no member, votes for nobody (Long.MIN in all it says) and asks
the voters: they answer at once, and it joins whom a quorum of them names.

Does not know what leading or following means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ensemble.ports import Clock, Timer
from ensemble.trace import Trace
from ensemble.zab.messages import Notification, ServerState, Vote
from ensemble.zab.view import View

FINALIZE_WAIT_MS = 200
RESEND_MS_MIN = 200
RESEND_MS_MAX = 3_000
NOBODY = -(1 << 63)
"""What a server without a vote says instead of a leader, a zxid and an epoch."""


class Election:
    """The election as one server sees it: its vote, the votes it heard, and the round they belong to."""

    def __init__(
        self,
        sid: int,
        view: View,
        *,
        clock: Clock,
        send: Callable[[int, Notification], None],
        elected: Callable[[Vote], None],
        trace: Trace,
    ) -> None:
        self.sid = sid
        self.round = 0
        self.state = ServerState.LOOKING
        self.vote = Vote(sid, 0, 0)
        self._view = view
        self._clock = clock
        self._send = send
        self._elected = elected
        self._trace = trace
        self._own = self.vote
        self._heard: dict[int, Vote] = {}
        self._answered: dict[int, Notification] = {}
        self._settled: dict[int, Notification] = {}
        self._links_up: set[int] = set()
        self._finalize: Timer | None = None
        self._resend: Timer | None = None
        self._resend_ms = RESEND_MS_MIN
        self.resting = False
        """It takes no part: nobody is heard, nobody is told."""

    # ------------------------------------------------------------------ from the peer

    def start(self, zxid: int, epoch: int) -> None:
        """Begin a new round, voting for ourselves with our last logged zxid and our current epoch."""
        self.state = ServerState.LOOKING
        self.resting = False
        self.round += 1
        self._own = self._candidate(zxid, epoch)
        self._heard.clear()
        self._settled.clear()
        self._answered.clear()
        self._adopt(self._own)
        self._broadcast()
        self._restart_resend()
        self._decide()

    def _candidate(self, zxid: int, epoch: int) -> Vote:
        """Vote for ourselves, if we may be voted for at all."""
        if not self._view.votes:
            return Vote(NOBODY, NOBODY, NOBODY)
        if not self._view.may_lead(self.sid):
            return Vote(self.sid, NOBODY, NOBODY)  # a vote without weight: everybody else's is better
        return Vote(self.sid, zxid, epoch)

    def settle(self, state: ServerState) -> None:
        """End our part: from now on we only tell others what we know; those who have no vote wait for that."""
        self.state = state
        self._stop_timers()
        self._tell_voteless()

    def appoint(self, vote: Vote) -> None:
        """Take a leader that was named without an election."""
        self._adopt(vote)

    def confirm(self, epoch: int) -> None:
        """Take over the epoch that discovery established, so that newcomers see one story (ZOOKEEPER-1818)."""
        self.vote = Vote(self.vote.leader, self.vote.zxid, epoch)
        self._tell_voteless()

    def rest(self) -> None:
        """Take no part until ``start``."""
        self.resting = True
        self._stop_timers()

    def stop(self) -> None:
        """Forget all timers."""
        self._stop_timers()

    def on_link(self, sid: int, *, up: bool) -> None:
        """Note that the election link to ``sid`` came up or went down."""
        if not up:
            self._links_up.discard(sid)
            if self.state is ServerState.LOOKING and not self.resting:
                self._decide()
            return
        self._links_up.add(sid)
        if self.state is ServerState.LOOKING and not self.resting:
            self._tell(sid)

    def is_lost_to_us(self, heard: Notification) -> bool:
        """Tell whether a voter has come past the vote of ours that ended the election: it will not support us."""
        if heard.sender not in self._view.voters:
            return False
        if heard.state is not ServerState.LOOKING:
            return heard.vote.leader != self.vote.leader
        return heard.round > self.round or (heard.round == self.round and heard.vote.beats(self.vote))

    # ------------------------------------------------------------------ from other servers

    def on_notification(self, notification: Notification) -> None:
        """Count one election message."""
        view = self._view
        if notification.sender not in view.voters or not view.may_lead(notification.vote.leader):
            self._answer(notification)
            return
        if self.state is not ServerState.LOOKING:
            if notification.state is ServerState.LOOKING:
                self._tell(notification.sender)
        elif notification.state is ServerState.LOOKING:
            self._on_looking(notification)
        else:
            self._on_settled(notification)

    def _answer(self, asked: Notification) -> None:
        """Tell what we know to a server that looks for a leader and has no say in it.

        Two who look may each think so of the other: the same words are not answered twice between two of our
        own, or they would answer each other for ever.
        """
        if asked.state is not ServerState.LOOKING:
            return
        if self.state is ServerState.LOOKING:
            if self._answered.get(asked.sender) == asked:
                return
            self._answered[asked.sender] = asked
        self._tell(asked.sender)

    def _on_looking(self, heard: Notification) -> None:
        if heard.round < self.round:
            self._tell(heard.sender)
            return
        if heard.round > self.round:
            self.round = heard.round
            self._heard.clear()
            self._adopt(heard.vote if heard.vote.beats(self._own) else self._own)
            self._broadcast()
        elif heard.vote.beats(self.vote):
            self._adopt(heard.vote)
            self._broadcast()
        elif heard.vote != self.vote:
            # It votes for less than we told everybody: it was not looking yet when we did. Without an answer
            # it would hear of our vote when one of us repeats itself, RESEND_MS_MIN later.
            self._tell(heard.sender)
        self._heard[heard.sender] = heard.vote
        self._decide()

    def _on_settled(self, heard: Notification) -> None:
        """Join an ensemble that has a leader: a quorum must name it, and it must say so itself."""
        if heard.round == self.round:
            self._heard[heard.sender] = heard.vote
            votes = [*self._heard.items(), (self.sid, self.vote)]
            if self._agree(heard.vote, votes) and self._leads(heard):
                self._join(heard)
                return
        self._settled[heard.sender] = heard
        settled = [(sid, notification.vote) for sid, notification in self._settled.items()]
        if self._agree(heard.vote, settled) and self._leads(heard):
            self._join(heard)

    def _join(self, heard: Notification) -> None:
        told = self.vote.leader
        self.round = heard.round
        self._finish(heard.vote)
        if told != heard.vote.leader:
            self._broadcast()  # or somebody counts on our vote, who heard of it and not of this

    def _leads(self, heard: Notification) -> bool:
        leader = heard.vote.leader
        if leader == self.sid:
            return heard.round == self.round
        witness = heard if heard.sender == leader else self._settled.get(leader)
        return witness is not None and witness.state is ServerState.LEADING

    def _agree(self, vote: Vote, votes: Iterable[tuple[int, Vote]]) -> bool:
        """Tell whether a quorum of settled servers names this leader; their zxids may differ."""
        key = (vote.leader, vote.epoch)
        return self._view.rule.contains([sid for sid, other in votes if (other.leader, other.epoch) == key])

    # ------------------------------------------------------------------ deciding

    def _decide(self) -> None:
        supporters = [sid for sid, vote in self._heard.items() if vote == self.vote]
        supporters.append(self.sid)
        if not self._view.rule.contains(supporters):
            self._cancel_finalize()
            return
        waiting = self._links_up.intersection(self._view.rule.voters).difference(supporters)
        if not waiting:
            self._finish(self.vote)
        elif self._finalize is None:
            self._finalize = self._clock.call_later(FINALIZE_WAIT_MS, self._on_finalize)

    def _on_finalize(self) -> None:
        self._finalize = None
        self._finish(self.vote)

    def _finish(self, vote: Vote) -> None:
        self._adopt(vote)
        self._stop_timers()
        self._elected(vote)

    def _adopt(self, vote: Vote) -> None:
        self._cancel_finalize()
        self.vote = vote
        if self._trace.on and vote.leader != NOBODY:
            self._trace.emit(
                "vote", leader=vote.leader, zxid=str(vote.zxid), epoch=vote.epoch, round=self.round
            )

    # ------------------------------------------------------------------ telling

    def _tell(self, sid: int) -> None:
        self._send(sid, Notification(self.sid, self.state, self.vote, self.round, self._view.text))

    def _broadcast(self) -> None:
        for sid in self._view.voters:
            if sid != self.sid:
                self._tell(sid)

    def _tell_voteless(self) -> None:
        """Tell those who cannot decide and so ask; without it they would hear of it when they ask again."""
        for sid in sorted(self._links_up.difference(self._view.voters)):
            self._tell(sid)

    def _restart_resend(self) -> None:
        self._resend_ms = RESEND_MS_MIN
        self._schedule_resend()

    def _schedule_resend(self) -> None:
        if self._resend is not None:
            self._resend.cancel()
        self._resend = self._clock.call_later(self._resend_ms, self._on_resend)

    def _on_resend(self) -> None:
        self._resend = None
        self._answered.clear()
        self._broadcast()
        self._resend_ms = min(self._resend_ms * 2, RESEND_MS_MAX)
        self._schedule_resend()

    def _cancel_finalize(self) -> None:
        if self._finalize is not None:
            self._finalize.cancel()
            self._finalize = None

    def _stop_timers(self) -> None:
        self._cancel_finalize()
        if self._resend is not None:
            self._resend.cancel()
            self._resend = None
