"""Quorum links: the connections that learners make to the leader's quorum port.

The port is open from start to end: a learner that dials before its leader knows itself elected is held,
not refused. Writes are gathered and leave once per step. Of the protocol this module knows one thing, who
calls: the first packet of a learner carries its server id, and faults must know whom they cut off.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable
from itertools import chain
from struct import Struct
from typing import Protocol, cast

from ensemble.membership import ServerAddress
from ensemble.ports import Link
from ensemble.runtime.config.cluster import DEFAULTS, Cluster
from ensemble.runtime.disk.outflow import Outflow
from ensemble.runtime.links.ways import Listener, Port, Ways
from ensemble.runtime.listening import to_open
from ensemble.runtime.steps import Steps
from ensemble.zab.messages import PacketType

INLINE_BYTES_MAX = 1024 * 1024
"""A state of fewer bytes is sent without a fork."""
UNSENT_BYTES_MAX = 256 * 1024 * 1024
"""A learner that lags behind by more than this is cut off; what is left of a larger packet, a snapshot, does not
count."""
ACCEPTED_MAX = 1024

_FIRST_PACKET = Struct(">iqiq")
"""type, zxid, length of the data, and the server id it starts with (LearnerInfo)."""
_INTRODUCTIONS = (PacketType.FOLLOWERINFO, PacketType.OBSERVERINFO)


class Service(Protocol):
    """Whoever speaks on the links."""

    def on_link_accepted(self, link: Link) -> None:
        """Another server opened a link."""

    def on_link_dialed(self, sid: int, link: Link | None) -> None:
        """A dial ended."""

    def on_link_data(self, link: Link, data: bytes) -> None:
        """Bytes came in."""

    def on_link_closed(self, link: Link) -> None:
        """The other end, or the network, broke the link."""


class QuorumLinks:
    """The quorum port of one server, and the links it dialed."""

    def __init__(
        self,
        me: ServerAddress,
        others: Iterable[ServerAddress],
        service: Service,
        steps: Steps,
        *,
        log: Callable[[str], None],
        settings: Cluster = DEFAULTS,
        ways: Ways | None = None,
    ) -> None:
        self.service = service
        self.steps = steps
        self.log = log
        self.cut: frozenset[int] = frozenset()
        self.links: set[QuorumLink] = set()
        self._me = me
        self._addresses = {address.sid: address for address in others}
        self._settings = settings
        self._ways = ways or Ways()
        self._dials: set[asyncio.Task[QuorumLink | None]] = set()
        self._turns: dict[int, int] = {}
        """Which of its places each server is called at next."""
        self._servers: dict[tuple[str | None, int], Listener] = {}

    async def open(self, host: str | None) -> None:
        """Listen; :class:`ConfigError` when the port cannot be had."""
        for where, port in self._wanted(host):
            if (where, port) not in self._servers:
                self._servers[where, port] = await self._ways.listen(
                    lambda: QuorumLink(self, None), Port(where, port, f"quorum port of server.{self._me.sid}")
                )

    async def move(self, me: ServerAddress, host: str | None) -> None:
        """Listen at the quorum ports of ``me`` instead; :class:`ConfigError` when one cannot be had."""
        self._me = me
        await self.open(host)
        wanted = self._wanted(host)
        for place in [place for place in self._servers if place not in wanted]:
            self._servers.pop(place).close()

    def _wanted(self, host: str | None) -> list[tuple[str | None, int]]:
        return to_open(host, [(place.host, place.quorum_port) for place in self._me.places])

    def reach(self, others: Iterable[ServerAddress]) -> None:
        """Dial these servers where they are from now on; links that exist stay."""
        self._addresses = {address.sid: address for address in others}

    async def close(self) -> None:
        """Stop listening and dialing, break everything; nothing is reported any more."""
        for server in self._servers.values():
            server.close()
        dials = list(self._dials)
        for dial in dials:
            dial.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        for link in list(self.links):
            link.close()
        await asyncio.sleep(0)  # the loop closes sockets in its next turn

    def dial(self, sid: int) -> None:
        """Open a link to ``sid``; the outcome is reported in a later step."""
        dial = asyncio.create_task(self._connect(sid))
        self._dials.add(dial)
        # The report is a callback, not the end of the coroutine: what it raises then reaches the loop's
        # exception handler at once, and with it the host.
        dial.add_done_callback(functools.partial(self._report, sid))

    async def _connect(self, sid: int) -> QuorumLink | None:
        address = self._addresses.get(sid)
        if address is None or sid in self.cut:
            return None
        for _ in address.places:
            turn = self._turns.get(sid, 0)
            place = address.places[turn % len(address.places)]
            try:
                async with asyncio.timeout(self._settings.connect_timeout_ms / 1000):
                    return await self._ways.dial(place.host, place.quorum_port, lambda: QuorumLink(self, sid))
            except (OSError, TimeoutError, ValueError) as error:  # ValueError: a host that can be none
                self.log(f"quorum: server {sid} cannot be reached: {self._ways.why(error)}")
                self._turns[sid] = turn + 1
        return None

    def _report(self, sid: int, dial: asyncio.Task[QuorumLink | None]) -> None:
        self._dials.discard(dial)
        if dial.cancelled():
            return
        link = dial.result()
        if link is not None and link.broken:
            link = None
        self.steps.wake()
        self.service.on_link_dialed(sid, link)
        if link is not None:
            link.begin()

    def fault(self, cut: frozenset[int]) -> None:
        """Break the links to ``cut`` and refuse new ones, both ways, until called with fewer."""
        self.cut = cut
        for link in [link for link in self.links if link.peer in cut]:
            link.break_off()


class QuorumLink(asyncio.Protocol):
    """One link; ``peer`` is known from the start when dialed, else from the first packet."""

    __slots__ = (
        "_early",
        "_gathered",
        "_granted",
        "_held_bytes",
        "_links",
        "_outflow",
        "_reported",
        "_transport",
        "broken",
        "peer",
    )

    _transport: asyncio.Transport

    def __init__(self, links: QuorumLinks, peer: int | None) -> None:
        self.peer = peer
        self.broken = False
        self._links = links
        self._gathered: list[bytes] = []
        self._granted = 0
        """Bytes of snapshots on their way, which may lag in addition."""
        self._outflow: Outflow | None = None
        self._held_bytes = 0
        """Bytes that wait behind a stream from aside."""
        self._reported = peer is None
        """Whether the server knows of this link: a dialed one is reported by the dial."""
        self._early: bytes | None = b""
        """Bytes that came before the peer is known, or before the dial was reported; then None."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report an accepted link."""
        self._transport = cast("asyncio.Transport", transport)
        links = self._links
        if len(links.links) >= ACCEPTED_MAX:
            self.broken = True
            self._transport.abort()
            return
        links.links.add(self)
        if self.peer is None:
            links.steps.wake()
            links.service.on_link_accepted(self)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes on, within a step; the first ones tell who speaks."""
        if self._early is not None:
            self._early += data
            if self.peer is None and not self.broken and self._identify(self._early):
                self.begin()
            return
        if not self.broken:
            self._links.steps.wake()
            self._links.service.on_link_data(self, data)

    def _identify(self, early: bytes) -> bool:
        """Learn the peer from the first packet; tell whether the bytes may be handed on."""
        if len(early) < _FIRST_PACKET.size:
            return False
        kind, _, _, sid = _FIRST_PACKET.unpack_from(early)
        if kind in _INTRODUCTIONS:
            if sid in self._links.cut:
                self.break_off()
                return False
            self.peer = sid
        return True

    def begin(self) -> None:
        """Hand on what came early, and from now on everything at once."""
        self._reported = True
        early, self._early = self._early, None
        if early and not self.broken:
            self._links.steps.wake()
            self._links.service.on_link_data(self, early)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server, unless it was the one who closed."""
        self._links.links.discard(self)
        self._abandon_outflow()
        if self.broken:
            return
        self.broken = True
        if self._reported:
            self._links.steps.wake()
            self._links.service.on_link_closed(self)

    def send(self, data: bytes) -> None:
        """Gather bytes for the end of the step."""
        if not self._gathered:
            self._links.steps.gathered.append(self)
        self._gathered.append(data)
        if self._outflow is not None:
            self._hold(len(data))

    def send_aside(self, chunks: Iterable[bytes]) -> None:
        """See ``ports.Link``. What is small is not worth a fork; two streams at once are not asked for."""
        first, size, rest = [], 0, iter(chunks)
        for chunk in rest:
            first.append(chunk)
            size += len(chunk)
            if size >= INLINE_BYTES_MAX:
                break
        else:
            self.send(b"".join(first))
            return
        self.flush()
        if self.broken:
            return
        whole = chain(first, rest)
        try:
            self._outflow = Outflow(
                whole,
                asyncio.get_running_loop(),
                deliver=self._transport.write,
                finished=self._on_outflow_end,
            )
        except OSError as error:
            # Nobody above expects this: half a step would be carried out. It costs memory and a pause.
            self._links.log(f"quorum: no process for a snapshot ({error.strerror}); it is sent without one")
            self.send(b"".join(whole))

    def _hold(self, size: int) -> None:
        self._held_bytes += size
        if self._held_bytes > UNSENT_BYTES_MAX and not self._transport.is_closing():
            self._links.log(f"quorum: server {self.peer} is still sent a snapshot; its link is cut")
            self.break_off()

    def pause_writing(self) -> None:
        """The other end does not keep up: a stream from aside waits for it."""
        if self._outflow is not None:
            self._outflow.pause()

    def resume_writing(self) -> None:
        """The other end has caught up."""
        if self._outflow is not None:
            self._outflow.resume()

    def _on_outflow_end(self, whole: bool) -> None:
        self._outflow, self._held_bytes = None, 0
        if whole:
            self.flush()
        else:
            self._links.log(
                f"quorum: what server {self.peer} was to be sent could not be made; its link is cut"
            )
            self.break_off()

    def _abandon_outflow(self) -> None:
        if self._outflow is not None:
            self._outflow.abandon()
            self._outflow = None

    def flush(self) -> None:
        """Write what was gathered with one call; behind a stream from aside, if there is one."""
        gathered = self._gathered
        if self._outflow is not None and not self.broken:
            return
        if self.broken or not gathered:
            gathered.clear()
            return
        lag = self._transport.get_write_buffer_size()
        if lag <= UNSENT_BYTES_MAX:
            self._granted = 0
        data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        self._transport.write(data)
        gathered.clear()
        if len(data) > UNSENT_BYTES_MAX:
            self._granted += len(data)
        if lag > UNSENT_BYTES_MAX + self._granted:
            self._links.log(f"quorum: server {self.peer} lags behind by {lag} bytes; its link is cut")
            self.break_off()

    def close(self) -> None:
        """Break the link for our part: what was gathered still leaves, nothing more is reported."""
        if not self.broken:
            if self._outflow is not None:
                self._abandon_outflow()
                self._gathered.clear()
            self.flush()
            self.broken = True
            self._links.links.discard(self)
            self._transport.close()

    def break_off(self) -> None:
        """Break the link as the network would: both ends are told."""
        self._transport.abort()
