"""One znode. It knows its children, but neither its path nor its parent."""

from __future__ import annotations

from struct import Struct

from ensemble.tree.operations import OPEN_ACL, Acl
from ensemble.tree.owner import session_of

STAT = Struct(">qqqqiiiqiiq")
"""``Stat`` on the wire, 68 bytes: czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeralOwner,
dataLength, numChildren, pzxid."""


class Node:
    """A znode's data and bookkeeping.

    ``cversion`` is the raw one, which counts creations of children only and never goes back; clients are
    shown ``2 * cversion - number of children`` (Apache's DataNode.copyStat), so they see every creation
    and every deletion count one. ``digest`` is what this znode contributes to the tree's digest so far.
    """

    __slots__ = (
        "acl",
        "aversion",
        "children",
        "ctime",
        "cversion",
        "czxid",
        "data",
        "digest",
        "ephemeral_owner",
        "mtime",
        "mzxid",
        "pzxid",
        "version",
    )

    def __init__(
        self,
        data: bytes | None = b"",
        acl: tuple[Acl, ...] = OPEN_ACL,
        zxid: int = 0,
        time_ms: int = 0,
        ephemeral_owner: int = 0,
    ) -> None:
        self.data = data
        self.acl = acl
        self.czxid = zxid
        self.mzxid = zxid
        self.pzxid = zxid
        self.ctime = time_ms
        self.mtime = time_ms
        self.version = 0
        self.cversion = 0
        self.aversion = 0
        self.ephemeral_owner = ephemeral_owner
        self.children: dict[str, Node] | None = None
        self.digest = 0

    def pack_stat(self) -> bytes:
        """Return the znode's ``Stat`` as clients read it, 68 bytes."""
        owner = self.ephemeral_owner
        children = len(self.children) if self.children else 0
        cversion = 2 * self.cversion - children
        if not -0x80000000 <= cversion <= 0x7FFFFFFF:  # Java's int wraps
            cversion = (cversion + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        return STAT.pack(
            self.czxid,
            self.mzxid,
            self.ctime,
            self.mtime,
            self.version,
            cversion,
            self.aversion,
            session_of(owner) if owner < 0 else owner,
            len(self.data) if self.data else 0,
            children,
            self.pzxid,
        )
