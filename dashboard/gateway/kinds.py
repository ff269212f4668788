"""What a znode's name and stat say about its kind. Pure.

ZooKeeper does not store that a znode was created sequential; only its name shows it, so a ten-digit ending
*looks* sequential. That a znode is a container or has a time to live is not in its stat either: servers tell
it through their admin port alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ensemble.admin.schema import LifetimeStatus

_SEQUENTIAL = re.compile(r"(?:-\d{9,10}|\d{10})$")


def kind_of(name: str, ephemeral_owner: int, lifetime: LifetimeStatus | None = None) -> str:
    """Return one of ``""``, ``E``, ``#``, ``E#``, ``C`` (container), ``T`` or ``T#`` (TTL)."""
    sequential = "#" if _SEQUENTIAL.search(name) else ""
    if lifetime is not None:
        return "C" if lifetime["kind"] == "container" else "T" + sequential
    return ("E" if ephemeral_owner else "") + sequential


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
