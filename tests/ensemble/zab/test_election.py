"""Fast leader election, one rule at a time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ensemble.trace import Trace
from ensemble.zab.election import FINALIZE_WAIT_MS, RESEND_MS_MAX, Election
from ensemble.zab.messages import Notification, ServerState, Vote
from ensemble.zab.quorum import Majority
from ensemble.zab.view import View
from tests.ensemble.members import plain
from tests.ensemble.zab.harness import ManualClock


class Booth:
    """One server's election and what it says."""

    def __init__(
        self,
        sid: int = 2,
        voters: int = 3,
        observers: tuple[int, ...] = (),
        weights: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self.clock = ManualClock()
        self.sent: list[tuple[int, Notification]] = []
        self.elected: list[Vote] = []
        self.election = Election(
            sid,
            View(sid, plain(range(1, voters + 1), *observers, weights=weights)),
            clock=self.clock,
            send=lambda to, notification: self.sent.append((to, notification)),
            elected=self.elected.append,
            trace=Trace(sid, self.clock.monotonic_us),
        )

    def hear(
        self, sender: int, vote: Vote, *, state: ServerState = ServerState.LOOKING, round_: int = 1
    ) -> None:
        self.election.on_notification(Notification(sender, state, vote, round_))

    def last_vote(self) -> Vote:
        return self.sent[-1][1].vote


def test_it_votes_for_itself_first_and_tells_everybody():
    booth = Booth()
    booth.election.start(7, 1)
    assert [(to, n.vote, n.round) for to, n in booth.sent] == [(1, Vote(2, 7, 1), 1), (3, Vote(2, 7, 1), 1)]


def test_epoch_beats_zxid_beats_sid():
    assert Vote(1, 0, 2).beats(Vote(3, 9, 1))
    assert Vote(1, 9, 1).beats(Vote(3, 8, 1))
    assert Vote(3, 8, 1).beats(Vote(1, 8, 1))
    assert not Vote(1, 8, 1).beats(Vote(1, 8, 1))


def test_it_adopts_a_better_vote_and_passes_it_on():
    booth = Booth(voters=5)
    booth.election.start(7, 1)
    booth.hear(1, Vote(1, 9, 1))
    assert booth.last_vote() == Vote(1, 9, 1)


def test_it_keeps_its_own_against_a_worse_one():
    booth = Booth()
    booth.election.start(7, 1)
    booth.hear(1, Vote(1, 3, 1))
    assert booth.last_vote() == Vote(2, 7, 1)
    assert booth.elected == []


def test_one_that_began_to_look_later_is_told_of_the_better_vote_at_once():
    booth = Booth()
    booth.election.start(7, 1)
    booth.sent.clear()
    booth.hear(1, Vote(1, 3, 1))
    assert [(to, n.vote) for to, n in booth.sent] == [(1, Vote(2, 7, 1))]
    booth.hear(1, Vote(2, 7, 1))
    assert len(booth.sent) == 1  # agreement needs no answer


def test_a_later_round_starts_the_count_again():
    booth = Booth(voters=5)
    booth.election.start(7, 1)
    booth.hear(1, Vote(2, 7, 1))
    booth.hear(3, Vote(3, 1, 1), round_=4)
    assert booth.election.round == 4
    assert booth.last_vote() == Vote(2, 7, 1)
    booth.hear(4, Vote(2, 7, 1), round_=4)
    assert booth.elected == []  # server 1 voted in a round that is over
    booth.hear(1, Vote(2, 7, 1), round_=4)
    assert booth.elected == [Vote(2, 7, 1)]


def test_one_that_lags_is_told_and_not_counted():
    booth = Booth()
    booth.election.round = 5
    booth.election.start(7, 1)
    booth.sent.clear()
    booth.hear(1, Vote(2, 7, 1), round_=2)
    assert [(to, n.round) for to, n in booth.sent] == [(1, 6)]
    assert booth.elected == []


def test_when_all_that_are_alive_agree_it_is_over_at_once():
    booth = Booth()
    booth.election.on_link(1, up=True)
    booth.election.start(7, 1)
    booth.hear(1, Vote(2, 7, 1))
    assert booth.elected == [Vote(2, 7, 1)]


def test_while_one_that_is_alive_has_not_agreed_it_waits_for_a_better_vote():
    booth = Booth()
    booth.election.on_link(1, up=True)
    booth.election.on_link(3, up=True)
    booth.election.start(7, 1)
    booth.hear(1, Vote(2, 7, 1))
    booth.clock.advance(FINALIZE_WAIT_MS // 2, lambda: None)
    assert booth.elected == []
    booth.hear(3, Vote(3, 9, 1))
    booth.clock.advance(FINALIZE_WAIT_MS - 1, lambda: None)
    assert booth.elected == []  # the better vote began a wait of its own: server 1 is alive
    booth.hear(1, Vote(3, 9, 1))
    assert booth.elected == [Vote(3, 9, 1)]


def test_the_wait_ends_by_itself():
    booth = Booth()
    booth.election.on_link(3, up=True)
    booth.election.start(7, 1)
    booth.hear(1, Vote(2, 7, 1))
    booth.clock.advance(FINALIZE_WAIT_MS - 1, lambda: None)
    assert booth.elected == []
    booth.clock.advance(1, lambda: None)
    assert booth.elected == [Vote(2, 7, 1)]


def test_the_death_of_the_one_waited_for_ends_the_wait():
    booth = Booth()
    booth.election.on_link(3, up=True)
    booth.election.start(7, 1)
    booth.hear(1, Vote(2, 7, 1))
    booth.election.on_link(3, up=False)
    assert booth.elected == [Vote(2, 7, 1)]


def test_it_joins_a_leader_that_a_quorum_follows_and_that_says_so_itself():
    booth = Booth()
    booth.election.start(7, 1)
    settled = Vote(3, 4, 9)
    booth.hear(1, settled, state=ServerState.FOLLOWING, round_=8)
    assert booth.elected == []
    booth.hear(3, settled, state=ServerState.LEADING, round_=8)
    assert booth.elected == [settled]
    assert booth.election.round == 8


def test_one_that_missed_the_vote_of_its_only_supporter_learns_it_from_how_that_one_settled():
    # Its supporter finished first, and the vote that would have told it so was lost on the way: without
    # counting its own vote it would go on looking while the other waits for it to lead.
    booth = Booth()
    booth.election.start(7, 1)
    booth.hear(1, Vote(2, 7, 1), state=ServerState.FOLLOWING)
    assert booth.elected == [Vote(2, 7, 1)]


def test_followers_of_a_leader_that_does_not_say_so_prove_nothing():
    booth = Booth(voters=5)
    booth.election.start(7, 1)
    settled = Vote(5, 4, 9)
    for sid in (1, 3, 4):
        booth.hear(sid, settled, state=ServerState.FOLLOWING, round_=8)
    assert booth.elected == []


def test_settled_votes_match_on_leader_and_epoch_only():
    booth = Booth()
    booth.election.start(7, 1)
    booth.hear(1, Vote(3, 1, 9), state=ServerState.FOLLOWING, round_=8)
    booth.hear(3, Vote(3, 5, 9), state=ServerState.LEADING, round_=8)
    assert len(booth.elected) == 1


def test_a_settled_server_answers_those_who_look():
    booth = Booth()
    booth.election.start(7, 1)
    booth.hear(1, Vote(2, 7, 1))
    booth.election.settle(ServerState.LEADING)
    booth.election.confirm(2)
    booth.sent.clear()
    booth.hear(3, Vote(3, 9, 1), round_=5)
    assert [(to, n.state, n.vote) for to, n in booth.sent] == [(3, ServerState.LEADING, Vote(2, 7, 2))]


def test_silence_makes_it_repeat_itself_ever_more_rarely():
    booth = Booth()
    booth.election.start(7, 1)
    booth.sent.clear()
    booth.clock.advance(60_000, lambda: None)
    rounds = len(booth.sent) // 2
    assert 60_000 // RESEND_MS_MAX - 2 <= rounds <= 60_000 // RESEND_MS_MAX + 6


def test_votes_for_or_from_strangers_do_not_count():
    booth = Booth()
    booth.election.start(7, 1)
    booth.hear(9, Vote(2, 7, 1))
    booth.hear(1, Vote(9, 99, 9))
    assert booth.elected == []
    assert booth.election.vote == Vote(2, 7, 1)


def test_a_majority_counts_each_voter_once_and_no_stranger():
    quorum = Majority([1, 2, 3, 4, 5])
    assert not quorum.contains([1, 1, 1, 2])
    assert not quorum.contains([1, 2, 8, 9])
    assert quorum.contains([1, 2, 5])
    assert quorum.reached({1: 9, 2: 7, 3: 5}) == 5
    assert quorum.reached({1: 9, 2: 7, 8: 9, 9: 9}) == -1
    assert Majority([1, 2, 3, 4]).size == 3
