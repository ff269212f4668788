"""What is durable has no hole, unless a snapshot stood in it when it came to be."""

from __future__ import annotations

from random import Random

import pytest

from ensemble.simulator.checks.durable import DurableHistory, HoleOnDisk
from ensemble.simulator.clock import Timeline
from ensemble.simulator.machine.disk import SimulatedDisk
from ensemble.storage.records import HEADER, encode
from ensemble.tree import txns
from ensemble.tree.operations import OPEN_ACL, Create, Op
from tests.ensemble.tree.harness import Leader


def disk_with_log_of(*spans: range) -> SimulatedDisk:
    """One log file for each span of zxids."""
    leader = Leader()
    for number in range(1, 10):
        leader.do(Op.CREATE, Create(f"/{number}", b"", OPEN_ACL, 0))
    payloads = {txn.zxid: txns.encode(txn) for txn in leader.history}
    disk = SimulatedDisk(Timeline().after, Random(1))
    for span in spans:
        entries = b"".join(encode(payloads[zxid]) for zxid in span)
        disk.put(f"version-2/log.{span.start:x}", HEADER + entries + bytes(16))
    return disk


def test_a_hole_on_a_disk_is_seen():
    disk = disk_with_log_of(range(2, 5), range(7, 9))
    with pytest.raises(HoleOnDisk, match=r"version-2/log\.7: 0:7 behind 0:4"):
        DurableHistory(disk, disk).refresh()


@pytest.mark.parametrize("zxid", [4, 5, 7])
def test_a_snapshot_elsewhere_bridges_no_hole(zxid: int):
    disk = disk_with_log_of(range(2, 5), range(7, 9))
    disk.put(f"version-2/snapshot.{zxid:x}", b"")
    with pytest.raises(HoleOnDisk):
        DurableHistory(disk, disk).refresh()


def test_a_server_may_log_on_behind_a_snapshot_of_what_it_has_not_logged():
    """It applies what a quorum has logged, and dies before its own disk has; purged later, the snapshot was there."""
    disk = disk_with_log_of(range(2, 5), range(7, 9))
    disk.put("version-2/snapshot.6", b"")
    history = DurableHistory(disk, disk)
    history.refresh()
    assert history.last == 8
    disk.discard("version-2/snapshot.6")
    history.forget()
    history.refresh()
    assert sorted(history.entries) == [2, 3, 4, 7, 8]
