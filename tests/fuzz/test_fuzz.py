"""Every fuzz target in the suite: its seeds, what once broke it, and some hundred mutations of these.

``python -m tests.fuzz TARGET --seconds N`` does the same for as long as one likes, guided by coverage.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import mutate
from tests.fuzz.target import CRASHERS, Target, crashers
from tests.fuzz.targets import all_targets

ALL = all_targets()
NUMBERS = st.integers(0, 1 << 20)
MUTATIONS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=8)


@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
def test_what_is_good_or_once_broke_it_passes(target: Target) -> None:
    for data in [*target.seeds(), *crashers(target.name), b""]:
        target.feed(data)


@pytest.mark.parametrize("target", ALL.values(), ids=ALL)
def test_whatever_arrives(target: Target) -> None:
    seeds = [*target.seeds(), *crashers(target.name)]

    @settings(
        max_examples=target.examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.integers(0, 1 << 20), MUTATIONS, st.integers(0, 1 << 20))
    @example(0, [], 0)
    def try_one(seed: int, mutations: list[tuple[int, int, int]], other: int) -> None:
        data = mutate(seeds[seed % len(seeds)], mutations, target.words, seeds[other % len(seeds)])
        target.feed(data[: target.size_max])

    try_one()


def test_every_crasher_is_somebodys() -> None:
    assert {place.name for place in CRASHERS.iterdir()} <= set(ALL)


def test_a_target_that_raises_is_found_out() -> None:
    def feed(data: bytes) -> None:
        assert b"\xff" not in data

    broken = Target("broken", "admin input", "No byte is 255.", feed, lambda: [bytes(20)], examples=2000)
    with pytest.raises(AssertionError):
        test_whatever_arrives(broken)
