"""Which word is answered when, and what is told of the server as a whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from ensemble.limits import SESSIONLESS_CONNECTION_MS
from ensemble.membership import ServerAddress
from ensemble.replica.clients.clients import Clients
from ensemble.replica.clients.connection import Connection
from ensemble.replica.config import VERSION
from ensemble.replica.monitoring.four_letter.connections import brief_text, full_text
from ensemble.replica.monitoring.four_letter.texts import LINES_MAX, date_text, lines_text, tree_text
from ensemble.replica.monitoring.metrics.latency import request_latency
from ensemble.replica.monitoring.metrics.names import mean_ms, znodes
from ensemble.replica.monitoring.metrics.registry import Registry
from ensemble.replica.service import Service
from ensemble.replica.sessions.sessions import Sessions
from ensemble.trace import session_text
from ensemble.wire.four_letter import WORD_BYTES

NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
DATA_DIRECTORY = "version-2"
"""What Apache's ``conf`` adds to the directories of zoo.cfg: scripts look for the files there."""
WITH_SIZES = frozenset({"dirs", "conf"})
"""Words whose answer waits for the sizes of the directories."""
MASK_BYTES = 8
"""What follows ``stmk``."""

Reply = Callable[[bytes], None]
"""Takes the whole answer to a word; called once, perhaps later."""


class FourLetterWords:
    """Answers the words of one server."""

    def __init__(self, service: Service, sessions: Sessions) -> None:
        self._service = service
        self._sessions = sessions
        self.clients: Clients
        self.metrics: Registry
        self.digests: Iterable[tuple[int, int]] = ()
        """All are set once, before the first client comes."""
        self._answers: dict[str, Callable[[], str]] = {
            "ruok": lambda: "imok",
            "srvr": self._srvr,
            "stat": self._stat,
            "mntr": self._mntr,
            "cons": self._cons,
            "crst": self._crst,
            "srst": self._srst,
            "envi": self._envi,
            "dump": self._dump,
            "isro": self._isro,
            "wchs": self._wchs,
            "wchc": self._wchc,
            "wchp": self._wchp,
            "hash": self._hash,
            "gtmk": lambda: str(service.trace_mask),
        }
        self._always = frozenset({"ruok", "isro", "envi", "gtmk", "stmk"})

    def bytes_wanted(self, word: str) -> int:
        """Return how many bytes of a connection make up ``word`` and what belongs to it."""
        return WORD_BYTES + (MASK_BYTES if word == "stmk" and self._allows(word) else 0)

    def answer(self, word: str, rest: bytes, reply: Reply) -> None:
        """Hand the answer to ``word`` to ``reply``; ``rest`` is what came with it."""
        if not self._allows(word):
            reply(f"{word} is not executed because it is not in the whitelist.\n".encode())
        elif word not in self._always and not self._service.serving and not self._service.read_only:
            reply(NOT_SERVING.encode())
        elif word in WITH_SIZES:
            tell = self._dirs if word == "dirs" else self._conf
            self._service.measure_directories(lambda data, log: reply(tell(data, log).encode()))
        elif word == "stmk":
            reply(self._stmk(rest).encode())
        else:
            reply(self._answers[word]().encode())

    def _allows(self, word: str) -> bool:
        return word in self._service.config.words_allowed

    # ------------------------------------------------------------------ the server

    def _srvr(self) -> str:
        return f"{self._head()}{self._statistics()}"

    def _stat(self) -> str:
        clients = "".join([f"{brief_text(connection)}\n" for connection in self._connections()])
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
        return lines_text(lines)

    def _mntr(self) -> str:
        return lines_text([f"zk_{name}\t{value}" for name, value in self.metrics.rows()])

    def _isro(self) -> str:
        if self._service.read_only:
            return "ro"
        return "rw" if self._service.serving else "null"

    def _srst(self) -> str:
        self._service.counters.reset()
        self._service.peer.meter.reset()
        return "Server stats reset.\n"

    def _dirs(self, data_bytes: int, log_bytes: int) -> str:
        return f"datadir_size: {data_bytes}\nlogdir_size: {log_bytes}\n"

    def _hash(self) -> str:
        """List the digests noted every 128 transactions, one a second at most: the same on servers in the same state."""
        return lines_text([f"{zxid:x}: {digest}" for zxid, digest in self.digests])

    def _stmk(self, rest: bytes) -> str:
        """Set the trace mask. It selects nothing here: what happens is told by the admin port's stream."""
        self._service.trace_mask = int.from_bytes(rest[:MASK_BYTES], "big", signed=True)
        return str(self._service.trace_mask)

    def _conf(self, data_bytes: int, log_bytes: int) -> str:
        config = self._service.config
        lines = [
            f"clientPort={config.client_port or -1}",
            f"secureClientPort={config.secure_client_port or -1}",
            f"dataDir={config.data_dir}/{DATA_DIRECTORY}",
            f"dataDirSize={data_bytes}",
            f"dataLogDir={config.log_dir}/{DATA_DIRECTORY}",
            f"dataLogSize={log_bytes}",
            f"tickTime={config.tick_ms}",
            f"maxClientCnxns={config.connections_per_address_max}",
            f"minSessionTimeout={config.timeout_ms_min}",
            f"maxSessionTimeout={config.timeout_ms_max}",
            f"clientPortListenBacklog={config.listen_backlog}",
            f"serverId={0 if config.standalone else config.sid}",
        ]
        if not config.standalone:
            lines += [
                f"initLimit={config.init_limit_ticks}",
                f"syncLimit={config.sync_limit_ticks}",
                "electionAlg=3",
                *_own_ports(self._service.view.active.server(config.sid)),
                f"peerType={int(self._service.view.observes)}",
                "membership: ",
                *self._service.view.active.text().splitlines(),
            ]
        return lines_text(lines)

    def _envi(self) -> str:
        rows = {"zookeeper.version": VERSION, **self._service.config.environment}
        return lines_text(["Environment:", *[f"{name}={value}" for name, value in rows.items()]])

    # ------------------------------------------------------------------ clients

    def _connections(self) -> list[Connection]:
        return list(self.clients.connections)[:LINES_MAX]

    def _cons(self) -> str:
        return lines_text([full_text(connection) for connection in self._connections()]) + "\n"

    def _crst(self) -> str:
        self.clients.reset_statistics()
        return "Connection stats reset.\n"

    def _dump(self) -> str:
        """List sessions, ephemerals and connections."""
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
        return lines_text([*lines, "Connections dump:", *self._connection_sets()])

    def _connection_sets(self) -> list[str]:
        """List connections by when they end at the latest, if nothing more comes from them."""
        by_deadline: dict[int, list[str]] = {}
        for each in self.clients.connections:
            text = f"\tip: /{each.client_text} sessionId: {session_text(each.session_id)}"
            by_deadline.setdefault(self._deadline_ms(each), []).append(text)
        lines = [f"Connections Sets ({len(by_deadline)})/({len(self.clients)}):"]
        for deadline_ms in sorted(by_deadline):
            lines.append(f"{len(by_deadline[deadline_ms])} expire at {date_text(deadline_ms)}:")
            lines += by_deadline[deadline_ms]
        return lines

    def _deadline_ms(self, connection: Connection) -> int:
        if not connection.session_id:
            return connection.established_ms + SESSIONLESS_CONNECTION_MS
        left_ms = self._sessions.remaining_ms(connection.session_id)
        return self._service.clock.wall_ms() + (connection.timeout_ms if left_ms is None else left_ms)

    def _session_sets(self, session_ids: Collection[int], known_as: str) -> list[str]:
        left: dict[int, list[int]] = {}
        now_ms = self._service.clock.wall_ms()
        for session_id in session_ids:
            left.setdefault(self._sessions.remaining_ms(session_id) or 0, []).append(session_id)
        lines = [f"{known_as} Sets ({len(left)})/({len(session_ids)}):"]
        for remaining_ms in sorted(left):
            lines.append(f"{len(left[remaining_ms])} expire at {date_text(now_ms + remaining_ms)}:")
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
        return tree_text(by_session)

    def _wchp(self) -> str:
        by_path: dict[str, dict[str, None]] = {}
        for path, _, watcher in self._service.watches.listing():
            by_path.setdefault(path, {})[session_text(watcher.session_id)] = None
        return tree_text(by_path)


def _own_ports(me: ServerAddress | None) -> list[str]:
    """Name this server's ports, unless it is no member (any more)."""
    if me is None:
        return []
    return [f"electionPort={me.election_port}", f"quorumPort={me.quorum_port}"]
