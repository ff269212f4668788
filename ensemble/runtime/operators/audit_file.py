"""Where audit lines go: a file of their own, or the server's log."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from ensemble.errors import ConfigError
from ensemble.replica.access.audit import Audit
from ensemble.runtime.config.operations import Operations
from ensemble.runtime.stamps import stamped

MODE = 0o640
"""Who did what is not for everybody to read."""


class AuditFile:
    """One file, to which lines are only ever added."""

    def __init__(self, path: Path, *, log: Callable[[str], None]) -> None:
        """Open the file; :class:`ConfigError` when that cannot be done."""
        self._path = path
        self._log = log
        self._failing = False
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
        except OSError as error:
            raise ConfigError(
                f"coordinator.auditFile={path} cannot be written ({error.strerror}); name a file in a directory that is there"
            ) from None
        self._file: TextIO = os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")

    def write(self, line: str) -> None:
        """Add one line; while that fails the server's log says so, once."""
        try:
            self._file.write(f"{stamped(line)}\n")
            self._file.flush()
        except OSError as error:
            if not self._failing:
                self._log(f"audit: {self._path} cannot be written ({error.strerror}); lines are lost")
            self._failing = True
        else:
            self._failing = False


def open_audit(operations: Operations, *, log: Callable[[str], None]) -> Audit | None:
    """Open the audit log that is configured; None when there is none."""
    if not operations.audit:
        return None
    if operations.audit_file:
        return Audit(AuditFile(Path(operations.audit_file), log=log).write, user_name())
    return Audit(lambda line: log(f"audit: {line}"), user_name())


def user_name() -> str:
    """Name the user this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
