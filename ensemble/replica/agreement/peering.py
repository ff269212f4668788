"""ZAB's packets over the host's links: values on one side, bytes on the other.

A packet that goes to several learners is encoded once. Nothing here knows what a packet means.
"""

from __future__ import annotations

from collections.abc import Iterable

from ensemble.ports import Link, Network
from ensemble.wire import elections
from ensemble.wire.packets import PacketDecoder, encode, encode_run, encode_snapshot
from ensemble.zab.messages import Notification, Packet, Run
from ensemble.zab.ports import PeerLink


class PacketLink:
    """One link of the quorum port; implements ``zab.ports.PeerLink``."""

    __slots__ = ("_links", "decoder", "link")

    def __init__(self, link: Link, links: dict[Link, PacketLink], *, unknown: bool) -> None:
        self.link = link
        self.decoder = PacketDecoder(unknown=unknown)
        self._links = links
        links[link] = self

    def send(self, packet: Packet) -> None:
        """Queue one packet."""
        self.link.send(encode(packet))

    def send_snapshot(self, packet: Packet, chunks: Iterable[bytes]) -> None:
        """Queue a SNAP packet and its state."""
        self.link.send_aside(encode_snapshot(packet, chunks))

    def close(self) -> None:
        """Break the link; harmless when it is broken already."""
        if self._links.pop(self.link, None) is not None:
            self.link.close()


class PacketNetwork:
    """The way to the other servers; implements ``zab.ports.PeerNetwork``."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.links: dict[Link, PacketLink] = {}

    def join(self, link: Link, *, unknown: bool) -> PacketLink:
        """Speak packets on a link of the host; ``unknown`` when somebody called us, and may be anybody."""
        return PacketLink(link, self.links, unknown=unknown)

    def notify(self, sid: int, notification: Notification) -> None:
        """Send an election message; may be lost."""
        self._network.send_election(sid, elections.encode_notification(notification))

    def dial(self, sid: int) -> None:
        """Open a link to ``sid``'s quorum port."""
        self._network.dial(sid)

    def broadcast(self, links: list[PeerLink], kind: int, run: Run) -> None:
        """Send packets of one kind, in order, on many links."""
        if not links:
            return
        data = encode_run(kind, run)
        for link in links:
            # The peer was given nothing but our own links.
            assert isinstance(link, PacketLink)
            link.link.send(data)
