"""The commands by their names: which there are, what each needs, and how an answer looks.

Every answer has the keys ``command`` and ``error``, the latter null when all is well. A command that does not
exist, or a server that does not serve, is told with status 200: monitoring has always read it so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ensemble.errors import KeeperError
from ensemble.replica.monitoring.commands.answers import Answers, Data, Query
from ensemble.replica.service import Service
from ensemble.tree.operations import Identity, Perm

NOT_SERVING = "This ZooKeeper instance is not currently serving requests"
Answer = Callable[[Answers, Query], Data]

OK, UNAUTHORIZED, FORBIDDEN = 200, 401, 403


@dataclass(frozen=True, slots=True)
class Command:
    """One command under its names, the primary one first."""

    names: tuple[str, ...]
    answer: Answer
    serving: bool = True
    """Whether it needs a server that serves."""
    sizes: bool = False
    """Whether it tells how large the directories are."""
    administrator: bool = False
    """Whether whoever asks must hold all permissions on the root."""

    @property
    def name(self) -> str:
        """The primary name."""
        return self.names[0]


COMMANDS: tuple[Command, ...] = (
    Command(("configuration", "conf", "config"), Answers.configuration),
    Command(("connection_stat_reset", "crst"), Answers.connection_stat_reset),
    Command(("connections", "cons"), Answers.connections),
    Command(("dirs",), Answers.dirs, sizes=True),
    Command(("dump",), Answers.dump),
    Command(("environment", "env", "envi"), Answers.environment, serving=False),
    Command(("get_trace_mask", "gtmk"), Answers.get_trace_mask, serving=False),
    Command(("hash",), Answers.hash),
    Command(("initial_configuration", "icfg"), Answers.initial_configuration),
    Command(("is_read_only", "isro"), Answers.is_read_only),
    Command(("last_snapshot", "lsnp"), Answers.last_snapshot),
    Command(("leader", "lead"), Answers.leader),
    Command(("monitor", "mntr"), Answers.monitor, serving=False),
    Command(("observer_connection_stat_reset", "orst"), Answers.nothing),
    Command(("observers", "obsr"), Answers.observers),
    Command(("restore", "rest"), Answers.nothing, administrator=True),
    Command(("ruok",), Answers.nothing),
    Command(("server_stats", "srvr"), Answers.server_stats, sizes=True),
    Command(("set_trace_mask", "stmk"), Answers.set_trace_mask, serving=False),
    Command(("snapshot", "snap"), Answers.nothing, administrator=True),
    Command(("stat_reset", "srst"), Answers.stat_reset),
    Command(("stats", "stat"), Answers.stats, sizes=True),
    Command(("system_properties", "sysp"), Answers.system_properties, serving=False),
    Command(("voting_view",), Answers.voting_view),
    Command(("watch_summary", "wchs"), Answers.watch_summary),
    Command(("watches", "wchc"), Answers.watches),
    Command(("watches_by_path", "wchp"), Answers.watches_by_path),
    Command(("zabstate",), Answers.zabstate, serving=False),
)

_BY_NAME = {name: command for command in COMMANDS for name in command.names}


def find(name: str) -> Command | None:
    """Return the command of that name."""
    return _BY_NAME.get(name)


def framed(command: str, data: Data, error: str | None = None) -> Data:
    """Return a whole answer: a command's own ``error`` stays where it put it."""
    return {**data, "command": command, "error": data.get("error", error)}


AUTH_MISSING = (
    "Auth info is missing for the command; send a header such as Authorization: digest USER:PASSWORD, of somebody "
    "who may do everything with the root"
)
"""Apache's words, and what would do."""


class Commands:
    """Runs the commands of one server."""

    def __init__(self, service: Service, answers: Answers) -> None:
        self._service = service
        self._answers = answers

    def obstacle(self, name: str) -> Data | None:
        """Return the answer to a command that cannot be run now, or None."""
        command = find(name)
        if command is None:
            return framed(name, {}, f"Unknown command: {name}")
        if command.serving and not (self._service.serving or self._service.read_only):
            return framed(name, {}, NOT_SERVING)
        return None

    def run(self, command: Command, query: Query, sizes: tuple[int, int] = (0, 0)) -> Data:
        """Run a command that nothing stands in the way of."""
        self._answers.sizes = sizes
        return framed(command.name, command.answer(self._answers, query))

    def authorize(
        self, command: Command, authorization: str | None, address: str, subject: str
    ) -> tuple[int, str]:
        """Tell who asks for a command of administrators whether they may: an HTTP status and why not.

        ``authorization`` is ``digest user:password``; ``ip`` and ``x509`` stand alone, for what is known already.
        """
        if not command.administrator:
            return OK, ""
        if authorization is None:
            return UNAUTHORIZED, AUTH_MISSING
        scheme, *credentials = authorization.split(" ")
        if len(credentials) > 1:
            return UNAUTHORIZED, "Not authenticated"
        # As the bytes came: who reads headers may have put surrogates in place of what is not UTF-8.
        credential = credentials[0].encode("utf-8", "surrogateescape") if credentials else None
        known = self._service.authentication.of_socket(address, subject)
        proven: tuple[Identity, ...] | None = None
        if scheme in ("digest", "x509", "ip"):
            proven = self._service.authentication.identify(scheme, credential, known, subject)
        if proven is None:
            return UNAUTHORIZED, "Not authenticated"
        try:
            for perm in (Perm.READ, Perm.WRITE, Perm.CREATE, Perm.DELETE, Perm.ADMIN):
                self._service.access.check(self._service.tree.get("/").acl, perm, proven, "/")
        except KeeperError:
            return FORBIDDEN, "Not authorized"
        return OK, ""
