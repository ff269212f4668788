"""Internet addresses as access lists write them: an address, or an address and how many leading bits count.

Read as Apache's IPAuthenticationProvider does, oddities included, because one list is judged by the servers of
one ensemble and must mean the same to all: a group is a Java number, so it may have leading zeros (decimal, not
octal) and a sign.
"""

from __future__ import annotations

import re
from functools import lru_cache

_GROUPS = 8
_DECIMAL = re.compile(r"[+-]?\d+")
_HEXADECIMAL = re.compile(r"[+-]?[0-9a-fA-F]+")
_INT_MAX = 0x7FFFFFFF


@lru_cache(maxsize=1024)
def matches(address: str, expression: str) -> bool:
    """Tell whether ``address`` is in the network that ``expression`` names."""
    network = _network(expression)
    octets = _octets(address)
    if network is None or octets is None or len(octets) != len(network[0]):
        return False
    shift = 8 * len(octets) - network[1]
    return int.from_bytes(octets, "big") >> shift == int.from_bytes(network[0], "big") >> shift


def is_valid(expression: str) -> bool:
    """Tell whether an access list may hold ``expression``."""
    return _network(expression) is not None


def _network(expression: str) -> tuple[bytes, int] | None:
    """Return an address and the number of bits that count; None when it names no network."""
    address, slash, text = expression.partition("/")
    octets = _octets(address)
    if octets is None:
        return None
    bits = _number(text) if slash else 8 * len(octets)
    return (octets, bits) if bits is not None and 0 <= bits <= 8 * len(octets) else None


def _octets(address: str) -> bytes | None:
    return _octets_v6(address) if ":" in address else _octets_v4(address)


def _octets_v4(address: str) -> bytes | None:
    values = [_number(part) for part in address.split(".")]
    if len(values) != 4:
        return None
    octets = [value for value in values if value is not None and 0 <= value <= 255]
    return bytes(octets) if len(octets) == 4 else None


def _octets_v6(address: str) -> bytes | None:
    head, gap, tail = address.partition("::")
    if "::" in tail:
        return None
    first, last = _groups(head), _groups(tail)
    if first is None or last is None:
        return None
    missing = _GROUPS - len(first) - len(last)
    if (missing < 1) if gap else (missing != 0):
        return None
    return b"".join([*first, bytes(2 * missing), *last])


def _groups(text: str) -> list[bytes] | None:
    """Read the groups on one side of the gap; none at all when that side is empty."""
    if not text:
        return []
    groups = text.split(":")
    if not all(len(group) <= 4 and _HEXADECIMAL.fullmatch(group) for group in groups):
        return None
    return [(int(group, 16) & 0xFFFF).to_bytes(2, "big") for group in groups]


def _number(text: str) -> int | None:
    """Read what Java's Integer.parseInt reads; None for anything else."""
    digits = text.lstrip("+-0")
    if not _DECIMAL.fullmatch(text) or len(digits) > 10:
        return None
    # Not of the whole text: Python's int counts leading zeros, too, and refuses thousands of them.
    value = int(digits or "0") * (-1 if text.startswith("-") else 1)
    return value if -_INT_MAX - 1 <= value <= _INT_MAX else None
