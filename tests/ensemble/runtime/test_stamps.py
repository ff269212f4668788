"""One event, one line: what strangers call themselves cannot forge another."""

from __future__ import annotations

import pytest

from ensemble.runtime.stamps import stamped


@pytest.mark.parametrize("forged", ["\n", "\r", "\x1b[31m", "\x85", "\u2028", "\x00", "\u202e"])
def test_what_is_not_printed_is_escaped(forged: str) -> None:
    line = stamped(f"client {forged}2026-01-01 00:00:00.000 server 1: all is well")
    assert len(line.splitlines()) == 1
    assert line.isprintable()
