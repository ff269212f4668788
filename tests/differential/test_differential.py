"""The same random scripts for Apache's server and for ours: all that clients see is to be the same.

What may differ, and why, is in ``known``. A difference is reported with the shortest script that shows it;
``scripts.make(seed)`` or ``quota_scripts.make(seed)`` gives the whole one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

import pytest

from tests.differential import quota_scripts, scripts
from tests.differential.compare import Trace, describe, first_difference, shrink
from tests.differential.known import KNOWN
from tests.differential.runner import Player
from tests.differential.servers import RICH_SETTINGS, running_both
from tests.differential.steps import Step

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

SEEDS = range(50)
MORE_SEEDS = range(50, 2050)
SEEDS_PER_TEST = 250
PLAYS = 3
TICK_S = 2.0


class Pair:
    """One server of each kind, both with the same past."""

    def __init__(self, apache: int, ours: int, author: Callable[[int], list[Step]]) -> None:
        self._ports = (apache, ours)
        self._author = author
        self._places = count(1)

    def play(self, script: list[Step]) -> tuple[Trace, Trace]:
        """Play a script on both, in a new place."""
        base = f"/d{next(self._places):08d}"
        apache, ours = (Player(port, base).play(script) for port in self._ports)
        return apache, ours

    def compare(self, seed: int) -> None:
        """Fail when the script of ``seed`` shows a difference that is not known, however often it is played.

        A session that is closed while it is heard of may stay in Apache's queue of expiry, and takes a
        transaction when its time has come: in the middle of another script.
        """
        script = self._author(seed)
        for _ in range(PLAYS):
            difference = first_difference(script, *self.play(script), KNOWN)
            if difference is None:
                return
            time.sleep(TICK_S)
        with suppress(AssertionError):  # it depends on time: the whole script is all there is to show
            script, difference = shrink(script, KNOWN, self.play)
        steps = "\n".join([describe(step) for step in script])
        pytest.fail(f"seed {seed}:\n{steps}\n\n{difference}")


@pytest.fixture(scope="module")
def pair(apache: int, ours: int) -> Pair:
    """Apache's server and ours, for all plain scripts of a run."""
    return Pair(apache, ours, scripts.make)


@pytest.fixture(scope="module")
def rich_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Both with TTL znodes and quotas that are enforced."""
    with running_both(tmp_path_factory, RICH_SETTINGS) as (apache, ours):
        yield Pair(apache, ours, quota_scripts.make)


def test_every_client_sees_the_same(pair: Pair) -> None:
    for seed in SEEDS:
        pair.compare(seed)


def test_every_client_sees_the_same_of_ttl_znodes_and_quotas(rich_pair: Pair) -> None:
    for seed in SEEDS:
        rich_pair.compare(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(MORE_SEEDS.start, MORE_SEEDS.stop, SEEDS_PER_TEST))
def test_every_client_sees_the_same_in_many_scripts(pair: Pair, first: int) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        pair.compare(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(MORE_SEEDS.start, MORE_SEEDS.stop, SEEDS_PER_TEST))
def test_every_client_sees_the_same_of_ttl_znodes_and_quotas_in_many_scripts(
    rich_pair: Pair, first: int
) -> None:
    for seed in range(first, first + SEEDS_PER_TEST):
        rich_pair.compare(seed)


def test_every_known_difference_says_why() -> None:
    assert all(known.name and known.reason for known in KNOWN)
    assert len({known.name for known in KNOWN}) == len(KNOWN)


def test_a_difference_is_found_and_cut_down_to_what_shows_it() -> None:
    """The oracle itself: of a server that loses answers to one kind of request, that request is reported."""
    script = scripts.make(3)
    at = len(script) // 2

    def play(steps: list[Step]) -> tuple[Trace, Trace]:
        right: Trace = [[(step.client, "reply", 1, 3, 0, 0, ())] for step in steps]
        wrong = [[] if step is script[at] else seen for step, seen in zip(steps, right, strict=True)]
        return right, wrong

    shortest, difference = shrink(script, (), play)
    assert shortest == [*script[:2], script[at]]
    assert (difference.step, difference.ours) == (script[at], [])
