"""Breadth first over all worlds that can be reached, each visited once: the first violation has a shortest path."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from time import monotonic
from typing import Any

from ensemble.explorer.locals import Wrong
from ensemble.explorer.world import Event, Rules, Step, World

_Key = tuple[int, int, int, int]


@dataclass(slots=True)
class Found:
    """A violation, and how to get there."""

    wrong: Wrong
    path: list[Event]


@dataclass(slots=True)
class Report:
    """What a search came to."""

    worlds: int = 0
    transitions: int = 0
    depth: int = 0
    """Every world up to this depth was visited."""
    runs: int = 0
    """How often the real code ran; what it did was looked up ever after."""
    locals: int = 0
    """Different states of single servers."""
    seconds: float = 0.0
    complete: bool = False
    """Whether there is no world beyond ``depth``."""
    found: Found | None = None


class Numbers:
    """Equal values under one number; numbers compare and hash faster than what they stand for."""

    __slots__ = ("_numbers", "values")

    def __init__(self) -> None:
        self._numbers: dict[Any, int] = {}
        self.values: list[Any] = []

    def of(self, value: Any) -> int:
        """Return the number of a value."""
        number = self._numbers.get(value)
        if number is None:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        return number


class Search:
    """One search, level by level."""

    def __init__(self, rules: Rules, roots: Iterable[World], *, path: Iterable[Event] = ()) -> None:
        """Begin at ``roots``; ``path`` is what led to the first of them, for what is told of it."""
        self.rules = rules
        self.report = Report()
        self._servers, self._ways, self._rest = Numbers(), Numbers(), Numbers()
        self._events = Numbers()
        self._visited: dict[tuple[int, int, int], int] = {}
        self._parents = array("i")
        self._by = array("i")
        self._path = list(path)
        self.frontier: list[World] = []
        self._frontier_at = 0
        for root in roots:
            self.add(root, -1, ("begin",))

    def add(self, world: World, parent: int, event: Event) -> bool:
        """Note a world; tell whether it is new."""
        key = (
            self._servers.of(world.servers),
            self._ways.of(world.ways),
            self._rest.of((world.left, world.past)),
        )
        visited = self._visited
        if key in visited:
            return False
        visited[key] = len(visited)
        self._parents.append(parent)
        self._by.append(self._events.of(event))
        self.frontier.append(world)
        return True

    def run(
        self,
        *,
        depth_max: int,
        seconds_max: float | None = None,
        frontier_max: int | None = None,
        progress: Callable[[Report], None] = lambda _: None,
    ) -> Report:
        """Visit level after level; stop at a violation, at a bound, or when there is nothing new."""
        report, started = self.report, monotonic()
        first = self._frontier_at
        while self.frontier and report.depth < depth_max:
            if frontier_max is not None and len(self.frontier) >= frontier_max:
                return self._closed(started)
            level, self.frontier = self.frontier, []
            born = len(self._visited)
            for place, world in enumerate(level):
                for step in self.rules.steps(world):
                    report.transitions += 1
                    if step.wrong is not None:
                        report.found = Found(step.wrong, self._path_to(first + place, step))
                        return self._closed(started)
                    self.add(step.world, first + place, step.event)
                if not place & 255:
                    report.seconds = monotonic() - started
                    report.worlds = len(self._visited)
                    progress(report)
                    if seconds_max is not None and report.seconds > seconds_max:
                        return self._closed(started)
            first = self._frontier_at = born
            report.depth += 1
        report.complete = not self.frontier
        return self._closed(started)

    def _closed(self, started: float) -> Report:
        report = self.report
        report.seconds = monotonic() - started
        report.worlds = len(self._visited)
        report.runs = self.rules.locals.runs
        report.locals = len(self.rules.locals.all)
        return report

    def _path_to(self, number: int, last: Step) -> list[Event]:
        events = [last.event]
        while number >= 0 and self._parents[number] >= 0:
            events.append(self._events.values[self._by[number]])
            number = self._parents[number]
        return [*self._path, *reversed(events)]

    def inherit(self, first: int, end: int) -> int:
        """Go on with a part of the frontier, in a process of one's own; return how many worlds were met before."""
        self._frontier_at = len(self._visited) - len(self.frontier) + first
        self.frontier = self.frontier[first:end]
        depth, self.report = self.report.depth, Report()
        self.report.depth = depth
        self.rules.locals.runs = 0
        return len(self._visited)

    def digests(self, after: int) -> array[int]:
        """Return a number of 64 bits for each world visited after so many: the same for equal worlds in every
        process."""
        form = self.rules.locals.form
        each = [_digest(form(number)) for number in range(len(self.rules.locals.all))]
        servers = [hash(tuple([each[number] for number in value])) for value in self._servers.values]
        ways = [_digest(value) for value in self._ways.values]
        rest = [_digest(value) for value in self._rest.values]
        met = islice(self._visited, after, None)
        return array("q", [hash((servers[a], ways[b], rest[c])) for a, b, c in met])


def _digest(value: Any) -> int:
    return int.from_bytes(blake2b(repr(value).encode(), digest_size=8).digest(), "big", signed=True)
