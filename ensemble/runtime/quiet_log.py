"""A log that does not say the same thing over and over: a client that errs in a loop must not fill the disk.

Lines are alike when they differ in figures only. Of those a few pass in each while; how many did not is said with
the next one that does.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable

ALIKE_MAX = 20
"""Lines alike that pass in one window."""
WINDOW_S = 10.0
KINDS_MAX = 256
"""Kinds of lines kept in mind; beyond it the one not said for longest is forgotten."""

_FIGURES = re.compile(r"0x[0-9a-f]+|[0-9a-f]*\d[0-9a-f]*")


class _Kind:
    """Lines alike, in the present window."""

    __slots__ = ("first", "held_back", "passed", "since_s")

    def __init__(self, first: str, now_s: float) -> None:
        self.first = first
        self.since_s = now_s
        self.passed = 0
        self.held_back = 0


class QuietLog:
    """Passes lines on to another log, some of them."""

    def __init__(self, write: Callable[[str], None], now_s: Callable[[], float]) -> None:
        self._write = write
        self._now_s = now_s
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()

    def __call__(self, text: str) -> None:
        """Say a line, unless too many like it were said of late."""
        now_s = self._now_s()
        shape = _FIGURES.sub("#", text)
        kind = self._kinds.pop(shape, None)
        if kind is None:
            kind = _Kind(text, now_s)
            if len(self._kinds) >= KINDS_MAX:
                self._tell(self._kinds.popitem(last=False)[1])
        elif now_s - kind.since_s >= WINDOW_S:
            self._tell(kind)
            kind = _Kind(text, now_s)
        self._kinds[shape] = kind
        if kind.passed >= ALIKE_MAX:
            kind.held_back += 1
            return
        kind.passed += 1
        self._write(text)

    def close(self) -> None:
        """Say how many lines were held back and not told of yet."""
        for kind in self._kinds.values():
            self._tell(kind)
        self._kinds.clear()

    def _tell(self, kind: _Kind) -> None:
        if kind.held_back:
            self._write(f"{kind.held_back} more lines were left out like: {kind.first}")
