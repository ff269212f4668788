"""The first frame of a client: a new session, an old one, or a refusal.

Facts: ZooKeeperServer.processConnectRequest. A client that has seen a later transaction than this server is
sent away without a word; one whose session is gone, or whose password is wrong, is told that it expired.

A server in read-only mode takes those alone that agreed to it, and opens sessions of its own for them. Apache's
does so with ``localSessionsEnabled`` only: without, it answers a new session by an error frame that no client
can read.
"""

from __future__ import annotations

from enum import Enum
from hmac import compare_digest

from ensemble.replica.admission.arrivals import Arrival
from ensemble.replica.requests.writes import Writes
from ensemble.replica.service import Client, Service
from ensemble.tree.sessions import first_session_id, password_of
from ensemble.wire import packets
from ensemble.wire.requests import ConnectRequest
from ensemble.zxid import text


class Verdict(Enum):
    """What becomes of a ConnectRequest."""

    OPEN = "open"
    WAIT = "wait"
    """The session is being created, or the leader is being asked; the client hears later."""
    GONE = "gone"
    """This leader does not know the session; that it still leads is to be confirmed before saying so."""
    EXPIRED = "expired"
    REFUSED = "refused"


class Handshakes:
    """Opens sessions for the clients of one server."""

    def __init__(self, service: Service, writes: Writes) -> None:
        self._service = service
        self._writes = writes
        self._local = writes.sessions.local
        self._next_id = 0

    def begin(self, client: Client, request: ConnectRequest, timeout_ms: int) -> tuple[Verdict, str]:
        """Decide about a request; on WAIT ``client`` hears by ``on_applied`` or ``on_revalidated``.

        Returns the verdict and, unless all is well, why. ``timeout_ms`` is the negotiated one.
        """
        service = self._service
        if not service.serving and not service.read_only:
            return Verdict.REFUSED, "this server does not serve"
        if service.read_only and not request.read_only:
            return Verdict.REFUSED, "this server serves reads only, and the client wants more"
        if service.leading and not (service.config.leader_serves or service.config.standalone):
            return Verdict.REFUSED, "this server leads, and leaderServes=no"
        if request.last_zxid_seen > service.tree.zxid:
            seen, ours = text(request.last_zxid_seen), text(service.tree.zxid)
            return Verdict.REFUSED, f"the client has seen {seen}, this server only {ours}"
        session_id = request.session_id
        arrivals = service.admission.arrivals
        if not arrivals.admit(self._arrival(session_id)):
            service.counters.refused += 1
            return Verdict.REFUSED, "clients come faster than connection_throttle_tokens allows"
        service.counters.token_deficits.add(arrivals.deficit)
        if session_id == 0:
            sessions = len(service.tree.sessions) + len(self._local.timeouts)
            if sessions >= service.config.admission.sessions_max:
                service.counters.refused += 1
                return Verdict.REFUSED, f"there are {sessions} sessions (coordinator.maxSessions)"
            session_id = self._new_session_id()
            if service.read_only or service.config.local_sessions:
                self._local.open(session_id, timeout_ms)
                self.attach(client, session_id)
                return Verdict.OPEN, ""
            self.attach(client, session_id)
            self._writes.create_session(session_id, timeout_ms)
            return Verdict.WAIT, ""
        if service.read_only and session_id in service.tree.sessions:
            return Verdict.REFUSED, "only a leader can say whether the session is alive"
        if not compare_digest(password_of(session_id), request.password):
            return Verdict.EXPIRED, "wrong session password"
        if self._local.resume(session_id, timeout_ms):
            return Verdict.OPEN, ""
        if service.read_only:
            return Verdict.EXPIRED, "the session is no more"
        if not service.leading:
            older = service.revalidating.pop(session_id, None)
            if older is not None:
                older.close("its client came back on another connection")
            service.revalidating[session_id] = client
            service.peer.revalidate(packets.encode_revalidate(session_id, timeout_ms))
            return Verdict.WAIT, ""
        if not self._writes.sessions.claim(session_id, timeout_ms, service.config.sid):
            return Verdict.GONE, "the session is no more"
        return Verdict.OPEN, ""

    def _arrival(self, session_id: int) -> Arrival:
        if session_id:
            return Arrival.RENEWED
        return Arrival.LOCAL if self._service.config.local_sessions else Arrival.NEW

    def attach(self, client: Client, session_id: int) -> None:
        """Make ``client`` the one connection of its session here; an older one is closed."""
        by_session = self._service.by_session
        older = by_session.get(session_id)
        by_session[session_id] = client
        client.session_id = session_id
        sessions = self._writes.sessions
        client.heard = self._local.heard if session_id in self._local.timeouts else sessions.heard
        if older is not None and older is not client:
            older.close("its client came back on another connection")

    def detach(self, client: Client, session_id: int) -> None:
        """Forget a client whose connection is gone."""
        service = self._service
        if service.by_session.get(session_id) is client:
            del service.by_session[session_id]
        if service.revalidating.get(session_id) is client:
            del service.revalidating[session_id]

    def _new_session_id(self) -> int:
        """Return an id that no session has; ids of one server count up from the time it first served.

        From the wall clock, not Apache's monotonic one: that starts again with the machine, and then gives
        out ids that live sessions may still have.
        """
        service = self._service
        if not self._next_id:
            self._next_id = first_session_id(service.config.sid, service.clock.wall_ms())
        while self._next_id in service.tree.sessions:
            self._next_id += 1
        session_id, self._next_id = self._next_id, self._next_id + 1
        return session_id
