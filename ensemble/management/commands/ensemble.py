"""``manage.py ensemble``: several servers on this machine, supervised, without the panel."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from ensemble.runtime.supervision import foreground


def add_ensemble_arguments(parser: ArgumentParser) -> None:
    """Declare what ``ensemble`` and ``demo`` have in common."""
    parser.add_argument(
        "--servers",
        type=int,
        metavar="N",
        help="how many servers, 1 to 9 (default: as many as the data directory holds, or else 3)",
    )
    parser.add_argument(
        "--observers",
        type=int,
        metavar="N",
        help="how many more servers that follow without a vote (default: as many as the data directory holds)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=2181,
        help="client port of the first server; the others get the next ones (default 2181)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="where each server keeps its data, its zoo.cfg and its log (default ./data)",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="delete the servers' data in the data directory first; without it the start goes on with them",
    )


def ensemble_options(
    options: dict[str, Any], name: str, reserved_ports: tuple[int, ...] = ()
) -> foreground.Options:
    """Take the common options from what the command line said."""
    return foreground.Options(
        servers=options["servers"],
        port=options["port"],
        data_dir=options["data_dir"],
        fresh=options["fresh"],
        name=name,
        reserved_ports=reserved_ports,
        observers=options["observers"],
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
