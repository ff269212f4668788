"""The words of monitoring, and the texts they are answered with.

The texts are Apache's, line for line where scripts and exporters read them (C/*Command.java); what would cost
a walk over the disk is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from ensemble.replica.clients import Clients
from ensemble.replica.config import VERSION
from ensemble.replica.connection import Connection
from ensemble.replica.metrics.latency import request_latency
from ensemble.replica.metrics.names import mean_ms, znodes
from ensemble.replica.metrics.registry import Registry
from ensemble.replica.service import Service
from ensemble.replica.sessions import Sessions
from ensemble.trace import session_text
from ensemble.tree.operations import Op

NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
DATA_DIRECTORY = "version-2"
"""What Apache's ``conf`` adds to the directories of zoo.cfg: scripts look for the files there."""
LINES_MAX = 10_000
"""A longer list is cut off, and says so: a word is no way to make a server build gigabytes (CVE-2017-5637)."""


class FourLetterWords:
    """Answers the words of one server."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self.clients: Clients
        self.metrics: Registry
        """Both are set once, before the first client comes."""
        self._answers: dict[str, Callable[[], str]] = {
            "ruok": lambda: "imok",
            "srvr": self._srvr,
            "stat": self._stat,
            "mntr": self._mntr,
            "cons": self._cons,
            "crst": self._crst,
            "srst": self._srst,
            "conf": self._conf,
            "envi": self._envi,
            "dump": self._dump,
            "isro": self._isro,
            "wchs": self._wchs,
            "wchc": self._wchc,
            "wchp": self._wchp,
        }
        self._always = frozenset({"ruok", "isro", "envi"})

    def answer(self, word: str) -> bytes:
        """Return the whole answer to ``word``; the connection is closed behind it."""
        answer = self._answers.get(word)
        if word not in self._service.config.words_allowed:
            text = f"{word} is not executed because it is not in the whitelist.\n"
        elif answer is None:
            text = f"{word} is not executed because this server does not have it.\n"
        elif word in self._always or self._service.serving or self._service.read_only:
            text = answer()
        else:
            text = NOT_SERVING
        return text.encode()

    # ------------------------------------------------------------------ the server

    def _srvr(self) -> str:
        return f"{self._head()}{self._statistics()}"

    def _stat(self) -> str:
        clients = "".join([f"{_brief(connection)})\n" for connection in self._connections()])
        return f"{self._head()}Clients:\n{clients}\n{self._statistics()}"

    def _head(self) -> str:
        mode = "READ-ONLY mode; serving only read-only clients\n" if self._service.read_only else ""
        return f"Zookeeper version: {VERSION}\n{mode}"

    def _statistics(self) -> str:
        service, counters = self._service, self._service.counters
        latency = request_latency(counters)
        lines = [
            f"Latency min/avg/max: {latency.least // 1000}/{mean_ms(latency)}/{latency.greatest // 1000}",
            f"Received: {counters.received}",
            f"Sent: {counters.sent}",
            f"Connections: {len(self.clients)}",
            f"Outstanding: {self.clients.outstanding}",
            f"Zxid: {service.tree.zxid:#x}",
            f"Mode: {service.mode}",
            f"Node count: {znodes(service.tree)}",
        ]
        if service.mode == "leader":
            sizes = (counters.proposal_bytes_last, counters.proposal_bytes_min, counters.proposal_bytes_max)
            lines.append("Proposal sizes last/min/max: " + "/".join(map(str, sizes)))
        return _text(lines)

    def _mntr(self) -> str:
        return _text([f"zk_{name}\t{value}" for name, value in self.metrics.rows()])

    def _isro(self) -> str:
        if self._service.read_only:
            return "ro"
        return "rw" if self._service.serving else "null"

    def _srst(self) -> str:
        self._service.counters.reset()
        self._service.peer.meter.reset()
        return "Server stats reset.\n"

    def _conf(self) -> str:
        config = self._service.config
        lines = [
            f"clientPort={config.client_port or -1}",
            f"secureClientPort={config.secure_client_port or -1}",
            f"dataDir={config.data_dir}/{DATA_DIRECTORY}",
            f"dataLogDir={config.log_dir}/{DATA_DIRECTORY}",
            f"tickTime={config.tick_ms}",
            f"maxClientCnxns={config.connections_per_address_max}",
            f"minSessionTimeout={config.timeout_ms_min}",
            f"maxSessionTimeout={config.timeout_ms_max}",
            "clientPortListenBacklog=-1",
            f"serverId={0 if config.standalone else config.sid}",
        ]
        if not config.standalone:
            lines += [
                f"initLimit={config.init_limit_ticks}",
                f"syncLimit={config.sync_limit_ticks}",
                "electionAlg=3",
                *_own_ports(config.config_text, config.sid),
                "peerType=0",
                "membership: ",
                *config.config_text.splitlines(),
            ]
        return _text(lines)

    def _envi(self) -> str:
        rows = {"zookeeper.version": VERSION, **self._service.config.environment}
        return _text(["Environment:", *[f"{name}={value}" for name, value in rows.items()]])

    # ------------------------------------------------------------------ clients

    def _connections(self) -> list[Connection]:
        return list(self.clients.connections)[:LINES_MAX]

    def _cons(self) -> str:
        return _text([_brief(c) + _details(c) + ")" for c in self._connections()]) + "\n"

    def _crst(self) -> str:
        self.clients.reset_statistics()
        return "Connection stats reset.\n"

    def _dump(self) -> str:
        """List sessions and ephemerals; deadlines as the milliseconds left, which need no calendar."""
        tree, local = self._service.tree, self._sessions.local.timeouts
        lines = ["SessionTracker dump:"]
        if self._service.config.local_sessions or self._service.read_only:
            lines += self._session_sets(local, "Local Session")
        if self._service.leading:
            known_as = "Global Session" if self._service.config.local_sessions else "Session"
            lines += self._session_sets(tree.sessions, known_as)
        else:
            lines.append(f"Global Sessions({len(tree.sessions)}):")
            lines += [f"{session_text(each)}\t{tree.sessions[each]}ms" for each in sorted(tree.sessions)]
        lines += ["ephemeral nodes dump:", f"Sessions with Ephemerals ({len(tree.ephemerals)}):"]
        for session_id, paths in tree.ephemerals.items():
            lines.append(f"{session_text(session_id)}:")
            lines += [f"\t{path}" for path in paths]
        lines += ["Connections dump:", f"Connections Sets ({len(self.clients)}):"]
        lines += [
            f"\tip: /{each.client_text} sessionId: {session_text(each.session_id)}"
            for each in self.clients.connections
        ]
        return _text(lines)

    def _session_sets(self, session_ids: Collection[int], known_as: str) -> list[str]:
        left: dict[int, list[int]] = {}
        for session_id in session_ids:
            left.setdefault(self._sessions.remaining_ms(session_id) or 0, []).append(session_id)
        lines = [f"{known_as} Sets ({len(left)})/({len(session_ids)}):"]
        for remaining_ms in sorted(left):
            lines.append(f"{len(left[remaining_ms])} expire in {remaining_ms} ms:")
            lines += [f"\t{session_text(session_id)}" for session_id in left[remaining_ms]]
        return lines

    # ------------------------------------------------------------------ watches

    def _wchs(self) -> str:
        watches = self._service.watches
        return (
            f"{watches.watchers_count} connections watching {watches.paths_count} paths\n"
            f"Total watches:{watches.count}\n"
        )

    def _wchc(self) -> str:
        by_session: dict[str, dict[str, None]] = {}
        for path, _, watcher in self._service.watches.listing():
            by_session.setdefault(session_text(watcher.session_id), {})[path] = None
        return _tree(by_session)

    def _wchp(self) -> str:
        by_path: dict[str, dict[str, None]] = {}
        for path, _, watcher in self._service.watches.listing():
            by_path.setdefault(path, {})[session_text(watcher.session_id)] = None
        return _tree(by_path)


_LAST_OP: dict[int, str] = {
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


def _brief(connection: Connection) -> str:
    counts = f"queued={len(connection.pipeline.waiting)},recved={connection.received},sent={connection.sent}"
    return f" /{connection.client_text}[1]({counts}"


def _details(connection: Connection) -> str:
    pipeline, latency = connection.pipeline, connection.pipeline.latency
    if not connection.session_id:
        return ""
    cxid = f",lcxid={pipeline.last_cxid:#x}" if pipeline.last_cxid >= 0 else ""
    return (
        f",sid={session_text(connection.session_id)},lop={_LAST_OP.get(pipeline.last_op, 'NA')}"
        f",est={connection.established_ms},to={connection.timeout_ms}{cxid}"
        f",lzxid={pipeline.last_zxid:#x},lresp={pipeline.last_response_us // 1000},llat={latency.last // 1000}"
        f",minlat={latency.least // 1000},avglat={int(latency.mean) // 1000}"
        f",maxlat={latency.greatest // 1000}"
    )


def _own_ports(config_text: str, sid: int) -> list[str]:
    """Take this server's ports out of its line of the membership: ``server.N=host:quorum:election:role;…``."""
    for line in config_text.splitlines():
        if line.startswith(f"server.{sid}="):
            _, quorum, election, _ = line.partition(";")[0].rsplit(":", 3)
            return [f"electionPort={election}", f"quorumPort={quorum}"]
    return []


def _tree(groups: dict[str, dict[str, None]]) -> str:
    lines: list[str] = []
    for head, members in groups.items():
        lines.append(head)
        lines += [f"\t{member}" for member in members]
    return _text(lines) + "\n"


def _text(lines: list[str]) -> str:
    left_out = len(lines) - LINES_MAX
    if left_out > 0:
        lines = [*lines[:LINES_MAX], f"... and {left_out} more lines"]
    return "".join([f"{line}\n" for line in lines])
