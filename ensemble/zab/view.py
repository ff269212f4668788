"""The membership as one server knows it: the one in force, and the last one it has seen proposed.

While a newer membership is proposed and not in force, whatever is decided needs a quorum of both: so no decision
of the old ensemble and none of the new can miss each other. A membership is durable before anything follows from
it, which is why saving it comes first.

Facts: QuorumPeer (quorumVerifier and lastSeenQuorumVerifier).
"""

from __future__ import annotations

from collections.abc import Mapping

from ensemble.membership import Membership, parse
from ensemble.zab.ports import Memberships
from ensemble.zab.quorum import Joint, Majority, Quorum, rule_of


class View:
    """Who belongs to the ensemble, and who may decide; one for each server, shared by all of its ZAB."""

    def __init__(
        self,
        sid: int,
        active: Membership,
        *,
        seen: Membership | None = None,
        store: Memberships | None = None,
    ) -> None:
        """Begin with ``active``, empty for a server that stands alone. Without a ``store`` it never changes."""
        self.sid = sid
        self.active = active
        self.seen = seen if seen is not None and seen.version > active.version else active
        self._store = store
        self._decide()

    def _decide(self) -> None:
        active = self.active
        self.rule: Quorum = rule_of(active) if active.servers else Majority([self.sid])
        """Who elects: the membership in force alone. Whether the winner may lead shows in discovery."""
        self.quorum: Quorum = self.rule
        """Who may decide now."""
        self.pending = self.seen.version > active.version
        """Whether a newer membership than the one in force was seen."""
        if self.pending:
            self.quorum = Joint(self.rule, rule_of(self.seen))
        self.voters = self.quorum.voters
        """The participants of the membership in force, and of the one that is pending."""
        self.votes = self.sid in self.rule.voters
        """Whether this server is a participant of the membership in force."""
        self.text = active.text().encode()
        """The membership in force, as servers tell it each other."""

    @property
    def changeable(self) -> bool:
        """Whether the membership may change (``reconfigEnabled``)."""
        return self._store is not None

    @property
    def observes(self) -> bool:
        """Whether this server is an observer; one that is no member at all follows without a vote."""
        me = self.active.server(self.sid)
        return me is not None and not me.votes

    @property
    def others(self) -> list[int]:
        """All members but this server, of the membership in force and of the pending one, in order."""
        sids = {server.sid for known in (self.active, self.seen) for server in known.servers}
        return sorted(sids - {self.sid})

    def may_lead(self, sid: int) -> bool:
        """Tell whether a server may be voted for: a participant with weight."""
        return sid in self.voters and (self.active.weight(sid) > 0 or self.seen.weight(sid) > 0)

    def same_place(self, sid: int) -> bool:
        """Tell whether the memberships in force and last seen reach a server at the same quorum address."""
        now, then = self.active.server(sid), self.seen.server(sid)
        return (
            now is not None
            and then is not None
            and [place[:2] for place in now.places] == [place[:2] for place in then.places]
        )

    def reached(self, progress: Mapping[int, int]) -> int:
        """Return what may be committed: the pending membership counts from its own transaction on."""
        if not self.pending:
            return self.rule.reached(progress)
        return max(self.quorum.reached(progress), min(self.rule.reached(progress), self.seen.version - 1))

    # ------------------------------------------------------------------ changes

    def see(self, membership: Membership) -> None:
        """Take note of the last membership proposed; durable on return."""
        if self._store is None or membership.version == self.seen.version:
            return
        self._store.save_seen(membership)
        self.seen = membership
        self._decide()

    def activate(self, membership: Membership) -> bool:
        """Put a membership in force, durably; tell whether it says something else than the one before."""
        if self._store is None or membership.version <= self.active.version:
            return False
        before = self.active
        self._store.save_active(membership)
        self.active = membership
        if membership.version > self.seen.version:
            self.seen = membership
        self._decide()
        self._store.activated(membership)
        return membership.differs_from(before)

    def hear(self, text: bytes) -> bool:
        """Adopt the membership that another server has in force when it is newer; tell whether that is a change.

        ``ConfigError`` when ``text`` is none.
        """
        if self._store is None or not text or text == self.text:
            return False
        return self.activate(parse(text.decode(errors="replace")))
