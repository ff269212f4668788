"""The ensemble in one line: what the top bar says, and in what words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from dashboard.gateway.rates import Rates
from ensemble import zxid as zxids

PHASE_LABELS = {
    "election": "Election",
    "discovery": "Discovery",
    "synchronization": "Synchronization",
    "broadcast": "Broadcast",
}


class Server(Protocol):
    """One server, as far as the summary looks at it."""

    sid: int
    status: dict[str, Any]
    reachable: bool
    watched: bool
    part: str | None

    @property
    def known(self) -> bool:
        """Whether it ever told its status."""


class Ensemble(Protocol):
    """What the summary is made from; the gateway's model is one."""

    name: str
    named: bool
    rates: Rates

    @property
    def servers(self) -> Mapping[int, Server]:
        """Every server, by id."""

    def leader(self) -> Server | None:
        """The server that leads now."""

    def voters(self) -> set[int]:
        """Whose votes count now."""


def summarize(model: Ensemble) -> dict[str, Any]:
    """Return the summary; counts are ``None`` while nobody can tell them."""
    servers = [server for server in model.servers.values() if server.reachable and server.known]
    leader = model.leader()
    voters = model.voters()
    in_quorum = [s for s in servers if s.status["serving"] and s.sid in voters]
    serving = leader is not None and leader.status["phase"] == "broadcast" and leader.status["serving"]
    best = leader if serving else max(servers, key=lambda s: int(s.status["zxid_committed"]), default=None)
    zxid = int(best.status["zxid_committed"]) if best else 0
    phase, label, tone = _phase(model, servers, serving)
    return {
        "name": model.name,
        "phase": phase,
        "label": label,
        "tone": tone,
        "leader": leader.sid if leader and serving else None,
        "leader_since_ms": leader.status["phase_ms"] if leader and serving else None,
        "epoch": best.status["current_epoch"] if best else None,
        "quorum": f"{len(in_quorum)} of {len(voters)}",
        "quorum_serving": len(in_quorum),
        "voters": len(voters),
        "reachable": len(servers),
        "zxid": zxids.text(zxid) if best else None,
        "zxid_hex": f"0x{zxid:x}" if best else None,
        "ops_per_s": model.rates.per_second if servers else None,
        "ops_history": list(model.rates.history),
        "znodes": best.status["znodes"] if best else None,
        "ephemerals": best.status["ephemerals"] if best else None,
        "data_bytes": best.status["data_bytes"] if best else None,
        "sessions": best.status["sessions"] + _local_elsewhere(servers, best) if best else None,
        "observers": sum(1 for server in model.servers.values() if server.part == "observer"),
        "read_only": [s.sid for s in servers if s.status["read_only"]],
        "watches": sum(s.status["watches"] for s in servers) if servers else None,
    }


def _local_elsewhere(servers: list[Server], best: Server) -> int:
    """Return how many sessions there are that only the servers beside ``best`` know of."""
    return sum(server.status["local_sessions"] for server in servers if server is not best)


def _phase(model: Ensemble, servers: list[Any], serving: bool) -> tuple[str, str, str]:
    """Return key, words and tone (ok, warn, bad) of the ensemble's phase."""
    if not model.named:
        return "none", "No ensemble", "bad"
    if not servers and model.servers and not any(server.watched for server in model.servers.values()):
        return "unwatched", "Tree only", "warn"
    if not servers:
        return "unreachable", "No server answers", "bad"
    if serving:
        # A server that no membership names is nobody's loss, whatever it does.
        members = [s for s in model.servers.values() if s.part != "none"]
        lagging = any(not s.reachable or not s.known or s.status["phase"] != "broadcast" for s in members)
        return "broadcast", "Broadcast", "warn" if lagging else "ok"
    order = list(PHASE_LABELS)
    furthest = max(
        (s.status["phase"] for s in servers if s.status["phase"] != "broadcast"),
        key=order.index,
        default="election",
    )
    return furthest, PHASE_LABELS[furthest], "warn"
