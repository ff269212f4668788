"""``manage.py snapshot FILE``: a snapshot's znodes, listed, summed up or compared."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.status import Status
from rich.table import Table

from ensemble.management import tools
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.toolkit import snapshot
from ensemble.tree.tree import Tree


class Command(BaseCommand):
    """Look into snapshots of our servers and of Apache's, compressed or not."""

    help = (
        "List the znodes and sessions of a snapshot file; works on Apache ZooKeeper's, gz and snappy as well."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", metavar="FILE", help="snapshot.ZXID, with .gz or .snappy")
        parser.add_argument(
            "-d", "--data", action="store_true", help="print the data of each znode as base64"
        )
        work = parser.add_mutually_exclusive_group()
        work.add_argument(
            "--json", action="store_true", help="print the tree in the JSON of Apache's tool (for ncdu)"
        )
        work.add_argument("--summary", metavar="PATH", help="sum up znodes and bytes at PATH and below")
        work.add_argument(
            "--compare", metavar="OTHER", help="print what OTHER says otherwise; exit code 1 if anything"
        )
        parser.add_argument(
            "--depth", type=int, default=0, metavar="N", help="how deep --summary shows; 0 is all the way"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the one thing asked for."""
        with tools.told_in_a_sentence():
            tree = _load(options["file"])
            if options["json"]:
                for part in snapshot.as_json(tree, int(time.time() * 1000)):
                    self.stdout.write(part, ending="")
                self.stdout.write("")
            elif options["summary"]:
                self._sum_up(tree, options["summary"], options["depth"])
            elif options["compare"]:
                self._compare(tree, _load(options["compare"]))
            else:
                for line in snapshot.lines(tree, with_data=options["data"]):
                    self.stdout.write(line)

    def _sum_up(self, tree: Tree, path: str, depth: int) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("path", overflow="fold")
        table.add_column("children", justify="right")
        table.add_column("data bytes", justify="right")
        for found in snapshot.summary(tree, path, depth):
            table.add_row("  " * found.depth + found.path, f"{found.descendants:,}", f"{found.data_bytes:,}")
        width = None if sys.stdout.isatty() else 200
        Console(highlight=False, markup=False, width=width, file=sys.stdout).print(table)

    def _compare(self, one: Tree, other: Tree) -> None:
        differences = 0
        for found in snapshot.compare(one, other):
            differences += 1
            self.stdout.write(f"{found.path}: {found.what}")
        sizes = f"{len(one.nodes)} and {len(other.nodes)} znodes, {len(one.sessions)} and {len(other.sessions)} sessions"
        self.stdout.write(f"{sizes}: {differences} differences" if differences else f"{sizes}: the same")
        if differences:
            self.stdout.flush()
            sys.exit(1)


def _load(text: str) -> Tree:
    path = tools.existing(text)
    with Status(f"reading {path.name}", console=Console(stderr=True)):
        return snapshot.load(ReadOnlyFiles(Path(path.parent)).read(path.name), path.name)
