"""Background tasks whose end nobody awaits, and whose failure must not go unseen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def watched(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run ``work``; what it raises reaches the loop's exception handler at once, not when it is collected."""
    task = asyncio.create_task(work)
    task.add_done_callback(_surface)
    return task


def _surface(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
