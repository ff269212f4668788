"""A tree that holds what nobody has committed, followed through the log (ZOOKEEPER-4837).

A server of Apache's that has loaded a snapshot of transactions that were cut off its log goes on with what is
committed. What it has then is known as exactly as what it should have, and so is what it answers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from operator import itemgetter

from ensemble.errors import Code
from ensemble.simulator.clients.history import Answer, Call
from ensemble.tree import txns
from ensemble.tree.node import STAT
from ensemble.tree.operations import Op, Read
from ensemble.tree.tree import Tree


class StaleState:
    """One snapshot and the committed transactions after it."""

    def __init__(self, sid: int, zxid: int, tree: Tree, log: Sequence[tuple[int, bytes]]) -> None:
        """Begin at ``zxid``, after which the snapshot of server ``sid`` is named and which is not in ``log``."""
        self.sid = sid
        self.zxid = zxid
        self.holders = {sid: zxid}
        """Servers that have this state, and since when: the first, and those it has sent it to."""
        self._tree = tree
        self._log = log
        self._next = bisect_right(log, zxid, key=itemgetter(0))

    def at(self, zxid: int) -> Tree:
        """Return the tree after the transaction ``zxid``; to be asked in their order."""
        log = self._log
        while self._next < len(log) and log[self._next][0] <= zxid:
            self._tree.apply(txns.decode(log[self._next][1]))
            self._next += 1
        return self._tree

    def sent(self, sid: int, snapshots: Collection[int]) -> None:
        """Note which snapshots another server got from the first one; those after ``zxid`` are of this state."""
        received = [zxid for zxid in snapshots if zxid > self.zxid]
        if received:
            self.holders[sid] = min(received)

    def digest(self) -> int:
        """Return the digest of the tree after the whole log."""
        return self.at(self._log[-1][0] if self._log else 0).digest()

    def explains(self, call: Call) -> bool:
        """Tell whether a read was answered from this state, by a server that had it."""
        since = self.holders.get(call.server)
        if since is None or call.zxid < since or call.zxid <= self.zxid:
            return False
        return call.answer == _read(self.at(call.zxid), call)


def _read(tree: Tree, call: Call) -> Answer:
    assert isinstance(call.operation, Read)
    node = tree.nodes.get(call.operation.path)
    if node is None:
        return Answer(Code.NO_NODE)
    stat = STAT.unpack(node.pack_stat())
    if call.op == Op.EXISTS:
        return Answer(stat=stat)
    if call.op == Op.GET_DATA:
        return Answer(data=node.data, stat=stat)
    return Answer(children=sorted(node.children or ()), stat=stat if call.op == Op.GET_CHILDREN2 else None)
