"""The panel's websockets: from our own pages only, with the viewer's session."""

from __future__ import annotations

from channels.routing import URLRouter
from channels.sessions import SessionMiddlewareStack

from dashboard.access.origin import SameOriginOnly


def sockets() -> SameOriginOnly:
    """Return the ASGI application for websockets."""
    return SameOriginOnly(SessionMiddlewareStack(URLRouter([])))
