"""What a znode's ``ephemeral_owner`` can mean (Apache's EphemeralType).

===========================  =============================================================
0                            nobody: a persistent znode
-2**63                       a container
top byte 0xFF                a TTL znode; the low 40 bits are its TTL in milliseconds
anything else                the session that owns an ephemeral
===========================  =============================================================

Session ids are signed 64-bit integers as jute reads them. The top byte of an id is the server that made
it, so a server's id must be at most 254.
"""

from __future__ import annotations

CONTAINER = -(1 << 63)

SERVER_ID_MAX = 254
"""A session of server 255 could not be told from a TTL znode's owner."""

TTL_MS_MAX = (1 << 40) - 1

_TTL_MIN = -(1 << 56)


def ttl_owner(ttl_ms: int) -> int:
    """Return the owner field of a znode that lives ``ttl_ms`` milliseconds after its last change."""
    return _TTL_MIN | (ttl_ms & TTL_MS_MAX)


def is_ttl(owner: int) -> bool:
    """Tell whether ``owner`` marks a TTL znode."""
    return _TTL_MIN <= owner < 0


def session_of(owner: int) -> int:
    """Return the session that owns an ephemeral; 0 for every other kind of znode."""
    if owner >= 0:
        return owner
    return 0 if owner == CONTAINER or owner >= _TTL_MIN else owner
