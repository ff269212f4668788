"""The access token: whoever has it is an operator of this panel.

As notebook servers do it: the command that starts the panel prints its address with ``?token=``; the first
request exchanges that for a signed cookie and is redirected to the same address without it, so the token
stays out of history, screenshots and ``Referer``. Nothing else grants anything: no header, no address.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

SESSION_KEY = "viewer"


def token_matches(offered: str) -> bool:
    """Compare an offered token with the panel's in constant time."""
    return hmac.compare_digest(offered.encode(), settings.COORDINATOR_PANEL_TOKEN.encode())


def _token_digest() -> str:
    return hashlib.sha256(b"viewer\0" + settings.COORDINATOR_PANEL_TOKEN.encode()).hexdigest()


def admit(session: Any) -> None:
    """Write into a session that its holder has shown the token."""
    session[SESSION_KEY] = {"role": "operator", "token": _token_digest()}


def role_of(session: Mapping[str, Any] | None) -> str | None:
    """Return the role a session holds, or ``None``. A session made with an older token holds none."""
    viewer = session.get(SESSION_KEY) if session is not None else None
    if not isinstance(viewer, dict) or not isinstance(viewer.get("token"), str):
        return None
    if not hmac.compare_digest(viewer["token"], _token_digest()):
        return None
    return str(viewer.get("role"))


class TokenMiddleware:
    """Let in only viewers who hold the token, and set ``request.role``."""

    sync_capable = False
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Exchange a token for a cookie, refuse a stranger, or pass the request on."""
        offered = request.GET.get("token")
        if offered is not None and request.method == "GET" and token_matches(offered):
            request.session.flush()
            admit(request.session)
            return HttpResponseRedirect(without_token(request))
        role = role_of(request.session)
        if role is None:
            return locked(request, offered=offered is not None)
        request.role = role  # type: ignore[attr-defined]
        return await self.get_response(request)


def locked(request: HttpRequest, *, offered: bool) -> HttpResponse:
    """Ask for the token: as a page, or, of a page that is open, without taking anything away that is typed there."""
    if request.headers.get("HX-Request") == "true":
        headers = {"HX-Reswap": "none", "HX-Push-Url": "false", "HX-Trigger": "panel:locked"}
        return HttpResponse(status=403, headers=headers)
    kept = [(key, value) for key, values in request.GET.lists() for value in values if key != "token"]
    return render(request, "access.html", {"offered": offered, "kept": kept}, status=403)


def without_token(request: HttpRequest) -> str:
    """Return the address asked for, less the token: always a path of this panel."""
    query = request.GET.copy()
    del query["token"]
    # "//host" would be another site's address to a browser.
    path = "/" + request.path.lstrip("/")
    return f"{path}?{query.urlencode()}" if query else path
