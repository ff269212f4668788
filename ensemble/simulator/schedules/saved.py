"""A schedule in a file: what a run was made of, so that any later version of the code can play it again.

JSON lines: one head line with the plan, the faults and what went wrong, then one line for each lane of the tape.
Nothing in it depends on how a seed is read.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ensemble.replica.config import ZnodeConfig
from ensemble.simulator.clients.clients import Habits
from ensemble.simulator.clients.workload import Mix
from ensemble.simulator.faults.schedule import Strike
from ensemble.simulator.network.streams import Weather
from ensemble.simulator.schedules.plan import Plan

FORMAT = 1


class NotASchedule(Exception):
    """The file does not hold a saved schedule; the text says why."""


@dataclass(slots=True)
class SavedSchedule:
    """Everything that decides a run."""

    seed: int
    plan: dict[str, Any]
    """A plan, as :func:`describe` writes it."""
    strikes: list[Strike]
    lanes: dict[str, list[int]] = field(default_factory=dict)
    invariant: str = ""
    """What was violated; "" for a run that held."""
    what: str = ""

    def size(self) -> int:
        """Count the choices."""
        return len(self.strikes) + sum([len(lane) for lane in self.lanes.values()])

    def text(self) -> str:
        """Write the file."""
        head = {
            "format": FORMAT,
            "seed": self.seed,
            "invariant": self.invariant,
            "what": self.what,
            "plan": self.plan,
            "faults": [[each.number, each.begins_us, each.lasts_us, each.kind] for each in self.strikes],
        }
        lines = [head, *({"lane": name, "choices": lane} for name, lane in sorted(self.lanes.items()))]
        return "".join([json.dumps(line, separators=(",", ":")) + "\n" for line in lines])

    def save(self, folder: Path) -> Path:
        """Write the file into ``folder``, under a name that says what it is."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.invariant or 'held'}-seed-{self.seed}.json"
        path.write_text(self.text())
        return path


def read(path: Path) -> SavedSchedule:
    """Read a saved schedule; ``NotASchedule`` when the file holds none."""
    try:
        head, *lanes = [json.loads(line) for line in path.read_text().splitlines()]
        if head["format"] != FORMAT:
            raise NotASchedule(f"{path} has format {head['format']}, this version reads {FORMAT}")
        schedule = SavedSchedule(
            head["seed"],
            head["plan"],
            [Strike(*each) for each in head["faults"]],
            {line["lane"]: line["choices"] for line in lanes},
            head["invariant"],
            head["what"],
        )
        plan_of(schedule.plan)
    except OSError as error:
        raise NotASchedule(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotASchedule(
            f"{path} is no saved schedule ({error!r}): give a file that `simulate` wrote"
        ) from error
    return schedule


def describe(plan: Plan) -> dict[str, Any]:
    """Return a plan as what JSON knows; what faults do to the weather is left out."""
    description = asdict(plan)
    for passing in ("slow", "blocked"):
        del description["weather"][passing]
    return json.loads(json.dumps(description))  # type: ignore[no-any-return]


def plan_of(description: dict[str, Any]) -> Plan:
    """Return the plan that was described; what the description does not know has its default."""
    parts = dict(description)
    mix = parts.pop("mix", None)
    if mix is not None:
        mix = Mix(**{**mix, "passing": tuple(mix["passing"])})
    return Plan(
        **{
            **parts,
            "weather": Weather(**parts["weather"]),
            "habits": Habits(**parts["habits"]),
            "kinds": tuple(parts["kinds"]),
            "znodes": ZnodeConfig(**parts["znodes"]),
            "mix": mix,
        }
    )
