"""What a fuzz target is: where its bytes go, bytes to begin with, and the sentence that must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

INVARIANT = (
    "Whatever bytes arrive, the parser either yields values that re-encode to the same bytes, or raises "
    "WireError; it never raises anything else, never loops without consuming, never holds more than limit bytes."
)
CRASHERS = Path(__file__).parent / "crashers"
Kind = Literal[
    "client frames",
    "peer packets",
    "election messages",
    "four-letter words",
    "log records",
    "snapshots",
    "admin input",
]
"""Whose bytes they are. Each kind is to be fuzzed alike, however many targets it has."""
PIECES_MAX = 64
"""A stream longer than this is cut into so many pieces, a shorter one at every byte."""


@dataclass(frozen=True, slots=True)
class Target:
    """One way in for bytes."""

    name: str
    kind: Kind
    invariant: str
    feed: Callable[[bytes], None]
    """Take one input; whatever it raises has found something."""
    seeds: Callable[[], Iterable[bytes]]
    """Good inputs, made by our own encoders."""
    size_max: int = 4096
    words: tuple[bytes, ...] = ()
    """Pieces that a mutation may put anywhere."""
    examples: int = 150
    """How many hypothesis tries in the suite."""
    memory: Callable[[bytes], int] | None = None
    """For a parser: how many bytes it may hold for an input; measured on a sample."""


def held_at_most(data: bytes) -> int:
    """Return how many bytes a parser may hold at a time for ``data``."""
    return 4 * len(data) + (1 << 20)


def crashers(name: str) -> list[bytes]:
    """Return what once broke a target."""
    return [path.read_bytes() for path in sorted((CRASHERS / name).glob("*"))]


def in_pieces(stream: bytes) -> list[bytes]:
    """Cut a stream as finely as its length allows."""
    if len(stream) <= PIECES_MAX:
        return [stream[at : at + 1] for at in range(len(stream))]
    size = -(-len(stream) // PIECES_MAX)
    return [stream[offset : offset + size] for offset in range(0, len(stream), size)]
