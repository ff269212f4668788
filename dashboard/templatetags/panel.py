"""Filters of the panel's templates: how ids, times and sizes are written."""

from __future__ import annotations

import time
from typing import Any

from django import template

from dashboard import show
from dashboard.gateway.kinds import words
from dashboard.places.rows import row_id
from ensemble import paths

register = template.Library()

register.filter("zxid", show.zxid_text)
register.filter("zxid_hex", show.zxid_hex)
register.filter("short", show.session_short)
register.filter("duration", show.duration)
register.filter("bytes", show.size)
register.filter("clock", show.clock_time)
register.filter("visible", show.safe_text)
register.filter("kind_words", words)
register.filter("row_id", row_id)
register.filter("name_of", paths.name_of)
register.filter("parent_of", paths.parent_of)

_PERMISSIONS = ((1, "read"), (2, "write"), (4, "create"), (8, "delete"), (16, "administer"))
EPOCH_HUES = 6


@register.filter
def hue(epoch: int | None) -> int:
    """Return which of the six epoch hues an epoch takes; the number itself is always printed beside."""
    return (epoch or 0) % EPOCH_HUES


@register.filter
def epoch_of(zxid: str) -> int:
    """Return a zxid's epoch."""
    return int(zxid) >> 32


@register.filter
def count(number: int | None) -> str:
    """Write a number with thousands apart; a dash when nobody can tell it."""
    return "\N{EN DASH}" if number is None else f"{number:,}"


@register.filter
def ago_ms(ms_since_1970: int) -> str:
    """Write how long ago a wall-clock time in milliseconds was."""
    return show.ago(max(0.0, time.time() * 1000 - ms_since_1970))


@register.filter
def at_most(number: float | None, bound: float) -> float | None:
    """Return ``number``, or ``bound`` where it is greater."""
    return None if number is None else min(number, bound)


@register.filter
def percent(part: int | None, whole: int) -> int:
    """Return ``part`` of ``whole`` in percent, within 0 and 100."""
    return 0 if part is None or not whole else max(0, min(100, round(part * 100 / whole)))


@register.filter
def may(perms: int) -> str:
    """Return permissions in words."""
    return ", ".join(word for bit, word in _PERMISSIONS if perms & bit) or "nothing"


@register.filter
def indents(level: int) -> range:
    """Return one item for each level below the root."""
    return range(max(0, level - 1))


@register.filter
def curve(points: list[int]) -> str:
    """Return SVG polyline points of a small curve, 92 by 22, from zero up."""
    top = max([*points, 1])
    step = 92 / max(1, len(points) - 1)
    return " ".join(f"{index * step:.0f},{20 - value * 17 / top:.1f}" for index, value in enumerate(points))


@register.filter
def of_servers(sids: list[int]) -> str:
    """Write server ids: ``s1, s2``."""
    return ", ".join(f"s{sid}" for sid in sids)


@register.simple_tag
def lookup(mapping: dict[Any, Any], key: Any) -> Any:
    """Return a value of a dict by a key held in a variable."""
    return mapping.get(key)
