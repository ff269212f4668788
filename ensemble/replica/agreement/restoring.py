"""A snapshot from elsewhere, proved sound before anything is replaced by it.

Seals and digest must hold, every byte must be read as a znode, a session or an access list, and nothing may be
left over. What Apache's server restores with a warning is refused: a snapshot that was written while transactions
came in is, without their log, a state that never was, and its digest shows that.
"""

from __future__ import annotations

from dataclasses import dataclass

from ensemble.errors import CorruptionError, WireError
from ensemble.storage import compression, snapshots
from ensemble.tree import snapshot
from ensemble.tree.tree import Tree
from ensemble.zxid import epoch_of

EPOCH_MAX = (1 << 31) - (1 << 20)
"""Epochs are 31 bits, and every election takes one."""


@dataclass(frozen=True, slots=True)
class Restorable:
    """A state that may replace another one."""

    tree: Tree
    body: bytes
    digest: int
    zxid: int
    """The greatest zxid that anything in it tells of."""


def examine(data: bytes, *, emulate_353_ttl: bool = False) -> Restorable:
    """Read a snapshot file of ours or of Apache's, compressed or not; ``CorruptionError`` says what is wrong."""
    method = compression.recognized(data)
    name = f"the snapshot ({method})" if method else "the snapshot"
    content = snapshots.content_of(data, f"{name}.{method}")
    try:
        tree, end = snapshot.load(content.body, emulate_353_ttl=emulate_353_ttl)
    except WireError as error:
        raise CorruptionError(f"{name} is none: {error}") from error
    if end != len(content.body):
        raise CorruptionError(f"{name} goes on for {len(content.body) - end} bytes behind its last znode")
    digest = tree.digest()
    if content.digest is not None and content.digest != digest:
        raise CorruptionError(
            f"{name} does not have the digest it names: it was written while transactions came in, and is no whole "
            "state without their log; take one while no client writes"
        )
    zxids = [max(node.czxid, node.mzxid, node.pzxid) for node in tree.nodes.values()]
    zxid = max(content.zxid or 0, *zxids, 0)
    if epoch_of(zxid) > EPOCH_MAX:
        raise CorruptionError(
            f"{name} tells of epoch {epoch_of(zxid)}, behind which there are no epochs left to lead in"
        )
    return Restorable(tree, content.body, digest, zxid)
