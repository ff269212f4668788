"""The directories a configuration names: do they look like those of this server?

A start on the wrong directory is the costliest mistake of all: the server would begin with an empty tree, or
with half of its history.
"""

from __future__ import annotations

from pathlib import Path

from ensemble.errors import ConfigError
from ensemble.storage.names import DIRECTORY, LOG, SNAPSHOT

INITIALIZE = "initialize"
"""A file of this name in ``dataDir`` allows an empty tree once (zkServer-initialize.sh writes it)."""


def judge(data_dir: Path, log_dir: Path, *, created: bool) -> list[str]:
    """Return warnings; :class:`ConfigError` for directories that cannot be meant."""
    for key, directory in (("dataDir", data_dir), ("dataLogDir", log_dir)):
        if not created and not directory.is_dir():
            raise ConfigError(
                f"{key}={directory} does not exist, and datadir.autocreate=false forbids to make it; make it yourself"
            )
        _refuse_inner_directory(key, directory)
    if log_dir != data_dir:
        _refuse_mixture("dataLogDir", log_dir, SNAPSHOT, "dataDir", "snapshots")
        _refuse_mixture("dataDir", data_dir, LOG, "dataLogDir", "transaction logs")
    return [
        warning for directory in dict.fromkeys((data_dir, log_dir)) for warning in _other_versions(directory)
    ]


def may_begin_empty(data_dir: Path) -> bool:
    """Tell whether the operator allowed an empty tree by the ``initialize`` file."""
    return (data_dir / INITIALIZE).exists()


def forget_permission(data_dir: Path) -> None:
    """Remove the ``initialize`` file: it holds for one start."""
    (data_dir / INITIALIZE).unlink(missing_ok=True)


def _names(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return []  # made at start, or complained of there


def _refuse_inner_directory(key: str, directory: Path) -> None:
    if directory.name == DIRECTORY and any(name.startswith((LOG, SNAPSHOT)) for name in _names(directory)):
        raise ConfigError(f"{key}={directory} is the inner directory; write {key}={directory.parent}")


def _refuse_mixture(key: str, directory: Path, prefix: str, other_key: str, what: str) -> None:
    """Apache's server refuses the same (FileTxnSnapLog.checkLogDir and checkSnapDir)."""
    found = [name for name in _names(directory / DIRECTORY) if name.startswith(prefix)]
    if found:
        raise ConfigError(
            f"{directory / DIRECTORY} holds {what} ({found[0]}), but they belong to {other_key}: move them there, or "
            "drop dataLogDir if they were always kept together"
        )


def _other_versions(directory: Path) -> list[str]:
    names = _names(directory)
    others = [name for name in names if name.startswith("version-") and name != DIRECTORY]
    if not others:
        return []
    return [
        f"{directory / others[0]} is not read: this server's files are in {DIRECTORY}"
        + ("" if DIRECTORY in names else f", which does not exist yet; is {directory} the right directory?")
    ]
