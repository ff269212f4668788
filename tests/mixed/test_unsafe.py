"""These ensembles can fail: with a safety rule switched off in our server, the same stories end badly.

Each story is told twice, with our server as it is and with one that makes a known mistake. A third, of a leader
whom nobody follows, is in ``test_matrix``.
"""

from __future__ import annotations

import contextlib

import pytest

from ensemble.chaos.disks import Disk, compile_shim
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import MixedEnsemble
from tests.processes.conftest import RawSession

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

SYNC_MS = 2000


def acknowledged_before_a_power_cut(ensemble: MixedEnsemble, mutant: str) -> None:
    """Our follower is half of the quorum of Apache's leader, and its disk is slow. Its power is cut at the first
    acknowledgement; the leader is lost with its disk. Who was away and our follower have to know what was promised.
    """
    root = ensemble.directory.resolve()
    shim = {"LD_PRELOAD": str(compile_shim(root)), "CHAOS_ROOT": str(root)}
    ensemble.start(2, mutant=mutant, environment=shim)
    ensemble.start(3)
    ensemble.until_led_by(3)
    ensemble.start(1)
    ensemble.until_led_by(3)
    ensemble.kill(1)
    disk = Disk(root / "server-2")
    session = RawSession(ensemble.port(3), 20_000)
    disk.lines["undo"] = (1, 0)
    disk.trouble("sync", ms=SYNC_MS)
    with contextlib.closing(session):
        assert session.create("/promised") == 0
        ensemble.kill(2, 3)
    disk.lose_unsynced()
    disk.mend()
    ensemble.start(1, 2)
    ensemble.until_led()
    assert "/promised" in ensemble.assert_one_state()


def taken_back(ensemble: MixedEnsemble, mutant: str) -> None:
    """What only a dead leader of ours has logged is cut off under its successor, an Apache's."""
    ensemble.start(1, 3)
    ensemble.until_led_by(3)
    ensemble.start(2)
    ensemble.until_led_by(3)
    with ensemble.client(3) as client:
        client.create("/agreed", b"")
        # What the followers are sent from now on never leaves their sockets.
        ensemble.pause(1, 2)
        for number in range(3):
            client.create_async(f"/only-here-{number}", b"")
        ensemble.until_logged(3, b"/only-here-2")
        ensemble.kill(1, 2, 3)
    ensemble.start(1, 2)
    ensemble.until_led_by(2)
    ensemble.start(3, mutant=mutant)
    ensemble.until_led_by(2)
    with ensemble.client(2) as client:
        client.create("/instead", b"")
    ensemble.until_led_by(2)
    state = ensemble.assert_one_state()
    assert [path for path in state if path.startswith("/only-here")] == []


def test_what_was_acknowledged_outlives_a_power_cut(ensemble_of: MakeEnsemble) -> None:
    acknowledged_before_a_power_cut(ensemble_of("apache", "ours", "apache"), mutant="")


def test_a_server_that_acks_before_its_disk_has_synced_is_caught(ensemble_of: MakeEnsemble) -> None:
    with pytest.raises(AssertionError, match="'/promised' in"):
        acknowledged_before_a_power_cut(ensemble_of("apache", "ours", "apache"), mutant="ack_before_fsync")


def test_what_nobody_else_has_is_cut_off(ensemble_of: MakeEnsemble) -> None:
    taken_back(ensemble_of("apache", "apache", "ours"), mutant="")


def test_a_server_that_does_not_truncate_is_caught(ensemble_of: MakeEnsemble) -> None:
    with pytest.raises(AssertionError, match=r"servers 1 and 3|only-here"):
        taken_back(ensemble_of("apache", "apache", "ours"), mutant="keep_what_is_to_be_cut")
