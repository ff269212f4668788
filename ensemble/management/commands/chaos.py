"""``manage.py chaos``: real servers under real faults, and a judgement of what their clients saw."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from ensemble.chaos.disk_faults import DISK_FAULTS
from ensemble.chaos.faults import FAULTS
from ensemble.chaos.report import exit_code, lines, save
from ensemble.chaos.run import Plan, Run
from ensemble.chaos.servers import SETTINGS, Make
from ensemble.chaos.workloads import WORKLOADS
from ensemble.errors import ConfigError


class Command(BaseCommand):
    """Thin: parses arguments, prints progress and the verdict."""

    help = (
        "Run real servers under faults for a while, and check what their clients saw. "
        "Exit code 0: everything held; 1: a promise was broken; 3: too little happened to tell."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--servers", type=int, choices=(3, 5), default=3, help="how many (default 3)")
        parser.add_argument(
            "--apache",
            type=int,
            default=0,
            metavar="N",
            help="how many of them are Apache's (default none); faults of disks are for the others only",
        )
        parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60)")
        parser.add_argument("--seed", type=int, default=1, help="what the choice of faults is drawn from")
        parser.add_argument(
            "--faults",
            default=",".join(FAULTS),
            metavar="NAME,...",
            help=f"of {', '.join(FAULTS)} (default all)",
        )
        parser.add_argument(
            "--workloads",
            default=",".join(WORKLOADS),
            metavar="NAME,...",
            help=f"of {', '.join(WORKLOADS)} (default all)",
        )
        parser.add_argument(
            "--snap-count",
            type=int,
            metavar="N",
            help=f"transactions between two snapshots of a server (default {SETTINGS['snapCount']})",
        )
        parser.add_argument(
            "--keep",
            type=Path,
            metavar="FOLDER",
            help="where to leave the servers' directories and the report when a promise was broken (default: a new "
            "folder among the temporary files, named at the end); nothing is kept of a run that held",
        )
        parser.add_argument(
            "--report", type=Path, metavar="FILE", help="where to write all that was seen, as JSON"
        )

    def handle(self, *args: object, **options: object) -> None:
        """Run; exit 130 on Ctrl-C or SIGTERM."""
        faults = _names("--faults", str(options["faults"]), tuple(FAULTS))
        servers, apache = int(str(options["servers"])), int(str(options["apache"]))
        if not 0 <= apache < servers:
            raise CommandError(f"--apache {apache}: at least one of {servers} servers has to be ours")
        keep, snap_count = options["keep"], options["snap_count"]
        folder = Path(str(keep)) if keep is not None else _default_folder(int(str(options["seed"])))
        if folder.exists():
            raise CommandError(f"--keep {folder}: it exists already; name a folder that does not")
        plan = Plan(
            seconds=float(str(options["seconds"])),
            seed=int(str(options["seed"])),
            make=Make(
                servers=servers,
                apache=apache,
                disk_faults=any(name in DISK_FAULTS for name in faults),
                small_disk="disk-full" in faults,
                settings={} if snap_count is None else {"snapCount": str(snap_count)},
            ),
            faults=faults,
            workloads=_names("--workloads", str(options["workloads"]), WORKLOADS),
            keep=folder,
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            report = asyncio.run(Run(plan, lambda text: print(text, flush=True)).go())
        except KeyboardInterrupt:
            sys.exit(130)
        except ConfigError as error:
            raise CommandError(str(error)) from None
        print("\n".join(lines(report)))
        if report.kept is not None:
            save(report, report.kept / "report.json")
        path = options["report"]
        if path is not None:
            save(report, Path(str(path)))
        sys.exit(exit_code(report))


def _default_folder(seed: int) -> Path:
    return Path(tempfile.gettempdir()) / f"chaos-seed-{seed}-{datetime.now():%Y%m%d-%H%M%S}"


def _names(flag: str, text: str, known: tuple[str, ...]) -> list[str]:
    names = [name for name in text.split(",") if name]
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        raise CommandError(f"{flag} {text}: {', '.join(wrong) or 'nothing'} is none of {', '.join(known)}")
    return names
