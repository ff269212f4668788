"""``manage.py explore``: visit every world a small ensemble can get into, and say which one breaks a promise."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ensemble.explorer import crew, invariants, story
from ensemble.explorer.search import Report, Search
from ensemble.explorer.starts import STARTS
from ensemble.explorer.world import Bounds, Rules, World


class Command(BaseCommand):
    """Thin: parses arguments, shows progress, prints the report."""

    help = "Visit every order of events in a small ensemble, over the code of the agreement itself."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: object) -> CommandParser:
        """Add what is checked to ``--help``."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = invariants.__doc__
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        for name, default, what in (
            ("servers", 3, "servers of the ensemble"),
            ("txns", 1, "transactions at most"),
            ("crashes", 1, "crashes at most, each losing any part of what was not synced"),
            ("partitions", 1, "links that break at most"),
            ("timeouts", 0, "servers that lose patience at most, without a reason"),
            ("jobs", 1, "processes"),
            ("depth", 1000, "events on a path at most"),
        ):
            parser.add_argument(
                f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default {default})"
            )
        parser.add_argument("--time", type=float, metavar="S", help="stop after so many seconds")
        parser.add_argument(
            "--start",
            choices=tuple(STARTS),
            default="elected",
            help="how the world is at first (default elected): "
            + "; ".join([f"{name}: {(start.__doc__ or '').rstrip('.')}" for name, start in STARTS.items()]),
        )
        parser.add_argument(
            "--elections",
            choices=("whole", "messages"),
            default="whole",
            help="hold an election as one event (default), or vote by vote",
        )
        parser.add_argument("--walk", metavar="A.B.C", help="walk one path again, and tell it")

    def handle(self, *args: object, **options: object) -> None:
        """Search, or walk; exit 1 when a promise was broken, 130 on Ctrl-C."""
        console = Console()
        number = {name: int(str(options[name])) for name in _NUMBERS}
        if number["servers"] < 1 or number["jobs"] < 1 or min(number.values()) < 0:
            raise CommandError("--servers and --jobs must be at least 1, and nothing below 0")
        rules = Rules(
            Bounds(
                servers=number["servers"],
                txns=number["txns"],
                crashes=number["crashes"],
                breaks=number["partitions"],
                timeouts=number["timeouts"],
                whole_elections=options["elections"] == "whole",
            )
        )
        root = STARTS[str(options["start"])](rules)
        if options["walk"] is not None:
            _walk(console, rules, root, str(options["walk"]))
            return
        seconds_max = None if options["time"] is None else float(str(options["time"]))
        try:
            report = _search(console, Search(rules, [root]), number["jobs"], number["depth"], seconds_max)
        except KeyboardInterrupt:
            sys.exit(130)
        _print(console, rules, root, report)
        if report.found is not None:
            sys.exit(1)


_NUMBERS = ("servers", "txns", "crashes", "partitions", "timeouts", "jobs", "depth")


def _search(console: Console, search: Search, jobs: int, depth_max: int, seconds_max: float | None) -> Report:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(report: Report) -> None:
            progress.update(task, description=f"{report.worlds:,} worlds, all up to depth {report.depth}")

        return crew.run(search, jobs=jobs, depth_max=depth_max, seconds_max=seconds_max, progress=show)


def _walk(console: Console, rules: Rules, root: World, text: str) -> None:
    try:
        lines = story.tell(rules, root, [int(place) for place in text.split(".")])
    except ValueError:
        raise CommandError(f"--walk {text}: write numbers with dots between them") from None
    except story.Astray as error:
        raise CommandError(f"--walk {text}: {error}; are the other arguments those of the search?") from None
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _print(console: Console, rules: Rules, root: World, report: Report) -> None:
    lines = story.tell_found(rules, root, report.found) if report.found is not None else []
    rate = report.worlds / report.seconds if report.seconds else 0.0
    reach = "all there are" if report.complete else f"all up to depth {report.depth}"
    lines += [
        f"{report.worlds:,} worlds, {reach}; {report.transitions:,} transitions in {report.seconds:.1f} s "
        f"({rate:,.0f} worlds/s)",
        f"{report.locals:,} states of single servers, {report.runs:,} steps of the code itself",
        "no promise is broken" if report.found is None else story.wrong_text(report.found.wrong),
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
