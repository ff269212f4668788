"""Fuzz one target for some time; see the package."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.fuzz.mutation import at_random, mutate
from tests.fuzz.target import CRASHERS, Target, crashers
from tests.fuzz.targets import ROOMS, all_targets

SLOW_S = 2.0
"""An input of a few KiB that takes longer than this has found something, too."""


class Slow(AssertionError):
    """An input took too long."""


class Tried:
    """Counts inputs, and keeps those that break the target."""

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.count = 0
        self.broken: dict[str, bytes] = {}
        self.began = time.monotonic()
        self.until = self.began + seconds

    def feed(self, data: bytes) -> None:
        """Feed one input; remember where it broke, once for each place."""
        self.count += 1
        began = time.monotonic()
        try:
            self.target.feed(data)
            if time.monotonic() - began > SLOW_S:
                raise Slow(f"{time.monotonic() - began:.1f} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, it has been found
            trace, places = error.__traceback__, []
            while trace is not None:
                places.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
                trace = trace.tb_next
            where = f"{type(error).__name__} at {places[-1]}"
            if where not in self.broken:
                self.broken[where] = data
                print(f"{where}: {str(error)[:200]}\n    {data[:200]!r}", flush=True)  # noqa: T201

    def over(self) -> bool:
        """Tell whether the time is up."""
        return time.monotonic() >= self.until

    def report(self) -> int:
        """Keep what broke the target, print the figures; return the exit status."""
        took = time.monotonic() - self.began
        for data in self.broken.values():
            place = CRASHERS / self.target.name
            place.mkdir(parents=True, exist_ok=True)
            (place / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        print(f"{self.target.name}: {self.count} inputs in {took:.0f} s, {len(self.broken)} crashers")  # noqa: T201
        return 1 if self.broken else 0


def mutated(target: Target, tried: Tried, seed: int) -> int:
    """Drive a target by mutations of its seeds, without looking at what they reach."""
    rng, seeds = Random(seed), [*target.seeds(), *crashers(target.name)]
    for data in seeds:
        tried.feed(data)
    while not tried.over():
        data = mutate(rng.choice(seeds), at_random(rng), target.words, rng.choice(seeds))
        tried.feed(data[: target.size_max])
    return tried.report()


def covered(name: str, seconds: float) -> int:
    """Drive a target by atheris, which keeps what reaches new code."""
    import atheris

    with atheris.instrument_imports(include=["ensemble", "dashboard"]):
        for room in ROOMS:
            importlib.import_module(room)
        target = all_targets()[name]
    tried = Tried(target, seconds)
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, data in enumerate([*target.seeds(), *crashers(name)]):
        (corpus / f"seed-{number}").write_bytes(data)
    words = corpus.parent / f"{corpus.name}.words"
    escaped = ["".join([rf"\x{byte:02x}" for byte in word]) for word in target.words]
    words.write_text("".join([f'"{word}"\n' for word in escaped]))
    arguments = [sys.argv[0], f"-max_total_time={int(seconds)}", f"-max_len={target.size_max}"]
    arguments += [f"-dict={words}", "-verbosity=0", "-print_final_stats=0", "-timeout=30", str(corpus)]
    atheris.Setup(arguments, _until_over(tried))
    atheris.Fuzz()
    return tried.report()


def _until_over(tried: Tried):  # type: ignore[no-untyped-def]
    def test_one_input(data: bytes) -> None:
        if tried.over():
            # libFuzzer ends the process itself, without a word of ours.
            status = tried.report()
            sys.stdout.flush()
            import os

            os._exit(status)
        tried.feed(data)

    return test_one_input


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", help="which; all their names without one")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the plain mutator")
    parser.add_argument("--plain", action="store_true", help="mutate blindly even where atheris is installed")
    options = parser.parse_args()
    if options.target is None:
        for target in all_targets().values():
            print(f"{target.name:16} {target.invariant}")  # noqa: T201
        return 0
    try:
        import atheris  # noqa: F401
    except ImportError:
        options.plain = True
    if not options.plain:
        return covered(options.target, options.seconds)
    target = all_targets()[options.target]
    print(target.invariant)  # noqa: T201
    return mutated(target, Tried(target, options.seconds), options.seed)


if __name__ == "__main__":
    sys.exit(main())
