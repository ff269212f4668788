"""``python -m tests.kazoo_suite``: see the package."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.kazoo_suite import suite

parser = argparse.ArgumentParser(prog="python -m tests.kazoo_suite", description=suite.__doc__)
parser.add_argument("--apache", action="store_true", help="run against Apache's server instead of ours")
parser.add_argument("--port", type=int, default=20000, help="first of the ports used (default: %(default)s)")
parser.add_argument("--report", type=Path, default=suite.ENVIRONMENT.parent / "kazoo-suite.xml")
known, rest = parser.parse_known_args()
known.report.parent.mkdir(parents=True, exist_ok=True)
sys.exit(suite.run(known.report.resolve(), apache=known.apache, port=known.port, tests=rest))
