"""``python manage.py panel``: the web control panel alone, for the ensemble its settings name."""

from __future__ import annotations

import asyncio
import socket
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from dashboard.gateway.sources import is_loopback, parse_servers

WEBSOCKET_BYTES_MAX = 16 * 1024 * 1024
"""Daphne bounds both directions by one figure, and an opened znode with its rows is large. What a viewer may say
is bounded by :data:`dashboard.consumers.guard.MESSAGE_BYTES_MAX`."""


class Command(BaseCommand):
    """Serve pages, static files and websockets from one Daphne."""

    help = (
        "Run the web control panel alone, for servers (ours or Apache's) named in the environment, as in"
        " COORDINATOR_SERVERS=1=127.0.0.1:2181,2=127.0.0.1:2182; coordinator/settings.py lists the other variables."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=int, default=8000, help="TCP port (default 8000)")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
        parser.add_argument(
            "--no-gateway",
            action="store_true",
            help="only serve pages; another panel process looks at the ensemble (needs COORDINATOR_REDIS_URL)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until interrupted or terminated."""
        host, port = options["host"], options["port"]
        if options["no_gateway"] and not settings.COORDINATOR_REDIS_URL:
            raise CommandError(
                "--no-gateway needs COORDINATOR_REDIS_URL, through which the gateway is reached."
            )
        self._check_servers()
        self._check_address(host, port)
        settings.COORDINATOR_GATEWAY = not options["no_gateway"]
        self._open_database()
        shown = f"[{host}]" if ":" in host else host
        self.stdout.write(
            f"Panel: http://{shown}:{port}/?{urlencode({'token': settings.COORDINATOR_PANEL_TOKEN})}"
        )
        if not settings.COORDINATOR_SERVERS and not settings.COORDINATOR_SUPERVISOR_URL:
            self.stdout.write(
                "It has no servers to show: name some, as in COORDINATOR_SERVERS=1=127.0.0.1:2181"
            )
        if not is_loopback(host):
            self.stdout.write(
                "It listens beyond this machine, without encryption: whoever reads the traffic has the token."
                " Host names it is to answer to go into COORDINATOR_ALLOWED_HOSTS."
            )
        self.stdout.flush()
        _serve(host, port)

    def _check_servers(self) -> None:
        try:
            parse_servers(settings.COORDINATOR_SERVERS)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error

    def _open_database(self) -> None:
        file = settings.DATABASES["default"]["NAME"]
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            call_command("migrate", verbosity=0, interactive=False)
        except (OSError, DatabaseError) as error:
            raise CommandError(
                f"The panel's database {file} cannot be used ({error}); name another in COORDINATOR_PANEL_DB."
            ) from error

    def _check_address(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(
                f"The panel cannot listen on {host}:{port} ({error}); choose another port with --port."
            ) from error


def _serve(host: str, port: int) -> None:
    # Importing Daphne's server installs Twisted's reactor: only this command may do that.
    from channels.routing import get_default_application
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server
    from twisted.internet import defer, reactor

    from dashboard.gateway.access import dismiss, gateway

    def begin() -> None:
        # At once and not with the first viewer: it then sees what happened before it came.
        start = asyncio.ensure_future(gateway())
        start.add_done_callback(lambda task: task.result())

    def end() -> Any:
        return defer.Deferred.fromFuture(asyncio.ensure_future(dismiss()))

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", end)  # type: ignore[arg-type]
    Server(
        application=get_default_application(),
        endpoints=build_endpoint_description_strings(host=host, port=port),
        websocket_max_message_size=WEBSOCKET_BYTES_MAX,
        websocket_max_frame_size=WEBSOCKET_BYTES_MAX,
        application_close_timeout=2,
        server_name="coordinator",
    ).run()
