"""The life of each proposal, joined by zxid from what all servers trace.

Traces of different servers arrive in no order between them: a follower's ``logged`` may come before the
leader's ``proposed``. Every stage is therefore kept as an absolute time on the panel's clock and made relative
only when read. Memory is bounded: the oldest proposals are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from ensemble.tree.operations import Op

PROPOSALS_MAX = 1000
SUBMITTED_MAX = 4000
"""Writes submitted whose proposal has not been seen (yet): most are sampled away under load."""

OP_NAMES = {
    Op.CREATE: "create",
    Op.CREATE2: "create",
    Op.DELETE: "delete",
    Op.SET_DATA: "setData",
    Op.SET_ACL: "setACL",
    Op.MULTI: "multi",
    Op.CREATE_SESSION: "createSession",
    Op.CLOSE_SESSION: "closeSession",
    Op.CREATE_CONTAINER: "createContainer",
    Op.DELETE_CONTAINER: "deleteContainer",
    Op.CREATE_TTL: "createTTL",
    Op.RECONFIG: "reconfig",
    Op.CHECK: "check",
    Op.ERROR: "refused",
}


def op_name(op: object) -> str:
    """Return ZooKeeper's name for an operation given as its number or already as a name."""
    if isinstance(op, bool) or not isinstance(op, int):
        return str(op)
    try:
        return OP_NAMES.get(Op(op), Op(op).name.lower())
    except ValueError:
        return f"op {op}"


class Proposal:
    """One proposal's stages; times are microseconds on the panel's clock, ``None`` until seen."""

    __slots__ = (
        "acked",
        "applied",
        "committed",
        "error",
        "fsync_us",
        "logged",
        "op",
        "path",
        "proposed",
        "quorum",
        "replied",
        "server",
        "session",
        "size",
        "submitted",
        "voters",
        "zxid",
    )

    def __init__(self, zxid: int) -> None:
        self.zxid = zxid
        self.op: str | None = None
        self.path: str | None = None
        self.session: str | None = None
        self.size: int | None = None
        self.server: int | None = None
        self.submitted: int | None = None
        self.proposed: int | None = None
        self.logged: dict[int, int] = {}
        self.fsync_us: dict[int, int] = {}
        self.acked: dict[int, int] = {}
        self.committed: int | None = None
        self.applied: dict[int, int] = {}
        self.replied: int | None = None
        self.error: int | None = None
        self.quorum = 0
        self.voters = 0

    def origin_us(self) -> int:
        """Return the time all others are told relative to: when it was proposed, else the first thing seen."""
        if self.proposed is not None:
            return self.proposed
        seen = [*self.logged.values(), *self.acked.values(), *self.applied.values()]
        seen += [at for at in (self.committed, self.replied) if at is not None]
        return min(seen, default=0)

    def to_json(self) -> dict[str, Any]:
        """Return what viewers see: ids as strings, times in milliseconds relative to ``proposed``."""
        origin = self.origin_us()

        def ms(at: int | None) -> float | None:
            return None if at is None else round((at - origin) / 1000, 3)

        def each(stages: dict[int, int]) -> dict[str, float | None]:
            return {str(sid): ms(at) for sid, at in sorted(stages.items())}

        return {
            "zxid": str(self.zxid),
            "text": f"{self.zxid >> 32}:{self.zxid & 0xFFFFFFFF}",
            "epoch": self.zxid >> 32,
            "counter": self.zxid & 0xFFFFFFFF,
            "op": self.op,
            "path": self.path,
            "session": self.session,
            "size": self.size,
            "server": self.server,
            "submitted": ms(self.submitted),
            "proposed": ms(self.proposed),
            "logged": each(self.logged),
            "fsync_us": {str(sid): us for sid, us in sorted(self.fsync_us.items())},
            "acked": each(self.acked),
            "committed": ms(self.committed),
            "applied": each(self.applied),
            "replied": ms(self.replied),
            "error": self.error,
            "quorum": self.quorum,
            "voters": self.voters,
            "at": round(origin / 1000, 3),
        }


class Proposals:
    """The proposals last seen, and which of them changed since they were last taken."""

    KINDS = frozenset({"submitted", "proposed", "logged", "acked", "committed", "applied", "replied"})

    def __init__(self, limit: int = PROPOSALS_MAX) -> None:
        self._limit = limit
        self._by_zxid: dict[int, Proposal] = {}
        self._submitted: OrderedDict[tuple[str, int], tuple[int, int, str]] = OrderedDict()
        self._changed: dict[int, None] = {}
        self._forgotten_max = 0
        self.voters = 0

    def __len__(self) -> int:
        return len(self._by_zxid)

    def on_event(self, event: dict[str, Any], at_us: int) -> None:
        """Join one trace event (of :attr:`KINDS`); ``at_us`` is its time on the panel's clock."""
        kind = event["kind"]
        if kind == "submitted":
            self._on_submitted(event, at_us)
            return
        proposal = self._find(int(event["zxid"]))
        if proposal is None:
            return
        getattr(self, f"_on_{kind}")(proposal, event, at_us)
        self._changed[proposal.zxid] = None

    def last(self, count: int) -> list[Proposal]:
        """Return the newest ``count`` by zxid, newest first."""
        return [self._by_zxid[zxid] for zxid in sorted(self._by_zxid, reverse=True)[:count]]

    def take_changed(self, count: int) -> tuple[list[Proposal], int]:
        """Return the newest ``count`` that changed since the last call, and how many older ones are left out."""
        changed = sorted((zxid for zxid in self._changed if zxid in self._by_zxid), reverse=True)
        self._changed.clear()
        return [self._by_zxid[zxid] for zxid in changed[:count]], max(0, len(changed) - count)

    def on_committed_upto(self, zxid: int) -> None:
        """Start over when the ensemble did: a leader whose epoch is older than what was forgotten is another history."""
        if zxid >> 32 < self._forgotten_max >> 32:
            self._by_zxid.clear()
            self._changed.clear()
            self._forgotten_max = 0

    def zxid_by(self, session: str) -> int | None:
        """Return the newest zxid a session was seen to make (the audit list names it)."""
        return max((p.zxid for p in self._by_zxid.values() if p.session == session), default=None)

    def latencies_ms(self) -> list[float]:
        """Return, sorted, what the proposals in memory took from proposed to committed."""
        times = (
            (p.committed - p.proposed) / 1000
            for p in self._by_zxid.values()
            if p.committed is not None and p.proposed is not None
        )
        return sorted(times)

    def _find(self, zxid: int) -> Proposal | None:
        proposal = self._by_zxid.get(zxid)
        if proposal is None:
            if zxid <= self._forgotten_max:
                return None  # a late stage of one already forgotten must not bring it back half empty
            proposal = self._by_zxid[zxid] = Proposal(zxid)
            proposal.voters = self.voters
            proposal.quorum = self.voters // 2 + 1 if self.voters else 0
            if len(self._by_zxid) > self._limit:
                self._forget_oldest()
        return proposal

    def _forget_oldest(self) -> None:
        # An eighth at once: sorting for each new proposal would cost more than all the rest.
        for zxid in sorted(self._by_zxid)[: max(1, self._limit // 8)]:
            del self._by_zxid[zxid]
            self._changed.pop(zxid, None)
            self._forgotten_max = max(self._forgotten_max, zxid)

    def _on_submitted(self, event: dict[str, Any], at_us: int) -> None:
        key = (str(event["session"]), int(event["cxid"]))
        self._submitted[key] = (int(event["sid"]), at_us, op_name(event.get("op")))
        while len(self._submitted) > SUBMITTED_MAX:
            self._submitted.popitem(last=False)

    def _identify(self, proposal: Proposal, event: dict[str, Any]) -> None:
        proposal.session = str(event["session"])
        if event.get("op") is not None:
            proposal.op = op_name(event["op"])
        if event.get("path") is not None:
            proposal.path = str(event["path"])
        submitted = self._submitted.pop((proposal.session, int(event["cxid"])), None)
        if submitted is not None:
            proposal.server, proposal.submitted, name = submitted
            # A refused write travels as an error transaction; the viewer asks what was tried.
            if proposal.op in (None, "refused"):
                proposal.op = name

    def _on_proposed(self, proposal: Proposal, event: dict[str, Any], at_us: int) -> None:
        proposal.proposed = at_us
        proposal.size = event.get("size")
        self._identify(proposal, event)

    def _on_logged(self, proposal: Proposal, event: dict[str, Any], at_us: int) -> None:
        proposal.logged[int(event["sid"])] = at_us
        if event.get("fsync_us") is not None:
            proposal.fsync_us[int(event["sid"])] = int(event["fsync_us"])

    def _on_acked(self, proposal: Proposal, event: dict[str, Any], at_us: int) -> None:
        proposal.acked.setdefault(int(event["by"]), at_us)

    def _on_committed(self, proposal: Proposal, event: dict[str, Any], at_us: int) -> None:
        proposal.committed = at_us

    def _on_applied(self, proposal: Proposal, event: dict[str, Any], at_us: int) -> None:
        proposal.applied[int(event["sid"])] = at_us
        proposal.error = event.get("error")
        self._identify(proposal, event)

    def _on_replied(self, proposal: Proposal, event: dict[str, Any], at_us: int) -> None:
        proposal.replied = at_us
        proposal.server = int(event["sid"])
        proposal.error = event.get("error")


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the nearest-rank percentile of sorted ``values``; ``None`` of nothing."""
    ranked = list(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))] if ranked else None
