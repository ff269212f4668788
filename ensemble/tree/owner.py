"""What a znode's ``ephemeral_owner`` can mean (Apache's EphemeralType).

===========================  =============================================================
0                            nobody: a persistent znode
-2**63                       a container
0xFF0000 in the top bytes    a TTL znode; the low 40 bits are its TTL in milliseconds
anything else                the session that owns an ephemeral
===========================  =============================================================

It does so whether or not clients may create TTL znodes: Apache takes those for ephemerals of unknown sessions
as soon as ``extendedTypesEnabled`` is not set, and deletes them at the next start.

Session ids are signed 64-bit integers as jute reads them. The top byte of an id is the server that made
it, and the clock of that server comes next, so only a server 255 whose clock has just started could make
an id that looks like a TTL; ours does not (``sessions``), and that server id is refused when TTL znodes are
enabled, as by Apache.

ZooKeeper 3.5.3 wrote the TTL into all bits but the highest (ZOOKEEPER-2901), which only somebody who knows
where a snapshot comes from can tell from a session (``emulate353TTLNodes``).
"""

from __future__ import annotations

CONTAINER = -(1 << 63)

SERVER_ID_MAX = 254
"""Where TTL znodes are enabled: a session of server 255 might not be told from a TTL znode's owner."""

TTL_MS_MAX = (1 << 40) - 1

_TTL_MIN = -(1 << 56)
_TTL_MAX = _TTL_MIN | TTL_MS_MAX


def ttl_owner(ttl_ms: int) -> int:
    """Return the owner field of a znode that lives ``ttl_ms`` milliseconds after its last change."""
    return _TTL_MIN | (ttl_ms & TTL_MS_MAX)


def ttl_of(owner: int) -> int:
    """Return the milliseconds that ``owner``, which marks a TTL znode, stands for."""
    return owner & TTL_MS_MAX


def owner_of_353(owner: int) -> int:
    """Return what ``owner`` is today when ZooKeeper 3.5.3 wrote it for a TTL znode; any other as it is.

    Taken for such: the highest bit and a TTL of at most 34 years, which is all that Apache reads of it, too.
    """
    ttl_ms = owner - CONTAINER
    return ttl_owner(ttl_ms) if 0 < ttl_ms <= TTL_MS_MAX else owner


def is_ttl(owner: int) -> bool:
    """Tell whether ``owner`` marks a TTL znode."""
    return _TTL_MIN <= owner <= _TTL_MAX


def session_of(owner: int) -> int:
    """Return the session that owns an ephemeral; 0 for every other kind of znode."""
    if owner >= 0:
        return owner
    return 0 if owner == CONTAINER or is_ttl(owner) else owner
