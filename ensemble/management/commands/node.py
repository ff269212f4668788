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

        parser.add_argument(
            "-D",
            dest="properties",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="a Java property as zkServer.sh hands them on, such as -Dzookeeper.snapCount=1000; "
            "the same key in the file wins",
        )
        parser.add_argument(
            "--check-config",
            action="store_true",
            help="print every setting in force and where it was written, and do not start",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C, or only look at the configuration."""
        work = node.check if options["check_config"] else node.main
        sys.exit(work(options["config"], options["properties"]))
