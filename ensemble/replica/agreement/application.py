"""What agreement delivers: each transaction is applied, told to its watchers, and answered.

Implements ``zab.ports.Application``. ``deliver`` is the one way the state of a running server changes, for its
own writes, those of others, and those it replays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ensemble.errors import InvariantViolation, PeerProtocolError, WireError
from ensemble.replica.agreement.history import History
from ensemble.replica.agreement.read_only import ReadOnlyMode
from ensemble.replica.agreement.restoring import Restorable
from ensemble.replica.agreement.snapshots import RECENT_TXNS, Snapshots, load_tree
from ensemble.replica.requests.reads import access_allows
from ensemble.replica.requests.writes import Writes, op_name, path_of
from ensemble.replica.service import Service
from ensemble.trace import session_text
from ensemble.tree import snapshot, txns
from ensemble.tree.operations import EventType, Op
from ensemble.tree.tree import Outcome, Tree
from ensemble.tree.txns import CreateSessionTxn, Txn
from ensemble.wire import packets, replies
from ensemble.zab.messages import ServerState
from ensemble.zxid import text

DIGEST_MASK = 0x7F
"""Digests are noted after zxids that are multiples of 128 (Apache's DataTree), so that servers can be compared:"""
DIGEST_EVERY_MS = 1000
"""after the first one of each second, by the times of the transactions, which are the same on all servers."""
DIGESTS_MAX = 1024
DIGEST_DIRTY_MAX = 2048
"""Znodes changed since the last digest; with more it is brought up to date, so that none takes long (2 ms)."""

_CREATE_SESSION = int(Op.CREATE_SESSION)
_CLOSE_SESSION = int(Op.CLOSE_SESSION)

_ZNODE_EVENTS = {
    int(EventType.NODE_CREATED): "created",
    int(EventType.NODE_DELETED): "deleted",
    int(EventType.NODE_DATA_CHANGED): "changed",
}


@contextmanager
def _peer_bytes() -> Iterator[None]:
    """What a peer put into a packet and cannot be read is that peer's fault. Not for what comes with each write."""
    try:
        yield
    except WireError as error:
        raise PeerProtocolError(str(error)) from error


class Application:
    """The state machine behind the agreement."""

    def __init__(
        self, service: Service, writes: Writes, store: History, close_clients: Callable[[str], None]
    ) -> None:
        self._service = service
        self._writes = writes
        self._store = store
        self._close_clients = close_clients
        self.read_only = ReadOnlyMode(service, writes.sessions.local, close_clients)
        self.snapshots = Snapshots(service, store)
        self.recent: deque[int] = deque(maxlen=RECENT_TXNS)
        self.serving_since_us = 0
        self.digests: deque[tuple[int, int]] = deque(maxlen=DIGESTS_MAX)
        """Zxids and the digests of the tree after them, oldest first."""
        self._unavailable_since_us = service.clock.monotonic_us()
        self._digested_second = -1
        self._step_txns = 0
        """Transactions applied in this step."""
        self._applied_ms = 0
        """When the last of them was made (wall clock)."""
        self.rebuild()

    @property
    def zxid_applied(self) -> int:
        """The last transaction in the state."""
        return self._service.tree.zxid

    # ------------------------------------------------------------------ transactions

    def deliver(self, zxid: int, payload: bytes) -> None:
        """Apply one committed transaction, tell its watchers, answer its client."""
        service, writes = self._service, self._writes
        try:
            txn = writes.take(zxid, payload)
        except WireError as error:
            raise InvariantViolation(
                f"transaction {text(zxid)} is agreed on and unreadable: {error}"
            ) from error
        if txn.zxid != zxid:
            raise InvariantViolation(f"transaction {text(txn.zxid)} under the name of {text(zxid)}")
        outcome = service.tree.apply(txn)
        self._step_txns += 1
        self._applied_ms = txn.time_ms
        self.recent.append(zxid)
        if not zxid & DIGEST_MASK:
            self._note_digest(zxid, txn.time_ms)
        if service.trace.on:
            self._trace(txn, outcome)
        if outcome.events and service.watches:
            self._fire(zxid, outcome)
        client = service.by_session.get(txn.session_id)
        if txn.type == _CREATE_SESSION or txn.type == _CLOSE_SESSION:
            self._on_session(txn, outcome)
        if client is not None:
            client.on_applied(txn, outcome)

    def end_step(self) -> None:
        """Do once, for all transactions of this step, what need not be done for each."""
        count = self._step_txns
        if not count:
            return
        self._step_txns = 0
        service = self._service
        counters, tree = service.counters, service.tree
        counters.commits += count
        # Of the last of them: how long it took from its leader to our state.
        counters.propagation.add(max(0, service.clock.wall_ms() - self._applied_ms))
        self._writes.applied(tree.zxid)
        if tree.changed > DIGEST_DIRTY_MAX:
            tree.digest()
        self.snapshots.applied(count)

    def _note_digest(self, zxid: int, time_ms: int) -> None:
        """Note the digest as of ``zxid``, unless one of the same second is known."""
        service, second = self._service, time_ms // DIGEST_EVERY_MS
        if second != self._digested_second and service.config.storage.digest:
            self._digested_second = second
            self.digests.append((zxid, service.tree.digest()))

    def _fire(self, zxid: int, outcome: Outcome) -> None:
        """Tell who watches; the same bytes go to all, before anything that shows the change."""
        service = self._service
        watches = service.watches
        for (event_type, path), acl in zip(outcome.events, outcome.event_acls, strict=True):
            watchers = watches.fire(event_type, path)
            if not watchers:
                continue
            event = replies.event(zxid, event_type, path)
            service.counters.watchers[event_type].add(len(watchers))
            service.counters.watch_bytes += len(event) * len(watchers)
            for watcher in watchers:
                if not access_allows(service, acl, watcher):
                    continue
                watcher.notify(event)
                service.counters.watches_fired += 1
                if service.trace.on:
                    service.trace.emit(
                        "watch",
                        what="fired",
                        path=path,
                        mode="child" if event_type == EventType.NODE_CHILDREN_CHANGED else "data",
                        session=session_text(watcher.session_id),
                        event=EventType(event_type).name,
                        zxid=str(zxid),
                    )

    def _on_session(self, txn: Txn, outcome: Outcome) -> None:
        """Keep the deadlines of sessions in step with the sessions there are."""
        service, sessions = self._service, self._writes.sessions
        session_id = txn.session_id
        if isinstance(txn.record, CreateSessionTxn):
            sessions.opened(session_id, txn.record.timeout_ms)
            return
        sessions.closed(session_id)
        if service.audit is not None:
            service.audit.session_ended(session_id, outcome)
        expired = txn.cxid == 0
        if service.trace.on and (service.leading if expired else session_id in service.by_session):
            what = "expired" if expired else "closed"
            service.trace.emit(
                "session", what=what, session=session_text(session_id), timeout_ms=0, client=None
            )

    def _trace(self, txn: Txn, outcome: Outcome) -> None:
        trace, zxid = self._service.trace, str(txn.zxid)
        session = session_text(txn.session_id)
        if trace.wants(txn.zxid):
            trace.emit(
                "applied",
                zxid=zxid,
                session=session,
                cxid=txn.cxid,
                op=op_name(txn.type),
                path=path_of(txn),
                error=outcome.error,
            )
        for event_type, path in outcome.events:
            what = _ZNODE_EVENTS.get(event_type)
            if what is not None:
                node = self._service.tree.find(path)
                owner = node.ephemeral_owner if node is not None else 0
                trace.emit(
                    "znode", what=what, path=path, zxid=zxid, owner=session_text(owner) if owner else None
                )

    # ------------------------------------------------------------------ the state as a whole

    def snapshot(self) -> Iterator[bytes]:
        """Serialize the state at ``zxid_applied``, chunk by chunk as it is asked for."""
        return snapshot.dump(self._service.tree)

    def install(self, zxid: int, body: bytes) -> None:
        """Replace the state by a leader's snapshot, durably."""
        try:
            znodes = self._service.config.znodes
            tree, end = snapshot.load(body, emulate_353_ttl=znodes.emulate_353_ttl)
        except WireError as error:
            raise PeerProtocolError(f"a snapshot that is none: {error}") from error
        if end != len(body):
            raise PeerProtocolError(f"{len(body) - end} bytes behind the leader's snapshot")
        tree.zxid = zxid
        self.snapshots.install(zxid, body, tree.digest())
        self._take_over(tree, [zxid])

    def restore(self, found: Restorable, zxid: int) -> None:
        """Replace the state by that of a snapshot from elsewhere, durably, as that of ``zxid``."""
        tree = found.tree
        tree.zxid = zxid
        self.snapshots.install(zxid, found.body, found.digest)
        self._take_over(tree, [zxid])
        self._service.log(
            f"restored {len(tree.nodes)} znodes and {len(tree.sessions)} sessions from a snapshot at "
            f"{text(found.zxid)}; they are the state of {text(zxid)}, and what was here before is gone"
        )

    def rebuild(self) -> None:
        """Build the state anew from disk."""
        self._take_over(*load_tree(self._store, self._service))

    def _take_over(self, tree: Tree, recent: list[int]) -> None:
        service = self._service
        service.tree = tree
        self.write_membership()
        self._writes.restart()
        self.snapshots.count_anew()
        self.recent.clear()
        self.recent.extend(recent)

    def write_membership(self) -> None:
        """Let ``/zookeeper/config`` say what is in force; with a server that stands alone it is empty."""
        service, active = self._service, self._service.view.active
        if active.servers:
            service.tree.set_config(service.view.text, active.version, service.clock.wall_ms())

    def membership_in(self, payload: bytes) -> bytes | None:
        """Return the membership that a transaction puts in force, when it is one that does."""
        try:
            return txns.membership_in(payload)
        except WireError as error:
            raise PeerProtocolError(str(error)) from error

    # ------------------------------------------------------------------ the role

    def on_looking(self, why: str) -> None:
        """Serve nobody any more."""
        service = self._service
        service.log(f"looking for a leader: {why}")
        if service.serving:
            self._unavailable_since_us = service.clock.monotonic_us()
        service.serving = service.leading = False
        self._close_clients(f"this server is looking for a leader: {why}")
        self._writes.restart()
        self._writes.sessions.stop()
        self._writes.reaper.stop()
        self.read_only.on_looking()

    def on_elected(self) -> None:
        """The state is about to change: read-only clients are to look for a server of the new quorum."""
        self.read_only.end("there is a quorum again")

    def on_serving(self) -> None:
        """Serve, as leader or learner."""
        service = self._service
        service.leading = service.peer.role is ServerState.LEADING
        service.serving = True
        self.serving_since_us = service.clock.monotonic_us()
        waited_us = self.serving_since_us - self._unavailable_since_us
        service.counters.unavailable.add(waited_us)
        if service.leading:
            service.counters.leader_unavailable.add(waited_us)
        peer = service.peer
        doing = "observing" if peer.role is ServerState.OBSERVING else "following"
        part = "leading" if service.leading else f"{doing} server {peer.leader}"
        service.log(f"serving, {part} in epoch {peer.epoch} from {text(service.tree.zxid)} on")
        self._writes.sessions.serve()
        if service.leading:
            self._writes.reaper.lead()

    # ------------------------------------------------------------------ what passes by the agreement

    def on_request(self, learner: int, data: bytes, auth: tuple[tuple[str, str], ...]) -> None:
        """Leader: a learner forwards a request."""
        try:
            self._writes.on_request(learner, data, auth)
        except WireError as error:
            raise PeerProtocolError(str(error)) from error

    def on_revalidate(self, learner: int, data: bytes) -> bytes:
        """Leader: a client came to ``learner`` with a session; answer whether it is alive."""
        with _peer_bytes():
            session_id, timeout_ms = packets.decode_revalidate(data)
        self._service.counters.revalidated_for_learners += 1
        valid = self._writes.sessions.claim(session_id, timeout_ms, learner)
        return packets.encode_revalidated(session_id, valid)

    def on_revalidated(self, data: bytes) -> None:
        """Learner: the leader's answer to a revalidation."""
        with _peer_bytes():
            session_id, valid = packets.decode_revalidated(data)
        client = self._service.revalidating.pop(session_id, None)
        if client is not None:
            client.on_revalidated(valid)

    def on_synced(self) -> None:
        """The oldest unanswered sync of this server is complete."""
        self._writes.on_synced()

    def on_touches(self, learner: int, data: bytes) -> None:
        """Leader: sessions a learner heard of since its last ping."""
        with _peer_bytes():
            touches = packets.decode_touches(data)
        self._writes.sessions.touch_all(touches)

    def touches(self) -> bytes:
        """Learner: sessions heard of since the last call."""
        heard = self._writes.sessions.heard
        if not heard:
            return b""
        data = packets.encode_touches(heard.items())
        heard.clear()
        return data
