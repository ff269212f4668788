"""The ledger of fuzzing: one JSON line for each turn of a target, so that hours add up over many runs.

``seconds`` are of processor time, not of the clock on the wall: a machine that is busy elsewhere proves nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ensemble.simulator.runs.ledger import ROOT, commit

LEDGER = ROOT / "docs" / "fuzz-ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one turn of a target came to."""

    target: str
    engine: str
    """``atheris``, which looks at coverage, or ``mutator``, which does not."""
    seconds: float
    """Of processor time."""
    inputs: int
    crashers: int


def record(figures: Figures, *, path: Path = LEDGER) -> None:
    """Append a turn."""
    told = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": commit(), **asdict(figures)}
    told["seconds"] = round(figures.seconds)
    with path.open("a") as file:
        file.write(json.dumps(told) + "\n")


def hours(*, path: Path = LEDGER) -> Counter[str]:
    """Return how many hours each target has been fuzzed in all; 0 for one that the ledger does not know."""
    found: Counter[str] = Counter()
    for line in path.read_text().splitlines() if path.exists() else []:
        told = json.loads(line)
        found[told["target"]] += told["seconds"] / 3600
    return found
