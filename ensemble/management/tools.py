"""What the commands for files share: where the files are, what is in use, how an error ends a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ensemble.errors import ConfigError, CoordinatorError
from ensemble.runtime.disk.files import in_use
from ensemble.runtime.node import complain

INNER = "version-2"


@contextmanager
def told_in_a_sentence() -> Iterator[None]:
    """End the command by one sentence and exit code 1 for what an operator can mend; quietly for ``| head``."""
    try:
        yield
        sys.stdout.flush()
    except CoordinatorError as error:
        sys.exit(complain(error))
    except BrokenPipeError:
        # Nobody reads on; what the interpreter would still flush at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def home(text: str) -> Path:
    """Return the directory that holds ``version-2``, for its own path or that of ``version-2``."""
    path = Path(text)
    if not path.is_dir():
        raise ConfigError(f"{path} is not a directory; name the dataDir (or dataLogDir) of a server")
    return path.resolve().parent if path.resolve().name == INNER else path


def existing(text: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(text)
    if not path.is_file():
        raise ConfigError(f"{path} is not a file; name a file of a version-2 directory")
    return path


def refuse_in_use(directory: Path) -> None:
    """Raise :class:`ConfigError` when a server runs on ``directory``: its files are not to change under it."""
    if in_use(directory):
        raise ConfigError(f"{directory} is in use by a running server; stop it first")


def create(path: Path, data: bytes) -> None:
    """Write a new file; :class:`ConfigError` when there is one."""
    try:
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ConfigError(f"{path} exists already; move it away first") from None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}); free some space or correct the rights"
        ) from None
