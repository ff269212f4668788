"""``manage.py ensemble``: several servers on this machine, supervised, without the panel."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from ensemble.runtime import foreground


def add_ensemble_arguments(parser: ArgumentParser) -> None:
    """Declare what ``ensemble`` and ``demo`` have in common."""
    parser.add_argument("--servers", type=int, default=3, metavar="N", help="how many (default 3)")
    parser.add_argument("--port", type=int, default=2181, help="client port of the first (default 2181)")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), metavar="DIR", help="default ./data")
    parser.add_argument("--fresh", action="store_true", help="forget what the data directory holds")


def ensemble_options(options: dict[str, Any], name: str) -> foreground.Options:
    """Take the common options from what the command line said."""
    return foreground.Options(
        servers=options["servers"],
        port=options["port"],
        data_dir=options["data_dir"],
        fresh=options["fresh"],
        name=name,
    )


class Command(BaseCommand):
    """Run an ensemble in the foreground."""

    help = "Run an ensemble of servers on this machine, each a process of its own."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        add_ensemble_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""

        def say(text: str) -> None:
            print(text, flush=True)

        def announce() -> None:
            print("serving; Ctrl-C stops the servers, the data stays", flush=True)

        sys.exit(foreground.run(ensemble_options(options, "ensemble"), say, announce=announce))
