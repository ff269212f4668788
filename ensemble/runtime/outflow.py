"""Bytes made by a forked child, which sees the process's memory as it was at the fork, and sent by the parent.

The child writes to a pipe as fast as the parent reads, and the parent reads as fast as its socket takes. So a
state of any size costs the loop one fork and the memory of a few blocks.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

from ensemble.runtime.aside import give_up_inheritance
from ensemble.runtime.files import gathered

READ_BYTES = 256 * 1024


class Outflow:
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
        self._loop = loop
        self._deliver = deliver
        self._finished = finished
        self._paused = False
        self._pipe, theirs = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._pipe)
            os.close(theirs)
            raise
        if self._pid == 0:
            _be_child(theirs, chunks)
        os.close(theirs)
        os.set_blocking(self._pipe, False)
        loop.add_reader(self._pipe, self._on_readable)

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

    def abandon(self) -> None:
        """Kill the child; nobody is told."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._reap()

    def _on_readable(self) -> None:
        data = os.read(self._pipe, READ_BYTES)
        if data:
            self._deliver(data)
        else:
            self._finished(self._reap() == 0)

    def _reap(self) -> int:
        """Return how the child ended; it has closed its end of the pipe or was killed, so this does not take long."""
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _be_child(pipe: int, chunks: Iterable[bytes]) -> None:
    """Write everything to the pipe and end, without a trace of what the parent would do at its end."""
    status = 1
    try:
        give_up_inheritance(pipe)
        for block in gathered(chunks):
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(pipe, rest) :]
        status = 0
    finally:
        os._exit(status)
