"""Which paths the runs have taken: the rows of ZAB's tables, the kinds of faults, the effects a crash fell before.

A simulator that never reaches a row says nothing about it by its silence. The tables of ``zab`` (what may be said
in which step) are put aside, in this process, for ones that count how often each row is looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import errorcode

from ensemble.simulator.faults.core import LASTING
from ensemble.simulator.faults.crashes import EFFECTS
from ensemble.simulator.faults.disks import FAILING_CALLS
from ensemble.simulator.faults.partitions import SPLIT
from ensemble.simulator.faults.rot import SPOILS
from ensemble.simulator.faults.schedule import KINDS
from ensemble.zab.leader import leader
from ensemble.zab.leader.followers import FollowerStep
from ensemble.zab.learner import learner
from ensemble.zab.learner.joining import Step
from ensemble.zab.messages import PacketType

Row = Callable[..., None]

_KEPT_BACK = (
    "only Apache's leaders say this so early; ours keeps it until UPTODATE (tests/mixed, tests/ensemble/zab)"
)
UNREACHABLE = {
    **dict.fromkeys(
        [
            f"learner {step} {kind}"
            for step in ("syncing", "synced")
            for kind in ("COMMITANDACTIVATE", "INFORM", "INFORMANDACTIVATE", "PING")
        ],
        _KEPT_BACK,
    ),
    "learner synced COMMIT": _KEPT_BACK,
}
"""Rows that no run can reach, with the reason."""

SCHEDULES_MIN = 2_000
"""From so many schedules on, a row that was never reached fails the run."""

_counts: dict[str, int] = {}


class _CountedTable(dict[int, Row]):
    """One step's table; a look-up that finds something is counted."""

    def __init__(self, where: str, table: Mapping[int, Row]) -> None:
        super().__init__(table)
        self._where = where

    def rows(self) -> list[str]:
        """Return the names of the rows."""
        return [f"{self._where} {PacketType(kind).name}" for kind in self]

    def get(self, kind: int, default: Row | None = None) -> Row | None:  # type: ignore[override]
        """Look a row up."""
        row = super().get(kind, default)
        if row is not None:
            self._count(kind)
        return row

    def __getitem__(self, kind: int) -> Row:
        """Look a row up that there is."""
        self._count(kind)
        return super().__getitem__(kind)

    def _count(self, kind: int) -> None:
        name = f"{self._where} {PacketType(kind).name}"
        _counts[name] = _counts.get(name, 0) + 1


def count_into(counts: dict[str, int]) -> None:
    """Count the rows that are reached from now on, in every world, into ``counts``."""
    global _counts
    _counts = counts


def expected() -> list[str]:
    """Return every row that a long run has to reach."""
    tables = [*learner._TABLE.values(), *leader._TABLE.values()]
    rows = [row for table in tables if isinstance(table, _CountedTable) for row in table.rows()]
    faults = [f"fault {kind}" for kind in KINDS] + [f"fault spoiled: {kind}" for kind in SPOILS]
    faults += [f"fault {SPLIT}"]
    faults += [f"fault for ever {kind}" for kind in LASTING]
    faults += [f"server stops at {operation} {errorcode[code]}" for operation, code in FAILING_CALLS]
    reachable = [row for row in rows if row not in UNREACHABLE]
    return (
        reachable
        + faults
        + ["server refuses spoiled files", "clients held back", "event of a watch that stays"]
        + [f"crash before {effect}" for effect in (*EFFECTS, "disk effect")]
    )


def missing(counts: Mapping[str, int]) -> list[str]:
    """Return the rows never reached that should have been, and those reached that are listed as unreachable."""
    wrong = [f"{row}: never reached" for row in expected() if not counts.get(row)]
    return wrong + [f"{row}: reached, though it should not be" for row in UNREACHABLE if counts.get(row)]


def _install() -> None:
    for learner_step, table in learner._TABLE.items():
        learner._TABLE[learner_step] = _CountedTable(f"learner {learner_step.value}", table)
    learner._BROADCAST = learner._TABLE[Step.BROADCAST]
    for step, rows in leader._TABLE.items():
        leader._TABLE[step] = _CountedTable(f"leader, learner in {step.value}", rows)
    leader._BROADCAST = leader._TABLE[FollowerStep.BROADCAST]


_install()
