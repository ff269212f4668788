"""The choice tape: every random decision of a run, as small whole numbers that can be kept, replayed and lowered.

A tape has *lanes*, one for each party that decides (the network, a server, a client, one fault), so that leaving
a fault out does not change what everybody else does. A choice is a number below a bound; 0 is always the least
eventful one. A lane gives what was recorded as far as that reaches, and then draws from its seed, or gives zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

_PARTS = 1 << 16
"""Into how many parts the span from 0 to 1 is divided."""


class Lane(Random):
    """One party's choices; everything ``Random`` can do comes down to :meth:`draw`."""

    def __init__(self, recorded: Sequence[int] = (), seed: str | None = None) -> None:
        """Begin with what was ``recorded``; then draw from ``seed`` (text, as its hash is the same everywhere)."""
        super().__init__(0)
        self.taken: list[int] = []
        self._recorded = recorded
        self._source = None if seed is None else Random(seed).random  # noqa: S311 - reproducible, not secret

    def draw(self, bound: int) -> int:
        """Return the next choice, 0 <= choice < ``bound``."""
        place = len(self.taken)
        if place < len(self._recorded):
            choice = self._recorded[place] % bound
        elif self._source is None:
            choice = 0
        else:
            choice = int(self._source() * bound)
        self.taken.append(choice)
        return choice

    _randbelow = draw

    def random(self) -> float:
        """Return 0 <= x < 1; the least choice is the greatest number, so that what is unlikely does not happen."""
        return 1.0 - (self.draw(_PARTS) + 1) / _PARTS

    def getrandbits(self, k: int, /) -> int:
        """Return ``k`` random bits."""
        bits = 0
        for _ in range(0, k, 16):
            bits = bits << 16 | self.draw(_PARTS)
        return bits >> (-k % 16)


class Tape:
    """All lanes of one run."""

    def __init__(self, seed: int | None = None, recorded: Mapping[str, Sequence[int]] | None = None) -> None:
        """Begin with what was ``recorded``; then draw from ``seed``, or give zeros when there is none."""
        self._seed = seed
        self._recorded = recorded or {}
        self._lanes: dict[str, Lane] = {}

    def lane(self, name: str) -> Lane:
        """Return the lane of this name, the same one every time."""
        lane = self._lanes.get(name)
        if lane is None:
            seed = None if self._seed is None else f"{self._seed}/{name}"
            lane = self._lanes[name] = Lane(self._recorded.get(name, ()), seed)
        return lane

    def taken(self) -> dict[str, list[int]]:
        """Return every choice made so far, zeros at the ends left out."""
        choices = {name: _without_zeros(lane.taken) for name, lane in self._lanes.items()}
        return {name: taken for name, taken in choices.items() if taken}


def _without_zeros(choices: list[int]) -> list[int]:
    end = len(choices)
    while end and not choices[end - 1]:
        end -= 1
    return choices[:end]
