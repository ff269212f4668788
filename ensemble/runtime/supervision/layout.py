"""A directory that holds a whole ensemble: its ports, and a ``zoo.cfg`` and data for each server.

DIR/ensemble.json         what was chosen at first: the servers and their ports
DIR/lock                  held by the process that runs the ensemble
DIR/server-N/zoo.cfg      written anew at every start
DIR/server-N/data/        myid, snapshots, transaction logs, epochs
DIR/server-N/log          what the server said
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ensemble.errors import ConfigError

HOST = "127.0.0.1"
SERVERS = 3
"""How many, when neither the command line nor the directory says."""
SERVERS_MAX = 9
TICK_MS = 1000
INIT_LIMIT_TICKS = 10
SYNC_LIMIT_TICKS = 5

QUORUM_OFFSET = 707
ELECTION_OFFSET = 1707
ADMIN_OFFSET = 7000
SUPERVISOR_OFFSET = 6999
"""From client port 2181 these lead to 2888, 3888, 9181 and 9180: where people look for them."""
PORT_MAX = 65535
FALLBACK_PORT = 20000
"""Where to look for a free port when an offset leads beyond the last one; below the ephemeral range."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One server's ports and files."""

    sid: int
    client_port: int
    quorum_port: int
    election_port: int
    admin_port: int
    votes: bool = True

    @property
    def admin_url(self) -> str:
        """Where its admin port answers."""
        return f"http://{HOST}:{self.admin_port}"

    @property
    def client_address(self) -> str:
        """Where its clients connect."""
        return f"{HOST}:{self.client_port}"


class Layout:
    """The directory, locked for as long as this object is not closed."""

    def __init__(self, directory: Path, seats: list[Seat], supervisor_port: int, lock: IO[str]) -> None:
        self.directory = directory
        self.seats = seats
        self.supervisor_port = supervisor_port
        self._lock = lock

    def close(self) -> None:
        """Let another process run the ensemble."""
        self._lock.close()

    def config_path(self, sid: int) -> Path:
        """Where the ``zoo.cfg`` of a server is."""
        return self.directory / f"server-{sid}" / "zoo.cfg"

    def log_path(self, sid: int) -> Path:
        """Where a server's own words go."""
        return self.directory / f"server-{sid}" / "log"


def prepare(
    directory: Path,
    *,
    servers: int | None = None,
    observers: int | None = None,
    port: int,
    fresh: bool = False,
    reserved: Collection[int] = (),
    settings: Mapping[str, str] | None = None,
) -> Layout:
    """Lay out ``servers`` servers on client ports ``port``, ``port + 1``, …, or find them as they were.

    ``servers`` may be None: as many as the directory holds, ``SERVERS`` when it holds none. ``observers`` more
    follow without a vote; None for as many as the directory holds, or none. ``reserved`` ports
    are left to somebody else. ``settings`` go before what is chosen here. Raises :class:`ConfigError` when the directory or the ports cannot be used.
    """
    if servers is not None and not 1 <= servers <= SERVERS_MAX:
        raise ConfigError(f"--servers {servers} is out of range; an ensemble here has 1 to {SERVERS_MAX}")
    if observers is not None and not 0 <= observers <= SERVERS_MAX - (servers or SERVERS):
        raise ConfigError(
            f"--observers {observers} is out of range; servers and observers are {SERVERS_MAX} at most"
        )
    if observers and servers == 1:
        raise ConfigError("a single server cannot lead observers; say --servers 3 or drop --observers")
    if not 1 <= port <= PORT_MAX - SERVERS_MAX:
        raise ConfigError(f"--port {port} is out of range; write 1 to {PORT_MAX - SERVERS_MAX}")
    lock = _lock(directory)
    try:
        if fresh:
            _clear(directory)
        seats, supervisor_port = _seats(directory, servers, observers, port, reserved)
        _write(directory, seats, supervisor_port, settings or {})
    except OSError as error:
        lock.close()
        raise ConfigError(
            f"--data-dir {directory} cannot be written ({reason(error)}); choose another"
        ) from None
    except BaseException:
        lock.close()
        raise
    return Layout(directory, seats, supervisor_port, lock)


def _lock(directory: Path) -> IO[str]:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise ConfigError(
            f"--data-dir {directory} cannot be used ({reason(error)}); choose another"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise ConfigError(
            f"--data-dir {directory} is in use by process {holder}; stop that one or choose another directory"
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _clear(directory: Path) -> None:
    """Forget an ensemble; nothing but what this module made is removed."""
    (directory / "ensemble.json").unlink(missing_ok=True)
    for sid in range(1, SERVERS_MAX + 1):
        if (directory / f"server-{sid}").exists():
            shutil.rmtree(directory / f"server-{sid}")


def _seats(
    directory: Path, wanted: int | None, watching: int | None, port: int, reserved: Collection[int]
) -> tuple[list[Seat], int]:
    known, supervisor_port = _remembered(directory)
    known_voters = sum(1 for seat in known.values() if seat.votes)
    known_observers = len(known) - known_voters
    voters = wanted or known_voters or SERVERS
    observers = known_observers if watching is None else watching
    if known and (voters, observers) != (known_voters, known_observers):
        many = f"{known_voters} and {known_observers} observers" if known_observers else f"{known_voters}"
        flags = f"--servers {known_voters}" + (
            f" --observers {known_observers}" if known_observers or observers else ""
        )
        raise ConfigError(f"--data-dir {directory} holds an ensemble of {many}; say {flags} or --fresh")
    servers = voters + observers
    for number in range(port, port + servers):
        check_free(number, "the client port", "--port")
        if number in reserved:
            raise ConfigError(
                f"port {number} is wanted for clients and for the panel; change --port or --web-port"
            )
    taken = set(range(port, port + servers)).union(reserved)
    seats = []
    for sid in range(1, servers + 1):
        before = known.get(sid, Seat(sid, 0, 0, 0, 0))
        seats.append(
            Seat(
                sid=sid,
                client_port=port + sid - 1,
                quorum_port=_free(before.quorum_port, port + QUORUM_OFFSET, taken),
                election_port=_free(before.election_port, port + ELECTION_OFFSET, taken),
                admin_port=_free(before.admin_port, port + ADMIN_OFFSET, taken),
                votes=sid <= voters,
            )
        )
    return seats, _free(supervisor_port, port + SUPERVISOR_OFFSET, taken)


def _remembered(directory: Path) -> tuple[dict[int, Seat], int]:
    path = directory / "ensemble.json"
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        return {seat["sid"]: Seat(**seat) for seat in saved["servers"]}, saved["supervisor_port"]
    except FileNotFoundError:
        return {}, 0
    except (ValueError, TypeError, KeyError):
        raise ConfigError(f"{path} is not readable; say --fresh to begin anew") from None


def _write(directory: Path, seats: list[Seat], supervisor_port: int, settings: Mapping[str, str]) -> None:
    saved = {"servers": [asdict(seat) for seat in seats], "supervisor_port": supervisor_port}
    for seat in seats:
        data = directory / f"server-{seat.sid}" / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "myid").write_text(f"{seat.sid}\n", encoding="ascii")
        chosen = {**_settings(data.resolve(), seat, seats), **settings}
        config = "".join(f"{key}={value}\n" for key, value in chosen.items())
        (directory / f"server-{seat.sid}" / "zoo.cfg").write_text(config, encoding="utf-8")
    (directory / "ensemble.json").write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")


def _settings(data: Path, seat: Seat, seats: list[Seat]) -> dict[str, str]:
    """Return the keys and values of a server's ``zoo.cfg``."""
    alone = len(seats) == 1
    members = {
        f"server.{other.sid}": f"{HOST}:{other.quorum_port}:{other.election_port}"
        + ("" if other.votes else ":observer")
        for other in ([] if alone else seats)
    }
    return {
        "tickTime": str(TICK_MS),
        "initLimit": str(INIT_LIMIT_TICKS),
        "syncLimit": str(SYNC_LIMIT_TICKS),
        # Java's properties take a backslash for an escape.
        "dataDir": str(data).replace("\\", "\\\\"),
        "clientPort": str(seat.client_port),
        "clientPortAddress": HOST,
        "maxClientCnxns": "0",
        "4lw.commands.whitelist": "*",
        "autopurge.purgeInterval": "1",
        # Off with Apache's: a developer's servers should refuse nothing that those of production might take.
        "extendedTypesEnabled": "true",
        "enforceQuota": "true",
        "coordinator.adminPort": str(seat.admin_port),
        "coordinator.faults": "true",
        # The admin port of each server is the panel's; a second one would only cost the start.
        "admin.enableServer": "false",
        **members,
    }


def check_free(port: int, what: str, flag: str) -> None:
    """Raise :class:`ConfigError`, naming ``flag``, when ``port`` cannot be listened on."""
    if not 1 <= port <= PORT_MAX:
        raise ConfigError(f"{flag} {port} is out of range; ports are 1 to {PORT_MAX}")
    hindrance = _hindrance(port)
    if hindrance == errno.EACCES:
        raise ConfigError(f"{what} {port} may not be opened by this user; choose one above 1023 with {flag}")
    if hindrance:
        raise ConfigError(f"{what} {port} is already in use; choose another with {flag}")


def reason(error: OSError) -> str:
    """Say what went wrong with which file, without the number."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def _is_free(port: int) -> bool:
    return not _hindrance(port)


def _hindrance(port: int) -> int:
    """Return the ``errno`` of listening on a port; 0 when one could."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return 0


def _free(remembered: int, wanted: int, taken: set[int]) -> int:
    """Choose the remembered port (0: none) while it is free, else the next free one from ``wanted`` on."""
    if remembered and remembered not in taken and _is_free(remembered):
        taken.add(remembered)
        return remembered
    start = wanted if wanted < PORT_MAX else FALLBACK_PORT
    for port in range(start, PORT_MAX):
        if port not in taken and _is_free(port):
            taken.add(port)
            return port
    raise ConfigError(f"there is no free port from {start} on; end some of the processes that listen there")
