"""What docs/bad-input.md says of each bad input is proved by tests that are there."""

from __future__ import annotations

import re

from tests.test_compatibility import ROOT, functions_of

PAGE = (ROOT / "docs" / "bad-input.md").read_text()
INPUTS = 37
NOT_THERE_YET = {"35"}
"""Rows about parts of the panel that do not exist."""

_TEST = re.compile(r"`(tests/[^`]+::[^`]+)`")


def rows() -> list[list[str]]:
    """The cells of each row, of both tables."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if "proved by" not in line
    ]


def test_every_input_has_its_row() -> None:
    assert [row[0] for row in rows() if row[0].isdigit()] == [str(number) for number in range(1, INPUTS + 1)]
    assert all(len(row) in (3, 4) for row in rows())


def test_every_row_is_proved_or_says_that_there_is_nothing_to_prove() -> None:
    unproved = {row[0] for row in rows() if not _TEST.search(row[-1])}
    assert unproved == NOT_THERE_YET
    assert all("there is none yet" in row[2] for row in rows() if row[0] in NOT_THERE_YET)


def test_every_test_named_is_there() -> None:
    named = sorted(set(_TEST.findall(PAGE)))
    assert [
        test for test in named if test.partition("::")[2] not in functions_of(test.partition("::")[0])
    ] == []
