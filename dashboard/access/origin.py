"""Websockets come only from our own pages: scheme, host *and port* of Origin must be those asked for.

Cross-site pages may open websockets with our cookies, and a browser sends no CSRF token with them; the
Origin header is the only defence. Channels' own validator leaves the port out when hosts are listed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

Application = Callable[[Any, Any, Any], Awaitable[None]]


def same_origin(scope: dict[str, Any]) -> bool:
    """Tell whether a websocket handshake was started by a page of this very panel."""
    headers = [(name.lower(), value) for name, value in scope.get("headers", ())]
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
    if len(origins) != 1 or len(hosts) != 1:
        return False
    host, _ = split_domain_port(hosts[0])
    if not host or not validate_host(host, settings.ALLOWED_HOSTS):
        return False
    try:
        origin = urlsplit(origins[0].lower())
        origin_port = origin.port
    except ValueError:
        return False
    if origin.scheme not in ("http", "https") or origin.path or origin.query or origin.username is not None:
        return False
    default = 443 if origin.scheme == "https" else 80
    try:
        asked = urlsplit(f"//{hosts[0]}")
        asked_port = asked.port
    except ValueError:
        return False
    return origin.hostname == asked.hostname and (origin_port or default) == (asked_port or default)


class SameOriginOnly:
    """ASGI middleware that refuses websocket handshakes from anywhere else."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass on or deny (HTTP 403)."""
        application = self.application if same_origin(scope) else WebsocketDenier()
        await application(scope, receive, send)
