"""Watches: who waits for what, by path or by session; and which have just fired."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.gateway.errors import GatewayError
from dashboard.places.pages import ask, page
from dashboard.places.rows import row_id
from dashboard.show import event_name

SHOWN_MAX = 600
FIRED_SHOWN_S = 8.0
"""How long a fired watch stays in the list."""
FRESH_S = 2.5
"""How long its row glows: one that fired before the page was opened does not."""


@require_safe
async def watches(request: HttpRequest) -> HttpResponse:
    """The list, by path or by session."""
    return await page(request, "watches", await list_context(request.GET))


async def list_context(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the list as groups, with the watches that fired a moment ago among them."""
    by = "session" if asked.get("by") == "session" else "path"
    query = str(asked.get("find", "")).strip()
    context: dict[str, Any] = {"by": by, "query": query, "problem": None}
    try:
        listing = await ask("watches")
    except GatewayError as error:
        return context | {"problem": error, "groups": [], "total": None}
    since = time.time() - FIRED_SHOWN_S
    rows = merge(listing["watches"], [event for event in listing["fired"] if event["wall"] > since])
    matching = [row for row in rows if _matches(row, query)]
    return context | {
        "groups": _groups(matching, by),
        "shown": min(len(matching), SHOWN_MAX),
        "matching": len(matching),
        "total": listing["total"],
        "listed": len(listing["watches"]),
        "asked": listing["asked"],
        "watched": listing["watched"],
        "missing": listing["missing"],
        "named": listing["named"],
        "recent": [_fired_row(event) for event in reversed(listing["fired"][-12:])],
    }


def merge(standing: list[dict[str, Any]], fired: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join watches that wait with those that fired: one row each, whether it burnt out or was set again."""
    rows = {_key(watch): watch | {"waiting": True, "fired": None, "times": 0} for watch in standing}
    for event in fired:
        told = _fired_row(event)
        row = rows.setdefault(_key(told), told | {"waiting": False, "times": 0})
        row |= {"fired": told["fired"], "event": told["event"], "n": told["n"], "times": row["times"] + 1}
    return list(rows.values())


def _key(watch: dict[str, Any]) -> tuple[str, str, str, int]:
    # A fired watch is told as data or child; which of the two kinds of data watch it was is over by then.
    mode = "data" if watch["mode"] == "exist" else watch["mode"]
    return watch["path"], mode, watch["session"], watch["sid"]


def _groups(watches: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """Return ``watches`` by path or session; when not all can be shown, those that burn and the first of the others."""
    in_order = itemgetter(by, "session" if by == "path" else "path", "mode", "sid")
    burning_first = sorted(sorted(watches, key=in_order), key=lambda watch: watch["fired"] is None)
    kept = sorted(burning_first[:SHOWN_MAX], key=in_order)
    waiting = Counter(watch[by] for watch in watches if watch["waiting"])
    there = Counter(watch[by] for watch in watches)
    groups = []
    for key, members in groupby(kept, key=lambda watch: watch[by]):
        rows = [_drawn(watch) for watch in members]
        left = there[key] - len(rows)
        groups.append({"key": key, "watches": rows, "standing": waiting[key], "left": left})
    return groups


def _drawn(watch: dict[str, Any]) -> dict[str, Any]:
    """Add an id that stays while the watch burns out and is set again, and how its row glows."""
    glow = ""
    if watch["fired"] and time.time() - watch["fired"] < FRESH_S:
        glow = "fired again" if watch["n"] & 1 else "fired"  # another name each time, to glow anew
    return watch | {"id": row_id("\n".join(map(str, _key(watch)))), "glow": glow}


def _fired_row(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": str(event["path"]),
        "mode": str(event["mode"]),
        "session": str(event["session"]),
        "sid": int(event["sid"]),
        "fired": event["wall"],
        "event": event_name(event.get("event")),
        "zxid": event.get("zxid"),
        "n": event["n"],
    }


def _matches(watch: dict[str, Any], query: str) -> bool:
    wanted = query.casefold()
    return not wanted or wanted in watch["path"].casefold() or wanted in watch["session"].casefold()
