"""Transaction ids: 64 bits, the epoch in the high half and a counter in the low half.

A zxid is a plain ``int`` everywhere in Python (``NewType`` keeps it apart for the type checker) and a
*string* wherever it leaves towards a browser, where 64-bit integers lose their low bits.
"""

from __future__ import annotations

from typing import NewType

Zxid = NewType("Zxid", int)
Epoch = NewType("Epoch", int)

COUNTER_MAX = 0xFFFFFFFF
"""The last counter of an epoch: a leader that reaches it hands over (ZOOKEEPER-1277)."""

ZERO = Zxid(0)


def make(epoch: int, counter: int) -> Zxid:
    """Join an epoch and a counter."""
    return Zxid((epoch << 32) | (counter & COUNTER_MAX))


def epoch_of(zxid: int) -> Epoch:
    """Return the epoch in which ``zxid`` was proposed."""
    return Epoch(zxid >> 32)


def counter_of(zxid: int) -> int:
    """Return the place of ``zxid`` within its epoch, counted from 1."""
    return zxid & COUNTER_MAX


def follows(zxid: int, previous: int) -> bool:
    """Tell whether ``zxid`` may come directly after ``previous`` in a history.

    Within an epoch the counter steps by one; a later epoch starts at counter 1 (ZOOKEEPER-4925).
    """
    if zxid == previous + 1:
        return zxid & COUNTER_MAX != 0
    return zxid >> 32 > previous >> 32 and zxid & COUNTER_MAX == 1


def text(zxid: int) -> str:
    """Write ``zxid`` as people read it: ``epoch:counter``, both decimal."""
    return f"{zxid >> 32}:{zxid & COUNTER_MAX}"
