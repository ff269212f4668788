"""What is told of one client's connection, as values and as the text of ``cons`` and ``stat``."""

from __future__ import annotations

from ensemble.replica.clients.channel import State
from ensemble.replica.clients.connection import Connection
from ensemble.tree.operations import Op

US_PER_MS = 1000
UNSIGNED = (1 << 64) - 1

LAST_OPS: dict[int, str] = {
    Op.CREATE_SESSION: "SESS",
    Op.CREATE: "CREA",
    Op.CREATE2: "CREA",
    Op.CREATE_TTL: "CREA",
    Op.CREATE_CONTAINER: "CREA",
    Op.DELETE: "DELE",
    Op.DELETE_CONTAINER: "DELE",
    Op.EXISTS: "EXIS",
    Op.GET_DATA: "GETD",
    Op.SET_DATA: "SETD",
    Op.GET_ACL: "GETA",
    Op.SET_ACL: "SETA",
    Op.GET_CHILDREN: "GETC",
    Op.GET_CHILDREN2: "GETC",
    Op.SYNC: "SYNC",
    Op.PING: "PING",
    Op.CHECK: "CHEC",
    Op.MULTI: "MULT",
    Op.MULTI_READ: "MLTR",
    Op.RECONFIG: "RECO",
    Op.CHECK_WATCHES: "CHKW",
    Op.REMOVE_WATCHES: "REMW",
    Op.SET_WATCHES: "SETW",
    Op.SET_WATCHES2: "STW2",
    Op.ADD_WATCH: "ADDW",
    Op.GET_EPHEMERALS: "GETE",
    Op.GET_ALL_CHILDREN_NUMBER: "GETACN",
    Op.WHO_AM_I: "HOMI",
    Op.CLOSE_SESSION: "CLOS",
}
"""``lop`` of ``cons`` (FinalRequestProcessor)."""


Facts = dict[str, int | str]


def brief(connection: Connection) -> Facts:
    """Return what ``stat`` tells; the keys are the AdminServer's."""
    return {
        "remote_socket_address": connection.client_text,
        "interest_ops": 0 if connection.state is State.WORD else 1,
        "outstanding_requests": connection.pipeline.unanswered,
        "packets_received": connection.received,
        "packets_sent": connection.sent,
    }


def full(connection: Connection) -> Facts:
    """Return what ``cons`` tells; the keys are the AdminServer's, times are in milliseconds."""
    activity = connection.pipeline.activity
    latency = activity.latency
    return {
        **brief(connection),
        "session_id": connection.session_id,
        "last_operation": LAST_OPS.get(activity.last_op, "NA"),
        "established": connection.established_ms,
        "session_timeout": connection.timeout_ms,
        "last_cxid": activity.last_cxid,
        "last_zxid": activity.last_zxid,
        "last_response_time": activity.last_response_us // US_PER_MS,
        "last_latency": latency.last // US_PER_MS,
        "min_latency": latency.least // US_PER_MS,
        "avg_latency": int(latency.mean) // US_PER_MS,
        "max_latency": latency.greatest // US_PER_MS,
    }


def brief_text(connection: Connection) -> str:
    """Write one connection as ``stat`` does."""
    return f"{_open_text(brief(connection))})"


def full_text(connection: Connection) -> str:
    """Write one connection as ``cons`` does."""
    facts = full(connection)
    if not facts["session_id"]:
        return f"{_open_text(facts)})"
    last_cxid = connection.pipeline.activity.last_cxid
    cxid = f",lcxid={last_cxid:#x}" if last_cxid >= 0 else ""
    return (
        f"{_open_text(facts)},sid={facts['session_id']:#x},lop={facts['last_operation']}"
        f",est={facts['established']},to={facts['session_timeout']}{cxid}"
        f",lzxid={connection.pipeline.activity.last_zxid & UNSIGNED:#x},lresp={facts['last_response_time']}"
        f",llat={facts['last_latency']},minlat={facts['min_latency']},avglat={facts['avg_latency']}"
        f",maxlat={facts['max_latency']})"
    )


def _open_text(facts: Facts) -> str:
    return (
        f" /{facts['remote_socket_address']}[{facts['interest_ops']}](queued={facts['outstanding_requests']}"
        f",recved={facts['packets_received']},sent={facts['packets_sent']}"
    )
