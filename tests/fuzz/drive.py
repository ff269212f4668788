"""Fuzz one target in this process for some time, by atheris or by the mutator.

Nothing of ``ensemble`` may be imported before atheris watches imports: what it has not instrumented it cannot see.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from tests.fuzz.mutation import at_random, mutate
from tests.fuzz.target import CRASHERS, Target, crashers
from tests.fuzz.targets import ROOMS, all_targets

SLOW_S = 2.0
"""An input of a few KiB that takes longer than this, in processor time, has found something, too."""
MEASURED_EVERY = 50
"""The memory that an input takes is measured once in so many: measuring makes it several times slower."""
HUNG_S = 20
"""An input that takes longer, in processor time, is broken off."""

IN_MEMORY = next((place for place in ("/dev/shm",) if os.access(place, os.W_OK)), None)
"""Where files cost least, for targets that read files."""


class Slow(AssertionError):
    """An input took too long."""


class Tried:
    """Counts inputs, and keeps those that break the target."""

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.count = 0
        self.broken: dict[str, bytes] = {}
        self._began_cpu = time.process_time()
        self._seconds = seconds
        signal.signal(signal.SIGPROF, _break_off)

    def feed(self, data: bytes) -> None:
        """Feed one input; remember where it broke, once for each place."""
        self.count += 1
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, HUNG_S)
        try:
            if self.target.memory is not None and self.count % MEASURED_EVERY == 0:
                measured(self.target.feed, data, self.target.memory(data))
            else:
                self.target.feed(data)
            if time.process_time() - began > SLOW_S:
                raise Slow(f"{time.process_time() - began:.1f} s")
        except Exception as error:  # noqa: BLE001 - whatever it is, it has been found
            where = f"{type(error).__name__} at {_place(error)}"
            if where not in self.broken:
                whole = getattr(error, "whole", data)
                self.broken[where] = whole
                keep(self.target.name, whole)
                print(f"{where}: {str(error)[:200]}\n    {data[:200]!r}", flush=True)  # noqa: T201

        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def over(self) -> bool:
        """Tell whether the time is up."""
        return self.seconds() >= self._seconds

    def end(self, *_: object) -> None:
        """Have this input be the last."""
        self._seconds = 0.0

    def seconds(self) -> float:
        """Return the processor time so far."""
        return time.process_time() - self._began_cpu


def _break_off(*_: object) -> None:
    raise Slow(f"it does not end within {HUNG_S} s")


def measured(feed: Callable[[bytes], None], data: bytes, limit: int) -> None:
    """Feed one input, and hold what is held for it against its limit."""
    peak = _held(feed, data)
    if peak > limit:
        # A table of the interpreter's own, of all interned strings, is rebuilt now and then, and takes 2 MB.
        peak = min(peak, _held(feed, data))
    assert peak <= limit, f"{peak} bytes are held for an input of {len(data)}"


def _held(feed: Callable[[bytes], None], data: bytes) -> int:
    tracemalloc.start()
    try:
        feed(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def keep(name: str, data: bytes) -> None:
    """Keep an input among the crashers of a target."""
    place = CRASHERS / name
    place.mkdir(parents=True, exist_ok=True)
    (place / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def drive(name: str, seconds: float, *, corpus: Path | None, seed: int) -> Tried:
    """Drive a target by mutations of its seeds and of a corpus, without looking at what they reach.

    Ends before the time when the process is told to by SIGTERM or SIGINT.
    """
    target = all_targets()[name]
    print(target.invariant, flush=True)  # noqa: T201
    tried = Tried(target, seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tried.end)
    rng, seeds = Random(seed), [*target.seeds(), *crashers(name), *_kept(corpus)]
    for data in seeds:
        tried.feed(data)
    while not tried.over():
        data = mutate(rng.choice(seeds), at_random(rng), target.words, rng.choice(seeds))
        tried.feed(data[: target.size_max])
    return tried


def watched(name: str, seconds: float, done: Callable[[Tried], int], *, corpus: Path | None) -> None:
    """Drive a target by atheris, which keeps in ``corpus`` what reaches new code.

    Ends the process with what ``done`` returns: libFuzzer knows no other end.
    """
    import atheris

    assert not any(module.startswith("ensemble.") for module in sys.modules)
    scratch, place = Path(tempfile.mkdtemp(prefix="fuzz-", dir=IN_MEMORY)), CRASHERS / name
    tempfile.tempdir = str(scratch)  # nothing registered with atexit is carried out in the end
    with atheris.instrument_imports(include=["ensemble", "dashboard"]):
        for room in ROOMS:
            importlib.import_module(room)
        target = all_targets()[name]
    print(target.invariant, flush=True)  # noqa: T201
    tried = Tried(target, seconds)
    seeds, words, first = scratch / "seeds", scratch / "words", corpus or scratch / "corpus"
    for directory in (seeds, first, place):
        directory.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate([*target.seeds(), *crashers(name)]):
        (seeds / str(number)).write_bytes(data)

    def feed(data: bytes) -> None:
        if tried.over():
            with suppress(OSError):
                place.rmdir()  # when nothing was found
            shutil.rmtree(scratch)
            status = done(tried)
            sys.stdout.flush()
            os._exit(status)
        tried.feed(data)

    arguments = [sys.argv[0], f"-max_len={target.size_max}", f"-artifact_prefix={place}/"]
    # On a busy machine an input takes long by the clock on the wall; see HUNG_S.
    arguments += ["-timeout=3600", "-report_slow_units=3600", "-verbosity=0"]
    arguments += ["-handle_int=0", "-handle_term=0"]
    if target.words:  # libFuzzer refuses an empty list
        escaped = ["".join([rf"\x{byte:02x}" for byte in word]) for word in target.words]
        words.write_text("".join([f'"{word}"\n' for word in escaped]))
        arguments.append(f"-dict={words}")
    atheris.Setup([*arguments, str(first), str(seeds)], feed)
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, tried.end)
    atheris.Fuzz()


def _kept(corpus: Path | None) -> list[bytes]:
    return [path.read_bytes() for path in sorted(corpus.iterdir())] if corpus and corpus.is_dir() else []
