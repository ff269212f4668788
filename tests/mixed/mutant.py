"""One server of ours with a known mistake put back: ``python -m tests.mixed.mutant NAME node --config FILE``."""

from __future__ import annotations

import sys

import pytest

import manage
from tests.mutants import server

if __name__ == "__main__":
    name = sys.argv.pop(1)
    getattr(server, name)(pytest.MonkeyPatch())
    manage.main()
