"""What a seed came to, in words: one value per run, small enough to travel between processes."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field

from ensemble.simulator.schedules.saved import SavedSchedule
from ensemble.simulator.world import Outcome, World

TRANSCRIPT_LINES = 60
GUARD_SEEDS = 100
"""Every so many seeds one is run again, to see that it is the same run."""


@dataclass(slots=True)
class Failure:
    """A run that broke a promise."""

    seed: int
    invariant: str
    what: str
    faults: dict[str, int]
    transcript: list[str] = field(default_factory=list)
    saved: SavedSchedule | None = None
    """What the run was made of, so that it can be shrunk and played again."""

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
    """Run one seed; when it fails run it again, with the trace on, for the end of its transcript.

    One seed in a hundred is run twice in any case, and must be the same run.
    """
    world = World(seed)
    result = run_world(world)
    if not isinstance(result, Failure):
        return result if seed % GUARD_SEEDS else _guarded(seed, result)
    if transcript_lines:
        traced = World(seed, traced=True)
        again = run_world(traced)
        if not isinstance(again, Failure) or again.what != result.what:
            result.what += " (and differently when run again: the run is not deterministic)"
        result.transcript = lines_of(traced)[-transcript_lines:]
    return result


def _guarded(seed: int, outcome: Outcome) -> Result:
    """Run a seed again, and once more from its tape: every event, and every line of the trace, must be equal."""
    first, again = World(seed, traced=True), World(seed, traced=True)
    results = [run_world(first), run_world(again)]
    replayed = World(seed, traced=True, saved=first.recorded())
    results.append(run_world(replayed))
    same = all(result == outcome for result in results)
    if same and lines_of(first) == lines_of(again) == lines_of(replayed):
        return outcome
    lines = enumerate(zip(lines_of(first), lines_of(again), lines_of(replayed), strict=False))
    differ = next((place for place, (a, b, c) in lines if not a == b == c), "the end")
    what = f"determinism: the same seed was another run, from line {differ} of the transcript on"
    return Failure(seed, "determinism", what, outcome.faults, saved=first.recorded())


def replay_seed(seed: int) -> tuple[Result, list[str]]:
    """Run one seed with the trace on; return what became of it and the whole transcript."""
    world = World(seed, traced=True)
    return run_world(world), lines_of(world)


def replay_saved(saved: SavedSchedule) -> tuple[Result, list[str]]:
    """Run a saved schedule with the trace on; return what became of it and the whole transcript."""
    world = World(saved.seed, traced=True, saved=saved)
    return run_world(world), lines_of(world)


def lines_of(world: World) -> list[str]:
    """Return the transcript of a traced world."""
    return [] if world.transcript is None else world.transcript.lines


def run_world(world: World) -> Result:
    """Run a world; whatever is raised is its result."""
    try:
        return world.run()
    except Exception as error:  # noqa: BLE001 - whatever a server raises is what the run was for
        name = getattr(error, "invariant", None) or getattr(error, "checker", None) or type(error).__name__
        what = str(error) if str(error).startswith(name) else f"{name}: {error}"
        if not hasattr(error, "invariant") and not hasattr(error, "checker"):
            what += _where(error)
        saved = world.recorded()
        saved.invariant, saved.what = name, what
        return Failure(world.seed, name, what, world.stage.counts, saved=saved)


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
