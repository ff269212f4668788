"""What the parts of one server share: the state being served, and who is connected to it.

It holds and decides nothing else: agreement is ``zab``'s, the rules of the state are ``tree``'s, and what a
client may see when is ``connection``'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from ensemble.ports import Clock, Entropy
from ensemble.quiet_log import Remarks
from ensemble.replica.access.audit import Audit
from ensemble.replica.access.authentication import Authentication
from ensemble.replica.admission.admission import Admission
from ensemble.replica.config import ReplicaConfig
from ensemble.replica.counters import Counters
from ensemble.trace import Trace
from ensemble.tree.operations import Identity
from ensemble.tree.tree import Outcome, Tree
from ensemble.tree.txns import Txn
from ensemble.tree.watches import Watches
from ensemble.zab.messages import ServerState
from ensemble.zab.peer import Peer
from ensemble.zab.ports import Memberships
from ensemble.zab.view import View

Log = Callable[[str], None]
MeasureDirectories = Callable[[Callable[[int, int], None]], None]
"""Measures the bytes in the directories of snapshots and of logs, and hands them on, perhaps later."""

TRACE_MASK = 306
"""What Apache's server has at first (ZooTrace): client requests, sessions, packets of servers, warnings."""


class Client(ABC):
    """A client's connection as the rest of the server sees it; watches belong to one of these."""

    __slots__ = ("address", "heard", "identities", "session_id", "subject", "timeout_ms")

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        """Its host and port."""
        self.heard: dict[int, int] = {}
        """Where its signs of life are noted: the time-out (ms) by session."""
        self.session_id = 0
        """The session it has, or asks for; 0 before that."""
        self.identities: tuple[Identity, ...] = ()
        self.timeout_ms = 0
        """How long the session may be silent; 0 before it is agreed."""
        self.subject = ""
        """The name in the certificate it showed; empty for none."""

    @property
    def client_text(self) -> str:
        """The client's host and port."""
        return f"{self.address[0]}:{self.address[1]}"

    @abstractmethod
    def on_applied(self, txn: Txn, outcome: Outcome) -> None:
        """A transaction of this client's session is in the tree: answer it, if it was asked for here."""

    @abstractmethod
    def on_synced(self) -> None:
        """The oldest unanswered sync of this client is complete."""

    @abstractmethod
    def on_revalidated(self, valid: bool) -> None:
        """The leader has said whether the session this client came back with is alive."""

    @abstractmethod
    def notify(self, event: bytes) -> None:
        """Send a watch event, framed."""

    @abstractmethod
    def flush(self) -> None:
        """Send what was gathered in this step."""

    @abstractmethod
    def close(self, why: str) -> None:
        """Close the connection; harmless when it is closed already."""


class Service:
    """The state, the settings, and the index of clients by session."""

    __slots__ = (
        "_started_us",
        "access",
        "admission",
        "audit",
        "authentication",
        "by_session",
        "clock",
        "config",
        "counters",
        "entropy",
        "leading",
        "local_sessions",
        "log",
        "measure_directories",
        "peer",
        "read_only",
        "remarks",
        "revalidating",
        "serving",
        "trace",
        "trace_mask",
        "tree",
        "unsent",
        "view",
        "watches",
    )

    peer: Peer
    """Set once, before the server starts."""

    def __init__(
        self,
        config: ReplicaConfig,
        clock: Clock,
        trace: Trace,
        log: Log,
        entropy: Entropy,
        memberships: Memberships | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.trace = trace
        self.log = log
        self.entropy = entropy
        self.view = View(
            config.sid,
            config.membership,
            seen=config.proposed,
            store=memberships if config.reconfig_enabled and not config.standalone else None,
        )
        self.tree = Tree()
        self.watches: Watches[Client] = Watches()
        self.counters = Counters()
        self.audit: Audit | None = None
        """Who changes what, when somebody wants to know; a host sets it."""
        self.trace_mask = TRACE_MASK
        """What ``stmk`` set; told by ``gtmk``."""
        self.measure_directories: MeasureDirectories
        """Set once, before the first client comes; a host may replace it by a way that waits for nobody."""
        self.remarks = Remarks(log, clock.monotonic_us)
        """What is said of clients: lines that they can cause."""
        self.admission = Admission(config.admission, clock, entropy, self.counters, self.remarks)
        self.access = config.access.policy
        """The rules of access lists."""
        self.authentication = Authentication(config.access, self.counters)
        self._started_us = clock.monotonic_us()
        self.serving = False
        self.leading = False
        """Whether this server orders the writes of the ensemble now; implies ``serving``."""
        self.read_only = False
        """Whether this server answers reads because it has lost its quorum; excludes ``serving``."""
        self.local_sessions: dict[int, int] = {}
        """Time-outs (ms) of the sessions that only this server knows of."""
        self.by_session: dict[int, Client] = {}
        """The client attached to a session here, also while its session is being created."""
        self.unsent: list[Client] = []
        """Clients for whom something was gathered in this step; some may be flushed already."""
        self.revalidating: dict[int, Client] = {}
        """Clients whose session the leader is being asked about."""

    @property
    def mode(self) -> str:
        """The role as four-letter words name it."""
        if self.config.standalone:
            return "standalone"
        if self.read_only:
            return "read-only"
        if self.leading:
            return "leader"
        return "observer" if self.peer.role is ServerState.OBSERVING else "follower"

    def uptime_ms(self) -> int:
        """Return how long this server runs."""
        return (self.clock.monotonic_us() - self._started_us) // 1000

    def now_ms(self) -> int:
        """Return the monotonic clock in milliseconds."""
        return self.clock.monotonic_us() // 1000
