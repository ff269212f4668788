"""What a znode's name and stat say about its kind. Pure.

ZooKeeper does not store that a znode was created sequential; only its name shows it, so a ten-digit ending
*looks* sequential. Container and TTL owners are special values of ephemeralOwner.
"""

from __future__ import annotations

import re

_SEQUENTIAL = re.compile(r"(?:-\d{9,10}|\d{10})$")

CONTAINER_OWNER = 0x8000000000000000
TTL_OWNER_BYTE = 0xFF
"""Top byte of ephemeralOwner in a TTL znode (Apache's EphemeralType, extended types enabled)."""


def kind_of(name: str, ephemeral_owner: int) -> str:
    """Return one of ``""``, ``E``, ``#``, ``E#``, ``C`` (container), ``T`` or ``T#`` (TTL)."""
    owner = ephemeral_owner & 0xFFFFFFFFFFFFFFFF
    sequential = "#" if _SEQUENTIAL.search(name) else ""
    if owner == CONTAINER_OWNER:
        return "C"
    if owner >> 56 == TTL_OWNER_BYTE:
        return "T" + sequential
    return ("E" if owner else "") + sequential


def number_of(name: str) -> int | None:
    """Return the number a sequential name ends with, or ``None`` for a name that does not look sequential."""
    found = _SEQUENTIAL.search(name)
    return None if found is None else int(found[0].removeprefix("-"))


KIND_WORDS = {
    "": "persistent",
    "E": "ephemeral",
    "#": "persistent, looks sequential",
    "E#": "ephemeral, looks sequential",
    "C": "container",
    "T": "persistent with TTL",
    "T#": "persistent with TTL, looks sequential",
}


def words(kind: str) -> str:
    """Return a kind in words."""
    return KIND_WORDS[kind]
