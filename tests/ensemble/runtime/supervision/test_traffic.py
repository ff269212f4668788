"""The actors of the demo."""

from __future__ import annotations

import pytest

from ensemble.runtime.supervision import traffic
from ensemble.tree.operations import CreateMode


class Stopped(Exception):
    """Enough was seen."""


class Jobs:
    """A client that knows of jobs alone."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    async def get_children(self, path: str) -> list[str]:
        assert path == traffic.JOBS
        return self.waiting

    async def create(self, path: str, data: bytes, *, mode: CreateMode) -> None:
        assert mode is CreateMode.PERSISTENT_SEQUENTIAL
        self.waiting.append(f"{path}{len(self.waiting)}")


async def test_a_customer_brings_jobs_until_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, turns = Jobs(), 0

    async def pause(low_s: float, high_s: float) -> None:
        nonlocal turns
        turns += 1
        if turns == 3 * traffic.JOBS_WAITING_MAX:
            jobs.waiting.pop()
        elif turns > 4 * traffic.JOBS_WAITING_MAX:
            raise Stopped

    monkeypatch.setattr(traffic, "pause", pause)
    with pytest.raises(Stopped):
        await traffic.customer(jobs, "customer")  # type: ignore[arg-type]
    assert len(jobs.waiting) == traffic.JOBS_WAITING_MAX
