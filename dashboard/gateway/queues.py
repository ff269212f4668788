"""Locks, queues and elections in the tree: who is first, who is next, and who watches whom. Pure.

ZooKeeper knows no locks. Clients agree on a custom: each creates a sequential ephemeral in one directory, the lowest
number is first, and everyone else watches the one before it. What can be seen of that are the znodes, their owners
and the servers' watches; nothing is claimed here that these do not show. Without a watch of one on another, a
directory of numbered ephemerals may just as well be a list of members.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dashboard.gateway.kinds import number_of

SHOWN_MAX = 6
"""Members drawn; of the others it is said how many they are."""
FIRST_SHOWN = 4
"""Drawn of the front when the one that is looked at stands further back, with the one before it."""

_PROTECTED = re.compile(r"^(?:_c_[0-9a-f-]{36}-|[0-9a-f]{32}(?=_))")
"""What Curator and kazoo put before a name to know their own znode again after a lost connection."""

Row = Mapping[str, Any]
Watching = list[set[int]]
"""For each member the places of those it watches."""


def in_order(names: Sequence[str]) -> list[str]:
    """Return the names that look sequential in the order of their numbers: recipes ignore what is before them."""
    return sorted(
        (name for name in names if number_of(name) is not None), key=lambda name: (number_of(name), name)
    )


def chain_of(
    directory: str,
    members: Sequence[Row],
    watches: Sequence[Row] | None,
    this: str | None,
    *,
    watches_complete: bool = True,
    members_beyond: int = 0,
) -> dict[str, Any] | None:
    """Return the line that ephemeral ``members`` of ``directory`` (in order) form, or ``None`` if there are none.

    ``watches`` is ``None`` when nobody could be asked; ``members_beyond`` counts znodes that were not looked at.
    """
    if not members:
        return None
    watching, at_directory = _who_watches_whom(directory, members, watches or ())
    style = _style(members, watching, at_directory, known=watches is not None, complete=watches_complete)
    queues = style in ("line", "herd")
    labels = _labels(members)
    shown = _shown([row["path"] for row in members], this)
    links = [
        {
            "path": members[place]["path"],
            "name": members[place]["name"],
            "owner": members[place]["owner"],
            "label": labels[place],
            "role": _role(place, queues=queues),
            "this": members[place]["path"] == this,
            "watches": [labels[before] for before in sorted(watching[place])],
            "watches_directory": place in at_directory,
            "left_out_before": place - previous - 1,
        }
        for previous, place in zip([-1, *shown], shown, strict=False)
    ]
    return {
        "directory": directory,
        "style": style,
        "total": len(members),
        "links": links,
        "left_out_after": len(members) - 1 - shown[-1],
        "beyond": members_beyond,
        "sentence": _sentence(style, watching, at_directory, labels),
    }


def _who_watches_whom(
    directory: str, members: Sequence[Row], watches: Sequence[Row]
) -> tuple[Watching, set[int]]:
    """Return whom each member watches, and which of them watch the directory's children.

    Watches belong to sessions, not to znodes. Of a session that stands in line several times, the place closest
    behind the watched one is taken to be waiting for it.
    """
    place_of = {row["path"]: place for place, row in enumerate(members)}
    places: dict[str, list[int]] = {}
    for place, row in enumerate(members):
        places.setdefault(row["owner"], []).append(place)
    watching: Watching = [set() for _ in members]
    at_directory: set[int] = set()
    for watch in watches:
        own = places.get(watch["session"], [])
        if watch["path"] == directory and watch["mode"] == "child":
            at_directory.update(own)
        watched = place_of.get(watch["path"])
        behind = [place for place in own if watched is not None and place > watched]
        if watched is not None and behind:
            watching[behind[0]].add(watched)
    return watching, at_directory


def _style(
    members: Sequence[Row], watching: Watching, at_directory: set[int], *, known: bool, complete: bool
) -> str:
    """Return ``alone``, ``line``, ``herd`` (a change wakes several), ``list`` (nobody waits) or ``unknown``."""
    if len(members) == 1:
        return "alone"
    if any(watching):
        return "herd" if _most_watched(watching)[1] > 1 else "line"
    if at_directory - {0}:
        return "herd"
    return "list" if known and complete else "unknown"


def _most_watched(watching: Watching) -> tuple[int, int]:
    """Return the place most others watch, and how many do."""
    return Counter(before for watched in watching for before in sorted(watched)).most_common(1)[0]


def _role(place: int, *, queues: bool) -> str:
    """Return a member's part in words; only a line in which someone waits has a holder."""
    if place == 0:
        return "holds" if queues else "first"
    return "next" if place == 1 and queues else ""


def _labels(members: Sequence[Row]) -> list[str]:
    """Shorten names to the end of their numbers; where kinds mix (readers and writers) the kind is before it."""
    kinds = [_PROTECTED.sub("", row["name"][: -len(_digits(row["name"]))]) for row in members]
    tell = len(set(kinds)) > 1
    return [
        f"{kind[-10:] if tell else ''}…{_digits(row['name'])[-4:]}"
        for kind, row in zip(kinds, members, strict=True)
    ]


def _digits(name: str) -> str:
    return name[len(name.rstrip("0123456789")) :][-10:]


def _shown(members: Sequence[str], this: str | None) -> list[int]:
    """Return the places that are drawn: the front, and the one looked at with the one before it."""
    place = members.index(this) if this in members else 0
    if len(members) <= SHOWN_MAX or place < SHOWN_MAX:
        return list(range(min(SHOWN_MAX, len(members))))
    return [*range(FIRST_SHOWN), place - 1, place]


def _sentence(style: str, watching: Watching, at_directory: set[int], labels: Sequence[str]) -> str:
    """Say in one sentence what the line means."""
    if style == "alone":
        return "Nobody waits behind it; whoever comes next gets a higher number."
    if style == "list":
        return "None of them watches another: this may be a list of members and no queue. The order is that of their numbers."
    if style == "unknown":
        return "Which of them watches which is not known now. The order is that of their numbers."
    if style == "herd" and any(watching):
        place, count = _most_watched(watching)
        return f"{count} clients watch {labels[place]}: when it goes, all of them wake at once."
    if style == "herd":
        count = len(at_directory - {0})
        who = "One waiter watches" if count == 1 else f"{count} waiters watch"
        return (
            f"{who} the whole directory, so every change in it wakes {'it' if count == 1 else 'all of them'}."
        )
    idle = sum(1 for watched in watching[1:] if not watched)
    line = "Each waiter watches only one before it, so a release wakes one client, not all."
    if not idle:
        return line
    return line.removesuffix(".") + f"; {idle} of them {'has' if idle == 1 else 'have'} no watch yet."
