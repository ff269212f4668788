"""Which znodes servers delete by themselves: containers, and those with a time to live.

Clients are not told (their stat shows no owner), so the admin ports are asked, and only while there are such
znodes at all. An ensemble of Apache's has no such port: its containers look like any other znode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboard.gateway.model import Model
from ensemble.admin.client import AdminError, ServerAdmin
from ensemble.admin.schema import LifetimeStatus


class Lifetimes:
    """Asks one server for all."""

    def __init__(self, model: Model, clients: Mapping[int, ServerAdmin]) -> None:
        self._model = model
        self._clients = clients

    async def of(self, paths: Sequence[str]) -> dict[str, LifetimeStatus]:
        """Return by path what is known of ``paths``; those that stay are not in it."""
        client = self._whom_to_ask()
        if client is None or not paths:
            return {}
        try:
            return {found["path"]: found for found in await client.lifetimes(paths)}
        except AdminError:
            return {}  # the rows are right without it, and the frame says that a server does not answer

    def _whom_to_ask(self) -> ServerAdmin | None:
        """Return the server that is furthest, if any knows of such a znode."""
        known = [
            (int(server.status["zxid_applied"]), sid)
            for sid, server in self._model.servers.items()
            if server.reachable
            and server.known
            and sid in self._clients
            and server.status.get("lifetimes", 0)
        ]
        return self._clients[max(known)[1]] if known else None
