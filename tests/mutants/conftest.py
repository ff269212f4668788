"""What it took to catch each mutant, as a table at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

_LINES = pytest.StashKey[list[str]]()


@pytest.fixture
def caught(request: pytest.FixtureRequest) -> Callable[[object, str], None]:
    """Note who caught a mutant, and after how much."""

    def note(mutant: object, how: str) -> None:
        what = (getattr(mutant, "__doc__", None) or "").partition(":")[0].partition("\n")[0]
        name = getattr(mutant, "__name__", "")
        lines = request.config.stash.setdefault(_LINES, [])
        lines.append(f"{what if what.startswith('M') else '-':<24} {name:<36} {how}")

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    lines = terminalreporter.config.stash.get(_LINES, [])
    if lines:
        terminalreporter.section("mutants caught")
        for line in lines:
            terminalreporter.line(line)
