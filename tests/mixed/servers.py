"""An ensemble whose servers are each ours or Apache's, on one set of zoo.cfg lines.

A server's directory outlives its process, and the next process may be of the other kind.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from kazoo.client import KazooClient

from tests.processes.conftest import HOST, ROOT, four_letter, free_base_port
from tests.waiting import until

JARS = Path("/usr/share/java")
APACHE_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
VERBOSE = "-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.quorum.LearnerHandler=debug"
"""How a leader synchronizes its learners is said at that level only."""
TICK_MS = 500
SYNC_LIMIT_TICKS = 10
SYNC_LIMIT_S = TICK_MS * SYNC_LIMIT_TICKS / 1000
START_S_MAX = 25.0
"""A JVM may need seconds to start on a busy machine."""

Kind = Literal["ours", "apache"]
Znode = tuple[bytes | None, tuple[int, ...]]
"""Data and the stat without what a client cannot compare."""


class MixedEnsemble:
    """Servers 1, 2, 3, ..., of the kinds given; none is started yet."""

    def __init__(
        self,
        directory: Path,
        *kinds: Kind,
        extra: str = "",
        observers: tuple[int, ...] = (),
        spares: tuple[int, ...] = (),
    ) -> None:
        """``observers`` do not vote; ``spares`` are no members yet: each believes in the members and itself."""
        self.kinds = dict(enumerate(kinds, start=1))
        self.directory = directory
        self.base_port = free_base_port(3 * len(kinds))
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._paused: set[int] = set()
        count = len(kinds)
        self._count = count
        self.observers = observers
        for sid in self.kinds:
            members = [
                f"server.{other}={self.address(other)}"
                for other in self.kinds
                if other not in spares or other == sid
            ]
            home = self.home(sid)
            (home / "data").mkdir(parents=True)
            (home / "data" / "myid").write_text(str(sid))
            lines = [
                f"tickTime={TICK_MS}",
                "initLimit=20",
                f"syncLimit={SYNC_LIMIT_TICKS}",
                f"dataDir={home / 'data'}",
                f"clientPort={self.port(sid)}",
                "admin.enableServer=false",
                "4lw.commands.whitelist=*",
                *members,
                extra,
            ]
            (home / "zoo.cfg").write_text("\n".join(lines) + "\n")

    def address(self, sid: int, role: str | None = None) -> str:
        """The value of a server's line; with a ``role`` the client port is named in it."""
        ports = (
            f"{HOST}:{self.base_port + self._count + sid - 1}:{self.base_port + 2 * self._count + sid - 1}"
        )
        if role:
            return f"{ports}:{role};{HOST}:{self.port(sid)}"
        return f"{ports}:observer" if sid in self.observers else ports

    # ------------------------------------------------------------------ processes

    def home(self, sid: int) -> Path:
        """The directory of a server: its zoo.cfg, its data and its log."""
        return self.directory / f"server-{sid}"

    def start(
        self,
        *sids: int,
        kind: Kind | None = None,
        options: tuple[str, ...] = (),
        mutant: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start servers, from now on of the given kind; ``options`` are for the JVM.

        ``mutant`` names one of `tests.mutants.server`, which a server of ours then makes. ``environment`` is added
        to theirs.
        """
        for sid in sids:
            self.kinds[sid] = kind or self.kinds[sid]
            home = self.home(sid)
            config = str(home / "zoo.cfg")
            if self.kinds[sid] == "ours":
                program = ["-m", "tests.mixed.mutant", mutant] if mutant else [str(ROOT / "manage.py")]
                command = [sys.executable, *program, "node", "--config", config]
            else:
                # This logger first: of several that are installed, the first one found is used.
                path = f"{JARS}/slf4j-simple.jar:{JARS}/zookeeper.jar:{JARS}/*"
                java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", VERBOSE, *options]
                command = [*java, "-cp", path, APACHE_MAIN, config]
            with (home / "log").open("ab") as log:
                self._processes[sid] = subprocess.Popen(
                    command,
                    cwd=home,
                    stdout=log,
                    stderr=log,
                    env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
                )

    def pause(self, *sids: int) -> None:
        """Stop servers in the middle of what they do; on return no thread of theirs runs any more."""
        self._signal(signal.SIGSTOP, *sids)
        self._paused.update(sids)
        for sid in sids:
            threads = Path(f"/proc/{self._processes[sid].pid}/task")
            until(lambda threads=threads: all(_is_stopped(thread) for thread in threads.iterdir()))

    def resume(self, *sids: int) -> None:
        """Let paused servers go on."""
        self._paused.difference_update(sids)
        self._signal(signal.SIGCONT, *sids)

    def _signal(self, number: signal.Signals, *sids: int) -> None:
        for sid in sids:
            self._processes[sid].send_signal(number)

    def kill(self, *sids: int) -> None:
        """End servers by SIGKILL."""
        self._end(signal.SIGKILL, *sids)

    def stop(self, *sids: int) -> None:
        """End servers by SIGTERM, as an operator does."""
        self._end(signal.SIGTERM, *sids)

    def _end(self, number: signal.Signals, *sids: int) -> None:
        self._signal(number, *sids)
        self._paused.difference_update(sids)
        for sid in sids:
            self._processes.pop(sid).wait(20)

    def close(self) -> None:
        """End everything."""
        for process in self._processes.values():
            process.kill()
            process.wait(20)

    # ------------------------------------------------------------------ what servers say

    def port(self, sid: int) -> int:
        """The client port of a server."""
        return self.base_port + sid - 1

    def mode(self, sid: int) -> str:
        """What ``srvr`` says a server is; empty when it does not serve."""
        found = re.search(r"^Mode: (\w+)$", four_letter(self.port(sid), "srvr"), re.MULTILINE)
        return found[1] if found else ""

    @property
    def running(self) -> list[int]:
        """The servers that run and are not paused."""
        return [sid for sid in sorted(self._processes) if sid not in self._paused]

    def serving(self) -> dict[int, str]:
        """The modes of the servers that run."""
        return {sid: self.mode(sid) for sid in self.running}

    def until_modes(self, **modes: str) -> None:
        """Wait until the servers (``s1="leader"`` …) say that of themselves."""
        expected = {int(name[1:]): mode for name, mode in modes.items()}
        self._until(lambda: {sid: self.mode(sid) for sid in expected} == expected, f"modes {expected}")

    def until_led_by(self, leader: int) -> None:
        """Wait until all servers that run serve, led by the one named."""
        expected = {sid: "leader" if sid == leader else "follower" for sid in self.running}
        self._until(lambda: self.serving() == expected, f"server {leader} leads")

    def until_led(self) -> int:
        """Wait until all servers that run serve, and return the one that leads."""
        leaders: list[int] = []

        def found() -> bool:
            modes = self.serving()
            leaders[:] = [sid for sid, mode in modes.items() if mode == "leader"]
            return len(leaders) == 1 and list(modes.values()).count("follower") == len(modes) - 1

        self._until(found, "one server leads")
        return leaders[0]

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; fail as soon as a server has ended."""

        def settled() -> bool:
            for sid, process in self._processes.items():
                assert process.poll() is None, f"server {sid} has ended: {self.log(sid)[-2000:]}"
            return condition()

        try:
            until(settled, START_S_MAX)
        except TimeoutError:
            raise AssertionError(f"{what}: not within {START_S_MAX} s, they are {self.serving()}") from None

    def metric(self, sid: int, name: str) -> int:
        """One number of ``mntr``."""
        found = re.search(rf"^zk_{name}\t(\d+)", four_letter(self.port(sid), "mntr"), re.MULTILINE)
        assert found, f"server {sid} has no zk_{name}"
        return int(found[1])

    def until_logged(self, sid: int, words: bytes) -> None:
        """Wait until the transactions that a server has written to its log hold ``words``."""
        directory = self.home(sid) / "data" / "version-2"
        until(lambda: any(words in path.read_bytes() for path in directory.glob("log.*")))

    def log(self, sid: int) -> str:
        """What a server has said so far."""
        return (self.home(sid) / "log").read_text(errors="replace")

    def forget_log(self, sid: int) -> None:
        """Empty a server's log: what it says from now on is what counts."""
        (self.home(sid) / "log").write_text("")

    # ------------------------------------------------------------------ clients

    @contextlib.contextmanager
    def client(
        self, *sids: int, timeout: float = 10.0, session: tuple[int, bytes] | None = None
    ) -> Iterator[KazooClient]:
        """A client of some of the servers, or of all; with ``session`` it goes on with an old one."""
        hosts = ",".join(f"{HOST}:{self.port(sid)}" for sid in sids or self.kinds)
        client = KazooClient(
            hosts,
            timeout=timeout,
            client_id=session,
            connection_retry={"max_tries": -1, "delay": 0.1, "backoff": 1, "max_delay": 0.5},
            command_retry={"max_tries": 100, "delay": 0.1, "backoff": 1, "max_delay": 0.5},
        )
        client.start(timeout=30)
        try:
            yield client
        finally:
            client.stop()
            client.close()

    def assert_one_state(self) -> dict[str, Znode]:
        """All servers that run show the same znodes, and no Apache server has seen a wrong digest."""
        states = {sid: self._state(sid) for sid in self.running}
        first, *others = states
        for other in others:
            assert states[first] == states[other], f"servers {first} and {other}"
        for sid in states:
            if self.kinds[sid] == "apache":
                mismatches = self.metric(sid, "digest_mismatches_count")
                assert mismatches == self._mismatches_of_loading(sid), f"server {sid}"
        return states[first]

    def _mismatches_of_loading(self, sid: int) -> int:
        """Count the wrong digests that an Apache server has met in snapshots since its process began.

        One that it wrote itself while transactions came in holds more than was there when its digest was taken.
        """
        said = self.log(sid).rpartition("Server environment:java.class.path")[2]
        loads = re.findall(r"The digest in the snapshot has.*?Snapshot loaded in", said, re.DOTALL)
        return sum(load.count("Digests are not matching") for load in loads)

    def _state(self, sid: int) -> dict[str, Znode]:
        with self.client(sid) as client:
            client.sync("/")
            return dict(_walk(client, "/"))


def _is_stopped(thread: Path) -> bool:
    """Tell whether a thread (its directory in /proc) stands still."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"


def _walk(client: KazooClient, path: str) -> Iterator[tuple[str, Znode]]:
    if path.startswith("/zookeeper"):
        return  # each server writes its own configuration there
    data, stat = client.get(path)
    yield path, (data, tuple(stat))
    for name in sorted(client.get_children(path)):
        yield from _walk(client, f"{path.rstrip('/')}/{name}")
