"""The ledger of recorded runs: one JSON line for each, with the commit that was run."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from ensemble.simulator.runs.report import Summary

ROOT = Path(__file__).parents[3]
LEDGER = ROOT / "docs" / "ledger.jsonl"


def record(summary: Summary, seeds: str, seconds: float, *, path: Path = LEDGER) -> dict[str, object]:
    """Append what a run came to, and return the line."""
    line: dict[str, object] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "seeds": seeds,
        "schedules": summary.schedules,
        "events": summary.events,
        "transactions": summary.committed,
        "failures": len(summary.failures),
        "seconds": round(seconds),
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return line


def commit() -> str:
    """Return the commit that is checked out, with a plus sign when the code differs from it."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "ensemble")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + "+" * bool(changed)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()
