"""The runtime's tests run on the loop that servers run on."""

from __future__ import annotations

import uvloop


def pytest_asyncio_loop_factories() -> dict[str, object]:
    """Give every asynchronous test here a uvloop."""
    return {"uvloop": uvloop.new_event_loop}
