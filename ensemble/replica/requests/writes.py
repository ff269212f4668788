"""Writes on their way to agreement: the leader makes transactions of them, a learner sends them on.

The order of the calls is the order of the transactions. A request that the state refuses is a transaction
too, of type error: it takes its zxid and comes back to its client in its turn (ZOOKEEPER-4925). Who waits
for the answer is not known here; transactions come back through ``application``.
"""

from __future__ import annotations

from collections import deque

from ensemble.errors import Code, WireError
from ensemble.membership import Membership, parse
from ensemble.replica.requests.reaper import Reaper
from ensemble.replica.requests.reconfiguration import Reconfiguration
from ensemble.replica.service import Client, Service
from ensemble.replica.sessions.local_sessions import wants_ephemeral
from ensemble.replica.sessions.sessions import Sessions
from ensemble.trace import session_text
from ensemble.tree import txns
from ensemble.tree.operations import CloseSession, CreateSession, Delete, Identity, Op, Operation, Request
from ensemble.tree.prepare.prepare import Preparer
from ensemble.tree.prepare.warden import Warden
from ensemble.tree.txns import ErrorTxn, SetDataTxn, Txn
from ensemble.wire import packets
from ensemble.wire.requests import decode_operation

WRITE_OPS: frozenset[int] = frozenset(
    {
        Op.CREATE,
        Op.DELETE,
        Op.SET_DATA,
        Op.SET_ACL,
        Op.MULTI,
        Op.CREATE2,
        Op.CREATE_CONTAINER,
        Op.CREATE_TTL,
        Op.RECONFIG,
        Op.CLOSE_SESSION,
    }
)
"""What a client may ask that becomes a transaction."""

_FORWARDED_OPS = WRITE_OPS | {int(Op.CREATE_SESSION), int(Op.SYNC)}

_SYNC = int(Op.SYNC)
_RECONFIG = int(Op.RECONFIG)
_CREATE_SESSION = int(Op.CREATE_SESSION)
_CLOSE_SESSION = int(Op.CLOSE_SESSION)
_SESSION_OPS: frozenset[int] = frozenset({Op.CREATE_SESSION, Op.CLOSE_SESSION})


class Writes:
    """The way of this server's writes, whatever its role is."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.sessions = Sessions(service, self.close_session)
        self.reaper = Reaper(service, self.delete_container)
        self._local = self.sessions.local
        self.warden = Warden(
            enforce=service.config.znodes.enforce_quota,
            refusals=service.counters.quota_refusals,
            log=service.log,
            now_ms=service.now_ms,
        )
        self._reconfiguration = Reconfiguration(service)
        self._preparer = self._new_preparer()
        self._prepared: dict[int, Txn] = {}
        self._syncing: deque[Client] = deque()
        self._auth: tuple[tuple[str, str], ...] = ()
        self._identities: tuple[Identity, ...] = ()
        self.fresh = False
        """Something was asked of the peer since this was last set to False: it wants a flush."""

    def restart(self) -> None:
        """Forget all that is on its way: the role or the state has changed under it."""
        self._preparer = self._new_preparer()
        self._prepared.clear()
        self._syncing.clear()

    def _new_preparer(self) -> Preparer:
        service = self._service
        return Preparer(
            service.tree,
            extended_types=service.config.znodes.extended_types,
            access=service.access,
            judge_session=self.sessions.judge_local,
            warden=self.warden,
            reconfigure=self._reconfiguration.prepare if service.config.reconfig_enabled else None,
        )

    # ------------------------------------------------------------------ from clients

    def submit(
        self, session_id: int, cxid: int, op: int, frame: bytes, offset: int, identities: tuple[Identity, ...]
    ) -> None:
        """Take a write of a client connected here; ``frame`` holds its record from ``offset``.

        When the record is not one the leader finds out, and the answer is MARSHALLING_ERROR.
        """
        service = self._service
        if session_id in self._local.timeouts and wants_ephemeral(op, frame, offset):
            self._upgrade(session_id)
        if service.trace.on:
            service.trace.emit("submitted", session=session_text(session_id), cxid=cxid, op=op_name(op))
        if not service.leading:
            service.peer.submit(packets.encode_forward(session_id, cxid, op, frame[offset:]), identities)
            return
        try:
            operation = decode_operation(op, frame, offset)
        except WireError:
            self._refuse(session_id, cxid, Code.MARSHALLING_ERROR)
            return
        self._lead(Request(session_id, cxid, op, operation, identities), service.config.sid)

    def create_session(self, session_id: int, timeout_ms: int) -> None:
        """Ask for a session under an id made here."""
        service = self._service
        if service.leading:
            self._lead(
                Request(session_id, 0, Op.CREATE_SESSION, CreateSession(timeout_ms)), service.config.sid
            )
        else:
            payload = timeout_ms.to_bytes(4, "big")
            service.peer.submit(packets.encode_forward(session_id, 0, Op.CREATE_SESSION, payload))

    def _upgrade(self, session_id: int) -> None:
        """Make a local session one like any other, ahead of the request that wants an ephemeral.

        Where that is not allowed the request is refused in its turn, by the leader.
        """
        service = self._service
        if not service.config.sessions.upgrading:
            return
        timeout_ms = self._local.release(session_id)
        assert timeout_ms is not None
        client = service.by_session.get(session_id)
        if client is not None:
            client.heard = self.sessions.heard
        self.create_session(session_id, timeout_ms)

    def close_session(self, session_id: int) -> None:
        """Leader: end a session because its time is over, or an operator wants it (cxid 0)."""
        self._propose(Request(session_id, 0, Op.CLOSE_SESSION, CloseSession()))

    def delete_container(self, path: str) -> None:
        """Leader: delete a container or TTL znode whose time is over, in the name of no session."""
        self._propose(Request(0, 0, Op.DELETE_CONTAINER, Delete(path, -1)))

    def expire(self, session_id: int) -> bool:
        """End a session for an operator; False when there is no such session, or neither is it local here nor
        this server the leader."""
        if self._local.expire(session_id):
            return True
        if not self._service.leading or not self.sessions.is_live(session_id):
            return False
        self.close_session(session_id)
        return True

    def sync(self, client: Client, cxid: int, frame: bytes, offset: int) -> None:
        """Tell ``client`` when all that is committed now, anywhere, is applied here."""
        service = self._service
        self.fresh = True
        self._syncing.append(client)
        if service.leading:
            service.peer.sync()
        else:
            service.peer.submit(packets.encode_forward(client.session_id, cxid, Op.SYNC, frame[offset:]))

    def on_synced(self) -> None:
        """The oldest sync is complete."""
        if self._syncing:
            self._syncing.popleft().on_synced()

    # ------------------------------------------------------------------ leader

    def on_request(self, learner: int, data: bytes, auth: tuple[tuple[str, str], ...]) -> None:
        """Take a write that a learner forwards."""
        session_id, cxid, op = packets.decode_forward(data)
        if op == _SYNC:
            self._service.peer.sync(learner)
            return
        try:
            if op not in _FORWARDED_OPS:
                raise WireError(f"operation {op} is no write")
            operation: Operation = decode_operation(op, data, packets.FORWARD_BYTES)
        except WireError as error:
            self._service.log(f"a request through server {learner} is refused: {error}")
            self._refuse(session_id, cxid, Code.MARSHALLING_ERROR)
            return
        if auth is not self._auth:  # wire gives a run of requests of the same identities the same tuple
            self._auth = auth
            self._identities = tuple([Identity(scheme, who) for scheme, who in auth])
        self._lead(Request(session_id, cxid, op, operation, self._identities), learner)

    def _lead(self, request: Request, server: int) -> None:
        """Propose what ``server`` asks for, unless the session is not (any longer) there."""
        if request.op == _CREATE_SESSION:
            self.sessions.create(request.session_id, server)
        else:
            refusal = self.sessions.refusal(request.session_id, server)
            if refusal:
                self._refuse(request.session_id, request.cxid, refusal)
                return
        self._propose(request)

    def _propose(self, request: Request) -> None:
        service = self._service
        peer = service.peer
        zxid = peer.next_zxid()
        began_us = service.clock.monotonic_us() if request.op == _CLOSE_SESSION else 0
        txn = self._preparer.prepare(request, zxid, service.clock.wall_ms())
        if began_us:
            service.counters.close_preparations.add(service.clock.monotonic_us() - began_us)
            self.sessions.close(request.session_id)
        self._send(zxid, txn, request.op)

    def _refuse(self, session_id: int, cxid: int, code: Code) -> None:
        zxid = self._service.peer.next_zxid()
        txn = Txn(session_id, cxid, zxid, self._service.clock.wall_ms(), Op.ERROR, ErrorTxn(code))
        self._send(zxid, txn, Op.ERROR)

    def _send(self, zxid: int, txn: Txn, op: int) -> None:
        payload = txns.encode(txn)
        service = self._service
        self.fresh = True
        # Kept decoded: the leader does not read again what it has just written.
        self._prepared[zxid] = txn
        service.counters.count_proposal(len(payload))
        trace = service.trace
        if trace.on and trace.wants(zxid):
            trace.emit(
                "proposed",
                zxid=str(zxid),
                session=session_text(txn.session_id),
                cxid=txn.cxid,
                op=op_name(op),
                path=path_of(txn),
                size=len(payload),
            )
        if txn.type == _RECONFIG:
            service.peer.propose(zxid, payload, membership_of(txn))
        else:
            service.peer.propose(zxid, payload)

    # ------------------------------------------------------------------ delivery

    def take(self, zxid: int, payload: bytes) -> Txn:
        """Return a delivered transaction, decoded."""
        txn = self._prepared.pop(zxid, None)
        return txns.decode(payload) if txn is None else txn

    def applied(self, zxid: int) -> None:
        """The state has caught up with a transaction."""
        if self._service.leading:
            self._preparer.applied(zxid)


def membership_of(txn: Txn) -> Membership:
    """Return the membership that a reconfig puts in force."""
    record = txn.record
    assert isinstance(record, SetDataTxn)
    return parse((record.data or b"").decode())


_NAMES: dict[int, str] = {
    int(op): {"CREATE2": "create", "SET_DATA": "setData", "SET_ACL": "setACL"}.get(op.name)
    or "".join([word.title() if at else word.lower() for at, word in enumerate(op.name.split("_"))])
    for op in Op
}


def op_name(op: int) -> str:
    """Name an operation as clients' documentation does (``setData``)."""
    return _NAMES.get(op, str(op))


def path_of(txn: Txn) -> str | None:
    """Return the path a transaction is about, when it is about one."""
    return getattr(txn.record, "path", None)
