"""The panel's websockets: from our own pages only, with the viewer's session."""

from __future__ import annotations

from channels.routing import URLRouter
from channels.sessions import SessionMiddlewareStack
from django.urls import path

from dashboard.access.origin import SameOriginOnly
from dashboard.consumers.place import PlaceConsumer
from dashboard.consumers.stage import StageConsumer


def sockets() -> SameOriginOnly:
    """Return the ASGI application for websockets."""
    routes = [
        path("ws/place/<slug:place>/", PlaceConsumer.as_asgi()),
        path("ws/stage/", StageConsumer.as_asgi()),
    ]
    return SameOriginOnly(SessionMiddlewareStack(URLRouter(routes)))
