"""Fuzz one target, or all of them in turns; see the package."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fuzz.drive import Tried
    from tests.fuzz.ledger import Figures

CORPUS = Path(__file__).parents[1] / "artifacts" / "fuzz"


def list_targets() -> None:
    """Print every target with its sentence and its hours, kind by kind."""
    from tests.fuzz.ledger import hours
    from tests.fuzz.targets import all_targets

    had = hours()
    by_kind = sorted(all_targets().values(), key=lambda target: target.kind)
    for kind, of_kind in groupby(by_kind, key=lambda target: target.kind):
        targets = list(of_kind)
        print(f"{kind:18} {sum([had[target.name] for target in targets]):5.2f} h")  # noqa: T201
        for target in targets:
            print(f"  {target.name:16} {had[target.name]:5.2f} h  {target.invariant}")  # noqa: T201
    print(f"{'in all':18} {had.total():5.2f} h")  # noqa: T201


def one(options: argparse.Namespace) -> int:
    """Fuzz one target in this process."""
    from tests.fuzz.drive import drive, watched

    corpus = options.corpus / options.target

    def done(tried: Tried) -> int:
        return report(tried, "mutator" if options.plain else "atheris", options)

    if options.plain:
        return done(drive(options.target, options.seconds, corpus=corpus, seed=options.seed))
    watched(options.target, options.seconds, done, corpus=corpus)
    return 1


def report(tried: Tried, engine: str, options: argparse.Namespace) -> int:
    """Print what came of a target, put it into the ledger; return the exit status."""
    from tests.fuzz.campaign import figures_line
    from tests.fuzz.ledger import Figures, record

    figures = Figures(tried.target.name, engine, tried.seconds(), tried.count, len(tried.broken))
    print(f"{told(figures)}")  # noqa: T201
    if options.ledger:
        record(figures)
    if options.figures:
        print(figures_line(figures))  # noqa: T201
    return 1 if figures.crashers else 0


def told(figures: Figures) -> str:
    """Say what a turn came to."""
    return (
        f"{figures.target:16} {figures.inputs:9,} inputs in {figures.seconds:4.0f} s of processor time, "
        f"{figures.crashers} crashers, by {figures.engine}"
    )


def many(options: argparse.Namespace) -> int:
    """Fuzz all targets in turns."""
    from tests.fuzz.campaign import Campaign, fuzz
    from tests.fuzz.ledger import hours, record
    from tests.fuzz.targets import all_targets

    until = time.monotonic() + options.minutes * 60
    broken: list[str] = []

    def told_of(figures: Figures) -> None:
        if options.ledger:
            record(figures)
        if figures.crashers:
            broken.append(figures.target)
        minutes = max(0.0, until - time.monotonic()) / 60
        print(f"{time.strftime('%H:%M:%S')} {told(figures)}; {minutes:.0f} min left", flush=True)  # noqa: T201

    had, targets = hours(), all_targets()
    campaign = Campaign(
        {name: had[name] for name in targets},
        partial(fuzz, corpus=options.corpus, plain=options.plain),
        turn_s=options.seconds,
        until=until,
        kinds={name: target.kind for name, target in targets.items()},
    )
    stopped = campaign.run(options.jobs, told_of)
    if stopped:
        print("stopped")  # noqa: T201
    if broken:
        print(f"broken: {', '.join(sorted(set(broken)))}; the inputs are in tests/fuzz/crashers")  # noqa: T201
        return 1
    return 130 if stopped else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", help="which; their names, sentences and hours without one")
    parser.add_argument("--all", action="store_true", help="all in turns, the least fuzzed kind first")
    parser.add_argument("--minutes", type=float, default=10, help="how long --all takes (default 10)")
    parser.add_argument("--jobs", type=int, default=1, help="how many at the same time with --all")
    parser.add_argument(
        "--seconds", type=float, default=120, help="of processor time, of a target or of a turn (default 120)"
    )
    parser.add_argument("--ledger", action="store_true", help="add what was done to docs/fuzz-ledger.jsonl")
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, help="where inputs that reach new code are kept"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the plain mutator")
    parser.add_argument("--plain", action="store_true", help="mutate blindly even where atheris is installed")
    parser.add_argument("--figures", action="store_true", help="end with a line for --all to read")
    options = parser.parse_args()
    options.plain = options.plain or importlib.util.find_spec("atheris") is None
    if options.all:
        return many(options)
    if options.target is None:
        list_targets()
        return 0
    return one(options)


if __name__ == "__main__":
    sys.exit(main())
