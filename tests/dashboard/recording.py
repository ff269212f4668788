"""Statuses and traces as servers send them, for feeding the real model."""

from __future__ import annotations

from typing import Any

from dashboard.gateway.model import Model

Event = dict[str, Any]

HOUR_US = 3_600_000_000
"""Where the recorded servers' clocks stand."""


def zxid(epoch: int, counter: int) -> str:
    """Return a zxid as the stream carries it."""
    return str((epoch << 32) | counter)


def membership(
    voters: tuple[int, ...] = (1, 2, 3),
    observers: tuple[int, ...] = (),
    *,
    version: str = "0",
    proposed: str | None = None,
) -> dict[str, Any]:
    """Return who belongs to the ensemble, as a server tells it."""
    members = [
        {"sid": sid, "votes": sid in voters, "client_address": f"127.0.0.1:{2180 + sid}"}
        for sid in sorted((*voters, *observers))
    ]
    lines = [
        f"server.{m['sid']}=127.0.0.1:{2887 + m['sid']}:{3887 + m['sid']}:{'participant' if m['votes'] else 'observer'}"
        f";{m['client_address']}"
        for m in members
    ]
    text = "\n".join([*lines, f"version={int(version):x}"])
    return {"version": version, "text": text, "members": members, "proposed": proposed}


def status(
    sid: int,
    role: str = "following",
    *,
    leader: int | None = 2,
    epoch: int = 5,
    counter: int = 163,
    **other: Any,
) -> Event:
    """Return a server's account of itself."""
    upto = zxid(epoch, counter)
    serving = role in ("leading", "following", "observing")
    base = {
        "sid": sid,
        "role": role,
        "phase": "broadcast" if serving else "election",
        "leader": leader,
        "serving": serving,
        "read_only": False,
        "accepted_epoch": epoch,
        "current_epoch": epoch,
        "election_round": 1,
        "vote": leader,
        "zxid_logged": upto,
        "zxid_durable": upto,
        "zxid_committed": upto,
        "zxid_applied": upto,
        "log": [{"zxid": upto, "committed": True}],
        "log_file": "log.500000001",
        "log_bytes": 2_100_000,
        "snapshot": None,
        "digest": "0",
        "digest_zxid": upto,
        "uptime_ms": 60_000,
        "phase_ms": 41_000,
        "peers": [],
        "voters": [1, 2, 3],
        "membership": membership(),
        "outstanding": 0,
        "pending_syncs": 0,
        "connections": 2,
        "sessions": 6,
        "local_sessions": 0,
        "watches": 4,
        "znodes": 1204,
        "ephemerals": 9,
        "data_bytes": 5000,
        "reads": 100,
        "writes": 50,
        "commits": 50,
        "fsync_us_p50": 400,
        "fsync_us_p99": 2200,
        "latency_us_p50": 500,
        "latency_us_p99": 3000,
        "throttled": 0,
        "loop_lag_us": 20,
        "client_address": f"127.0.0.1:{2180 + sid}",
        "pid": 1000 + sid,
        "trace_dropped": 0,
        "trace_stride": 1,
        "faults": [],
    }
    return base | other


def process(sid: int, state: str = "running") -> dict[str, Any]:
    """Return a supervisor's account of a process."""
    return {
        "sid": sid,
        "state": state,
        "pid": 1000 + sid,
        "client_port": 2180 + sid,
        "admin_url": f"http://127.0.0.1:{9180 + sid}",
        "exit_code": None,
        "reason": None,
        "restarts": 0,
    }


class Recording:
    """Feeds a model as the feeds would, with one clock for all servers."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.counts = dict.fromkeys(range(1, 10), 0)

    def ensemble(self, leader: int = 2, servers: int = 3) -> Recording:
        """Let all servers say that they are in broadcast under ``leader``."""
        for sid in range(1, servers + 1):
            self.model.add_server(sid, f"127.0.0.1:{2180 + sid}", local=True)
            self.model.on_status(
                sid,
                status(
                    sid,
                    "leading" if sid == leader else "following",
                    leader=leader,
                    membership=membership(tuple(range(1, servers + 1))),
                ),
                HOUR_US,
            )
        self.model.on_processes([process(sid) for sid in range(1, servers + 1)])
        return self

    def tell(self, sid: int, at_us: int, kind: str, *, late_us: int = 300, **fields: Any) -> None:
        """Let one server emit one event, which arrives ``late_us`` after it happened."""
        self.counts[sid] += 1
        event = {"n": self.counts[sid], "at": HOUR_US + at_us, "sid": sid, "kind": kind, **fields}
        self.model.on_events(sid, [event], 0, HOUR_US + at_us + late_us, 1_800_000_000.0)

    def write(
        self, at_us: int = 0, counter: int = 163, path: str = "/a", session: str = "0x2a", cxid: int = 7
    ) -> str:
        """Let a write pass through all stages: submitted at s3, proposed by s2, applied everywhere."""
        this = zxid(5, counter)
        self.tell(3, at_us - 700, "submitted", session=session, cxid=cxid, op=1)
        self.tell(3, at_us + 900, "logged", zxid=this, fsync_us=500)  # before the leader's own word of it
        self.tell(2, at_us, "proposed", zxid=this, session=session, cxid=cxid, op=1, path=path, size=58)
        self.tell(2, at_us + 800, "logged", zxid=this, fsync_us=400)
        self.tell(2, at_us + 810, "acked", zxid=this, by=2)
        self.tell(2, at_us + 1300, "acked", zxid=this, by=3)
        self.tell(2, at_us + 1310, "committed", zxid=this)
        for sid, after in ((2, 1320), (3, 1900), (1, 2500)):
            self.tell(
                sid, at_us + after, "applied", zxid=this, session=session, cxid=cxid, op=1, path=path, error=0
            )
        self.tell(3, at_us + 1950, "replied", zxid=this, session=session, cxid=cxid, error=0)
        return this
