"""Whatever passes against Apache ZooKeeper passes against us, TLS and SASL variants included."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kazoo_suite import suite

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(3000)]


def test_everything_that_passes_against_apache_passes_against_us(tmp_path: Path):
    ours, theirs = tmp_path / "ours.xml", tmp_path / "theirs.xml"
    suite.run(theirs, apache=True, port=20000, tests=[])
    suite.run(ours, apache=False, port=20400, tests=[])
    passed_theirs = {name for name, outcome in suite.outcomes(theirs).items() if outcome == "passed"}
    passed_ours = {name for name, outcome in suite.outcomes(ours).items() if outcome == "passed"}
    assert len(passed_theirs) > 250, "the suite did not run"
    assert sorted(passed_theirs - passed_ours) == []
