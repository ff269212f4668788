"""Sessions and watches of all servers, joined.

A session is in the agreed state, so every server lists it; the leader knows when it would expire, and the
server its client is connected to knows the client. A local session is known to its own server only. Watches are each server's own. Answers are kept for half a
second: many viewers cost the servers no more than one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from dashboard.gateway.model import Model
from ensemble.admin.client import AdminError, ServerAdmin

KEPT_S = 0.5
OF_CLIENT = (
    "client",
    "watches",
    "last_zxid",
    "last_op",
    "outstanding",
    "received",
    "sent",
    "read_only",
    "secure",
)
"""What only the server knows that a session's client is connected to."""

Listing = dict[str, Any]


def join_sessions(listings: Mapping[int, Listing], leader: int | None) -> Listing:
    """Join what each server (by sid) lists: agreed facts from the leader, a client from where it is connected,

    and from each server the sessions that are its own."""
    order = sorted(listings, key=lambda sid: (sid != leader, sid))
    joined: dict[str, dict[str, Any]] = {}
    total = 0
    for sid in order:
        # The agreed list is one server's, preferably the leader's; others only add to it.
        agreed = sid == order[0]
        total = listings[sid]["total"] if agreed else total
        for told in listings[sid]["sessions"]:
            known = joined.get(told["session"])
            if known is None:
                if agreed or told["local"]:
                    joined[told["session"]] = told | ({"owner": sid} if told["local"] else {})
                    total += not agreed
            elif told["connected_here"] and not known["connected_here"]:
                known.update({key: told[key] for key in OF_CLIENT}, owner=sid, connected_here=True)
    for session in joined.values():
        if session["connected_here"] and session["owner"] is None:
            session["owner"] = order[0]
    sessions = sorted(joined.values(), key=lambda s: s["session"])
    return {"sessions": sessions, "total": total, "leader_known": leader in listings}


def join_watches(listings: Mapping[int, Listing]) -> Listing:
    """Join what each server lists."""
    watches = [watch for _, listing in sorted(listings.items()) for watch in listing["watches"]]
    watches.sort(key=lambda w: (w["path"], w["mode"], w["session"]))
    return {"watches": watches, "total": sum(listing["total"] for listing in listings.values())}


class Holders:
    """Asks the servers for sessions and watches."""

    def __init__(self, model: Model, clients: Mapping[int, ServerAdmin]) -> None:
        self._model = model
        self._clients = clients
        self._kept: dict[str, tuple[float, Listing]] = {}
        self._locks = {"sessions": asyncio.Lock(), "watches": asyncio.Lock()}

    async def sessions(self) -> Listing:
        """Return all sessions, and of whom they were learned.

        ``asked`` counts the servers that answered, ``missing`` names those that could not be asked, and ``silent`` those
        of them that may have clients all the same: whose process is not known to be down.
        """
        return await self._get("sessions", self._ask_sessions)

    async def watches(self) -> Listing:
        """Return all watches, with ``asked``, ``missing`` and ``silent`` as :meth:`sessions` has them."""
        return await self._get("watches", self._ask_watches)

    async def _get(self, what: str, ask: Callable[[], Awaitable[Listing]]) -> Listing:
        async with self._locks[what]:
            asked, listing = self._kept.get(what, (float("-inf"), {}))
            if time.monotonic() - asked > KEPT_S:
                listing = await ask()
                if listing["asked"]:
                    self._kept[what] = (time.monotonic(), listing)
            return listing | {"named": self._model.named}

    async def _ask_sessions(self) -> Listing:
        listings = await self._ask_all("sessions")
        leader = self._model.leader()
        return join_sessions(listings, leader.sid if leader else None) | self._not_asked(listings)

    async def _ask_watches(self) -> Listing:
        listings = await self._ask_all("watches")
        return join_watches(listings) | self._not_asked(listings)

    def _not_asked(self, listings: Mapping[int, Listing]) -> Listing:
        missing = sorted(set(self._model.servers) - set(listings))
        silent = [sid for sid in missing if not self._model.servers[sid].down]
        watched = any(server.watched for server in self._model.servers.values())
        return {"asked": len(listings), "missing": missing, "silent": silent, "watched": watched}

    async def _ask_all(self, what: str) -> dict[int, Listing]:
        async def one(sid: int) -> tuple[int, Listing | None]:
            try:
                client = self._clients[sid]
                items, total = await (client.sessions() if what == "sessions" else client.watches())
            except AdminError:
                return sid, None
            return sid, {what: items, "total": total}

        sids = [
            sid
            for sid, server in sorted(self._model.servers.items())
            if server.reachable and sid in self._clients
        ]
        answers = await asyncio.gather(*(one(sid) for sid in sids))
        return {sid: listing for sid, listing in answers if listing is not None}
