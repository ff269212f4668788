"""Who may still act: deadlines, owners, and the news of them that learners bring.

Only the leader expires sessions, and only by a transaction; a learner collects which of its sessions were
heard of and tells the leader with every ping. A session that exists is in the tree; this module knows
only what is not agreed on: when it was last heard of, and which server its client is connected to.

A new leader knows neither, so every session gets a fresh deadline, and the first server that speaks for a
session owns it (Apache's LeaderSessionTracker). Sessions that were never agreed on are in ``local``. Those of
another server a leader cannot tell from ones that have expired, and Apache's takes both for alive; ours remembers
which have ended in its term, and nobody is let in with one that ended before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ensemble.errors import Code
from ensemble.limits import ENDED_SESSIONS_MAX
from ensemble.replica.service import Service
from ensemble.replica.sessions.deadlines import Deadlines
from ensemble.replica.sessions.local_sessions import LocalSessions
from ensemble.trace import session_text


class Sessions:
    """The sessions of the ensemble as this server hears of them."""

    def __init__(self, service: Service, expire: Callable[[int], None]) -> None:
        self._service = service
        self._end = expire
        self._deadlines = Deadlines(service, self._hear, self._expire)
        self._owners: dict[int, int] = {}
        self._opening: dict[int, None] = {}
        self._closing: dict[int, None] = {}
        self._ended: dict[int, None] = {}
        self.local = LocalSessions(service)
        self.heard: dict[int, int] = {}
        """Time-outs (ms) of the sessions heard of since the last look (leader) or ping (learner)."""

    # ------------------------------------------------------------------ the role

    def serve(self) -> None:
        """Begin a term, as leader or learner. Deadlines are the leader's to keep: all sessions start afresh."""
        self.stop()
        service = self._service
        if service.config.local_sessions:
            self.local.start()
        if service.leading:
            self._deadlines.start()
            self._deadlines.touch(service.tree.sessions.items())

    def stop(self) -> None:
        """Forget everything that only a serving server may know."""
        self.local.stop()
        self._deadlines.stop()
        self._owners.clear()
        self._opening.clear()
        self._closing.clear()
        self._ended.clear()
        self.heard.clear()

    # ------------------------------------------------------------------ the agreed state changed

    def opened(self, session_id: int, timeout_ms: int) -> None:
        """A session was created."""
        self._opening.pop(session_id, None)
        if self.local.timeouts:
            # It moved here before the session it was to become was agreed on.
            self.local.release(session_id)
        if self._service.leading:
            self._deadlines.touch([(session_id, timeout_ms)])

    def closed(self, session_id: int) -> None:
        """A session was closed or has expired."""
        self._deadlines.remove(session_id)
        self._owners.pop(session_id, None)
        self._opening.pop(session_id, None)
        self._closing.pop(session_id, None)
        self.heard.pop(session_id, None)
        if self._service.leading and self._service.config.local_sessions:
            self._ended[session_id] = None
            if len(self._ended) > ENDED_SESSIONS_MAX:
                del self._ended[next(iter(self._ended))]

    # ------------------------------------------------------------------ leader: deadlines

    def _hear(self) -> None:
        self.touch_all(self.heard.items())
        self.heard.clear()

    def _expire(self, session_id: int) -> None:
        if self.is_live(session_id):
            self._service.counters.sessions_expired += 1
            self._end(session_id)

    def touch_all(self, touches: Iterable[tuple[int, int]]) -> None:
        """Leader: note that sessions were heard of, with the time-out each is to have."""
        sessions, closing = self._service.tree.sessions, self._closing
        self._deadlines.touch([item for item in touches if item[0] in sessions and item[0] not in closing])

    def remaining_ms(self, session_id: int) -> int | None:
        """Return the milliseconds until the session would expire; None when that is not kept here."""
        if session_id in self.local.timeouts:
            return self.local.remaining_ms(session_id)
        return self._deadlines.remaining_ms(session_id) if self._service.leading else None

    # ------------------------------------------------------------------ leader: owners

    def is_live(self, session_id: int) -> bool:
        """Leader: tell whether a session is agreed on, or proposed, and nothing has ended it yet."""
        if session_id in self._closing:
            return False
        return session_id in self._service.tree.sessions or session_id in self._opening

    def owner(self, session_id: int) -> int | None:
        """Leader: return the server the session's client is connected to; None when not known."""
        return self._owners.get(session_id)

    def claim(self, session_id: int, timeout_ms: int, server: int) -> bool:
        """Leader: give a session to the server its client has come to; False when it is no more.

        Requests that its former server still sends for it are refused from now on; when that is this one, its
        connection is closed, since a leader, unlike a follower, knows better than to let it read on. A session whose end is
        proposed is still claimed: a leader that has been replaced may have proposed it, and then the session
        lives on. Once the end is agreed on, the connection is closed.
        """
        service = self._service
        if session_id not in service.tree.sessions:
            return False
        before = self._owners.get(session_id)
        self._owners[session_id] = server
        if session_id not in self._closing:
            self._deadlines.touch([(session_id, timeout_ms)])
        if service.trace.on and before is not None and before != server:
            service.trace.emit(
                "session", what="moved", session=session_text(session_id), timeout_ms=timeout_ms, client=None
            )
        if server != service.config.sid and session_id in service.by_session:
            service.by_session[session_id].close("its client went to another server")
        return True

    def create(self, session_id: int, server: int) -> None:
        """Leader: note which server a session is being created for."""
        self._owners[session_id] = server
        self._opening[session_id] = None

    def refusal(self, session_id: int, server: int) -> Code:
        """Leader: tell why ``server`` may not make a request for a session; OK when it may."""
        if not self.is_live(session_id):
            expired = session_id in self._closing
            return Code.SESSION_EXPIRED if expired else self.judge_local(session_id, ephemeral=False)
        owner = self._owners.setdefault(session_id, server)
        return Code.OK if owner == server else Code.SESSION_MOVED

    def judge_local(self, session_id: int, ephemeral: bool) -> Code:
        """Leader: say what a session that was never agreed on gets for an answer; OK when it may act.

        It may when it is local to this server, or its id is of another server, whose local session it may be
        (LeaderSessionTracker.checkSession); an ephemeral it may not create.
        """
        config = self._service.config
        here = session_id in self.local.timeouts
        if not here and (
            not config.local_sessions
            or session_id >> 56 & 0xFF == config.sid & 0xFF
            or session_id in self._ended
        ):
            return Code.SESSION_EXPIRED
        if ephemeral:
            return Code.EPHEMERAL_ON_LOCAL_SESSION if here else Code.SESSION_EXPIRED
        return Code.OK

    def close(self, session_id: int) -> None:
        """Leader: the session's end is proposed; nothing it asks from now on will happen."""
        self._closing[session_id] = None
