"""What docs/compatibility.md says of each feature of Apache's server is what the code does.

Every row is ``what | status | note | proved by``. Where the code has a table of its own, or can simply be asked, the
status is held against it; a row that says yes names a test, and every test named is there.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ensemble.errors import Code
from ensemble.replica.config import ZnodeConfig
from ensemble.replica.monitoring.commands.table import COMMANDS
from ensemble.runtime.config.keys import IRRELEVANT, USED, WITHOUT, Effect, effect_of
from ensemble.shell import registry, shell
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Op
from ensemble.wire import replies
from ensemble.wire.four_letter import WORDS
from ensemble.wire.requests import request_frame
from tests.ensemble.replica.harness import Client, World, client

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "compatibility.md"
METRICS = ROOT / "docs" / "metrics.md"
SECTIONS = [f"1.{number}" for number in range(1, 15)]
STATUSES = ("yes", "deviates", "no", "moot")
_TEST_ID = re.compile(r"`(tests/[^`]+)`")

NOT_ASKED_BY_CLIENTS = {Op.NOTIFICATION, Op.CHECK, Op.DELETE_CONTAINER, Op.CREATE_SESSION, Op.ERROR}
"""Operations that a server sends, logs, or takes inside another alone."""
WITHOUT_EFFECT = {"admin.portUnification"}
"""Keys that are read, and then refused or not heeded yet."""
OUR_OWN = {"version", *(key for key in USED if key.startswith("coordinator."))}
"""Keys that are not Apache's, or are written by servers and not by people."""


class Row(NamedTuple):
    """One feature."""

    section: str
    what: str
    status: str
    note: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """What stands in backticks, which is the name the code has for it; otherwise all."""
        found = re.search(r"`([^`]+)`", self.what)
        return found[1] if found else self.what


@cache
def rows() -> list[Row]:
    """Every row of the page."""
    found, section = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line.split()[1]
        elif line.startswith("| ") and not line.startswith("| what |"):
            what, status, note, tests = [cell.strip() for cell in line.strip("|").split("|")]
            found.append(Row(section, what, status, note, tuple(_TEST_ID.findall(tests))))
    return found


def of(section: str) -> list[Row]:
    return [row for row in rows() if row.section == section]


def there(row: Row) -> bool:
    return row.status in ("yes", "deviates")


@cache
def functions_of(file: str) -> frozenset[str]:
    path = ROOT / file
    if not path.name.startswith("test_") or not path.exists():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, functions))


def disagreements(section: str, expected: dict[str, bool]) -> list[str]:
    """Say which rows of a section are missing, too many, or say the opposite of ``expected``."""
    said = {row.name: there(row) for row in of(section) if row.status != "moot"}
    return [
        f"{name}: the page says {said.get(name)}, the code {expected.get(name)}"
        for name in sorted({*said, *expected})
        if said.get(name) != expected.get(name)
    ]


def test_every_section_has_rows_and_no_row_comes_twice():
    assert sorted({row.section for row in rows()}, key=SECTIONS.index) == SECTIONS
    named = [(row.section, row.what) for row in rows()]
    assert len(named) == len(set(named))


def test_every_status_is_one_and_comes_with_what_it_needs():
    assert [row for row in rows() if row.status not in STATUSES] == []
    assert [row.what for row in rows() if there(row) and not row.tests] == [], "a claim without a test"
    assert [row.what for row in rows() if row.status == "deviates" and not row.note] == []


def test_every_test_named_is_there():
    named = sorted({test for test in _TEST_ID.findall(PAGE.read_text()) if "::" in test})
    assert len(named) > 100
    missing = [test for test in named if test.partition("::")[2] not in functions_of(test.partition("::")[0])]
    assert missing == []


def test_operations():
    said = {int(row.what.split()[-1]): row for row in of("1.1")}
    assert set(said) == {int(op) for op in Op}
    for number, row in said.items():
        assert row.name.lower() == Op(number).name.replace("_", "").lower()
        world = World()
        zk = client(world)
        zk.send(request_frame(1, number, b""))
        world.settle()
        refused = zk.headers()[-1:] == [(1, -1, Code.UNIMPLEMENTED)]
        assert refused == (number in NOT_ASKED_BY_CLIENTS), row
        if number == Op.RECONFIG:
            assert there(row) == ("reconfigEnabled" in USED)
        else:
            assert there(row), row


def test_create_modes():
    assert {row.what for row in of("1.2")} == {f"`{mode.name}` {int(mode)}" for mode in CreateMode}
    world = World(znodes=ZnodeConfig(extended_types=True))
    zk = client(world)
    for mode in CreateMode:
        ttl = mode in (CreateMode.PERSISTENT_WITH_TTL, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL)
        op = Op.CREATE_TTL if ttl else Op.CREATE_CONTAINER if mode == CreateMode.CONTAINER else Op.CREATE
        create = Create(f"/{mode.name}", b"", OPEN_ACL, mode, 1000 if ttl else -1)
        assert replies.decode_header(zk.ask(op, create))[2] == Code.OK
    assert all(there(row) for row in of("1.2"))


def test_watch_modes():
    modes = ["STANDARD data", "STANDARD child", "PERSISTENT", "PERSISTENT_RECURSIVE"]
    assert [row.what for row in of("1.4")] == modes
    assert all(there(row) for row in of("1.4"))


def test_four_letter_words():
    world = World(words_allowed=frozenset(WORDS))
    answered: dict[str, bool] = {}
    for word in WORDS:
        asking = Client(world)
        said = asking.ask_word(word.encode() + bytes(8))  # stmk is followed by a mask
        answered[word] = asking.closed and "is not executed" not in said
    assert disagreements("1.5", answered) == []


def test_commands_of_the_admin_server():
    assert {row.name for row in of("1.6")} == {command.name for command in COMMANDS}


def test_commands_of_the_shell():
    assert shell.VERSION  # its import registers the commands
    assert disagreements("1.12", dict.fromkeys(registry.COMMANDS, True)) == []


def test_configuration_keys():
    for row in of("1.11"):
        effect = effect_of(row.name.replace("*", "x"))
        if row.name in WITHOUT_EFFECT:
            assert (effect, row.status, row.note != "") == (Effect.USED, "no", True), row
            continue
        expected = {"yes": Effect.USED, "deviates": Effect.USED, "moot": Effect.IRRELEVANT}.get(row.status)
        found = effect in (Effect.WITHOUT, Effect.UNKNOWN) if expected is None else effect is expected
        assert found, f"{row.name}: the page says {row.status}, the code {effect.value}"


@pytest.mark.parametrize("keys", [USED, WITHOUT, IRRELEVANT], ids=["used", "without", "irrelevant"])
def test_no_configuration_key_is_left_out(keys: frozenset[str]):
    families = tuple(row.name.removesuffix("*") for row in of("1.11") if row.name.endswith("*"))
    named = {row.name for row in of("1.11")}
    assert [key for key in sorted(keys - named - OUR_OWN) if not key.startswith(families)] == []


def test_metrics():
    """``docs/metrics.md`` is held against the code by a test of its own."""
    here, _, left_out = METRICS.read_text().partition("## What is left out")
    told = set(re.findall(r"^\| `(\w+)`", here, flags=re.MULTILINE))
    moot = set(re.findall(r"`(\w+)`", left_out))
    for row in of("1.14"):
        assert there(row) == (row.name in told), row
        assert row.status != "moot" or row.name in moot, row
