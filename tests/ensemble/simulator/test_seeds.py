"""Every schedule that once failed is kept in ``tests/seeds`` and played again: it must hold.

An entry is incomplete until it is seen to fail with the mistake put back.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ensemble.errors import CorruptionError
from ensemble.simulator.runs.report import Failure, replay_saved
from ensemble.simulator.schedules.saved import read
from ensemble.storage import epochs, logfile, txnlog
from ensemble.zab.leader.followers import Followers

SEEDS = Path(__file__).parents[2] / "seeds"


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.json")), ids=lambda path: path.stem)
def test_a_schedule_that_failed_once_holds(path: Path) -> None:
    saved = read(path)
    assert saved.invariant, "a seed says what it broke"
    result, _ = replay_saved(saved)
    assert not isinstance(result, Failure), result.text()


def test_without_a_checksum_a_flipped_bit_of_an_epoch_loses_what_is_committed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server whose epoch had become a greater one was elected over those that held the history."""

    def first_line(raw: bytes, name: str) -> int:
        if not raw.isdigit():
            raise CorruptionError(name)
        return int(raw)

    monkeypatch.setattr(epochs, "encode", lambda epoch: b"%d" % epoch)
    monkeypatch.setattr(epochs, "decode", first_line)
    result, _ = replay_saved(read(SEEDS / "I5-seed-217.json"))
    assert isinstance(result, Failure)
    # A leader without what is committed, or one that has it cut off: whichever is seen first.
    assert result.invariant in ("I5", "I7")


@pytest.mark.parametrize("seed", ["I9-seed-20583.json", "I9-seed-24937.json"])
def test_without_predecessors_named_in_log_files_the_end_of_an_epoch_is_lost_unseen(
    monkeypatch: pytest.MonkeyPatch, seed: str
) -> None:
    """A server that had lost a log file started with a hole in its history, and served."""
    monkeypatch.setattr(logfile, "predecessor_in", lambda data: None)
    monkeypatch.setattr(txnlog, "predecessor_in", lambda data: None)
    result, _ = replay_saved(read(SEEDS / seed))
    assert isinstance(result, Failure)
    assert result.invariant == "I9"


def test_a_vote_that_an_observer_has_not_heard_of_is_needed_to_complete_the_change_that_gives_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The leader waited for it for ever: who came to observe counted for nothing."""
    monkeypatch.setattr(
        Followers,
        "voting",
        lambda self, which=lambda _: True: [f.sid for f in self.known() if not f.observer and which(f)],
    )
    result, _ = replay_saved(read(SEEDS / "C9-seed-50189.json"))
    assert isinstance(result, Failure)
    assert result.invariant == "C9"
