"""What a leader measures of its proposals, and how much it keeps of them."""

from __future__ import annotations

import pytest

from ensemble.zab import meter
from ensemble.zab.meter import Meter
from ensemble.zxid import make


def test_steps_beyond_the_limit_are_counted_and_the_oldest_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(meter, "STAMPS_MAX", 3)
    measured = Meter()
    for counter in range(1, 6):
        measured.proposed(make(1, counter), counter * 10)
    measured.committed(make(1, 2), 2, 100)
    assert (measured.commits, measured.quorum_acks.count) == (2, 0)
    measured.committed(make(1, 5), 3, 100)
    assert (measured.commits, measured.quorum_acks.count) == (5, 3)
    assert (measured.quorum_acks.least, measured.quorum_acks.greatest) == (50, 70)
