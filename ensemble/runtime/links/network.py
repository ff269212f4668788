"""The network port of a running server: election and quorum links, and the faults between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from ensemble.admin.schema import FaultStatus
from ensemble.errors import ConfigError
from ensemble.membership import ServerAddress
from ensemble.runtime.config.cluster import DEFAULTS, Cluster
from ensemble.runtime.config.quorum_sasl import QuorumSasl
from ensemble.runtime.links import quorum
from ensemble.runtime.links.chosen import ways_of
from ensemble.runtime.links.election import ElectionLinks
from ensemble.runtime.links.quorum import QuorumLinks
from ensemble.runtime.steps import Steps
from ensemble.runtime.tasks import watched
from ensemble.runtime.tls.settings import TlsConfig


class Service(quorum.Service, Protocol):
    """Whoever speaks to the other servers."""

    def on_election_message(self, sid: int, payload: bytes) -> None:
        """An election message came in."""

    def on_election_link(self, sid: int, up: bool) -> None:
        """The election link to ``sid`` came up or broke."""


class LoopNetwork:
    """:class:`ensemble.ports.Network` over TCP; for a server that stands alone it opens nothing.

    The server it serves is built with it, so it is handed over afterwards, by :meth:`open`.
    """

    def __init__(
        self,
        steps: Steps,
        *,
        log: Callable[[str], None],
        settings: Cluster = DEFAULTS,
        tls: TlsConfig | None = None,
        sasl: QuorumSasl | None = None,
    ) -> None:
        self._steps = steps
        self._log = log
        self._settings = settings
        self._tls = tls or TlsConfig()
        self._sasl = sasl
        self._me: ServerAddress | None = None
        self._members: list[ServerAddress] = []
        self._moving: asyncio.Task[None] | None = None
        self._elections: ElectionLinks | None = None
        self._quorum: QuorumLinks | None = None
        self._cut: frozenset[int] = frozenset()

    async def open(
        self,
        me: ServerAddress,
        servers: Iterable[ServerAddress],
        service: Service,
        *,
        strangers: bool = False,
    ) -> None:
        """Open both ports and begin to link up; with ``strangers`` others may call who are about to join.

        :class:`ConfigError` when a port cannot be had, or a key store not be used.
        """
        others = [server for server in servers if server.sid != me.sid]
        self._me, self._members = me, others
        host = None if self._settings.listen_on_all_addresses else me.host
        links = ways_of(
            self._tls,
            self._sasl,
            lambda: [place.host for server in self._members for place in server.places],
            keep_alive=self._settings.keep_alive,
            log=self._log,
        )
        self._quorum = QuorumLinks(
            me, others, service, self._steps, log=self._log, settings=self._settings, ways=links
        )
        await self._quorum.open(host)

        def on_message(sid: int, payload: bytes) -> None:
            self._steps.wake()
            service.on_election_message(sid, payload)

        def on_link(sid: int, up: bool) -> None:
            self._steps.wake()
            service.on_election_link(sid, up)

        self._elections = ElectionLinks(
            me,
            others,
            on_message=on_message,
            on_link=on_link,
            log=self._log,
            settings=self._settings,
            ways=links,
            strangers_welcome=strangers,
        )
        await self._elections.open(host)

    def reach(self, servers: Iterable[ServerAddress]) -> None:
        """Keep up links to these servers from now on, and to no others."""
        if self._me is None or self._elections is None or self._quorum is None:
            return
        self._members = [server for server in servers if server.sid != self._me.sid]
        self._elections.reach(self._members)
        self._quorum.reach(self._members)

    def move(self, me: ServerAddress) -> None:
        """Let other servers reach this one where ``me`` says from now on; links that exist stay."""
        if self._me is not None:
            self._me = me
            self._moving = watched(self._move(me))

    async def _move(self, me: ServerAddress) -> None:
        if self._elections is None or self._quorum is None:
            return
        host = None if self._settings.listen_on_all_addresses else me.host
        try:
            await self._quorum.move(me, host)
            await self._elections.move(me, host)
        except ConfigError as error:
            self._log(f"other servers cannot reach this one at its new ports: {error}")
        else:
            self._log(f"other servers reach this one at {me.line()} from now on")

    async def close(self) -> None:
        """Break and close everything."""
        if self._moving is not None:
            self._moving.cancel()
        if self._elections:
            await self._elections.close()
        if self._quorum:
            await self._quorum.close()

    def send_election(self, sid: int, payload: bytes) -> None:
        """Send an election message; only the newest one not yet sent is kept."""
        if self._elections:
            self._elections.send(sid, payload)

    def dial(self, sid: int) -> None:
        """Open a link to the quorum port of ``sid``."""
        if self._quorum:
            self._quorum.dial(sid)

    def cut(self, peers: Iterable[int]) -> None:
        """Cut this server off from ``peers``, in addition to those already cut: no link either way."""
        self._fault(self._cut | (frozenset(peers) & {server.sid for server in self._members}))

    def heal(self, peers: Iterable[int] = ()) -> None:
        """Let ``peers`` (all, when none are named) be reached again."""
        self._fault(self._cut - (frozenset(peers) or self._cut))

    def faults(self) -> list[FaultStatus]:
        """Return the faults in force."""
        return [FaultStatus(what="cut", peers=sorted(self._cut))] if self._cut else []

    def _fault(self, cut: frozenset[int]) -> None:
        self._cut = cut
        if self._elections and self._quorum:
            self._elections.fault(cut)
            self._quorum.fault(cut)
