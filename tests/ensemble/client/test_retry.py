"""Trying again: what is, how often, and after which wait."""

from __future__ import annotations

import pytest

from ensemble.client import ConnectionLoss, NoNode, Retry, SessionExpired


class Failing:
    """Fails with one error after the other, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls: list[str] = []

    async def get(self, path: str, *, watch: None = None) -> str:
        self.calls.append(path)
        if self._errors:
            raise self._errors.pop(0)
        return "answer"


async def test_failures_that_pass_are_tried_again() -> None:
    failing = Failing(ConnectionLoss(), ConnectionLoss())
    assert await Retry(attempts=3, delay_ms=1)(failing.get, "/a", watch=None) == "answer"
    assert failing.calls == ["/a"] * 3


async def test_the_last_failure_is_raised() -> None:
    failing = Failing(*[ConnectionLoss(str(number)) for number in range(5)])
    with pytest.raises(ConnectionLoss, match="1"):
        await Retry(attempts=2, delay_ms=1)(failing.get, "/a")


@pytest.mark.parametrize("error", [NoNode("/a"), SessionExpired()])
async def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    failing = Failing(error)
    with pytest.raises(type(error)):
        await Retry(attempts=None)(failing.get, "/a")
    assert len(failing.calls) == 1


def test_waits_double_and_are_drawn() -> None:
    retry = Retry(delay_ms=100, delay_ms_max=1000)
    for failed, whole_s in ((1, 0.1), (2, 0.2), (4, 0.8), (5, 1.0), (10_000, 1.0)):
        waits = [retry.wait_s(failed) for _ in range(100)]
        assert all(whole_s / 2 <= wait <= whole_s for wait in waits)
        assert len(set(waits)) > 50
