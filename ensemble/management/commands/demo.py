"""``manage.py demo``: an ensemble, the panel, and clients that keep it busy, in one command."""

from __future__ import annotations

import os
import secrets
import sys
import webbrowser
from argparse import ArgumentParser, BooleanOptionalAction
from threading import Thread
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from ensemble.errors import ConfigError
from ensemble.management.commands.ensemble import add_ensemble_arguments, ensemble_options
from ensemble.runtime import children, node
from ensemble.runtime.supervision import foreground, layout


class Command(BaseCommand):
    """Run the whole of it in the foreground."""

    help = "Run an ensemble and its control panel on this machine, and print the panel's address."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        add_ensemble_arguments(parser)
        parser.add_argument(
            "--web-port", type=int, default=8000, metavar="PORT", help="the panel's port (default 8000)"
        )
        parser.add_argument("--no-browser", action="store_true", help="do not open the panel in a browser")
        parser.add_argument(
            "--traffic",
            action=BooleanOptionalAction,
            default=True,
            help="run a few clients that elect a master, take locks and share work under /demo, so that there"
            " is something to see (default: they run)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""
        port = options["web_port"]
        token = secrets.token_urlsafe(24)
        url = f"http://{layout.HOST}:{port}/?token={token}"

        def say(text: str) -> None:
            print(text, flush=True)

        def announce() -> None:
            say("Ctrl-C stops everything; the data stays")
            say(f"panel: {url}")
            if not options["no_browser"] and _has_a_screen():
                # Aside: some browsers only return when they are closed.
                Thread(target=webbrowser.open, args=(url,), daemon=True).start()

        try:
            layout.check_free(port, "the panel's port", "--web-port")
        except ConfigError as error:
            sys.exit(node.complain(error))
        companions = [_panel(port, token)]
        if options["traffic"]:
            companions.append(_traffic())
        sys.exit(foreground.run(ensemble_options(options, "demo", (port,)), say, companions, announce))


def _has_a_screen() -> bool:
    """Tell whether a browser would open a window; one for terminals would take this one over."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _panel(port: int, token: str) -> foreground.Companion:
    return foreground.Companion(
        name="panel",
        command=[sys.executable, str(settings.BASE_DIR / "manage.py"), "panel", "--port", str(port)],
        environment={"COORDINATOR_PANEL_TOKEN": token},
        port=port,
    )


def _traffic() -> foreground.Companion:
    return foreground.Companion(
        name="traffic",
        command=[sys.executable, "-m", "ensemble.runtime.supervision.traffic"],
        environment={"PYTHONPATH": children.python_path()},
        vital=False,
    )
