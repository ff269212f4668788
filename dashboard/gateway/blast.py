"""What an action would do, computed from the model before anyone confirms it. Pure.

Sentences here are about the present; nothing is promised that the present does not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from dashboard.gateway.model import Model, Server
from ensemble import paths
from ensemble import zxid as zxids

DOWN_ACTIONS = frozenset({"kill", "stop", "pause", "restart"})
ACTIONS = ("kill", "stop", "start", "restart", "pause", "resume")
_STATES = {
    "start": frozenset({"stopped", "killed", "failed"}),
    "resume": frozenset({"paused"}),
    "kill": frozenset({"starting", "running", "paused"}),
    "stop": frozenset({"starting", "running", "paused"}),
    "restart": frozenset({"starting", "running", "paused", "stopped", "killed", "failed"}),
    "pause": frozenset({"running"}),
}
_VERBS = {
    "kill": "Killing",
    "stop": "Stopping",
    "start": "Starting",
    "restart": "Restarting",
    "pause": "Pausing",
    "resume": "Resuming",
}


def refusal(model: Model, sid: int, action: str) -> str | None:
    """Return why ``action`` cannot be done to a server now, or ``None``."""
    server = model.servers.get(sid)
    if server is None:
        return f"There is no server s{sid}."
    if not model.supervised:
        why = model.supervisor_reason or "this ensemble has no supervisor"
        return f"s{sid} cannot be reached as a process: {why}."
    if server.process is None:
        return f"The supervisor does not know s{sid}."
    state = server.process["state"]
    if state not in _STATES[action]:
        return f"s{sid} is {state}; {action} needs it to be {_any_of(sorted(_STATES[action]))}."
    return None


def of_server_action(model: Model, sid: int, action: str) -> list[str]:
    """Return sentences: what doing ``action`` to server ``sid`` means now."""
    server = model.servers[sid]
    voters = model.voters()
    if action == "start":
        return [f"s{sid} reads its log and snapshot from disk and looks for the leader."]
    if action == "resume":
        return [
            f"s{sid} goes on where it was stopped. What it had in flight is stale by now; it may find that it was replaced."
        ]
    left = sorted(s.sid for s in model.servers.values() if s.reachable and s.sid in voters and s.sid != sid)
    together = _together(model, left)
    sentences = [_on_quorum(server, sid, action, left, together, voters)]
    if _leads(server):
        sentences += _unshared(model, server, together)
    if server.known and server.reachable:
        sentences.append(_clients(server, sid, action))
    return sentences


def of_partition(model: Model, groups: Sequence[Sequence[int]]) -> list[str]:
    """Return sentences: which side keeps a quorum when links between the groups are cut."""
    voters = model.voters()
    need = len(voters) // 2 + 1
    leader = model.leader()
    sentences = []
    for group in groups:
        alive = [sid for sid in group if sid in voters and model.servers[sid].reachable]
        who = _names(group)
        if len(alive) < need:
            cannot = f"{who} {_plural(group, 'has', 'have')} {len(alive)} of {len(voters)} voters, no quorum: no writes there."
            if leader and leader.sid in group:
                cannot += f" s{leader.sid} stops leading when it notices (within its sync limit)."
            sentences.append(cannot)
        elif leader and leader.sid in group:
            sentences.append(
                f"{who} {_plural(group, 'keeps', 'keep')} a quorum and the leader s{leader.sid}: writes go on."
            )
        else:
            sentences.append(
                f"{who} {_plural(group, 'keeps', 'keep')} a quorum and will elect a leader among themselves."
            )
    return sentences


def of_expiry(session: dict[str, Any], watches: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the znodes that vanish with a session, and the watches that fire because of it."""
    gone = list(session["ephemerals"])
    own = session["session"]
    return {
        "znodes": gone,
        "znodes_total": session["ephemerals_total"],
        "znodes_partial": len(gone) < session["ephemerals_total"],
        "fires": [w for w in _fired_by_deleting(gone, watches) if w["session"] != own],
        "watches_lost": session["watches"],
    }


def of_deletion(path: str, watches: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the watches that deleting one znode fires."""
    return _fired_by_deleting([path], watches)


def _fired_by_deleting(gone: Sequence[str], watches: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    nodes = set(gone)
    parents = {paths.parent_of(path) for path in gone}
    return [
        watch
        for watch in watches
        if watch["path"] in nodes or (watch["mode"] == "child" and watch["path"] in parents)
    ]


def _together(model: Model, sids: list[int]) -> list[int]:
    """Return the largest part of ``sids`` (a handful) whose links to each other are all whole."""
    cut = {
        frozenset((sid, peer))
        for sid, server in model.servers.items()
        if server.reachable
        for fault in server.status.get("faults", ())
        for peer in fault["peers"]
    }
    for size in range(len(sids), 0, -1):
        for part in combinations(sids, size):
            if not any(frozenset(pair) in cut for pair in combinations(part, 2)):
                return list(part)
    return []


def _on_quorum(
    server: Server, sid: int, action: str, left: list[int], together: list[int], voters: set[int]
) -> str:
    need = len(voters) // 2 + 1
    verb = _VERBS[action]
    if sid not in voters or not server.reachable:
        return f"{verb} s{sid} does not touch the quorum: {'it is not a voter' if sid not in voters else 'it is not part of it now'}."
    if len(left) < need:
        return (
            f"{verb} s{sid} leaves {len(left)} of {len(voters)} voters: no quorum, so no writes"
            f" until one comes back ({need} are needed)."
        )
    if len(together) < need:
        return (
            f"{verb} s{sid} leaves {_names(left)} with cut links between them: no quorum, so no writes"
            f" until they are healed or s{sid} comes back."
        )
    if _leads(server):
        return f"{verb} the leader starts an election among {_names(together)}; writes wait until it is over."
    spare = len(together) - need
    tail = "one more failure stops writes" if spare == 0 else f"{spare} more may fail before writes stop"
    return f"The quorum stays: {_names(together)} go on; {tail}."


def _unshared(model: Model, leader: Server, left: list[int]) -> list[str]:
    """Say what the others hold of the leader's log, by their own durable zxids."""
    if not left:
        return []
    durable = {
        sid: int(model.servers[sid].status["zxid_durable"]) for sid in left if model.servers[sid].known
    }
    committed = int(leader.status["zxid_committed"])
    logged = int(leader.status["zxid_logged"])
    holders = [sid for sid, zxid in durable.items() if zxid >= committed]
    if not holders:
        return [f"Which server holds everything committed up to {zxids.text(committed)} is not known yet."]
    sentence = f"{_names(holders)} {_plural(holders, 'holds', 'hold')} everything committed up to {zxids.text(committed)}"
    if logged > max(durable.values()):
        sentence += f"; {zxids.text(logged)} is logged on s{leader.sid} alone and may be lost"
    return [sentence + "."]


def _clients(server: Server, sid: int, action: str) -> str:
    count = int(server.status["connections"])
    if not count:
        return f"No client is connected to s{sid}."
    clients = "1 client" if count == 1 else f"{count} clients"
    if action == "pause":
        return f"{clients} of s{sid} will hear nothing and move to another server within their time-out."
    return f"{clients} of s{sid} will reconnect to another server; sessions live on if they make it within their time-out."


def _leads(server: Server) -> bool:
    return server.known and server.reachable and server.status["role"] == "leading"


def _names(sids: Iterable[int]) -> str:
    names = [f"s{sid}" for sid in sids]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _any_of(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _plural(items: Sequence[Any], one: str, many: str) -> str:
    return one if len(items) == 1 else many
