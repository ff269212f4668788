"""What a seed came to, in words: one value per run, small enough to travel between processes."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field

from ensemble.simulator.world import Outcome, World

TRANSCRIPT_LINES = 60


@dataclass(slots=True)
class Failure:
    """A run that broke a promise."""

    seed: int
    invariant: str
    what: str
    faults: dict[str, int]
    transcript: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Say it: the seed, what was violated, and what happened last."""
        lines = [f"seed {self.seed}: {self.what}"]
        if self.faults:
            lines.append(
                "  faults: " + ", ".join(f"{kind} {count}" for kind, count in sorted(self.faults.items()))
            )
        lines += [f"  {line}" for line in self.transcript]
        return "\n".join(lines)


Result = Outcome | Failure


def run_seed(seed: int, *, transcript_lines: int = TRANSCRIPT_LINES) -> Result:
    """Run one seed; when it fails run it again, with the trace on, for the end of its transcript."""
    world = World(seed)
    failure = _run(world)
    if not isinstance(failure, Failure):
        return failure
    if transcript_lines:
        traced = World(seed, traced=True)
        again = _run(traced)
        if not isinstance(again, Failure) or again.what != failure.what:
            failure.what += " (and differently when run again: the run is not deterministic)"
        failure.transcript = lines_of(traced)[-transcript_lines:]
    return failure


def replay_seed(seed: int) -> tuple[Result, list[str]]:
    """Run one seed with the trace on; return what became of it and the whole transcript."""
    world = World(seed, traced=True)
    result = _run(world)
    return result, lines_of(world)


def lines_of(world: World) -> list[str]:
    """Return the transcript of a traced world."""
    return [] if world.transcript is None else world.transcript.lines


def _run(world: World) -> Result:
    try:
        return world.run()
    except Exception as error:  # noqa: BLE001 - whatever a server raises is what the run was for
        name = getattr(error, "invariant", None) or getattr(error, "checker", None) or type(error).__name__
        what = str(error) if str(error).startswith(name) else f"{name}: {error}"
        if not hasattr(error, "invariant") and not hasattr(error, "checker"):
            what += _where(error)
        return Failure(world.seed, name, what, world.stage.counts)


def _where(error: BaseException) -> str:
    """Name the innermost places an unexpected error came from."""
    origin = error.__cause__ or error
    frames = traceback.extract_tb(origin.__traceback__)[-3:]
    return " (" + " > ".join(f"{frame.name}:{frame.lineno}" for frame in frames) + ")"


@dataclass(slots=True)
class Summary:
    """Many runs."""

    schedules: int = 0
    events: int = 0
    calls: int = 0
    acknowledged: int = 0
    committed: int = 0
    virtual_us: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    coverage: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count one run."""
        self.schedules += 1
        for kind, count in result.faults.items():
            self.faults[kind] = self.faults.get(kind, 0) + count
        if isinstance(result, Failure):
            self.failures.append(result)
            return
        for place, count in result.coverage.items():
            self.coverage[place] = self.coverage.get(place, 0) + count
        self.events += result.events
        self.calls += result.calls
        self.acknowledged += result.acknowledged
        self.committed += result.committed
        self.virtual_us += result.virtual_us


def counts_text(counts: dict[str, int]) -> Iterable[str]:
    """Write counts, the greatest first."""
    return (f"{what} {count}" for what, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
