"""What all places share: asking the gateway, rendering a page in its frame, a fragment, a refusal."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.gateway.access import gateway
from dashboard.gateway.errors import GatewayError

View = Callable[..., Coroutine[Any, Any, HttpResponse]]


async def ask(call: str, **arguments: Any) -> Any:
    """Make one gateway call."""
    return await (await gateway()).call(call, **arguments)


async def page(request: HttpRequest, place: str, context: dict[str, Any]) -> HttpResponse:
    """Render ``places/<place>.html`` in the frame."""
    state = context.get("state") or await ask("state")
    request.place, request.summary = place, state["summary"]  # type: ignore[attr-defined]
    return render(request, f"places/{place}.html", {"state": state, **context})


def fragment(request: HttpRequest, template: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Render a part of a page."""
    return render(request, template, context, status=status)


def wants_part(request: HttpRequest, element: str) -> bool:
    """Tell whether htmx asks for one element of a page, and not for the page (going back asks for the page)."""
    headers = request.headers
    return headers.get("HX-Target") == element and headers.get("HX-History-Restore-Request") != "true"


def tells_place(response: HttpResponse) -> HttpResponse:
    """Let the page tell its socket what it shows now (see ``place-state`` in the templates)."""
    response.headers["HX-Trigger-After-Settle"] = "place-state"
    return response


def says_why(view: View) -> View:
    """Answer a :class:`GatewayError` with its status and a fragment that says why."""

    @wraps(view)
    async def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return await view(request, *args, **kwargs)
        except GatewayError as error:
            return fragment(request, "fragments/refused.html", {"error": error}, status=error.status)

    return wrapped


def whole(text: str | None, default: int, lowest: int = 0, highest: int = 10**9) -> int:
    """Read a whole number a viewer sent, within bounds."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 9:
        return default
    return max(lowest, min(highest, int(text)))
