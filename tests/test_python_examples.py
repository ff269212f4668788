"""The examples for Python in the README and in docs/python.md, run as they stand.

An example that begins with imports stands for itself. One that awaits has a client ``zk`` and all names of the packages, as
the page says. One that is a test is run by pytest in a project of its own.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ensemble.client
import ensemble.recipes
from ensemble.client import ZooKeeper
from ensemble.testing import Ensemble

ROOT = Path(__file__).parent.parent
PAGES = ("README.md", "docs/python.md")
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOSTS = re.compile(r"127\.0\.0\.1:2181(,127\.0\.0\.1:218\d)*")
PLUGIN = 'pytest_plugins = ["ensemble.testing.fixtures"]\n'

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


def examples() -> Iterator[object]:
    for page in PAGES:
        text = (ROOT / page).read_text()
        for found in FENCED.finditer(text):
            line = text[: found.start()].count("\n") + 2
            yield pytest.param(found[1], id=f"{page}:{line}")


@pytest.fixture(scope="module")
def server() -> Iterator[Ensemble]:
    with Ensemble() as server:
        yield server


@pytest.fixture
def hosts(server: Ensemble, request: pytest.FixtureRequest) -> str:
    """A connect string with a chroot for each example."""
    chroot = f"{server.hosts}/{abs(hash(request.node.nodeid))}"
    asyncio.run(make_root(chroot))
    return chroot


async def make_root(hosts: str) -> None:
    async with ZooKeeper(hosts) as zk:
        await zk.ensure_path("/")


@pytest.mark.parametrize("example", list(examples()))
def test_an_example(example: str, hosts: str, tmp_path: Path) -> None:
    code = HOSTS.sub(hosts, example)
    if "def test_" in code or code == PLUGIN:
        run_tests(code, tmp_path)
    elif code.lstrip().startswith(("import", "from")):
        run_script(code, tmp_path)
    else:
        asyncio.run(run_awaiting(code, hosts))


def run_tests(code: str, directory: Path) -> None:
    (directory / "conftest.py").write_text(PLUGIN)
    if code == PLUGIN:
        code = "def test_that_it_is_there(zookeeper):\n    assert zookeeper.hosts\n"
    (directory / "test_example.py").write_text(code)
    said = run([sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider"], directory)
    assert "1 passed" in said


def run_script(code: str, directory: Path) -> None:
    (directory / "example.py").write_text(code)
    run([sys.executable, "-W", "error", "example.py"], directory)


def run(command: list[str], directory: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


async def run_awaiting(code: str, hosts: str) -> None:
    names = {
        name: getattr(package, name)
        for package in (ensemble.client, ensemble.recipes)
        for name in package.__all__
    }
    async with asyncio.timeout(30), ZooKeeper(hosts) as zk:
        compiled = compile(code, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        running = eval(compiled, names | {"zk": zk, "asyncio": asyncio})
        if inspect.iscoroutine(running):
            await running


def test_the_client_and_the_recipes_need_nothing_but_python() -> None:
    code = (
        "import sys, ensemble.client, ensemble.recipes\n"
        "ours = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "foreign = {name for name in ours if not name.startswith('_')} - {'ensemble'}\n"
        "assert not foreign, foreign\n"
    )
    run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"], ROOT)
