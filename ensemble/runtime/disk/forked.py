"""A forked child, which sees the process's memory as it was at the fork, and the pipe it speaks through.

The child gives up everything it inherited first: a socket it kept open would stay connected after the server closed
it. It dies with its parent, so that nothing of an old life appears in a new one. The end of the pipe tells that it is
done, and its status how.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from ensemble.runtime.children import die_with_parent

NICENESS = 10


class Forked(ABC):
    """The parent's view of one child; what it says is read in the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[int], None]) -> None:
        """Fork; ``OSError`` when that is not possible.

        The child calls ``work`` with the pipe that it may write to, and ends with it; an error is a status.
        """
        self._loop = loop
        self._pipe, theirs = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._pipe)
            os.close(theirs)
            raise
        if self._pid == 0:
            _be_child(theirs, work)
        os.close(theirs)
        os.set_blocking(self._pipe, False)
        loop.add_reader(self._pipe, self._on_readable)

    def abandon(self) -> None:
        """Kill the child; nobody is told."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._reap()

    @abstractmethod
    def _on_readable(self) -> None:
        """There are bytes in the pipe, or it is at its end, and the child is to be reaped."""

    def _reap(self) -> int:
        """Return how the child ended; it closed its end of the pipe or was killed, so this does not take long."""
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def _be_child(pipe: int, work: Callable[[int], None]) -> None:
    """Work and end, without a trace of what the parent would do at its end."""
    status = 1
    try:
        _give_up_inheritance(pipe)
        work(pipe)
        status = 0
    finally:
        os._exit(status)


def _give_up_inheritance(pipe: int) -> None:
    """Let a forked child be nothing of its parent's but its memory and ``pipe``."""
    die_with_parent()
    # A signal to the process group must not be written to the parent's wake-up pipe by this process.
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.closerange(3, pipe)
    os.closerange(pipe + 1, os.sysconf("SC_OPEN_MAX"))
    # A collection would touch, and so copy, every page.
    gc.disable()
    os.nice(NICENESS)
