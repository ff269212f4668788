"""The servers of a run: processes whose links and disks are in our hands."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ensemble.chaos import apache
from ensemble.chaos.disks import Disk, compile_shim, keep_mounts_private, mount_small, unmount
from ensemble.chaos.links import HOST, Links, Ports
from ensemble.errors import ConfigError, CorruptionError
from ensemble.runtime.supervision.layout import Layout, prepare
from ensemble.runtime.supervision.supervisor import Supervisor
from ensemble.storage import epochs
from ensemble.storage.names import CURRENT_EPOCH

PORT_MIN, PORT_MAX = 12_000, 30_000
PORT_TRIES = 20
TICK_MS, SYNC_LIMIT_TICKS = 300, 6
SYNC_LIMIT_MS = SYNC_LIMIT_TICKS * TICK_MS
DISK_BYTES = 256 << 20
"""The size of the file system that gets full."""
WORD_S_MAX = 2.0
POLL_S = 0.05
SETTINGS = {
    "tickTime": str(TICK_MS),
    "initLimit": "30",
    "syncLimit": str(SYNC_LIMIT_TICKS),
    "maxSessionTimeout": "60000",
    # Often enough that recoveries meet snapshots of every age, and logs that end in the middle.
    "snapCount": "4000",
    "commitLogCount": "200",
    # A full disk is noticed when the log needs its next piece.
    "preAllocSize": "64",
    # The logs are the evidence.
    "autopurge.purgeInterval": "0",
}
_LED = re.compile(r"serving, leading in epoch (\d+) from")


def epochs_led(log: str) -> set[int]:
    """Return the epochs in which a server of ours says it led."""
    return {int(epoch) for epoch in _LED.findall(log)}


@dataclass(slots=True)
class Make:
    """How the servers are made. The last two are for runs that have to fail."""

    servers: int = 3
    apache: int = 0
    """How many of them are Apache's: those with the greatest ids, who lead when nothing else decides."""
    disk_faults: bool = True
    """Whether the shim is below the servers."""
    small_disk: bool = False
    """Whether one server gets a file system of bounded size; this process then gets mounts of its own, for good."""
    settings: Mapping[str, str] = field(default_factory=dict)
    nursery: str = "ensemble.runtime.supervision.nursery"


class Servers:
    """Starts, signals and asks them; ``close`` ends them and removes their data."""

    def __init__(self, make: Make, directory: Path) -> None:
        self._make = make
        # What the shim finds behind a descriptor has no symbolic links in it.
        self.directory = directory.resolve()
        self.links = Links()
        self.disks: dict[int, Disk] = {}
        self.small: list[int] = []
        """Those whose disk is a file system of its own."""
        self._layout: Layout | None = None
        self._supervisor: Supervisor | None = None

    @property
    def sids(self) -> list[int]:
        """All servers."""
        return [seat.sid for seat in self._seats()]

    @property
    def apache(self) -> list[int]:
        """Those that are Apache's."""
        return self.sids[self._make.servers - self._make.apache :]

    @property
    def ours(self) -> list[int]:
        """Those that are ours, with the shim below them."""
        return self.sids[: self._make.servers - self._make.apache]

    @property
    def ports(self) -> dict[int, int]:
        """The servers' own client ports."""
        return {seat.sid: seat.client_port for seat in self._seats()}

    def state(self, sid: int) -> str:
        """The state of a process: running, paused, killed, stopped, failed."""
        assert self._supervisor is not None
        return self._supervisor.processes[sid].state

    def end_of(self, sid: int) -> tuple[int | None, str]:
        """The exit code of a server that has ended, and its last words."""
        assert self._supervisor is not None
        process = self._supervisor.processes[sid]
        return process.exit_code, process.reason or ""

    async def open(self) -> None:
        """Start all servers. Raises ``ConfigError`` when they cannot."""
        environment: dict[str, str] = {}
        if self._make.apache:
            apache.check()
            theirs = range(self._make.servers - self._make.apache + 1, self._make.servers + 1)
            environment[apache.VARIABLE] = ",".join(map(str, theirs))
        if self._make.disk_faults:
            library = compile_shim(self.directory)
            environment |= {"LD_PRELOAD": str(library), "CHAOS_ROOT": str(self.directory)}
        for tried in range(1, PORT_TRIES + 1):
            try:
                await self._start(environment)
                return
            except ConfigError as error:
                await self._stop()
                if "in use" not in str(error) or tried == PORT_TRIES:
                    raise

    async def _start(self, environment: Mapping[str, str]) -> None:
        self._layout = prepare(
            self.directory,
            servers=self._make.servers,
            port=random.randrange(PORT_MIN, PORT_MAX),  # noqa: S311 - to be out of each other's way
            fresh=True,
            settings={**SETTINGS, **self._make.settings},
        )
        seats = self._layout.seats
        self.links = Links()
        ports = {seat.sid: Ports(seat.quorum_port, seat.election_port) for seat in seats}
        await self.links.open(ports, late=self.apache)
        for seat in seats:
            self._lead_through_links(seat.sid)
            home = self.directory / f"server-{seat.sid}"
            self.disks[seat.sid] = Disk(home)
        if self._make.small_disk and keep_mounts_private():
            last = self.ours[-1]
            if mount_small(self.disks[last].data, DISK_BYTES):
                (self.disks[last].data / "myid").write_text(f"{last}\n", encoding="ascii")
                self.small = [last]
        self._supervisor = Supervisor(
            self._layout,
            token=secrets.token_urlsafe(24),
            nursery="ensemble.chaos.apache" if self._make.apache else self._make.nursery,
            environment=environment,
        )
        await self._supervisor.open()

    def _lead_through_links(self, sid: int) -> None:
        """Have a server reach each other one at the relay for that pair."""
        assert self._layout is not None
        path = self._layout.config_path(sid)
        lines = []
        for line in path.read_text(encoding="utf-8").splitlines():
            key = line.partition("=")[0]
            other = int(key.removeprefix("server.")) if key.startswith("server.") else sid
            if other != sid:
                ports = self.links.ports[(sid, other)]
                line = f"{key}={HOST}:{ports.quorum}:{ports.election}"
            lines.append(line)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    async def halt(self) -> None:
        """Kill whatever still runs, so that the data stays as it is."""
        if self._supervisor is not None:
            processes = self._supervisor.processes
            await self.kill([sid for sid, process in processes.items() if process.alive])

    def keep(self, folder: Path) -> None:
        """Copy the configurations, logs and data of all servers to a folder that is not there yet."""
        for home in self.directory.glob("server-*"):
            shutil.copytree(home, folder / home.name, ignore=shutil.ignore_patterns("ballast"))

    async def close(self) -> None:
        """End everything and remove the data."""
        await self._stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def _stop(self) -> None:
        if self._supervisor is not None:
            await self._supervisor.close()
        if self._layout is not None:
            self._layout.close()
        await self.links.close()
        for sid in self.small:
            unmount(self.disks[sid].data)
        self._supervisor = self._layout = None
        self.small = []

    def led(self) -> dict[int, int]:
        """Who led which epoch, by what the servers have said."""
        found = {}
        for sid in self.sids:
            words = apache.epochs_led if sid in self.apache else epochs_led
            found.update(dict.fromkeys(words(self.log(sid)), sid))
        return found

    def log(self, sid: int) -> str:
        """What a server has said."""
        assert self._layout is not None
        return self._layout.log_path(sid).read_text(encoding="utf-8", errors="replace")

    # -- processes ---------------------------------------------------------------------------------------

    async def act(self, sid: int, action: str) -> None:
        """Kill, stop, start, pause or resume; raises ``ActionRefused`` for what makes no sense."""
        assert self._supervisor is not None
        await self._supervisor.act(sid, action)

    async def kill(self, sids: list[int]) -> None:
        """Kill several at the same moment."""
        await asyncio.gather(*(self.act(sid, "kill") for sid in sids if self.state(sid) != "failed"))

    async def start(self, sids: list[int]) -> None:
        """Start several."""
        await asyncio.gather(*(self.act(sid, "start") for sid in sids))

    def spoil(self, sid: int) -> None:
        """Give a server that does not run an empty disk."""
        shutil.rmtree(self.disks[sid].data / "version-2")

    # -- questions ---------------------------------------------------------------------------------------

    def epochs(self) -> dict[int, int]:
        """The epoch that each server has entered, which it writes down before it serves; none for an empty disk."""
        found = {}
        for sid, disk in self.disks.items():
            with suppress(OSError, CorruptionError):
                found[sid] = epochs.decode((disk.data / CURRENT_EPOCH).read_bytes(), CURRENT_EPOCH)
        return found

    async def word(self, sid: int, word: str) -> dict[str, str]:
        """Return the lines ``key: value`` of a four-letter word; empty when nobody serves."""
        answer = b""
        try:
            async with asyncio.timeout(WORD_S_MAX):
                reader, writer = await asyncio.open_connection(HOST, self.ports[sid])
                try:
                    writer.write(word.encode())
                    answer = await reader.read()
                finally:
                    writer.close()
        except OSError:  # TimeoutError is one
            return {}
        pairs = (line.partition(": ") for line in answer.decode().splitlines())
        return {key: value for key, _, value in pairs if value}

    async def modes(self) -> dict[int, str]:
        """What each server says it is; empty for one that does not serve."""
        words = await asyncio.gather(*(self.word(sid, "srvr") for sid in self.sids))
        return {sid: word.get("Mode", "") for sid, word in zip(self.sids, words, strict=True)}

    async def leader(self) -> int | None:
        """The server that leads, if there is exactly one."""
        leaders = [sid for sid, mode in (await self.modes()).items() if mode == "leader"]
        return leaders[0] if len(leaders) == 1 else None

    async def all_serve(self) -> bool:
        """Tell whether all servers serve, one of them as leader."""
        modes = list((await self.modes()).values())
        return all(modes) and modes.count("leader") == 1

    async def until(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Wait for a condition; tell whether it came in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not await condition():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _seats(self) -> list[_Seat]:
        assert self._layout is not None
        return [_Seat(seat.sid, seat.client_port) for seat in self._layout.seats]


@dataclass(frozen=True, slots=True)
class _Seat:
    sid: int
    client_port: int
