"""Change bytes: a mutation is a small tuple of numbers, so that hypothesis can draw and shrink it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

INTERESTING = tuple(
    value.to_bytes(size, "big", signed=True)
    for size in (1, 2, 4, 8)
    for value in (0, 1, -1, -2, 2 ** (8 * size - 1) - 1, -(2 ** (8 * size - 1)), 2 ** (8 * size - 2), 16, 100)
    if -(2 ** (8 * size - 1)) <= value < 2 ** (8 * size - 1)
)
OPERATIONS = 7
Mutation = tuple[int, int, int]
"""What to do, where, and a number for it; each of any size."""


def mutate(data: bytes, mutations: Sequence[Mutation], words: Sequence[bytes], other: bytes) -> bytes:
    """Carry out mutations in order; ``other`` is a second input to take pieces from."""
    for what, where, value in mutations:
        at = where % (len(data) + 1)
        match what % OPERATIONS:
            case 0:  # another byte
                data = data[:at] + bytes([value & 255]) + data[at + 1 :]
            case 1:  # a number that is known for trouble
                piece = INTERESTING[value % len(INTERESTING)]
                data = data[:at] + piece + data[at + len(piece) :]
            case 2:  # less
                data = data[:at] + data[at + value % 17 :]
            case 3:  # the same again
                size = value % 65
                data = data[:at] + data[at : at + size] * (1 + value % 5) + data[at + size :]
            case 4:  # one bit
                data = (
                    data[:at]
                    + bytes([byte ^ (1 << value % 8) for byte in data[at : at + 1]])
                    + data[at + 1 :]
                )
            case 5:  # a word of the format
                pieces = words or INTERESTING
                data = data[:at] + pieces[value % len(pieces)] + data[at:]
            case _:  # the end of something else
                data = data[:at] + other[value % (len(other) + 1) :]
    return data


def at_random(rng: Random) -> list[Mutation]:
    """Draw some mutations."""
    return [
        (rng.randrange(OPERATIONS), rng.randrange(1 << 20), rng.randrange(1 << 16))
        for _ in range(rng.choice((1, 1, 2, 3, 5, 8)))
    ]
