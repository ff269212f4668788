"""Sessions: who is connected where, what they hold, when they would expire; and expiring one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.gateway.errors import GatewayError
from dashboard.places.pages import ask, fragment, page, tells_place

SHOWN_MAX = 300
SORTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "session": lambda s: int(s["session"], 16),
    "remaining": lambda s: (s["remaining_ms"] is None, s["remaining_ms"] or 0),
    "owner": lambda s: (s["owner"] is None, s["owner"] or 0, s["session"]),
    "ephemerals": lambda s: (-s["ephemerals_total"], s["session"]),
    "watches": lambda s: (-s["watches"], s["session"]),
}


@require_safe
async def sessions(request: HttpRequest) -> HttpResponse:
    """The table, and one session in detail when the address names it."""
    context = await table_context(request.GET)
    selected = request.GET.get("session", "")
    context |= await detail_context(selected)
    return await page(request, "sessions", context)


@require_safe
async def session(request: HttpRequest, session: str) -> HttpResponse:
    """One session in detail, with the table's rows marked anew."""
    context = await table_context(request.GET.dict() | {"session": session})
    context |= await detail_context(session)
    return tells_place(fragment(request, "fragments/session_selected.html", context))


async def table_context(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table: filtered, sorted, cut at a bound that is said."""
    sort = asked.get("sort") if asked.get("sort") in SORTS else "session"
    query = str(asked.get("find", "")).strip()
    context: dict[str, Any] = {
        "sort": sort,
        "query": query,
        "selected": asked.get("session", ""),
        "problem": None,
    }
    try:
        listing = await ask("sessions")
    except GatewayError as error:
        return context | {"problem": error, "rows": [], "total": None, "named": True}
    matching = [s for s in listing["sessions"] if _matches(s, query)]
    matching.sort(key=SORTS[str(sort)])
    return context | {
        "rows": matching[:SHOWN_MAX],
        "matching": len(matching),
        "listed": len(listing["sessions"]),
        "total": listing["total"],
        "asked": listing["asked"],
        "watched": listing["watched"],
        "missing": listing["missing"],
        "silent": listing["silent"],
        "named": listing["named"],
    }


async def detail_context(session: str) -> dict[str, Any]:
    """Return one session with its watches and what its expiry would do."""
    if not session:
        return {"detail": None, "why": None}
    try:
        return {"detail": await ask("session", session=session), "why": None}
    except GatewayError as error:
        return {"detail": None, "why": error}


def _matches(session: dict[str, Any], query: str) -> bool:
    if not query:
        return True
    wanted = query.casefold()
    texts = [session["session"], session["client"] or "", *session["ephemerals"]]
    return any(wanted in text.casefold() for text in texts)
