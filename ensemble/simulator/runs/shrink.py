"""Making a failing schedule small: leave out, shorten, lower, and keep what still breaks the same promise.

Fewer faults first, then fewer servers, clients and requests, then plainer choices, lane by lane, in ever smaller
chunks. It stops when nothing helps any more or the time is over. Every candidate is a whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from time import monotonic
from typing import Any

from ensemble.simulator.runs.report import Failure, run_world
from ensemble.simulator.schedules.saved import SavedSchedule
from ensemble.simulator.world import World

SHRINK_SECONDS = 30.0

_LEAST = {"changes": 0, "spares": 0, "observers": 0, "clients": 1, "servers": 3, "trouble_ticks": 1}
_LEAST_HABITS = {"requests": 1, "pipeline": 1, "restless": 0.0}


class Shrinker:
    """Shrinks one schedule; ``progress`` is told the runs so far and the size after each."""

    def __init__(
        self,
        saved: SavedSchedule,
        *,
        seconds: float = SHRINK_SECONDS,
        progress: Callable[[int, int], None] = lambda runs, size: None,
    ) -> None:
        self.best = saved
        self.runs = 0
        self._until = monotonic() + seconds
        self._progress = progress

    def run(self) -> SavedSchedule:
        """Return the smallest schedule found that breaks the same promise."""
        shrunk = True
        while shrunk and not self._over():
            shrunk = False
            for candidates in (self._without_faults, self._lesser_plans, self._plainer_lanes):
                while not self._over() and self._first(candidates()):
                    shrunk = True
        return self.best

    def _over(self) -> bool:
        return monotonic() >= self._until

    def _first(self, candidates: Iterator[SavedSchedule]) -> bool:
        """Take the first candidate that still fails."""
        for candidate in candidates:
            if self._over():
                return False
            if self._fails(candidate):
                return True
        return False

    def _fails(self, candidate: SavedSchedule) -> bool:
        """Run a candidate; when it breaks the same promise and is smaller, it is the best from now on."""
        self.runs += 1
        try:
            world = World(candidate.seed, saved=candidate)
        except (ValueError, LookupError):
            return False  # a plan that makes no world
        result = run_world(world)
        smaller = (
            isinstance(result, Failure)
            and result.saved is not None
            and result.invariant == self.best.invariant
            and _weight(result.saved) < _weight(self.best)
        )
        if smaller and isinstance(result, Failure) and result.saved is not None:
            self.best = result.saved
        self._progress(self.runs, self.best.size())
        return smaller

    # -- candidates ---------------------------------------------------------------------------------------

    def _without_faults(self) -> Iterator[SavedSchedule]:
        strikes = self.best.strikes
        for start, end in _chunks(len(strikes)):
            yield replace(self.best, strikes=strikes[:start] + strikes[end:])
        for place, strike in enumerate(strikes):
            if strike.lasts_us > 1000:
                shorter = replace(strike, lasts_us=strike.lasts_us // 2)
                yield replace(self.best, strikes=[*strikes[:place], shorter, *strikes[place + 1 :]])

    def _lesser_plans(self) -> Iterator[SavedSchedule]:
        plan = self.best.plan
        for where, least in ((plan, _LEAST), (plan["habits"], _LEAST_HABITS)):
            for name, value in least.items():
                if name in where and where[name] > value:
                    yield self._with(where is plan, name, value)
                    if isinstance(value, int):
                        yield self._with(where is plan, name, (where[name] + value) // 2)
        if plan.get("grouped"):
            yield self._with(True, "grouped", False)

    def _with(self, of_plan: bool, name: str, value: Any) -> SavedSchedule:
        plan = deepcopy(self.best.plan)
        (plan if of_plan else plan["habits"])[name] = value
        return replace(self.best, plan=plan)

    def _plainer_lanes(self) -> Iterator[SavedSchedule]:
        lanes = self.best.lanes
        names = sorted(lanes, key=lambda name: -len(lanes[name]))
        parts = 1
        while parts < 2 * max([len(lane) for lane in lanes.values()], default=0):
            for name in names:
                yield from self._with_parts_plainer(name, parts)
            parts *= 2
        for name in names:
            for place, choice in enumerate(lanes[name]):
                if choice > 1:
                    yield self._with_lane(
                        name, [*lanes[name][:place], choice // 2, *lanes[name][place + 1 :]]
                    )

    def _with_parts_plainer(self, name: str, parts: int) -> Iterator[SavedSchedule]:
        lane = self.best.lanes[name]
        if parts >= 2 * len(lane):
            return
        size = max(1, len(lane) // parts)
        for end in range(len(lane), 0, -size):
            start = max(0, end - size)
            if any(lane[start:end]):
                yield self._with_lane(name, lane[:start] + [0] * (end - start) + lane[end:])
            yield self._with_lane(name, lane[:start] + lane[end:])

    def _with_lane(self, name: str, lane: list[int]) -> SavedSchedule:
        return replace(self.best, lanes={**self.best.lanes, name: lane})


def _chunks(length: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a list, from the whole to single items, the last parts first."""
    size = length
    while size:
        for end in range(length, 0, -size):
            yield max(0, end - size), end
        size //= 2


def _weight(saved: SavedSchedule) -> tuple[int, float, int, int]:
    """Return how large a schedule is for its reader: faults, plan, choices that matter, all choices."""
    plan = saved.plan
    matters = [plan.get(name, 0) for name in _LEAST] + [plan["habits"].get(name, 0) for name in _LEAST_HABITS]
    choices = sum([sum(map(bool, lane)) for lane in saved.lanes.values()])
    lasts = sum([strike.lasts_us for strike in saved.strikes])
    return len(saved.strikes), sum(matters), choices + lasts // 1000, saved.size()
