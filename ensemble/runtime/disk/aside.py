"""A file written by a forked child, so that the server goes on meanwhile.

The child says what went wrong through its pipe.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ensemble.errors import StorageError
from ensemble.runtime.disk.files import sentence, write_replacing
from ensemble.runtime.disk.forked import Forked

ERROR_BYTES_MAX = 4096


class Aside(Forked):
    """One file being written by a child; ``finished`` hears of the end, in the loop.

    What an abandoned one wrote so far stays under its temporary name.
    """

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
        self._finished = finished
        self._said = b""
        super().__init__(loop, lambda pipe: _write(pipe, path, suffix, chunks))

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


def _write(pipe: int, path: Path, suffix: str, chunks: Iterable[bytes]) -> None:
    try:
        write_replacing(path, suffix, chunks)
    except BaseException as error:
        said = sentence(error, path) if isinstance(error, OSError) else f"{path}: {error!r}"
        os.write(pipe, said.encode()[:ERROR_BYTES_MAX])
        raise
