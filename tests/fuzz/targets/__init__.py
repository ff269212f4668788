"""The targets by their names. A module is imported when targets are asked for, so that atheris can watch it."""

from __future__ import annotations

import importlib

from tests.fuzz.target import Target

ROOMS = tuple(
    f"tests.fuzz.targets.{name}"
    for name in ("clients", "servers", "files", "texts", "secrets", "http", "panel")
)


def all_targets() -> dict[str, Target]:
    """Return every target by its name."""
    found: dict[str, Target] = {}
    for room in ROOMS:
        for target in importlib.import_module(room).TARGETS:
            found[target.name] = target
    return found
