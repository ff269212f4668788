"""The one stream of events that panel, diagrams, recordings, transcripts and replays read.

Every room of a server emits here, in the order in which things happen to that server. Nobody listening
costs one ``if trace.on``; a listener is a bounded queue that counts what it had to drop.

An event is a flat dict of JSON values. 64-bit ids (zxids, session ids) are *strings*: a zxid as decimal
digits, a session id as ``0x`` hex. All events carry ``kind``, ``sid`` (the server they happened on),
``at`` (that server's monotonic microseconds) and ``n`` (a per-server counter without gaps):

=========  ==================================================================================================
kind       further fields
=========  ==================================================================================================
phase      role (looking|following|leading|observing), phase (election|discovery|synchronization|broadcast),
           epoch, leader (sid or null), why
vote       leader, zxid, epoch, round: this server's vote changed
message    way (sent|received), peer (sid), type (PROPOSAL, ACK, ... or NOTIFICATION), zxid (or null),
           plus for notifications: vote (sid), state
submitted  session, cxid, op: a write reached this server from its own client
proposed   zxid, session, cxid, op, path (or null), size
logged     zxid, fsync_us: durable here
acked      zxid, by (sid): the leader counted an ack; ``by`` may be itself
committed  zxid: the leader saw a quorum
applied    zxid, session, cxid, op, path, error: in this server's tree
replied    zxid, session, cxid, error: answered to its client
sync       peer, mode (DIFF|TRUNC|SNAP), zxid, txns: how a learner is being synchronized
session    what (opened|moved|resumed|closed|expired|disconnected), session, timeout_ms, client (host:port or null)
watch      what (set|fired|removed), path, mode (data|child), session, event (or null), zxid (or null)
znode      what (created|changed|deleted), path, zxid, owner (session or null)
fault      what, peers (list), active
=========  ==================================================================================================

Proposal events (submitted ... replied, and messages with a zxid) may be sampled under load: a zxid is
traced when ``wants(zxid)``; the stride is a power of two, so servers that sample differently still agree
on the coarser set. Exact counts are in the status, never in the stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from ensemble.limits import TRACE_QUEUE_EVENTS_MAX

Event = dict[str, object]

SAMPLE_WINDOW_US = 250_000
SAMPLE_PROPOSALS_PER_WINDOW = 100


def session_text(session_id: int) -> str:
    """Write a session id as people and JSON see it: ``0x`` and 64 bits of hex."""
    return f"0x{session_id & 0xFFFFFFFFFFFFFFFF:x}"


class Listener:
    """A bounded queue of events for one reader."""

    __slots__ = ("dropped", "events", "limit")

    def __init__(self, limit: int = TRACE_QUEUE_EVENTS_MAX) -> None:
        self.limit = limit
        self.events: deque[Event] = deque()
        self.dropped = 0

    def take(self) -> tuple[list[Event], int]:
        """Return and forget what has come in, and how many events had to be dropped since last time."""
        events, dropped = list(self.events), self.dropped
        self.events.clear()
        self.dropped = 0
        return events, dropped


class Trace:
    """The stream of one server. Guard every call with ``if trace.on``."""

    __slots__ = (
        "_count",
        "_listeners",
        "_now_us",
        "_seen",
        "_stride",
        "_window_ends_us",
        "dropped",
        "on",
        "sid",
    )

    def __init__(self, sid: int, now_us: Callable[[], int]) -> None:
        self.sid = sid
        self.on = False
        self._now_us = now_us
        self.dropped = 0
        """Events that were dropped for slow listeners, in all."""
        self._listeners: list[Listener] = []
        self._count = 0
        self._stride = 1
        self._seen = 0
        self._window_ends_us = 0

    def listen(self, listener: Listener) -> None:
        """Send every further event to ``listener`` too."""
        self._listeners.append(listener)
        self.on = True

    def ignore(self, listener: Listener) -> None:
        """Undo :meth:`listen`."""
        self._listeners.remove(listener)
        self.on = bool(self._listeners)

    @property
    def stride(self) -> int:
        """One in so many proposals is traced at present: a power of two."""
        return self._stride

    def wants(self, zxid: int) -> bool:
        """Tell whether the life of proposal ``zxid`` is traced under the present load."""
        return zxid & (self._stride - 1) == 0

    def count_proposal(self) -> None:
        """Adapt the sampling stride; called once for each proposal this server logs while traced."""
        now = self._now_us()
        if now >= self._window_ends_us:
            if self._seen > SAMPLE_PROPOSALS_PER_WINDOW * self._stride:
                self._stride *= 2
            elif self._stride > 1 and self._seen * 2 < SAMPLE_PROPOSALS_PER_WINDOW * self._stride:
                self._stride //= 2
            self._seen = 0
            self._window_ends_us = now + SAMPLE_WINDOW_US
        self._seen += 1

    def emit(self, kind: str, **fields: object) -> None:
        """Append one event to every listener."""
        self._count += 1
        event: Event = {"n": self._count, "at": self._now_us(), "sid": self.sid, "kind": kind, **fields}
        for listener in self._listeners:
            if len(listener.events) < listener.limit:
                listener.events.append(event)
            else:
                listener.dropped += 1
                self.dropped += 1
