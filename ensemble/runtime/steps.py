"""One step of a server: all that came in during one turn of the event loop, then one flush.

Whoever calls into the server calls :meth:`Steps.wake` first. At the end of the turn the server's own
``flush`` runs once (it starts one log sync for everything appended) and then every socket with something
to say writes once. Knows nothing of what the calls were.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Flushable(Protocol):
    """A socket that gathers what it was given during a step."""

    def flush(self) -> None:
        """Write out what was gathered."""


class Steps:
    """The end of each turn, on one event loop."""

    __slots__ = ("_finish", "_loop", "_scheduled", "gathered")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._scheduled = False
        self._finish: Callable[[], None] | None = None
        self.gathered: list[Flushable] = []
        """Sockets to flush at the end of this step, each once."""

    def begin(self, finish: Callable[[], None]) -> None:
        """Call ``finish`` at the end of every step from now on."""
        self._finish = finish

    def end(self) -> None:
        """Run no further step: what was gathered and not yet flushed is never sent."""
        self._finish = None
        self.gathered.clear()

    def wake(self) -> None:
        """Make sure that the present turn ends with a flush."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        if self._finish is None:
            return
        self._finish()
        gathered, self.gathered = self.gathered, []
        for socket in gathered:
            socket.flush()
