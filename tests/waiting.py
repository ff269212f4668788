"""Waiting for what happens elsewhere: in another process, on another thread, in a later turn of the loop.

A test waits for a condition, never for a time. Where time itself is tested, or that nothing happens in it, the test
sleeps and says so.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 20.0
"""Much longer than anything takes that is waited for: only what never comes takes as long."""


def until(condition: Callable[[], T], seconds: float = PATIENCE_S) -> T:
    """Look again and again until there is a true value, and return it; :class:`TimeoutError` if none comes."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.02)
    return value


async def reached(condition: Callable[[], T | Awaitable[T]], seconds: float = PATIENCE_S) -> T:
    """Look as :func:`until` does, while the loop goes on; the condition may be one to be awaited."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            value: T = await found if inspect.isawaitable(found) else found
            if value:
                return value
            await asyncio.sleep(0.005)
