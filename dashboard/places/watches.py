"""Watches: who waits for what, by path or by session; and which have just fired."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.gateway.errors import GatewayError
from dashboard.places.pages import ask, page
from dashboard.show import event_name

SHOWN_MAX = 600
FIRED_SHOWN_S = 8.0
"""How long a fired watch stays in the list, burning out."""


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
        return context | {"problem": error, "groups": [], "total": None, "burning": False}
    now = time.time()
    fired = [_fired_row(event) for event in listing["fired"] if now - event["wall"] < FIRED_SHOWN_S]
    standing = [watch | {"fired": None} for watch in listing["watches"]]
    matching = [watch for watch in [*standing, *fired] if _matches(watch, query)]
    return context | {
        "groups": _groups(matching[:SHOWN_MAX] if not fired else _fired_first(matching)[:SHOWN_MAX], by),
        "shown": min(len(matching), SHOWN_MAX),
        "matching": len(matching),
        "total": listing["total"],
        "listed": len(listing["watches"]),
        "missing": listing["missing"],
        "named": listing["named"],
        "burning": bool(fired),
        "recent": [_fired_row(event) for event in reversed(listing["fired"][-12:])],
    }


def _fired_first(watches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep those that burn when not all can be shown."""
    return sorted(watches, key=lambda watch: watch["fired"] is None)


def _groups(watches: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    other = "session" if by == "path" else "path"
    ordered = sorted(watches, key=lambda w: (w[by], w[other], w["mode"], w["sid"], w["fired"] or 0))
    groups = []
    for key, members in groupby(ordered, key=lambda watch: watch[by]):
        rows = list(members)
        groups.append(
            {"key": key, "watches": rows, "standing": sum(1 for row in rows if row["fired"] is None)}
        )
    return groups


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
