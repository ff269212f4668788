"""Bytes made by a forked child, and sent by the parent.

The child writes to its pipe as fast as the parent reads, and the parent reads as fast as its socket takes. So a
state of any size costs the loop one fork and the memory of a few blocks.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable

from ensemble.runtime.disk.files import gathered
from ensemble.runtime.disk.forked import Forked

READ_BYTES = 256 * 1024


class Outflow(Forked):
    """One stream of bytes from a child; ``finished`` hears, in the loop, whether all of it came."""

    def __init__(
        self,
        chunks: Iterable[bytes],
        loop: asyncio.AbstractEventLoop,
        *,
        deliver: Callable[[bytes], None],
        finished: Callable[[bool], None],
    ) -> None:
        """Fork; ``OSError`` when that is not possible."""
        self._deliver = deliver
        self._finished = finished
        self._paused = False
        super().__init__(loop, lambda pipe: _write(pipe, chunks))

    def pause(self) -> None:
        """Deliver nothing until :meth:`resume`."""
        if not self._paused:
            self._paused = True
            self._loop.remove_reader(self._pipe)

    def resume(self) -> None:
        """Undo :meth:`pause`."""
        if self._paused:
            self._paused = False
            self._loop.add_reader(self._pipe, self._on_readable)

    def _on_readable(self) -> None:
        data = os.read(self._pipe, READ_BYTES)
        if data:
            self._deliver(data)
        else:
            self._finished(self._reap() == 0)


def _write(pipe: int, chunks: Iterable[bytes]) -> None:
    for block in gathered(chunks):
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(pipe, rest) :]
