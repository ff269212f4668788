"""Trying again: which failures are worth it, how often, and how long to wait in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from ensemble.client.errors import (
    ConnectionLoss,
    OperationTimeout,
    RequestTimeout,
    SessionMoved,
    ThrottledOp,
)

P = ParamSpec("P")
T = TypeVar("T")

PASSING: tuple[type[Exception], ...] = (
    ConnectionLoss,
    OperationTimeout,
    RequestTimeout,
    SessionMoved,
    ThrottledOp,
)
"""Failures that pass. After all of them but the last two the request may have been carried out."""


@dataclass(frozen=True, slots=True)
class Retry:
    """A policy, used as a function::

        retry = Retry(attempts=5)
        data, stat = await retry(zk.get, "/config")

    The client itself never repeats a request that was sent: only you know whether doing it twice does harm. A
    read, a set of a known version or a delete repeated do none, if you expect what the second one says.
    The waits double from ``delay_ms`` to ``delay_ms_max``, and each is drawn from half to all of that, so that a crowd
    of clients does not come back as one.
    """

    attempts: int | None = 5
    """How often to try at all; None for ever."""
    delay_ms: int = 100
    delay_ms_max: int = 5_000
    failures: tuple[type[Exception], ...] = PASSING
    """What to try again after."""

    async def __call__(
        self, function: Callable[P, Awaitable[T]], /, *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Call until it succeeds; raise its last failure after the last attempt, and any other at once."""
        failed = 0
        while True:
            try:
                return await function(*arguments, **options)
            except self.failures:
                failed += 1
                if self.attempts is not None and failed >= self.attempts:
                    raise
            await asyncio.sleep(self.wait_s(failed))

    def wait_s(self, failed: int) -> float:
        """Return how long to wait, in seconds, after so many failures in a row."""
        whole_ms = min(self.delay_ms * 2.0 ** min(failed - 1, 32), self.delay_ms_max)
        # S311: this spreads clients over time, it guards nothing.
        return whole_ms * random.uniform(0.5, 1) / 1000  # noqa: S311
