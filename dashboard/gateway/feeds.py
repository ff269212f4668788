"""Reading servers and their supervisor, and saying what was wrong when one cannot be read.

A server that dies is the normal case here; a feed never ends because of it (a panel that gave up silently would
look like a quiet ensemble).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, cast

from dashboard.gateway.model import Model
from dashboard.gateway.proposals import Proposals
from dashboard.gateway.publisher import Publisher
from dashboard.gateway.sources import ServerAddress
from ensemble.admin.client import AdminError, ServerAdmin, SupervisorAdmin

logger = logging.getLogger(__name__)

SUPERVISOR_POLL_S = 0.5

KIND_TOPICS = {
    "session": ("sessions", "events"),
    "watch": ("watches", "events"),
    "znode": ("tree", "events"),
}


def monotonic_us() -> int:
    """Return the panel's clock; the servers' on this machine are the same."""
    return time.monotonic_ns() // 1000


class ServerFeed:
    """One server's admin stream, into the model."""

    def __init__(self, address: ServerAddress, token: str, model: Model, publisher: Publisher) -> None:
        self.address = address
        self.client = ServerAdmin(address.admin, token) if address.admin else None
        self._model = model
        self._publisher = publisher

    async def run(self) -> None:
        """Read until cancelled; the stream itself comes again after each loss."""
        sid = self.address.sid
        self._model.add_server(sid, self.address.client, local=self.address.local)
        if self.client is None:
            self._model.servers[sid].watched = False
            self._lost("its admin port is not named in COORDINATOR_SERVERS; only its client port is known")
            return
        try:
            async for frame in self.client.stream():
                try:
                    self._on_frame(cast("dict[str, Any]", frame))
                except (KeyError, TypeError, ValueError) as error:
                    # Another version's server, perhaps: its feed is of no use, but the others' are.
                    logger.exception("s%d sent what the panel cannot read", sid)
                    self._lost(f"sent what this panel cannot read ({type(error).__name__}: {error})")
        finally:
            await self.client.close()

    def _on_frame(self, frame: dict[str, Any]) -> None:
        sid, now_us = self.address.sid, monotonic_us()
        if frame["type"] == "link":
            if not frame["up"]:
                self._lost(frame["error"])
        elif frame["type"] == "status":
            came_back = not self._model.servers[sid].reachable
            if came_back:
                self._model.clocks.connected(sid, local=self.address.local)
            self._model.on_status(sid, frame["status"], now_us)
            self._publisher.mark("servers", "summary")
            if came_back:
                self._publisher.mark("sessions", "watches")
        elif frame["type"] == "events":
            self._model.on_events(sid, frame["events"], frame["dropped"], now_us, time.time())
            self._publisher.mark(*topics_of(frame["events"]))

    def _lost(self, reason: str) -> None:
        if self._model.servers[self.address.sid].reachable:
            logger.info("s%d: %s", self.address.sid, reason)
        self._model.on_lost(self.address.sid, reason)
        self._publisher.mark("servers", "summary", "sessions", "watches")


class SupervisorFeed:
    """The supervisor's account of its processes, polled: it has no stream, and it is cheap."""

    def __init__(
        self,
        client: SupervisorAdmin,
        model: Model,
        publisher: Publisher,
        on_servers: Callable[[dict[str, Any]], None],
    ) -> None:
        self.client = client
        self._model = model
        self._publisher = publisher
        self._on_servers = on_servers
        self._poll_now = asyncio.Event()

    def poll_soon(self) -> None:
        """Look again at once: something was done to a process."""
        self._poll_now.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                await self._poll()
                try:
                    await asyncio.wait_for(self._poll_now.wait(), SUPERVISOR_POLL_S)
                except TimeoutError:
                    continue
                self._poll_now.clear()
        finally:
            await self.client.close()

    async def _poll(self) -> None:
        try:
            status = await self.client.ensemble()
        except AdminError as error:
            self._model.on_supervisor_lost(str(error))
        else:
            self._on_servers(cast("dict[str, Any]", status))
            self._model.on_processes(cast("list[dict[str, Any]]", status["servers"]))
        self._publisher.mark("servers")


def topics_of(events: list[dict[str, Any]]) -> set[str]:
    """Return the topics that a batch of events has something new for."""
    topics: set[str] = set()
    for kind in {str(event["kind"]) for event in events}:
        topics.update(("proposals",) if kind in Proposals.KINDS else KIND_TOPICS.get(kind, ("events",)))
    return topics
