"""The rules of the house, read off the code itself.

Arrows point down, never up and never in a circle; pure rooms touch no clock, socket, file, thread or random
number; the service imports no web framework; the panel looks below only through its gateway.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

VOCABULARY = (
    "trace",
    "zxid",
    "jute",
    "paths",
    "limits",
    "errors",
    "ports",
    "measures",
    "membership",
    "quiet_log",
)
ROOMS = (
    "tree",
    "zab",
    "sasl",
    "storage",
    "wire",
    "replica",
    "admin",
    "client",
    "runtime",
    "simulator",
    "explorer",
    "recipes",
    "shell",
    "testing",
    "chaos",
    "management",
    "toolkit",
)
MAY_IMPORT: dict[str, set[str]] = {
    "zab": set(),
    "tree": set(),
    "sasl": set(),
    "wire": {"zab", "tree"},
    "storage": {"zab", "tree"},
    "replica": {"zab", "tree", "sasl", "wire", "storage", "admin"},
    "admin": set(),
    "client": {"wire", "tree", "sasl"},
    "recipes": {"client"},
    "shell": {"client"},
    "runtime": {"replica", "zab", "tree", "sasl", "wire", "storage", "admin", "client"},
    "simulator": {"replica", "zab", "tree", "wire", "storage", "admin"},
    "explorer": {"zab"},
    "testing": {"runtime", "admin"},
    "toolkit": {"tree", "storage"},
    "chaos": {"simulator", "runtime", "toolkit", "recipes", "client", "storage", "wire", "tree"},
    "management": {
        "chaos",
        "runtime",
        "simulator",
        "explorer",
        "client",
        "shell",
        "admin",
        "replica",
        "toolkit",
        "storage",
        "tree",
    },
}
"""Which rooms each room may look into, besides the vocabulary. What is not listed points up or sideways."""

PURE = ("zab", "tree", "sasl", "wire", "storage", "replica")
IMPURE_MODULES = {
    "asyncio", "uvloop", "socket", "ssl", "threading", "multiprocessing", "subprocess", "select", "selectors",
    "time", "random", "os", "datetime", "secrets", "uuid", "logging", "aiohttp", "io", "pathlib", "tempfile",
}  # fmt: skip
WEB = {"django", "channels", "daphne", "asgiref", "dashboard", "coordinator"}
CORE_OF_PANEL = "ensemble."


def python_files(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in it, as a dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "ensemble" and len(parts) > 1 else None


def test_every_room_of_the_service_is_known():
    folders = {p.name for p in (ROOT / "ensemble").iterdir() if p.is_dir() and p.name != "__pycache__"}
    modules = {p.stem for p in (ROOT / "ensemble").glob("*.py")} - {"__init__"}
    assert folders == set(ROOMS)
    assert modules == set(VOCABULARY)


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_down(room: str):
    allowed = MAY_IMPORT[room] | set(VOCABULARY) | {room}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files(f"ensemble/{room}")
        for name in imports(path)
        if room_of(name) in set(ROOMS) | set(VOCABULARY) and room_of(name) not in allowed
    ]
    assert wrong == []


def test_the_vocabulary_knows_no_room():
    wrong = [
        f"{word}.py imports {name}"
        for word in VOCABULARY
        for name in imports(ROOT / "ensemble" / f"{word}.py")
        if room_of(name) in ROOMS
    ]
    assert wrong == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_touch_no_world(room: str):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files(f"ensemble/{room}")
        for name in imports(path)
        if name.split(".")[0] in IMPURE_MODULES
    ]
    assert wrong == []


def test_the_vocabulary_touches_no_world():
    wrong = [
        f"{word}.py imports {name}"
        for word in VOCABULARY
        for name in imports(ROOT / "ensemble" / f"{word}.py")
        if name.split(".")[0] in IMPURE_MODULES
    ]
    assert wrong == []


def test_pure_rooms_open_no_file():
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in PURE
        for path in python_files(f"ensemble/{room}")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"open", "print"}
    ]
    assert wrong == []


def test_the_service_knows_no_web_framework():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in python_files("ensemble")
        if "management" not in path.parts
        for name in imports(path)
        if name.split(".")[0] in WEB
    ]
    assert wrong == []


def test_only_the_gateway_of_the_panel_looks_below():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in [*python_files("dashboard"), *python_files("coordinator")]
        if "gateway" not in path.relative_to(ROOT).parts
        for name in imports(path)
        if name.startswith(CORE_OF_PANEL) and room_of(name) not in VOCABULARY
    ]
    assert wrong == []


def test_the_panel_never_imports_a_server():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in [*python_files("dashboard"), *python_files("coordinator")]
        for name in imports(path)
        if room_of(name) in {"replica", "zab", "storage", "runtime", "simulator"}
    ]
    assert wrong == []


PACKAGES = sorted(path.parent for path in (ROOT / "ensemble").rglob("__init__.py"))


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: ".".join(folder.relative_to(ROOT).parts))
def test_a_package_opens_with_a_map_of_what_is_in_it(folder: Path):
    if folder.name == "commands" and folder.parent.name == "management":
        return  # Django's: each module is the command of its name
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    known = set(re.findall(r"\w+", text))
    assert sorted((modules | rooms) - known) == [], (
        f"{folder.relative_to(ROOT)}/__init__.py does not name them"
    )


def test_no_circles_between_modules():
    graph: dict[str, set[str]] = {}
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in python_files("ensemble")
    }
    for module, path in files.items():
        tree = ast.parse(path.read_text())
        runtime_only = [node for node in tree.body if not _is_type_checking(node)]
        names = {name for node in runtime_only for name in _top_level_imports(node)}
        graph[module] = {name for name in names if name in files and name != module}
    done: set[str] = set()
    for start in graph:
        _visit(start, graph, [], done)


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: ".".join(folder.relative_to(ROOT).parts))
def test_no_circles_between_the_rooms_of_a_room(folder: Path):
    """Each folder and each module of a package is one point; what they import of each other only goes one way."""
    package = ".".join(folder.relative_to(ROOT).parts) + "."
    graph: dict[str, set[str]] = {}
    for path in python_files(str(folder.relative_to(ROOT))):
        own = path.relative_to(folder).parts[0].removesuffix(".py")
        names = {
            name.removeprefix(package).split(".")[0]
            for node in ast.parse(path.read_text()).body
            for name in _top_level_imports(node)
            if name.startswith(package)
        }
        graph.setdefault(own, set()).update(names - {own})
    graph = {own: names & set(graph) for own, names in graph.items()}
    done: set[str] = set()
    for start in graph:
        _visit(start, graph, [], done)


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _top_level_imports(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _visit(module: str, graph: dict[str, set[str]], way: list[str], done: set[str]) -> None:
    assert module not in way, " -> ".join([*way, module])
    if module not in done:
        for target in sorted(graph[module]):
            _visit(target, graph, [*way, module], done)
        done.add(module)
