"""The explorer: that it visits everything once, keeps apart what differs, and tells what it found."""

from __future__ import annotations

import pytest

from ensemble.explorer import crew, story
from ensemble.explorer.disk import Platter
from ensemble.explorer.search import Report, Search
from ensemble.explorer.server import GRAPHS
from ensemble.explorer.starts import STARTS, elected, off, settled
from ensemble.explorer.world import Bounds, Rules
from ensemble.zab.messages import ServerState
from ensemble.zab.quorum import Majority


def explored(bounds: Bounds, *, start: str = "elected", depth: int = 1000, jobs: int = 1) -> Report:
    rules = Rules(bounds)
    search = Search(rules, [STARTS[start](rules)])
    return crew.run(search, jobs=jobs, depth_max=depth, seconds_max=None, progress=lambda _: None)


def test_every_world_without_faults_is_sound():
    report = explored(Bounds(txns=2, crashes=0, breaks=0))
    assert report.found is None
    assert report.complete
    assert report.worlds > 800


def test_every_election_vote_by_vote_is_sound():
    report = explored(Bounds(txns=0, crashes=0, breaks=0, whole_elections=False), start="boot", depth=8)
    assert report.found is None
    assert report.worlds > 1_000


def test_a_crash_at_any_place_and_the_recovery_from_it_are_sound():
    report = explored(Bounds(txns=1, crashes=1, breaks=0), depth=11)
    assert report.found is None
    assert report.worlds > 4_000


def test_broken_links_are_sound():
    report = explored(Bounds(txns=1, crashes=0, breaks=2), depth=10)
    assert report.found is None
    assert report.worlds > 2_000


def test_two_processes_visit_the_worlds_that_one_visits():
    bounds = Bounds(txns=1, crashes=1, breaks=1)
    alone, together = explored(bounds, depth=8), explored(bounds, depth=8, jobs=2)
    assert together.depth == alone.depth == 8
    assert together.worlds == alone.worlds


def test_a_copy_of_a_server_goes_its_own_way_also_in_callbacks_that_are_under_way():
    rules = Rules(Bounds())
    world = rules.follow(elected(rules), ("write", 3))
    original = rules.locals.all[world.servers[2]].host
    assert original is not None
    before = GRAPHS.canonical(original)
    copied = GRAPHS.copy(original)
    assert GRAPHS.canonical(copied) == before
    copied.on_synced()
    assert copied.history.zxid_durable == copied.history.zxid_logged
    assert GRAPHS.canonical(copied) != before
    assert GRAPHS.canonical(original) == before


def test_a_crash_keeps_any_part_of_what_was_not_synced():
    rules = Rules(Bounds(txns=2, crashes=1))
    world = rules.follow(elected(rules), ("write", 3))
    world = rules.follow(world, ("write", 3))
    kept = [step.world for step in rules.steps(world) if step.event[:2] == ("crash", 3)]
    assert [len(rules.locals.all[after.servers[2]].platter.durable) for after in kept] == [0, 1, 2]


def test_a_server_dies_between_any_two_of_its_effects():
    """The leader's own write: on its disk, and on its way to nobody, to one, to both."""
    rules = Rules(Bounds(txns=1, crashes=1, breaks=0))
    cuts = [step for step in rules.steps(elected(rules)) if step.event[0] == "cut"]
    on_their_way = [sum([len(link.queues[0]) - 1 for link in step.world.ways.links]) for step in cuts]
    assert sorted(set(on_their_way)) == [0, 1]
    assert {len(rules.locals.all[step.world.servers[2]].platter.durable) for step in cuts} == {0, 1}


def test_a_crash_of_the_leader_is_followed_by_a_new_one():
    rules = Rules(Bounds(crashes=1))
    world = settled(rules, rules.follow(elected(rules), ("crash", 3, 0)))
    roles = [rules.locals.all[number].seen for number in world.servers]
    assert roles[2] is None
    assert roles[0] is not None
    assert roles[1] is not None
    assert (roles[0].role, roles[1].role) == (ServerState.FOLLOWING, ServerState.LEADING)
    assert roles[1].epoch == 2


def test_what_was_found_is_told_and_can_be_seen_again(monkeypatch: pytest.MonkeyPatch):
    init = Majority.__init__

    def half(self: Majority, voters: list[int]) -> None:
        init(self, voters)
        self.size = len(self.voters) // 2
        self._index = self.size - 1

    monkeypatch.setattr(Majority, "__init__", half)
    rules = Rules(Bounds(txns=1, crashes=0, breaks=0))
    root = off(rules)
    report = Search(rules, [root]).run(depth_max=10)
    assert report.found is not None
    walk = story.walk_of(rules, root, report.found.path)
    lines = story.tell(rules, root, walk)
    assert story.wrong_text(report.found.wrong) in lines[-1]
    again = Rules(rules.bounds)
    assert lines == story.tell(again, off(again), walk)


def test_a_walk_that_leads_nowhere_says_where_it_ends():
    rules = Rules(Bounds())
    with pytest.raises(story.Astray, match="step 2 is 99, of"):
        story.tell(rules, elected(rules), [0, 99])


def test_platters_keep_what_is_durable():
    platter = Platter(log=((1, b"a"),), volatile=((2, b"b"), (3, b"c")), accepted=1)
    assert platter.crashed(1).durable == ((1, b"a"), (2, b"b"))
    assert platter.crashed(0).volatile == ()
