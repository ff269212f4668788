"""Every call of a server's disks, with every errno it can fail with, in every phase of the server's life.

The server stops with the reason, what it has not made durable it has not acked (I10), the others go on, and from its
disks it comes back. With the slow suite not only the first call of each kind in each phase fails, but each one.
"""

from __future__ import annotations

from contextlib import suppress
from errno import EIO, errorcode
from functools import cache

import pytest

from ensemble.errors import StorageError
from ensemble.simulator.faults.disks import FAILING_CALLS
from ensemble.simulator.machine.machine import DiskErrorIgnored
from ensemble.storage.txnlog import TxnLog
from tests.ensemble.simulator.lives import VICTIM, Call, Life

PHASES = {
    "booting",
    "leading discovery",
    "leading synchronization",
    "leading broadcast",
    "following discovery",
    "following synchronization",
    "following broadcast",
}

TRUNCATING = "following synchronization"


@cache
def calls() -> list[Call]:
    """Return every call of the life, in order."""
    life = Life()
    life.record()
    life.live()
    assert not life.failed
    return life.calls


def first_of_each_kind() -> list[Call]:
    """Return, for each operation in each phase on each kind of file, the first call."""
    first: dict[tuple[str, str, str], Call] = {}
    for call in calls():
        first.setdefault((call.operation, call.phase, call.kind), call)
    return list(first.values())


def check(call: Call, code: int) -> None:
    """Live up to the call, which fails; then see to the others, and to the server itself."""
    life = Life()
    world, machine = life.world, life.machine
    life.disk.fail(call.operation, code, skip=call.number)
    life.live()
    case = f"{call} {errorcode[code]}"
    assert life.failed, case
    assert machine.process is None, case
    assert world.monitor.coverage[f"server stops at {call.operation} {errorcode[code]}"] == 1, case
    others = [sid for sid in world.cast.machines if sid != VICTIM]
    for sid in others:
        world.cast.machines[sid].start()
    world.go_on(others, f"after {case}")
    world.heal()
    world.converge(f"after {case}")
    world.judge()


def cases(chosen: list[Call]) -> list[tuple[Call, int]]:
    return [
        (call, code) for call in chosen for operation, code in FAILING_CALLS if operation == call.operation
    ]


def test_the_life_has_every_operation_and_every_phase() -> None:
    found = {call.operation for call in calls()}
    assert found == {operation for operation, _ in FAILING_CALLS}
    assert {call.phase for call in calls()} >= PHASES
    rare = {(call.operation, call.kind, call.phase) for call in calls()}
    assert ("truncate", "log", TRUNCATING) in rare
    assert ("write_atomic", "installing", "following synchronization") in rare
    assert ("write_atomic", "snapshot", "following synchronization") in rare
    assert any(operation == "remove" and kind == "snapshot" for operation, kind, _ in rare)


def test_the_first_call_of_each_kind_fails_in_each_phase() -> None:
    tried = cases(first_of_each_kind())
    assert len(tried) > 60
    for call, code in tried:
        check(call, code)


def test_a_server_that_passes_over_a_failed_call_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """ZOOKEEPER-3701: a truncation that failed was not reported."""
    cut = TxnLog._cut

    def careless(self: TxnLog, name: str, size: int) -> None:
        with suppress(StorageError):
            cut(self, name, size)

    monkeypatch.setattr(TxnLog, "_cut", careless)
    truncation = next(call for call in calls() if (call.operation, call.phase) == ("truncate", TRUNCATING))
    with pytest.raises(DiskErrorIgnored):
        check(truncation, EIO)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_call_fails() -> None:
    tried = cases(calls())
    assert len(tried) > 1000
    for call, code in tried:
        check(call, code)
