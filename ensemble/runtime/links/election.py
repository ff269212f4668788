"""Election links: one TCP connection between each two servers, kept up at all times.

Apache's QuorumCnxManager is the model. The greater server id makes the connection. A smaller one only
knocks: it connects, says hello and hangs up, and the greater one dials back. Of messages not yet sent to
a server only the newest is kept, and the last one is sent again on every new connection, because its
predecessor may have died with it in flight.

Unlike Apache's, which connects when it has something to send, these links are redialed as soon as they
break, so that the server above learns of a dead or a returning peer within milliseconds. Hosts are
resolved anew at each attempt. Knows nothing of what the messages say.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import cast

from ensemble.errors import WireError
from ensemble.limits import ELECTION_FRAME_BYTES_MAX
from ensemble.membership import ServerAddress
from ensemble.quiet_log import Remarks
from ensemble.runtime.clock import monotonic_us
from ensemble.runtime.config.cluster import DEFAULTS, Cluster
from ensemble.runtime.links.ways import Listener, Port, Ways
from ensemble.runtime.listening import to_open
from ensemble.runtime.tasks import watched
from ensemble.wire.elections import Hello, HelloDecoder, encode_hello
from ensemble.wire.frames import FrameBuffer, frame

RETRY_S_MIN = 0.05
RETRY_S_MAX = 1.0
HELLO_S_MAX = 5.0
"""A caller that has not said hello by then is hung up on."""
ANONYMOUS = 2**63 - 1
"""What an observer of Apache's before 3.5 calls itself (QuorumPeer.OBSERVER_ID); it gets a negative id here."""
STRANGERS_MAX = 64
"""Connections that have not yet said hello."""

MessageHandler = Callable[[int, bytes], None]
StateHandler = Callable[[int, bool], None]


class _Peer:
    """What is known of one other server; its ``link`` is the connection in force."""

    __slots__ = ("address", "changed", "last", "link", "pending", "sid", "trouble", "turn", "up_since")

    def __init__(self, address: ServerAddress) -> None:
        self.sid = address.sid
        self.address = address
        self.turn = 0
        self.link: _Line | None = None
        self.up_since = 0.0
        self.changed = asyncio.Event()
        self.pending: bytes | None = None
        self.last: bytes | None = None
        self.trouble = ""
        """Why the last dial failed: said once, however often it is repeated."""


class ElectionLinks:
    """The election port of one server, and its links to all others."""

    def __init__(
        self,
        me: ServerAddress,
        others: Iterable[ServerAddress],
        *,
        on_message: MessageHandler,
        on_link: StateHandler,
        log: Callable[[str], None],
        settings: Cluster = DEFAULTS,
        ways: Ways | None = None,
        strangers_welcome: bool = False,
    ) -> None:
        """``strangers_welcome`` lets servers call that are no members, because they are about to join."""
        self.me = me
        self.hello = encode_hello(me.sid, [(place.host, place.election_port) for place in me.places])
        self.strangers: set[_Line] = set()
        self.cut: frozenset[int] = frozenset()
        """Servers that faults keep away."""
        self.log = log
        self.remarks = Remarks(log, monotonic_us)
        self._on_message = on_message
        self._on_link = on_link
        self._settings = settings
        self.ways = ways or Ways()
        self._peers = {address.sid: _Peer(address) for address in others}
        self._strangers_welcome = strangers_welcome
        self._calls: set[asyncio.Task[None]] = set()
        self._keepers: dict[int, asyncio.Task[None]] = {}
        """Of members only: a guest is dialed when it knocks."""
        self._servers: dict[tuple[str | None, int], Listener] = {}

    async def open(self, host: str | None) -> None:
        """Listen, and begin to keep up the links; :class:`ConfigError` when the port cannot be had."""
        await self._listen(host)
        self._keepers = {sid: watched(self._keep_up(peer)) for sid, peer in self._peers.items()}

    async def move(self, me: ServerAddress, host: str | None) -> None:
        """Listen at the election ports of ``me`` instead; :class:`ConfigError` when one cannot be had."""
        self.me = me
        self.hello = encode_hello(me.sid, [(place.host, place.election_port) for place in me.places])
        await self._listen(host)
        wanted = self._wanted(host)
        for place in [place for place in self._servers if place not in wanted]:
            self._servers.pop(place).close()

    async def _listen(self, host: str | None) -> None:
        for where, port in self._wanted(host):
            if (where, port) not in self._servers:
                self._servers[where, port] = await self.ways.listen(
                    lambda: _Line(self, None),
                    Port(where, port, f"election port of server.{self.me.sid}", self._settings.bind_attempts),
                    greeting_size=_hello_size,
                )

    def _wanted(self, host: str | None) -> list[tuple[str | None, int]]:
        return to_open(host, [(place.host, place.election_port) for place in self.me.places])

    def reach(self, others: Iterable[ServerAddress]) -> None:
        """Keep up links to these servers; the others become guests, whose links stay while they last."""
        members = {address.sid: address for address in others}
        for sid in [sid for sid in self._keepers if sid not in members]:
            self._keepers.pop(sid).cancel()
            self._forget_guest(self._peers[sid])
        for sid, address in members.items():
            peer = self._peers.setdefault(sid, _Peer(address))
            if peer.address != address:
                peer.address = address
                peer.changed.set()
            if sid not in self._keepers:
                self._keepers[sid] = watched(self._keep_up(peer))

    async def close(self) -> None:
        """Stop listening and dialing, drop everything; nothing is reported any more."""
        for server in self._servers.values():
            server.close()
        dialing = [*self._keepers.values(), *self._calls]
        for task in dialing:
            task.cancel()
        await asyncio.gather(*dialing, return_exceptions=True)
        for line in [*self.strangers, *(peer.link for peer in self._peers.values() if peer.link)]:
            line.abort()
        for peer in self._peers.values():
            peer.link = None
        await asyncio.sleep(0)  # the loop closes aborted sockets in its next turn

    def send(self, sid: int, payload: bytes) -> None:
        """Send ``payload`` to ``sid`` now, or as soon as there is a link, unless a newer one replaces it."""
        peer = self._peers.get(sid)
        if peer is None:
            return
        peer.pending = payload
        self.deliver(peer)

    def deliver(self, peer: _Peer) -> None:
        """Send what waits for ``peer``, when its link takes it."""
        if peer.pending is not None and peer.link is not None and not peer.link.stuck:
            peer.last, peer.pending = peer.pending, None
            peer.link.write(frame(peer.last))

    def fault(self, cut: frozenset[int]) -> None:
        """Drop the links to ``cut`` and refuse new ones, both ways, until called with fewer."""
        self.cut = cut
        for peer in self._peers.values():
            if peer.sid in cut and peer.link is not None:
                peer.link.abort()
                self.lost(peer.link)
            peer.changed.set()

    # -- what lines report -------------------------------------------------------------------------------

    def greeted(self, line: _Line, hello: Hello) -> _Peer | None:
        """Judge a caller: return its peer when ``line`` is to be kept."""
        peer = self._peers.get(hello.sid) or self._guest(line, hello)
        if peer is None:
            self.remarks.say(
                "unknown",
                line.host,
                f"election: {line.where} says it is server {hello.sid}, which is not one of ours; closed",
            )
            return None
        if peer.sid in self.cut:
            return None
        if hello.sid > self.me.sid:
            return peer
        # A knock. A link that is only just up was made while the knock was on its way.
        if peer.link is None or time.monotonic() - peer.up_since > RETRY_S_MAX:
            if peer.link is not None:
                peer.link.abort()
                self.lost(peer.link)
            peer.changed.set()
            if peer.sid not in self._keepers:
                call = watched(self._call_back(peer))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
        return None

    def _guest(self, line: _Line, hello: Hello) -> _Peer | None:
        """Take in a server that is no member; None when it is not welcome."""
        free = next((sid for sid in range(-1, -STRANGERS_MAX - 1, -1) if sid not in self._peers), None)
        if hello.sid == ANONYMOUS and free is not None:
            peer = _Peer(ServerAddress(free, line.where, 0, 0, votes=False))
            # A connection of its own each time, which nobody can call back.
            line.peer = peer
            self._peers[peer.sid] = peer
            return peer
        members = len(self._keepers)
        if not self._strangers_welcome or not hello.addresses or len(self._peers) - members >= STRANGERS_MAX:
            return None
        host, port = hello.addresses[0]
        peer = self._peers[hello.sid] = _Peer(ServerAddress(hello.sid, host, 0, port, votes=False))
        self.remarks.say(
            "guest",
            line.host,
            f"election: server {hello.sid} at {host}:{port} is no member; it may ask who leads",
        )
        return peer

    def up(self, peer: _Peer, line: _Line) -> None:
        """Take ``line`` as the link to ``peer``, in place of any older one."""
        if self._peers.setdefault(peer.sid, peer) is not peer:
            line.abort()  # a guest that went and came back while it was called
            return
        older, peer.link = peer.link, line
        peer.up_since = time.monotonic()
        peer.changed.set()
        if older is not None:
            older.abort()
        else:
            self._on_link(peer.sid, True)
        if peer.pending is None:
            peer.pending = peer.last
        self.deliver(peer)

    def lost(self, line: _Line) -> None:
        """Take note that ``line`` is gone."""
        self.strangers.discard(line)
        peer = line.peer
        if peer is not None and peer.link is line:
            peer.link = None
            peer.changed.set()
            self._on_link(peer.sid, False)
            self._forget_guest(peer)

    def _forget_guest(self, peer: _Peer) -> None:
        """Know no more of a server that is no member and has no link."""
        if peer.link is None and peer.sid not in self._keepers and self._peers.get(peer.sid) is peer:
            del self._peers[peer.sid]

    def message(self, peer: _Peer, line: _Line, payload: bytes) -> None:
        """Pass on one message of the link in force."""
        if peer.link is line:
            self._on_message(peer.sid, payload)

    # -- dialing -----------------------------------------------------------------------------------------

    async def _keep_up(self, peer: _Peer) -> None:
        """Dial (or knock) whenever there is no link: at once after a call, else ever more slowly."""
        wait_s = RETRY_S_MIN
        while True:
            peer.changed.clear()
            if peer.link is None and peer.sid not in self.cut:
                await self._dial(peer)
            if peer.link is not None or peer.sid in self.cut:
                await peer.changed.wait()
                if time.monotonic() - peer.up_since > RETRY_S_MAX:
                    wait_s = RETRY_S_MIN
            if peer.link is None:
                # Not at once, even after a loss: a peer that cuts us off hangs up as often as we call.
                peer.changed.clear()
                # Not wait_for: in Python 3.11 it can swallow a cancellation (cpython issue 86296).
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await peer.changed.wait()
                wait_s = min(wait_s * 2, RETRY_S_MAX)

    async def _call_back(self, peer: _Peer) -> None:
        await self._dial(peer)
        self._forget_guest(peer)

    async def _dial(self, peer: _Peer) -> None:
        places = peer.address.places
        place = places[peer.turn % len(places)]
        peer.turn += 1
        try:
            async with asyncio.timeout(self._settings.connect_timeout_ms / 1000):
                await self.ways.dial(
                    place.host, place.election_port, lambda: _Line(self, peer), greeting=self.hello
                )
        except ConnectionRefusedError:
            return  # it is not up yet, or no more: the everyday case
        except (OSError, TimeoutError, ValueError) as error:
            # A ValueError is a host that can be none: a server that knocks says where it is to be called.
            why = self.ways.why(error)
            if why != peer.trouble:
                self.log(f"election: server {peer.sid} cannot be reached: {why}")
            peer.trouble = why
        else:
            peer.trouble = ""
            peer.turn -= 1  # what worked is tried first the next time


class _Line(asyncio.Protocol):
    """One connection on the election port, made by us (``peer`` is given) or by somebody else."""

    __slots__ = (
        "_deadline",
        "_frames",
        "_greeting",
        "_links",
        "_transport",
        "host",
        "peer",
        "stuck",
        "where",
    )

    _transport: asyncio.Transport

    def __init__(self, links: ElectionLinks, peer: _Peer | None) -> None:
        self.peer = peer
        self.stuck = False
        self.host = self.where = "somebody"
        self._links = links
        self._greeting = None if peer else HelloDecoder()
        self._frames = FrameBuffer(ELECTION_FRAME_BYTES_MAX)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self.where = f"{self.host}:{port}"
        links = self._links
        if self.peer is None:
            if len(links.strangers) >= STRANGERS_MAX:
                self._transport.abort()
                return
            links.strangers.add(self)
            self._deadline = asyncio.get_running_loop().call_later(HELLO_S_MAX, self._transport.abort)
        elif self.peer.sid in links.cut:
            self._transport.abort()
        else:
            if not links.ways.greets:
                self._transport.write(links.hello)
            if self.peer.sid > links.me.sid:
                self._transport.close()
            else:
                links.up(self.peer, self)

    def data_received(self, data: bytes) -> None:
        try:
            if self._greeting is not None:
                data = self._greet(data)
            if data and self.peer is not None:
                for payload in self._frames.feed(data):
                    self._links.message(self.peer, self, payload)
                if self._frames.fault is not None:
                    raise self._frames.fault
        except WireError as error:
            self._links.remarks.say("sent", self.host, f"election: {self.where} sent {error}; closed")
            self._transport.abort()

    def _greet(self, data: bytes) -> bytes:
        """Take the caller's hello; return what came behind it, or nothing when the line is closed."""
        assert self._greeting is not None
        greeting = self._greeting.feed(data)
        if greeting is None:
            return b""
        hello, rest = greeting
        self._greeting = None
        if self._deadline:
            self._deadline.cancel()
        self._links.strangers.discard(self)
        peer = self._links.greeted(self, hello)
        if peer is None:
            self._transport.close()
            return b""
        self.peer = peer
        self._links.up(peer, self)
        return rest

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._links.lost(self)

    def pause_writing(self) -> None:
        self.stuck = True

    def resume_writing(self) -> None:
        self.stuck = False
        if self.peer is not None:
            self._links.deliver(self.peer)

    def write(self, data: bytes) -> None:
        """Send now: election messages are few, and each counts."""
        self._transport.write(data)

    def abort(self) -> None:
        """Close without delivering what is unsent."""
        self._transport.abort()


def _hello_size(data: bytes) -> int | None:
    """Return how many bytes the caller's hello takes; None when it is not whole."""
    found = HelloDecoder().feed(data)
    return None if found is None else len(data) - len(found[1])
