"""One server, wired together: the calls a host makes of it, and what the admin port may ask.

Bytes that make no sense close the link or the connection they came on, and one line goes to the log; they
never leave these calls as an error. ``StorageError`` and ``InvariantViolation`` do leave them: the host is to
stop the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from ensemble.admin.schema import LifetimeStatus, ServerStatus, SessionStatus, WatchStatus
from ensemble.errors import ConfigError, PeerProtocolError, WireError
from ensemble.ports import ClientTransport, Clock, Disk, Entropy, Link, Members, Network
from ensemble.replica.agreement.application import Application
from ensemble.replica.agreement.history import History
from ensemble.replica.agreement.peering import PacketLink, PacketNetwork
from ensemble.replica.agreement.restoring import Restorable
from ensemble.replica.clients.clients import Clients
from ensemble.replica.clients.connection import Connection
from ensemble.replica.config import ReplicaConfig
from ensemble.replica.monitoring.commands.answers import Answers
from ensemble.replica.monitoring.commands.table import Commands
from ensemble.replica.monitoring.four_letter.words import FourLetterWords
from ensemble.replica.monitoring.metrics.names import registry_of
from ensemble.replica.monitoring.status import Status
from ensemble.replica.requests.reconfiguration import Keeper
from ensemble.replica.requests.writes import Writes
from ensemble.replica.service import Service
from ensemble.storage.names import DIRECTORY
from ensemble.trace import Trace
from ensemble.tree.tree import Tree
from ensemble.wire import elections
from ensemble.zab.peer import Peer
from ensemble.zab.restoration import Restoration
from ensemble.zxid import epoch_of

__all__ = ["Connection", "Replica"]


def _measure_by_reading(data: Disk, log: Disk, done: Callable[[int, int], None]) -> None:
    """Measure the directories of a host that has no quicker way."""
    done(_bytes_on(data), _bytes_on(log))


def _bytes_on(disk: Disk) -> int:
    return sum([len(disk.read(f"{DIRECTORY}/{name}")) for name in disk.names(DIRECTORY)])


class Replica:
    """One server of an ensemble, or a standalone one."""

    def __init__(
        self,
        config: ReplicaConfig,
        *,
        clock: Clock,
        data_disk: Disk,
        log_disk: Disk,
        network: Network,
        trace: Trace,
        entropy: Entropy,
        members: Members,
        log: Callable[[str], None],
    ) -> None:
        """Open the store and load the tree; ``StorageError`` when what is there cannot be trusted."""
        self.config = config
        self._log = log
        keeper = Keeper(members)
        self.service = Service(config, clock, trace, log, entropy, keeper)
        self.store = History.opened(data_disk, log_disk, self.service)
        self._writes = Writes(self.service)
        self._words = FourLetterWords(self.service, self._writes.sessions)
        self._clients = self._words.clients = Clients(self.service, self._writes, self._words)
        self.application = Application(self.service, self._writes, self.store, self._clients.close_all)
        keeper.on_active = self.application.write_membership
        self.metrics = self._words.metrics = registry_of(self.service, self._clients, self.application)
        self._words.digests = self.application.digests
        self.service.measure_directories = partial(_measure_by_reading, data_disk, log_disk)
        answers = Answers(
            self.service,
            sessions=self._writes.sessions,
            clients=self._clients,
            application=self.application,
            store=self.store,
            metrics=self.metrics,
        )
        self.commands = Commands(self.service, answers)
        self._network = PacketNetwork(network)
        self.peer = self.service.peer = Peer(
            config.sid,
            self.service.view,
            timing=config,
            clock=clock,
            network=self._network,
            history=self.store,
            app=self.application,
            trace=trace,
        )
        self._status = Status(
            self.service, self._writes.sessions, self._clients, self.store, self.application
        )

    @property
    def tree(self) -> Tree:
        """The state as applied so far; another object after a snapshot was installed."""
        return self.service.tree

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Join the ensemble."""
        self.peer.start()

    def stop(self) -> None:
        """Take leave: clients and links are closed, timers forgotten; what is on disk stays."""
        self._clients.close_all("this server stops")
        self.application.read_only.end("this server stops")
        self._writes.sessions.stop()
        self._writes.reaper.stop()
        self.peer.stop()
        for link in list(self._network.links.values()):
            link.close()
        self.service.serving = self.service.leading = False

    def flush(self) -> None:
        """End a step of the host.

        What the flush itself completes may let waiting requests begin: they belong to this step too, since
        nothing else need happen to bring about the next one.
        """
        self._writes.fresh = True
        while self._writes.fresh:
            self._writes.fresh = False
            self.peer.flush()
        self.application.end_step()
        unsent = self.service.unsent
        for client in unsent:
            client.flush()
        unsent.clear()

    # ------------------------------------------------------------------ other servers

    def on_election_message(self, sid: int, payload: bytes) -> None:
        """Take an election message of server ``sid``."""
        try:
            self.peer.on_notification(elections.decode_notification(sid, payload))
        except (WireError, ConfigError) as error:
            self.service.remarks.say(
                "election", str(sid), f"an election message of server {sid} is ignored: {error}"
            )

    def on_election_link(self, sid: int, up: bool) -> None:
        """Note that the election link to ``sid`` came up or went down."""
        self.peer.on_election_link(sid, up)

    def on_link_accepted(self, link: Link) -> None:
        """A server connected to our quorum port."""
        self.peer.on_accepted(self._network.join(link, unknown=True))

    def on_link_dialed(self, sid: int, link: Link | None) -> None:
        """Our call to ``sid``'s quorum port succeeded, or failed (None)."""
        self.peer.on_dialed(sid, None if link is None else self._network.join(link, unknown=False))

    def on_link_data(self, link: Link, data: bytes) -> None:
        """Bytes came on a link of the quorum port."""
        joined = self._network.links.get(link)
        if joined is None:
            return
        try:
            packets = joined.decoder.feed(data)
            self.peer.on_packets(joined, packets)
            if joined.decoder.fault is not None:
                raise joined.decoder.fault
        except PeerProtocolError as error:
            self._log(f"a link to another server is closed: {error}")
        except WireError as error:
            self._log(f"a link to another server is closed: {error}")
            self._break(joined)

    def on_link_closed(self, link: Link) -> None:
        """A link of the quorum port broke."""
        joined = self._network.links.pop(link, None)
        if joined is not None:
            self.peer.on_closed(joined)

    def _break(self, joined: PacketLink) -> None:
        joined.close()
        self.peer.on_closed(joined)

    # ------------------------------------------------------------------ clients

    def open_client(self, transport: ClientTransport) -> Connection | None:
        """Take a new client; None when it is refused."""
        return self._clients.open(transport)

    # ------------------------------------------------------------------ the admin port

    def status(self) -> ServerStatus:
        """Describe this server."""
        return self._status.server()

    def sessions(self) -> list[SessionStatus]:
        """Describe all sessions."""
        return self._status.sessions()

    def watches(self) -> list[WatchStatus]:
        """Describe the watches of this server's clients."""
        return self._status.watches()

    def lifetimes(self, paths: Iterable[str]) -> list[LifetimeStatus]:
        """Describe those of ``paths`` that servers delete by themselves."""
        return self._status.lifetimes(paths)

    def take_snapshot(self, done: Callable[[int], None]) -> None:
        """Save a snapshot of the state as it is now, then call ``done`` with its zxid."""
        self.application.snapshots.take(done)

    def restore(self, found: Restorable, done: Callable[[int, str], None]) -> str:
        """Replace the state of the ensemble by that of a snapshot; or return, at once, why that is not done.

        ``done`` gets the zxid that the state now has, or 0 and why nothing came of it. Clients are cut off.
        """
        service = self.service
        if not service.leading:
            leader = self.peer.leader
            return (
                f"the leader restores for all; ask server {leader}"
                if leader
                else "there is no leader to restore"
            )
        if service.view.pending:
            return "the membership is being changed; restore when that is done"
        if self.peer.restoring:
            return "another snapshot is being restored"
        began_us = service.clock.monotonic_us()

        def ended(zxid: int, why: str) -> None:
            if zxid:
                service.counters.restores.add(service.clock.monotonic_us() - began_us)
            done(zxid, why)

        install = partial(self.application.restore, found)
        self.peer.restore(Restoration(epoch_of(found.zxid), install, ended))
        return ""

    def cancel_restore(self, why: str) -> None:
        """Wait no longer for a quorum to take over what is restored."""
        self.peer.cancel_restore(why)

    def expire_session(self, session_id: int) -> bool:
        """End a session as if its time were over; False unless this server leads and knows it."""
        return self._writes.expire(session_id)
