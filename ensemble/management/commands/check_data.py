"""``manage.py check_data DIR [LOGDIR]``: what is wrong with a data directory, and what mends it."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.progress import Progress

from ensemble.management import tools
from ensemble.runtime.disk.files import ReadOnlyFiles, in_use
from ensemble.storage.names import DIRECTORY, snapshot_files
from ensemble.toolkit.check import Checker, Finding, Place, Severity
from ensemble.zxid import text

COLOURS = {Severity.NOTE: "dim", Severity.WARNING: "yellow", Severity.ERROR: "red"}
SPACE_BYTES_MIN = 64 * 1024 * 1024
EXIT_WARNINGS, EXIT_ERRORS = 1, 2


class Command(BaseCommand):
    """Look through the directories of a server that does not run; nothing is changed."""

    help = (
        "Say exactly what is wrong with the directories of a server, ours or Apache's, and which command mends it. "
        "Exit code 0: sound; 1: a server starts on it, but look at the warnings; 2: something is broken or lost."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("directory", metavar="DIR", help="the dataDir of a server")
        parser.add_argument(
            "log_directory", metavar="LOGDIR", nargs="?", help="its dataLogDir, when it is another"
        )
        parser.add_argument(
            "--id", type=int, metavar="N", help="the id the server should have (the N of its server.N)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings and what a server would start from."""
        with tools.told_in_a_sentence():
            data = tools.home(options["directory"])
            log = tools.home(options["log_directory"]) if options["log_directory"] else data
            data_place = Place(str(data), ReadOnlyFiles(data))
            log_place = data_place if log == data else Place(str(log), ReadOnlyFiles(log))
            width = None if sys.stdout.isatty() else 1000
            console = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True, width=width)
            found = list(_of_the_system([data, log], data_place))
            with Progress(
                console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
            ) as progress:
                task = progress.add_task("checking", total=_file_count(data, log))
                checker = Checker(
                    data_place, log_place, sid=options["id"], looked_at=lambda name: progress.advance(task)
                )
                found += checker.findings()
            for finding in sorted(found, key=lambda finding: -list(Severity).index(finding.severity)):
                _print(console, finding)
            if checker.verdict is not None:
                verdict = checker.verdict
                console.print(
                    f"a server starts from transaction {text(verdict.zxid)} (0x{verdict.zxid:x}) with "
                    f"{verdict.znodes} znodes and {verdict.sessions} sessions; accepted epoch "
                    f"{verdict.accepted_epoch}, current epoch {verdict.current_epoch}"
                )
            worst = {finding.severity for finding in found}
            if Severity.ERROR in worst:
                sys.exit(EXIT_ERRORS)
            if Severity.WARNING in worst:
                sys.exit(EXIT_WARNINGS)


def _print(console: Console, finding: Finding) -> None:
    console.print(
        f"{finding.severity.value:<8}{finding.name} {finding.what}", style=COLOURS[finding.severity]
    )
    if finding.mend:
        console.print(f"        $ {finding.mend}", style="bold")


def _of_the_system(directories: list[Path], data: Place) -> Iterator[Finding]:
    """Yield what the file system has to do with it: rights, room, and who uses it."""
    for directory in dict.fromkeys(directories):
        if in_use(directory):
            yield Finding(
                Severity.NOTE, str(directory), "is in use by a running server: it may change meanwhile"
            )
        for path in (directory, directory / DIRECTORY, *sorted((directory / DIRECTORY).glob("*"))):
            if path.exists() and not os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)):
                yield Finding(
                    Severity.ERROR,
                    str(path),
                    "may not be read and written by this user",
                    f"sudo chown -R {os.getuid()} {directory}",
                )
                return
        free = shutil.disk_usage(directory).free
        sizes = [
            (directory / name).stat().st_size
            for _, name in snapshot_files(data.files)
            if (directory / name).exists()
        ]
        needed = max(SPACE_BYTES_MIN, 2 * max(sizes, default=0))
        if free < needed:
            yield Finding(
                Severity.WARNING,
                str(directory),
                f"has {free // 2**20} MiB left; a server wants {needed // 2**20} MiB for its next snapshot and log",
                f"python manage.py purge {' '.join(map(str, dict.fromkeys(directories)))} -n 3",
            )


def _file_count(data: Path, log: Path) -> int:
    return sum(len(list((path / DIRECTORY).glob("[ls]*.*"))) for path in {data, log})
