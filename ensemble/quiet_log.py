"""A log that does not say the same thing over and over: a client that errs in a loop must not fill the disk.

Lines are alike when they differ in figures only, or are of one kind by the word of whoever says them: of lines
that repeat what a stranger sent, no two need be alike. Of those that are a few pass in each while; how many did not
is said with the next one that does. What strangers do is said once in a while of each, so that one who errs in a loop
hides nobody. A clock is not known here.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable

ALIKE_MAX = 20
"""Lines alike that pass in one window."""
WINDOW_US = 10_000_000
KINDS_MAX = 256
"""Kinds of lines kept in mind; beyond it the one not said for longest is forgotten."""
EACH_US = 60_000_000
"""The time from one line of a kind about somebody to the next that is alike."""
UNLIKE_MAX = 10
"""Lines of a kind about somebody that pass in that time when each is unlike the one before."""
STRANGERS_MAX = 1024
"""Strangers kept in mind, once for each kind of line; beyond it the one first said of is forgotten."""

_FIGURES = re.compile(r"0x[0-9a-f]+|[0-9a-f]*\d[0-9a-f]*")


class _Kind:
    """Lines alike, in the present window."""

    __slots__ = ("first", "held_back", "passed", "since_us")

    def __init__(self, first: str, now_us: int) -> None:
        self.first = first
        self.since_us = now_us
        self.passed = 0
        self.held_back = 0


class QuietLog:
    """Passes lines on to another log, some of them."""

    def __init__(
        self, write: Callable[[str], None], now_us: Callable[[], int], *, alike_max: int = ALIKE_MAX
    ) -> None:
        self._write = write
        self._now_us = now_us
        self._alike_max = alike_max
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()

    def __call__(self, text: str) -> None:
        """Say a line, unless too many like it were said of late."""
        self.say(_FIGURES.sub("#", text), text)

    def say(self, shape: str, text: str) -> None:
        """Say a line of the kind ``shape``, unless too many of that kind were said of late."""
        now_us = self._now_us()
        kind = self._kinds.pop(shape, None)
        if kind is None:
            kind = _Kind(text, now_us)
            if len(self._kinds) >= KINDS_MAX:
                self._tell(self._kinds.popitem(last=False)[1])
        elif now_us - kind.since_us >= WINDOW_US:
            self._tell(kind)
            kind = _Kind(text, now_us)
        self._kinds[shape] = kind
        if kind.passed >= self._alike_max:
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


class Remarks:
    """Passes on what is said of strangers: a line of each kind about each of them, and not too many in all."""

    def __init__(self, write: Callable[[str], None], now_us: Callable[[], int]) -> None:
        self._log = QuietLog(write, now_us)
        self._now_us = now_us
        self._said: OrderedDict[tuple[str, str], _Kind] = OrderedDict()

    def say(self, kind: str, who: str, text: str) -> None:
        """Say a line of ``kind`` about ``who``, unless that was done of late, or enough that were not alike."""
        now_us = self._now_us()
        shape = _FIGURES.sub("#", text)
        said = self._said.get((kind, who))
        again = ""
        if said is None or now_us - said.since_us >= EACH_US:
            if said is not None:
                del self._said[kind, who]
                again = f" (and {said.held_back} times before)" if said.held_back else ""
            elif len(self._said) >= STRANGERS_MAX:
                self._said.popitem(last=False)
            said = self._said[kind, who] = _Kind(shape, now_us)
        elif said.first == shape or said.passed >= UNLIKE_MAX:
            said.held_back += 1
            return
        said.first = shape
        said.passed += 1
        self._log.say(kind, text + again)
