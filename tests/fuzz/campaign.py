"""Fuzz many targets for hours, in turns: of the kind that has had the least so far, the target that has.

Each turn is a process of its own, with a corpus that is kept from turn to turn, so that a target goes on where it was.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.ledger import ROOT, Figures


class Campaign:
    """Turns of targets, some at the same time."""

    def __init__(
        self,
        had: dict[str, float],
        command: Callable[[str, float], list[str]],
        *,
        turn_s: float,
        until: float,
        kinds: dict[str, str] | None = None,
    ) -> None:
        """``had`` are the hours of each target so far; ``command`` fuzzes one for some seconds.

        ``kinds`` names the kind of each target; without it every target is a kind of its own.
        """
        self._had_s = {name: hours * 3600 for name, hours in had.items()}
        self._kinds = kinds or {name: name for name in had}
        self._command = command
        self._turn_s = turn_s
        self._until = until
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._ended: queue.SimpleQueue[tuple[str, Figures | None] | None] = queue.SimpleQueue()
        """Turns with what they came to, None for one that had not begun; None for Ctrl-C."""

    def run(self, jobs: int, told: Callable[[Figures], None]) -> bool:
        """Run turns until the time is up; ``told`` hears of each as it ends.

        Ctrl-C ends all, and they tell what they did until then; True when it was so.
        """
        stopped = False
        before = signal.signal(signal.SIGINT, lambda *_: self._ended.put(None))
        try:
            with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
                while self._left_s() > 0 or self._running:
                    while self._left_s() > 0 and len(self._running) < min(jobs, len(self._had_s)):
                        self._begin(scratch)
                    try:
                        ended = self._ended.get(timeout=min(max(self._left_s(), 0.1), 3600))
                    except queue.Empty:
                        self._end_turns()
                        continue
                    if ended is None:
                        stopped, self._until = True, 0.0
                        self._end_turns()
                        continue
                    name, figures = ended
                    del self._running[name]
                    if figures is not None:
                        told(figures)
        finally:
            signal.signal(signal.SIGINT, before)
        return stopped

    def _end_turns(self) -> None:
        """Have every turn tell what it did so far, when there is no time left."""
        if self._left_s() <= 0:
            for process in self._running.values():
                process.send_signal(signal.SIGTERM)

    def _left_s(self) -> float:
        return self._until - time.monotonic()

    def _begin(self, scratch: str) -> None:
        name = self._next()
        process = self._running[name] = subprocess.Popen(
            self._command(name, self._turn_s),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": scratch},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches it through run(), so that it can end its turn
        )
        threading.Thread(target=self._watch, args=(name, process)).start()

    def _next(self) -> str:
        """Return whose turn it is; what runs has had its turn already."""
        of_kind: Counter[str] = Counter()
        for name, had_s in self._had_s.items():
            of_kind[self._kinds[name]] += had_s + self._turn_s * (name in self._running)
        free = self._had_s.keys() - self._running.keys()
        return min(free, key=lambda name: (of_kind[self._kinds[name]], self._had_s[name], name))

    def _watch(self, name: str, process: subprocess.Popen[str]) -> None:
        out, errors = process.communicate()
        lines = out.splitlines()
        if process.returncode == -signal.SIGTERM:
            self._ended.put((name, None))  # before it had begun
            return
        try:
            figures = Figures(**json.loads(lines[-1]))
        except (IndexError, TypeError, ValueError):
            # An input took the process with it; what libFuzzer kept of it lies among the crashers.
            figures = Figures(name, f"exit {process.returncode}", 0, 0, 1)
            lines += [line[:200] for line in errors.splitlines() if line.strip()][-8:]
            # The others come first, or this would go on and on.
            self._had_s[name] += self._turn_s
        self._had_s[name] += figures.seconds
        if figures.crashers:
            print("\n".join([f"  {name}: {line}" for line in lines]), flush=True)  # noqa: T201
        self._ended.put((name, figures))


def fuzz(name: str, seconds: float, *, corpus: Path, plain: bool) -> list[str]:
    """Return the command that fuzzes one target."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", f"{seconds:.0f}", "--figures"]
    return [*command, "--corpus", str(corpus), *["--plain"] * plain]


def figures_line(figures: Figures) -> str:
    """Return what a turn tells the campaign."""
    return json.dumps(asdict(figures))
