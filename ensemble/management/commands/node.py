"""``manage.py node --config zoo.cfg``: one server in the foreground."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ensemble.runtime import node


class Command(BaseCommand):
    """Run one server from an unmodified Apache zoo.cfg."""

    help = "Run one server in the foreground from an Apache ZooKeeper zoo.cfg."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--config",
            required=True,
            metavar="FILE",
            help="an Apache zoo.cfg; in an ensemble dataDir/myid says which server.N this is",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""
        sys.exit(node.main(options["config"]))
