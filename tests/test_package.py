"""What ``pip install`` of this repository brings: enough for servers, client, recipes and fixtures."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ensemble"
NOT_INSTALLED_FOR = ("management", "shell", "chaos", "explorer")
"""Rooms of the command line, which is run from a clone with all of requirements.txt."""

BROUGHT_BY_WHO_USES_IT = {"pytest", "rich"}
"""The fixtures are for who has pytest; ``node --check-config`` prints its table with rich."""


def imported(path: Path) -> set[str]:
    """Return the packages outside the standard library that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"ensemble"}


def required(lines: list[str]) -> dict[str, str]:
    """Return ranges of versions by package."""
    found = (re.match(r"([A-Za-z0-9_-]+)(.*)", line) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def test_all_that_is_imported_is_required_in_the_same_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = required(project["dependencies"])
    everything = required((ROOT / "requirements.txt").read_text().splitlines())
    assert declared == {name: everything[name] for name in declared}
    modules = [
        path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in NOT_INSTALLED_FOR
    ]
    wanted = set().union(*map(imported, modules)) - BROUGHT_BY_WHO_USES_IT
    assert wanted == set(declared)


def test_users_can_check_types_against_it() -> None:
    assert (PACKAGE / "py.typed").exists()
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "py.typed" in setuptools["package-data"]["ensemble"]
