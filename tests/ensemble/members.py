"""Memberships whose addresses are of no interest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ensemble.membership import ANYWHERE, Membership, ServerAddress


def plain(
    sids: Iterable[int], *observers: int, version: int = 0, weights: Mapping[int, int] | None = None
) -> Membership:
    """Make voters of ``sids``, in one group when there are ``weights``, and observers."""
    servers = [
        ServerAddress(sid, f"server{sid}", 2888, 3888, sid not in observers, ANYWHERE, 2181)
        for sid in sorted({*sids, *observers})
    ]
    voters = tuple([server.sid for server in servers if server.votes])
    return Membership(tuple(servers), version, {1: voters} if weights else {}, weights or {})
