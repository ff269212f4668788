"""A file written by a forked child, which sees the process's memory as it was at the fork.

The child gives up everything it inherited first: a socket it kept open would stay connected after the
server closed it. It dies with its parent, so that no file of an old life appears in a new one. It says what
went wrong through a pipe, whose end also tells that it is done.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from ensemble.errors import StorageError
from ensemble.runtime.children import die_with_parent
from ensemble.runtime.files import sentence, write_replacing

NICENESS = 10
ERROR_BYTES_MAX = 4096


class Aside:
    """One file being written by a child; ``finished`` hears of the end, in the loop."""

    def __init__(
        self,
        path: Path,
        suffix: str,
        chunks: Iterable[bytes],
        loop: asyncio.AbstractEventLoop,
        finished: Callable[[StorageError | None], None],
    ) -> None:
        """Fork; ``OSError`` when that is not possible."""
        self._path = path
        self._loop = loop
        self._finished = finished
        self._said = b""
        self._pipe, theirs = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._pipe)
            os.close(theirs)
            raise
        if self._pid == 0:
            _be_child(theirs, path, suffix, chunks)
        os.close(theirs)
        os.set_blocking(self._pipe, False)
        loop.add_reader(self._pipe, self._on_readable)

    def abandon(self) -> None:
        """Kill the child; nobody is told. What it wrote so far stays under its temporary name."""
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._reap()

    def _on_readable(self) -> None:
        said = os.read(self._pipe, ERROR_BYTES_MAX)
        if said:
            self._said += said
            return
        status = self._reap()
        if status == 0:
            self._finished(None)
        else:
            why = (
                self._said.decode(errors="replace")
                or f"{self._path}: the writing process ended with status {status}"
            )
            self._finished(StorageError(why))

    def _reap(self) -> int:
        """Return how the child ended; it has closed its end of the pipe, so this does not take long."""
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])


def give_up_inheritance(pipe: int) -> None:
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


def _be_child(pipe: int, path: Path, suffix: str, chunks: Iterable[bytes]) -> None:
    """Write the file and end, without a trace of what the parent would do at its end."""
    status = 1
    try:
        give_up_inheritance(pipe)
        write_replacing(path, suffix, chunks)
        status = 0
    except BaseException as error:  # noqa: BLE001 - the child must end here, whatever happened
        said = sentence(error, path) if isinstance(error, OSError) else f"{path}: {error!r}"
        os.write(pipe, said.encode()[:ERROR_BYTES_MAX])
    finally:
        os._exit(status)
