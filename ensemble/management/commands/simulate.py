"""``manage.py simulate``: run whole ensembles from seeds, and say which seed broke which promise."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from time import monotonic

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ensemble.simulator import coverage
from ensemble.simulator.checks.invariants import INVARIANTS
from ensemble.simulator.runs import ledger, runner
from ensemble.simulator.runs.report import Failure, Summary, counts_text, replay_saved, replay_seed
from ensemble.simulator.runs.shrink import Shrinker
from ensemble.simulator.schedules.saved import NotASchedule, SavedSchedule, read

_CHECKERS = """\
Checked on what the clients saw, when a run is over:

    C1   every acknowledged write is in the log once, and every reply is the model's state at its zxid
    C2   zxids never go back within a session; its requests are answered and logged in order
    C3   a sync sees every write that had returned before it
    C4   watches fire once, for the first change after they were set, before the change can be seen; those that stay,
         for every change
    C5   ephemerals live as long as their sessions; a session ends only by a transaction
    C6   sequential names, versions and stats are exact
    C7   multi is all or nothing
    C8   one holder of a lock at a time, fenced by its czxid; nothing is taken twice, no increment is lost
    C9   after the heal, and after a restart of everything: one leader, equal state, a write succeeds
"""
SHRUNK_MAX = 3
"""So many failures are made small; each takes up to half a minute."""
_SEEDS = re.compile(r"^(\d+)(?:\.\.(\d+))?$")


class Command(BaseCommand):
    """Thin: parses arguments, shows progress, prints what the runner yields."""

    help = "Simulate ensembles in virtual time, with faults, each from one seed."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: object) -> CommandParser:
        """Add what is checked to ``--help``."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.formatter_class = RawDescriptionHelpFormatter
        parser.epilog = f"{INVARIANTS}\n{_CHECKERS}"
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--seeds", default="1..200", metavar="A..B", help="the seeds to run (default 1..200)"
        )
        parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many processes (default 1)")
        parser.add_argument(
            "--replay-seed", type=int, metavar="N", help="run one seed alone, with the trace on"
        )
        parser.add_argument(
            "--replay", type=Path, metavar="FILE", help="run a saved schedule, and print all that happened"
        )
        parser.add_argument(
            "--transcript", action="store_true", help="with --replay-seed: print all that happened"
        )
        parser.add_argument(
            "--no-shrink",
            action="store_true",
            help="save failed schedules as they are, not made smaller first",
        )
        parser.add_argument(
            "--save",
            type=Path,
            default=Path("failed-schedules"),
            metavar="DIR",
            help="where failed schedules are saved (default failed-schedules)",
        )

        parser.add_argument("--coverage", action="store_true", help="print how often every path was taken")
        parser.add_argument(
            "--ledger", action="store_true", help="add a line about this run to docs/ledger.jsonl"
        )

    def handle(self, *args: object, **options: object) -> None:
        """Run; exit 1 when a promise was broken, 130 on Ctrl-C."""
        console = Console()
        if options["replay_seed"] is not None:
            _replay(console, int(str(options["replay_seed"])), transcript=bool(options["transcript"]))
            return
        if options["replay"] is not None:
            _replay_file(console, Path(str(options["replay"])))
            return
        seeds = _parse(str(options["seeds"]))
        jobs = int(str(options["jobs"]))
        if jobs < 1:
            raise CommandError("--jobs must be at least 1")
        summary, started, interrupted = Summary(), monotonic(), False
        try:
            _run(console, summary, seeds, jobs)
        except KeyboardInterrupt:
            interrupted = True
        seconds = monotonic() - started
        _print_summary(console, summary, seconds)
        if interrupted:
            sys.exit(130)
        covered = _print_coverage(console, summary, everything=bool(options["coverage"]))
        if options["ledger"]:
            ledger.record(summary, f"{seeds[0]}..{seeds[-1]}", seconds)
        _save(console, summary.failures, Path(str(options["save"])), shrink=not options["no_shrink"])
        if summary.failures or not covered:
            sys.exit(1)


def _parse(text: str) -> range:
    match = _SEEDS.match(text)
    if match is None:
        raise CommandError(f"--seeds {text}: write one number, or A..B")
    first = int(match[1])
    last = int(match[2] or first)
    if last < first:
        raise CommandError(f"--seeds {text}: the last seed is before the first")
    return range(first, last + 1)


def _run(console: Console, summary: Summary, seeds: range, jobs: int) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("schedules", total=len(seeds), failed=0)
        for result in runner.run(seeds, jobs=jobs):
            summary.add(result)
            progress.update(task, advance=1, failed=len(summary.failures))
            if isinstance(result, Failure):
                console.print(result.text(), markup=False, highlight=False, soft_wrap=True)


def _print_coverage(console: Console, summary: Summary, *, everything: bool) -> bool:
    """Say which paths were taken; False when a long run never took one that it should have taken."""
    rows, counts = coverage.expected(), summary.coverage
    reached = sorted((counts[row], row) for row in rows if counts.get(row))
    seldom = ", ".join(f"{row} {count}" for count, row in reached[:5])
    lines = [f"{len(reached)} of {len(rows)} paths taken; the least: {seldom}"]
    if everything:
        lines += [f"{counts.get(row, 0):>9}  {row}" for row in sorted({*rows, *counts})]
        lines += [f"{row} cannot be reached: {reason}" for row, reason in coverage.UNREACHABLE.items()]
    missing = coverage.missing(counts)
    enough = summary.schedules >= coverage.SCHEDULES_MIN
    if enough:
        lines += missing
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return not (enough and missing)


def _save(console: Console, failures: list[Failure], folder: Path, *, shrink: bool) -> None:
    """Save what failed; the first few are made small."""
    for place, failure in enumerate(failures):
        saved = failure.saved
        if saved is None:
            continue
        if shrink and place < SHRUNK_MAX and failure.invariant != "determinism":
            saved = _shrink(console, saved)
        path = saved.save(folder)
        line = f"seed {failure.seed} is saved: python manage.py simulate --replay {path}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _shrink(console: Console, saved: SavedSchedule) -> SavedSchedule:
    columns = (TextColumn("{task.description}"), TimeElapsedColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"making seed {saved.seed} smaller", state="")

        def tell(runs: int, size: int) -> None:
            progress.update(task, state=f"{runs} runs, {size} choices left")

        return Shrinker(saved, progress=tell).run()


def _replay_file(console: Console, path: Path) -> None:
    try:
        saved = read(path)
    except NotASchedule as error:
        raise CommandError(str(error)) from error
    result, lines = replay_saved(saved)
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    if isinstance(result, Failure):
        console.print(result.text(), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    console.print(f"{path} holds", markup=False, highlight=False, soft_wrap=True)


def _replay(console: Console, seed: int, *, transcript: bool) -> None:
    result, lines = replay_seed(seed)
    if isinstance(result, Failure):
        result.transcript = lines if transcript else lines[-60:]
        console.print(result.text(), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    if transcript:
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"seed {seed} holds: {result.events} events, {result.acknowledged} of {result.calls} requests answered, "
        f"{result.committed} transactions"
    )


def _print_summary(console: Console, summary: Summary, elapsed_s: float) -> None:
    rate = summary.schedules / elapsed_s if elapsed_s else 0.0
    lines = (
        f"{summary.schedules} schedules in {elapsed_s:.1f} s ({rate:.1f}/s), {summary.events} events, "
        f"{summary.virtual_us / 1e6:.0f} s of virtual time",
        f"{summary.acknowledged} of {summary.calls} requests answered, {summary.committed} transactions committed",
        "faults: " + (", ".join(counts_text(summary.faults)) or "none"),
        f"{len(summary.failures)} failed"
        + (
            ": seeds " + ", ".join(str(failure.seed) for failure in summary.failures)
            if summary.failures
            else ""
        ),
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
