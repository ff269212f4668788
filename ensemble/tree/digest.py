"""The digest of a tree: equal state, equal number (Apache's DigestCalculator version 2 and AdHash).

The digest is the sum of one CRC-32 for each znode, so it can follow changes without looking at the rest of
the tree. Everything under ``/zookeeper/`` contributes nothing; ``/zookeeper`` itself does.
"""

from __future__ import annotations

from struct import Struct
from zlib import crc32

from ensemble.tree.node import Node

VERSION = 2

_FIELDS = Struct(">qqqqqiiiq")
_EXCLUDED = "/zookeeper/"


def node_digest(path: str, node: Node) -> int:
    """Return what ``node`` at ``path`` contributes, an unsigned 32-bit number."""
    if path.startswith(_EXCLUDED):
        return 0
    digest = 0 if path == "/" else crc32(path.encode())
    if node.data:
        digest = crc32(node.data, digest)
    fields = _FIELDS.pack(
        node.czxid,
        node.mzxid,
        node.pzxid,
        node.ctime,
        node.mtime,
        node.version,
        node.cversion,
        node.aversion,
        node.ephemeral_owner,
    )
    return crc32(fields, digest)
