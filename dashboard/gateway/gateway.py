"""The gateway: model, feeds, publisher and hands together, and the calls views may make.

One per panel. Everything that goes in or out of :meth:`Gateway.call` is JSON (and bytes), so that a panel process
without a gateway makes the very same calls over the Channels layer (see :mod:`dashboard.gateway.remote`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.layers import BaseChannelLayer

from dashboard.gateway import blast, queues
from dashboard.gateway.actions import Actions
from dashboard.gateway.errors import GatewayError
from dashboard.gateway.feeds import ServerFeed, SupervisorFeed, monotonic_us
from dashboard.gateway.holders import Holders
from dashboard.gateway.lifetimes import Lifetimes
from dashboard.gateway.model import Model
from dashboard.gateway.proposals import percentile
from dashboard.gateway.publisher import PANEL_GROUP, STAGE_GROUP, Publisher
from dashboard.gateway.remote import CallServer
from dashboard.gateway.sources import ServerAddress, Source
from dashboard.gateway.znodes import Znodes
from ensemble import paths
from ensemble.admin.client import ServerAdmin, SupervisorAdmin

logger = logging.getLogger(__name__)

RATE_SAMPLE_S = 1.0
SESSIONS_ASKED_S = 5.0
PROPOSALS_PER_FRAME = 60


class Gateway:
    """Looks at one ensemble for all viewers."""

    def __init__(self, source: Source, layer: BaseChannelLayer) -> None:
        self.source = source
        self.model = Model(source.name, named=source.named)
        self.publisher = Publisher(layer)
        self.clients: dict[int, ServerAdmin] = {}
        self.holders = Holders(self.model, self.clients)
        self.actions = Actions(self.model, self.clients)
        self.znodes = Znodes(self.publisher, Lifetimes(self.model, self.clients))
        self._layer = layer
        self._feeds: dict[int, asyncio.Task[None]] = {}
        self._addresses: dict[int, ServerAddress] = {}
        self._supervisor: SupervisorFeed | None = None
        self._task: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._declare_topics()
        self.calls = self._declare_calls()

    # Life

    async def start(self) -> None:
        """Begin to look; returns at once."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="gateway")
            self._task.add_done_callback(_say_if_failed)

    async def stop(self) -> None:
        """Stop looking and close what is open (the panel's own session, and its ephemerals with it)."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.znodes.close()

    async def call(self, name: str, **arguments: Any) -> Any:
        """Make one of the calls of :attr:`calls`; raises :class:`GatewayError`."""
        call = self.calls.get(name)
        if call is None:
            raise GatewayError(f"The gateway has no call {name!r}.", "bad_request")
        return await call(**arguments)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self.publisher.run(), name="publisher")
            group.create_task(CallServer(self._layer, self.call).run(), name="calls")
            group.create_task(self._sample_rates(), name="rates")
            group.create_task(self._keep_sessions_known(), name="sessions")
            self._look_at(self.source.servers)
            if self.source.supervisor:
                client = SupervisorAdmin(self.source.supervisor, self.source.token)
                self.actions.supervisor = client
                self._supervisor = SupervisorFeed(client, self.model, self.publisher, self._on_ensemble)
                group.create_task(self._supervisor.run(), name="supervisor")

    def _look_at(self, servers: tuple[ServerAddress, ...]) -> None:
        """Start a feed for every server not yet looked at."""
        assert self._group is not None
        for address in servers:
            if address.sid in self._feeds:
                continue
            feed = ServerFeed(address, self.source.token, self.model, self.publisher)
            if feed.client is not None:
                self.clients[address.sid] = feed.client
            self._addresses[address.sid] = address
            self._feeds[address.sid] = self._group.create_task(feed.run(), name=f"feed s{address.sid}")
        self.znodes.use([address.client for _, address in sorted(self._addresses.items())])

    def _on_ensemble(self, status: dict[str, Any]) -> None:
        """Learn of servers the settings did not name."""
        self.model.name = status["name"]
        self._look_at(
            tuple(
                ServerAddress(p["sid"], f"127.0.0.1:{p['client_port']}", p["admin_url"])
                for p in status["servers"]
                if p["sid"] not in self._feeds
            )
        )

    async def _sample_rates(self) -> None:
        while True:
            reachable = [s.status for s in self.model.servers.values() if s.reachable and s.known]
            self.model.rates.sample(reachable, monotonic_us())
            self.publisher.mark("summary")
            await asyncio.sleep(RATE_SAMPLE_S)

    async def _keep_sessions_known(self) -> None:
        """Ask for the sessions now and then: those opened before the panel listened are in no event."""
        while True:
            listing = await self.holders.sessions()
            self.model.on_sessions(listing["sessions"])
            if self.model.changed_servers:
                self.publisher.mark("servers")
            await asyncio.sleep(SESSIONS_ASKED_S)

    # What is published

    def _declare_topics(self) -> None:
        model, add = self.model, self.publisher.add
        add("servers", STAGE_GROUP, 0.25, model.servers_frame)
        add("events", STAGE_GROUP, 0.1, self._events_frame)
        add("proposals", STAGE_GROUP, 0.2, self._proposals_frame)
        add("summary", PANEL_GROUP, 0.5, model.summary)
        add("tree", PANEL_GROUP, 0.3, self._tree_frame)
        add("sessions", PANEL_GROUP, 0.5, dict)
        add("watches", PANEL_GROUP, 0.5, dict)
        add("audit", PANEL_GROUP, 0.2, dict)
        add("progress", PANEL_GROUP, 0.2, self.znodes.progress)

    def _events_frame(self) -> dict[str, Any] | None:
        events, dropped = self.model.take_stage_events()
        return {"type": "events", "events": events, "dropped": dropped} if events or dropped else None

    def _proposals_frame(self) -> dict[str, Any] | None:
        proposals, left_out = self.model.proposals.take_changed(PROPOSALS_PER_FRAME)
        if not proposals:
            return None
        latencies = self.model.proposals.latencies_ms()
        return {
            "type": "proposals",
            "proposals": [proposal.to_json() for proposal in proposals],
            "left_out": left_out,
            "commit_ms_p50": percentile(latencies, 0.50),
            "commit_ms_p99": percentile(latencies, 0.99),
        }

    def _tree_frame(self) -> dict[str, Any] | None:
        changes, left_out = self.model.take_znodes()
        if not changes and not left_out:
            return None
        kept = [{key: change[key] for key in ("path", "what", "zxid", "owner")} for change in changes]
        return {"changes": kept, "left_out": left_out}

    # What may be called

    def _declare_calls(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        znodes, actions = self.znodes, self.actions
        return {
            "state": self._state,
            "stage": self._stage,
            "sessions": self.holders.sessions,
            "session": self._session,
            "watches": self._watches,
            "children": znodes.children,
            "rows": znodes.rows,
            "position": znodes.position,
            "node": znodes.node,
            "queue": self._queue,
            "quota": znodes.quota,
            "count_below": znodes.count_below,
            "set_quota": znodes.set_quota,
            "delete_quota": znodes.delete_quota,
            "find": znodes.find,
            "create": znodes.create,
            "set_data": znodes.set_data,
            "delete": znodes.delete,
            "deletion": self._deletion,
            "delete_tree": znodes.delete_tree,
            "preview_server": self._preview_server,
            "preview_partition": self._preview_partition,
            "server": self._server,
            "partition": actions.partition,
            "cut": actions.cut,
            "heal": actions.heal,
            "expire": self._expire,
            "audited": self._audited,
        }

    async def _state(self) -> dict[str, Any]:
        return self.model.state() | {"seq": self.publisher.sequence(PANEL_GROUP)}

    async def _stage(self) -> dict[str, Any]:
        return {"snapshot": self.model.stage_snapshot(), "seq": self.publisher.sequence(STAGE_GROUP)}

    async def _session(self, session: str) -> dict[str, Any]:
        sessions = await self.holders.sessions()
        found = next((s for s in sessions["sessions"] if s["session"] == session), None)
        if found is None:
            raise _no_session(session, sessions)
        watches = await self.holders.watches()
        own = [watch for watch in watches["watches"] if watch["session"] == session]
        return {
            "session": found,
            "silent": sessions["silent"],
            "own_watches": own,
            "blast": blast.of_expiry(found, watches["watches"]),
        }

    async def _expire(self, session: str) -> dict[str, Any]:
        sessions = await self.holders.sessions()
        local = (s["owner"] for s in sessions["sessions"] if s["session"] == session and s["local"])
        return await self.actions.expire(session, next(local, None))

    async def _watches(self) -> dict[str, Any]:
        return await self.holders.watches() | {"fired": list(self.model.fired)}

    async def _queue(self, path: str, sequential: bool) -> dict[str, Any] | None:
        """Return the line a sequential ephemeral stands in, or (not ``sequential``) the one a directory holds."""
        directory = paths.parent_of(path) if sequential else path
        members, beyond = await self.znodes.line(directory)
        if not members:
            return None
        listing = await self.holders.watches()
        return queues.chain_of(
            directory,
            members,
            listing["watches"] if len(listing["missing"]) < len(self.model.servers) else None,
            path if sequential else None,
            watches_complete=not listing["missing"] and len(listing["watches"]) == listing["total"],
            members_beyond=beyond,
        )

    async def _deletion(self, path: str) -> dict[str, Any]:
        node = await self.znodes.node(path)
        below = await self.znodes.count_below(path)
        watches = await self.holders.watches()
        return {"node": node, "below": below, "fires": blast.of_deletion(path, watches["watches"])}

    async def _preview_server(self, sid: int, action: str) -> dict[str, Any]:
        if action not in blast.ACTIONS or sid not in self.model.servers:
            raise GatewayError(f"There is no {action} of s{sid}.", "not_found")
        refusal = blast.refusal(self.model, sid, action)
        sentences = [] if refusal else blast.of_server_action(self.model, sid, action)
        return {"sid": sid, "action": action, "refusal": refusal, "sentences": sentences}

    async def _preview_partition(self, groups: list[list[int]]) -> dict[str, Any]:
        try:
            self.actions.check_partition(groups)
        except GatewayError as error:
            return {"groups": groups, "refusal": error.reason, "sentences": []}
        return {"groups": groups, "refusal": None, "sentences": blast.of_partition(self.model, groups)}

    async def _server(self, sid: int, action: str) -> dict[str, Any]:
        try:
            return await self.actions.server(sid, action)
        finally:
            if self._supervisor is not None:
                self._supervisor.poll_soon()

    async def _audited(self) -> None:
        self.publisher.mark("audit")


def _no_session(session: str, listing: dict[str, Any]) -> GatewayError:
    """Say that a session is not listed, and no more than that when not all are."""
    if not listing["asked"]:
        return GatewayError(f"No server can be asked whether session {session} lives.", "unavailable")
    if len(listing["sessions"]) < listing["total"]:
        few, all_of_them = len(listing["sessions"]), listing["total"]
        return GatewayError(
            f"Session {session} is not among the {few:,} of {all_of_them:,} that the servers list.",
            "not_found",
        )
    return GatewayError(f"There is no session {session}: it was closed or has expired.", "not_found")


def _say_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("The gateway failed; restart the panel", exc_info=error)
