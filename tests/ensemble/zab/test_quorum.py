"""Who may decide: any two quorums have a server in common, whatever the rule."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from ensemble.membership import parse
from ensemble.zab.quorum import Hierarchical, Joint, Majority, Quorum, rule_of

SIDS = tuple(range(1, 7))
RULES = [
    Majority([1, 2, 3, 4]),
    Majority([1, 2, 3, 4, 5]),
    Hierarchical([{1: 1, 2: 1}, {3: 1, 4: 1}, {5: 1, 6: 1}]),
    Hierarchical([{1: 3, 2: 1, 3: 1}, {4: 1}, {5: 0, 6: 0}]),
    Joint(Majority([1, 2, 3]), Majority([3, 4, 5])),
]


def subsets() -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(SIDS, size) for size in range(len(SIDS) + 1)))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_two_quorums_have_a_voter_in_common(rule: Quorum) -> None:
    quorums = [set(subset).intersection(rule.voters) for subset in subsets() if rule.contains(subset)]
    assert quorums
    assert all(one & other for one, other in combinations(quorums, 2))
    assert rule.contains(SIDS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_what_is_reached_is_the_greatest_that_a_quorum_has(rule: Quorum) -> None:
    for low in subsets():
        for high in subsets():
            progress = {sid: 7 if sid in high else 3 for sid in {*low, *high}}
            reached = rule.reached(progress)
            assert (
                rule.contains([sid for sid, place in progress.items() if place >= reached]) or reached == -1
            )
            assert not any(
                rule.contains([sid for sid, place in progress.items() if place >= more])
                for more in (3, 7)
                if more > reached
            )


def test_more_than_half_of_the_weight_in_more_than_half_of_the_groups_decides() -> None:
    rule = Hierarchical([{1: 2, 2: 1, 3: 1}, {4: 1}, {5: 1}])
    assert rule.contains([1, 2, 4])
    assert not rule.contains([1, 4])  # half of the weight of the first group
    assert not rule.contains([1, 2, 3])  # one group of three
    assert rule.contains([4, 5])


def test_groups_without_weight_do_not_count() -> None:
    rule = Hierarchical([{1: 1}, {2: 1}, {3: 0}])
    assert rule.contains([1, 2])
    assert not rule.contains([1, 3])


def test_both_the_old_and_the_new_must_agree() -> None:
    rule = Joint(Majority([1, 2, 3]), Majority([3, 4, 5]))
    assert rule.voters == (1, 2, 3, 4, 5)
    assert not rule.contains([1, 2, 3])
    assert rule.contains([1, 3, 4])
    assert rule.reached({1: 9, 2: 9, 3: 9, 4: 5}) == 5


def test_a_membership_names_its_rule() -> None:
    lines = "".join(f"server.{sid}=a:{sid}:9\n" for sid in (1, 2, 3))
    assert isinstance(rule_of(parse(lines)), Majority)
    assert isinstance(rule_of(parse(lines + "group.1=1:2\ngroup.2=3")), Hierarchical)
