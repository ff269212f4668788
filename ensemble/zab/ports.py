"""What ZAB asks of the server around it; ``replica`` provides it from storage, wire and tree.

ZAB carries transactions as opaque bytes under a zxid. It never looks inside, and never heard of a znode or
a session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from ensemble.membership import Membership
from ensemble.zab.messages import Notification, Packet, Run


class Timing(Protocol):
    """The times of zoo.cfg."""

    @property
    def tick_ms(self) -> int:
        """The length of a tick."""

    @property
    def init_limit_ticks(self) -> int:
        """How long discovery and synchronization may take."""

    @property
    def sync_limit_ticks(self) -> int:
        """How long a synchronized server may be silent."""


class PeerLink(Protocol):
    """One quorum-port link that speaks packets; each end sees the same order."""

    def send(self, packet: Packet) -> None:
        """Queue one packet."""

    def send_snapshot(self, packet: Packet, chunks: Iterable[bytes]) -> None:
        """Queue a SNAP packet and the state that belongs to it, as it is at this call."""

    def close(self) -> None:
        """Break the link; nothing more is reported from it."""


class PeerNetwork(Protocol):
    """The way to the other servers, in values."""

    def notify(self, sid: int, notification: Notification) -> None:
        """Send an election message to ``sid``; may be lost."""

    def dial(self, sid: int) -> None:
        """Open a link to ``sid``'s quorum port; reported by ``Peer.on_dialed``."""

    def broadcast(self, links: list[PeerLink], kind: int, run: Run) -> None:
        """Send packets of one kind (a ``PacketType``), in order, on many links: the zxid and the data of each.

        They are encoded once, with one write for all of them.
        """


class History(Protocol):
    """The durable history of this server: its log, its snapshots' horizon and the two epochs."""

    @property
    def zxid_logged(self) -> int:
        """The last transaction appended (durable or not), or that of the snapshot when the log is empty."""

    @property
    def zxid_durable(self) -> int:
        """The last transaction known to be on disk."""

    @property
    def accepted_epoch(self) -> int:
        """The greatest epoch this server promised to a leader."""

    @property
    def current_epoch(self) -> int:
        """The epoch of the last leader whose history this server holds."""

    def append(self, zxid: int, payload: bytes) -> None:
        """Append one transaction; not yet durable.

        ``InvariantViolation``, and nothing appended, for a zxid that does not follow or a payload of another.
        """

    def sync(self, done: Callable[[], None]) -> None:
        """Call ``done`` when everything appended before this call is durable."""

    def read_after(self, zxid: int) -> list[tuple[int, bytes]] | None:
        """Return the transactions after ``zxid`` in order, or None when the log does not reach back so far
        or does not hold ``zxid`` itself (0 counts as held when nothing was ever purged)."""

    def last_not_after(self, zxid: int) -> int | None:
        """Return the greatest logged zxid that is <= ``zxid``, or None when the log does not reach back."""

    def truncate(self, zxid: int) -> None:
        """Remove everything after ``zxid``, snapshots beyond it included (ZOOKEEPER-4837); durable on return."""

    def save_accepted_epoch(self, epoch: int) -> None:
        """Durable on return."""

    def save_current_epoch(self, epoch: int) -> None:
        """Durable on return."""


class Memberships(Protocol):
    """Where memberships are kept over a restart, and who is to know of a new one."""

    def save_seen(self, membership: Membership) -> None:
        """Keep the last membership proposed; durable on return."""

    def save_active(self, membership: Membership) -> None:
        """Keep the membership in force, and forget an older proposed one; durable on return."""

    def activated(self, membership: Membership) -> None:
        """A membership is in force: links, ports and ``/zookeeper/config`` follow it."""


class Application(Protocol):
    """The state machine behind the agreement, and the clients' traffic that passes by it.

    A *request*, a *revalidation* and the *touches* are opaque to ZAB: it carries them between a learner's
    application and the leader's.
    """

    @property
    def zxid_applied(self) -> int:
        """The last transaction in the state."""

    def deliver(self, zxid: int, payload: bytes) -> None:
        """Apply one committed transaction; called once for each, in order."""

    def membership_in(self, payload: bytes) -> bytes | None:
        """Return the text of the membership that a transaction puts in force, when it is one that does."""

    def snapshot(self) -> Iterable[bytes]:
        """Serialize the state at ``zxid_applied``, in chunks: whoever takes them later has to see to it that the
        state stays as it is."""

    def install(self, zxid: int, snapshot: bytes) -> None:
        """Replace the state by a leader's snapshot, durably: on return log and snapshots on disk say the same."""

    def rebuild(self) -> None:
        """Build the state anew from disk: the history was truncated below what had been applied."""

    def on_looking(self, why: str) -> None:
        """The server serves nobody any more: drop clients."""

    def on_elected(self) -> None:
        """An election is over: the server leads or follows from here on, and is to be synchronized."""

    def on_serving(self) -> None:
        """The server may serve clients now, as leader or learner (see ``Peer.role``)."""

    def on_request(self, learner: int, data: bytes, auth: tuple[tuple[str, str], ...]) -> None:
        """Leader: a learner forwards a request (REQUEST data and authinfo)."""

    def on_revalidate(self, learner: int, data: bytes) -> bytes:
        """Leader: answer a learner's REVALIDATE with the data to send back."""

    def on_revalidated(self, data: bytes) -> None:
        """Learner: the leader's answer to a revalidation."""

    def on_synced(self) -> None:
        """The oldest unanswered ``Peer.sync`` of this server is complete."""

    def on_touches(self, learner: int, data: bytes) -> None:
        """Leader: sessions a learner heard of since its last ping."""

    def touches(self) -> bytes:
        """Learner: sessions heard of since the last call."""
