"""How a learner is brought to its leader's history: a pure choice, tested exhaustively (ZOOKEEPER-3526).

========================================================  =====================================================
the learner's last zxid ...                               ... gets
========================================================  =====================================================
is our last committed one                                 DIFF with nothing
is in our history                                         DIFF with what follows it
is not, but we hold an earlier one of the same epoch      TRUNC to that, then what follows it
anything else (other epochs, or before our oldest log)    SNAP
========================================================  =====================================================

TRUNC stays within an epoch because two histories that share a proposal share all before it; a zxid of an
*earlier* epoch in our history need not be in the learner's at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ensemble.limits import DIFF_TXNS_MAX
from ensemble.zab.messages import PacketType
from ensemble.zab.ports import History
from ensemble.zxid import epoch_of


@dataclass(slots=True)
class Synchronization:
    """What to send before NEWLEADER: the first packet, then committed transactions."""

    mode: PacketType
    zxid: int
    txns: list[tuple[int, bytes]] = field(default_factory=list)


def choose(history: History, learner_zxid: int, zxid_committed: int) -> Synchronization:
    """Choose how a learner whose last logged transaction is ``learner_zxid`` reaches ``zxid_committed``."""
    if learner_zxid == zxid_committed:
        return Synchronization(PacketType.DIFF, zxid_committed)
    start = history.last_not_after(min(learner_zxid, zxid_committed))
    if start is None:
        return Synchronization(PacketType.SNAP, zxid_committed)
    txns = history.read_after(start)
    if txns is None or len(txns) > DIFF_TXNS_MAX:
        return Synchronization(PacketType.SNAP, zxid_committed)
    committed = [txn for txn in txns if txn[0] <= zxid_committed]
    if start == learner_zxid:
        return Synchronization(PacketType.DIFF, zxid_committed, committed)
    if epoch_of(start) == epoch_of(learner_zxid):
        return Synchronization(PacketType.TRUNC, start, committed)
    return Synchronization(PacketType.SNAP, zxid_committed)
