"""The ASGI application: pages and static files over HTTP, live updates over websockets."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coordinator.settings")
_pages = get_asgi_application()  # sets Django up; what follows needs that

from channels.routing import ProtocolTypeRouter  # noqa: E402

from dashboard.access.static import PanelStaticFiles  # noqa: E402
from dashboard.routing import sockets  # noqa: E402

application = ProtocolTypeRouter({"http": PanelStaticFiles(_pages), "websocket": sockets()})
