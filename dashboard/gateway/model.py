"""What is known of the ensemble now. Pure: fed with statuses, events and process states, asked for JSON.

It does not know where those come from, nor who looks. Bounded: proposals, events for the stage and fired
watches are rings, and what does not fit is counted.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from dashboard.gateway.clocks import Clocks
from dashboard.gateway.membership import UNNAMED, Membership
from dashboard.gateway.proposals import Proposals
from dashboard.gateway.rates import Rates
from dashboard.gateway.summary import summarize

Status = dict[str, Any]
Event = dict[str, Any]

STAGE_EVENTS_MAX = 120
"""Events in one frame to the stage; beyond it messages are thinned out, and counted."""
STAGE_BACKLOG_MAX = 5000
FIRED_MAX = 200
ZNODES_CHANGED_MAX = 1000
"""Changed paths told in one notice; beyond it the notice says that there were more."""
STAGE_KINDS = frozenset({"phase", "vote", "message", "sync", "session", "watch", "fault"})
SESSIONS_SHOWN_MAX = 40
"""Session dots drawn on one server; their exact number is in its status."""


class Server:
    """One server as the panel knows it."""

    __slots__ = (
        "clock",
        "named",
        "part",
        "process",
        "reachable",
        "reason",
        "seen_us",
        "sid",
        "status",
        "watched",
    )

    def __init__(self, sid: int, client_address: str | None) -> None:
        self.sid = sid
        self.status: Status = {"sid": sid, "client_address": client_address}
        self.process: dict[str, Any] | None = None
        self.reachable = False
        self.reason: str | None = "not heard of yet"
        self.seen_us: int | None = None
        self.clock = "estimated"
        self.watched = True
        """Whether its admin port is known; of others only their clients' port is."""
        self.named = False
        """Whether the settings or the supervisor name it; others are known as members only."""
        self.part: str | None = None
        """``participant``, ``observer`` or ``none`` of the membership in force; None while nobody told."""

    @property
    def known(self) -> bool:
        """Whether it ever told its status."""
        return "role" in self.status

    @property
    def down(self) -> bool:
        """Whether its supervisor says that its process does not run."""
        return self.process is not None and self.process["state"] in ("killed", "stopped", "failed")

    def to_json(self) -> dict[str, Any]:
        """Return its last status with what the panel adds."""
        return {
            **self.status,
            "sid": self.sid,
            "process": self.process,
            "reachable": self.reachable,
            "reason": self.reason,
            "clock": self.clock,
            "part": self.part,
        }


class Model:
    """The ensemble as it looks from here."""

    def __init__(self, name: str, *, named: bool = True) -> None:
        self.name = name
        self.named = named
        self.servers: dict[int, Server] = {}
        self.membership = Membership()
        self.supervised = False
        self.supervisor_reason: str | None = None
        self.clocks = Clocks()
        self.proposals = Proposals()
        self.rates = Rates()
        self.fired: deque[Event] = deque(maxlen=FIRED_MAX)
        self.sessions_by_server: dict[int, dict[str, None]] = {}
        self.changed_servers: set[int] = set()
        self.changed_znodes: dict[str, Event] = {}
        self.znodes_left_out = 0
        self.sessions_changed = False
        self.watches_changed = False
        self.events_dropped = 0
        self._stage: deque[Event] = deque()

    # What comes in

    def add_server(self, sid: int, client_address: str | None, *, local: bool) -> Server:
        """Make a server known before it is heard of."""
        server = self.servers.setdefault(sid, Server(sid, client_address))
        server.named = True
        server.part = self.membership.part_of(sid)
        self.clocks.connected(sid, local=local)
        self.changed_servers.add(sid)
        return server

    def on_status(self, sid: int, status: Status, now_us: int) -> None:
        """Take a server's own account of itself."""
        server = self.servers[sid]
        server.status = status
        server.reachable = True
        server.reason = None
        server.seen_us = now_us
        server.clock = self.clocks.describe(sid)
        if status["role"] == "leading":
            self.proposals.voters = len(status["voters"])
            self.proposals.on_committed_upto(int(status["zxid_committed"]))
        self.changed_servers.add(sid)
        self._look_at_members()

    def on_lost(self, sid: int, reason: str) -> None:
        """A server cannot be heard; its last status stays, marked as not reachable."""
        server = self.servers[sid]
        if server.reachable or server.reason != reason:
            server.reachable = False
            server.reason = reason
            self.sessions_by_server.pop(sid, None)
            self.changed_servers.add(sid)
            self.sessions_changed = self.watches_changed = True

    def on_processes(self, processes: list[dict[str, Any]]) -> None:
        """Take the supervisor's account of the server processes."""
        self.supervised, self.supervisor_reason = True, None
        for process in processes:
            server = self.servers.get(int(process["sid"]))
            if server is not None and server.process != process:
                server.process = process
                self.changed_servers.add(server.sid)

    def on_supervisor_lost(self, reason: str) -> None:
        """Without its supervisor servers can be watched, but not started or stopped."""
        self.supervised, self.supervisor_reason = False, reason
        for server in self.servers.values():
            if server.process is not None:
                server.process = None
                self.changed_servers.add(server.sid)

    def on_events(self, sid: int, events: list[Event], dropped: int, arrived_us: int, wall_s: float) -> None:
        """Take a batch of one server's trace, in its order."""
        self.events_dropped += dropped
        if events:
            # The newest of a batch waited least; it says most about the clock.
            self.clocks.seen(sid, int(events[-1]["at"]), arrived_us)
        for event in events:
            at_us = self.clocks.align(sid, int(event["at"]))
            kind = event["kind"]
            if kind in Proposals.KINDS:
                self.proposals.on_event(event, at_us)
                continue
            if kind == "znode":
                self._on_znode(event)
                continue
            seen = {**event, "t": round(at_us / 1000, 3), "wall": wall_s - (arrived_us - at_us) / 1e6}
            if kind == "session":
                self._on_session(seen)
            elif kind == "watch":
                self._on_watch(seen)
            if kind in STAGE_KINDS:
                self._stage.append(seen)
        while len(self._stage) > STAGE_BACKLOG_MAX:
            self._stage.popleft()
            self.events_dropped += 1

    # What goes out

    def summary(self) -> dict[str, Any]:
        """Return the top bar: phase, leader, epoch, quorum, zxid, rate, counts."""
        return summarize(self)

    def state(self) -> dict[str, Any]:
        """Return servers and summary, as the pages and the stage's first frame need them."""
        return {
            "name": self.name,
            "named": self.named,
            "supervised": self.supervised,
            "supervisor_reason": self.supervisor_reason,
            "summary": self.summary(),
            "servers": [server.to_json() for _, server in sorted(self.servers.items())],
        }

    def stage_snapshot(self) -> dict[str, Any]:
        """Return what a stage that just connected draws first."""
        servers = [server.to_json() for _, server in sorted(self.servers.items())]
        return {
            "type": "snapshot",
            "name": self.name,
            "named": self.named,
            "supervised": self.supervised,
            "clock": {str(server["sid"]): server["clock"] for server in servers},
            "servers": servers,
            "processes": [server["process"] for server in servers if server["process"]],
            "proposals": [proposal.to_json() for proposal in self.proposals.last(60)],
            "sessions_by_server": self.sessions_shown(),
            "summary": self.summary(),
        }

    def sessions_shown(self) -> dict[str, list[str]]:
        """Return the sessions whose client is connected to each server, up to what is drawn."""
        return {
            str(sid): list(sessions)[:SESSIONS_SHOWN_MAX] for sid, sessions in self.sessions_by_server.items()
        }

    def on_sessions(self, sessions: list[dict[str, Any]]) -> None:
        """Take the servers' own list of sessions: what was opened before anyone listened is only there."""
        before = self.sessions_by_server
        self.sessions_by_server = {}
        for session in sessions:
            if session["owner"] in self.servers and session["client"]:
                self.sessions_by_server.setdefault(session["owner"], {})[session["session"]] = None
        if self.sessions_by_server != before:
            self.changed_servers.update(set(before) | set(self.sessions_by_server))

    def servers_frame(self) -> dict[str, Any] | None:
        """Return what the stage is told of the servers that changed since the last call, if any did."""
        servers = self.take_servers()
        if not servers:
            return None
        return {
            "type": "servers",
            "servers": servers,
            "sids": sorted(self.servers),
            "summary": self.summary(),
            "sessions_by_server": self.sessions_shown(),
        }

    def take_servers(self) -> list[dict[str, Any]]:
        """Return the servers that changed since the last call."""
        changed = [self.servers[sid].to_json() for sid in sorted(self.changed_servers & set(self.servers))]
        self.changed_servers.clear()
        return changed

    def take_stage_events(self) -> tuple[list[Event], int]:
        """Return events for the stage and how many are left out: rare kinds all, messages thinned evenly."""
        events, dropped = list(self._stage), self.events_dropped
        self._stage.clear()
        self.events_dropped = 0
        if len(events) <= STAGE_EVENTS_MAX:
            return events, dropped
        messages = [event for event in events if event["kind"] == "message"]
        rare = [event for event in events if event["kind"] != "message"][-STAGE_EVENTS_MAX:]
        room = max(0, STAGE_EVENTS_MAX - len(rare))
        stride = max(1, -(-len(messages) // room)) if room else 0
        kept = [*rare, *(messages[::stride] if stride else [])]
        kept.sort(key=lambda event: event["t"])
        return kept, dropped + len(events) - len(kept)

    def take_znodes(self) -> tuple[list[Event], int]:
        """Return the last change of each path changed since the last call, and how many are left out."""
        changes, left_out = list(self.changed_znodes.values()), self.znodes_left_out
        self.changed_znodes.clear()
        self.znodes_left_out = 0
        return changes, left_out

    def leader(self) -> Server | None:
        """Return the server that leads now: reachable, in broadcast, of the highest epoch."""
        leading = [
            server
            for server in self.servers.values()
            if server.reachable and server.known and server.status["role"] == "leading"
        ]
        return max(
            leading, key=lambda s: (s.status["phase"] == "broadcast", s.status["current_epoch"]), default=None
        )

    def voters(self) -> set[int]:
        """Return whose votes count now."""
        leader = self.leader()
        if leader is not None:
            return set(leader.status["voters"])
        told = [set(server.status["voters"]) for server in self.servers.values() if server.known]
        return self.membership.voters or (told[0].union(*told[1:]) if told else set(self.servers))

    def _look_at_members(self) -> None:
        """Follow a reconfiguration: members join the drawing, and leave it when only their membership was known."""
        leader = self.leader()
        known = [server.status for server in self.servers.values() if server.known]
        if not self.membership.take(leader.status if leader else None, known):
            return
        for sid, member in self.membership.members.items():
            if sid not in self.servers:
                self.servers[sid] = Server(sid, member["client_address"])
                self.servers[sid].reason = UNNAMED
        for sid, server in list(self.servers.items()):
            server.part = self.membership.part_of(sid)
            if not server.named and server.part in (None, "none"):
                del self.servers[sid]
        self.changed_servers.update(self.servers)

    def _on_session(self, event: Event) -> None:
        self.sessions_changed = True
        here = self.sessions_by_server.setdefault(int(event["sid"]), {})
        session = str(event["session"])
        if event["what"] in ("closed", "expired", "disconnected", "moved"):
            for sessions in self.sessions_by_server.values() if event["what"] != "disconnected" else (here,):
                sessions.pop(session, None)
        if event["what"] in ("opened", "moved", "resumed") and event.get("client"):
            here[session] = None

    def _on_watch(self, event: Event) -> None:
        self.watches_changed = True
        if event["what"] == "fired":
            self.fired.append(event)

    def _on_znode(self, event: Event) -> None:
        path = str(event["path"])
        before = self.changed_znodes.get(path)
        if before is not None and int(before["zxid"]) >= int(event["zxid"]):
            return  # told already: every server applies every change
        if before is not None and event["what"] == "changed" and before["what"] == "created":
            event = {**event, "what": "created"}  # both since the last look: to a viewer it is new
        if before is None and len(self.changed_znodes) >= ZNODES_CHANGED_MAX:
            self.znodes_left_out += 1
            return
        self.changed_znodes[path] = event
