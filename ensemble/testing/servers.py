"""The processes of a throw-away ensemble, and what a test does to them. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ensemble.errors import ConfigError
from ensemble.runtime.supervision.layout import HOST, Layout, prepare
from ensemble.runtime.supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from ensemble.admin.client import ServerAdmin

PORT_MIN, PORT_MAX = 12_000, 30_000
"""Where client ports are drawn from: the ports derived from them stay below those that connections get."""
PORT_TRIES = 20

INIT_MS = 10_000
SYNC_MS = 5_000
SESSION_TIMEOUT_MS_MAX = 60_000
SERVING_S_MAX = 30.0
POLL_S = 0.005
WORD_S_MAX = 1.0
"""How long a server's answer to a four-letter word is waited for: one that is paused gives none."""


def settings_for(tick_ms: int, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return lines for ``zoo.cfg``: ticks as short as a test likes, and patience that does not depend on them."""
    return {
        "tickTime": str(tick_ms),
        "initLimit": str(math.ceil(INIT_MS / tick_ms)),
        "syncLimit": str(math.ceil(SYNC_MS / tick_ms)),
        "maxSessionTimeout": str(SESSION_TIMEOUT_MS_MAX),
        **wanted,
    }


class Servers:
    """Starts servers in a temporary directory; ``close`` ends them and removes it."""

    def __init__(self, count: int, settings: Mapping[str, str]) -> None:
        self._count = count
        self._settings = settings
        self._token = secrets.token_urlsafe(24)
        self._directory = Path(tempfile.mkdtemp(prefix="zookeeper-"))
        self._layout: Layout | None = None
        self._supervisor: Supervisor | None = None

    @property
    def addresses(self) -> dict[int, str]:
        """Where clients reach each server, by its id."""
        assert self._layout is not None
        return {seat.sid: seat.client_address for seat in self._layout.seats}

    @property
    def running(self) -> list[int]:
        """The servers whose process runs and is not paused."""
        assert self._supervisor is not None
        return [sid for sid, process in self._supervisor.processes.items() if process.state == "running"]

    async def open(self) -> None:
        """Start the servers and wait until they serve. Raises ``ConfigError`` when they cannot."""
        for tried in range(1, PORT_TRIES + 1):
            try:
                await self._start()
                break
            except ConfigError as error:
                # Ports are chosen, then opened: somebody may have been faster.
                await self._stop()
                if "in use" not in str(error) or tried == PORT_TRIES:
                    raise
        await self.settle()

    async def close(self) -> None:
        """End the servers and forget their data."""
        await self._stop()
        shutil.rmtree(self._directory)

    async def _start(self) -> None:
        self._layout = prepare(
            self._directory,
            servers=self._count,
            port=random.randrange(PORT_MIN, PORT_MAX),  # noqa: S311 - to be out of each other's way
            fresh=True,
            settings=self._settings,
        )
        self._supervisor = Supervisor(self._layout, token=self._token)
        await self._supervisor.open()

    async def _stop(self) -> None:
        if self._supervisor is not None:
            await self._supervisor.close()
        if self._layout is not None:
            self._layout.close()
        self._supervisor = self._layout = None

    # --- what a test does ---------------------------------------------------------------------------------

    async def act(self, sid: int, action: str) -> None:
        """Kill, stop, start, restart, pause or resume one server; wait until that is done.

        Raises a ``CoordinatorError`` for what makes no sense, as killing a server that is not running.
        """
        assert self._supervisor is not None
        await self._supervisor.act(sid, action)

    async def cut(self, apart: Collection[int]) -> None:
        """Cut all links between these servers and the others, in both directions; links among them stay."""
        others = set(self.addresses) - set(apart)
        for here, there in ((set(apart), others), (others, set(apart))):
            for sid in here & set(self.running):
                async with self._admin(sid) as admin:
                    await admin.fault({"what": "cut", "peers": sorted(there)})

    async def heal(self) -> None:
        """Restore all links."""
        for sid in self.running:
            async with self._admin(sid) as admin:
                await admin.fault({"what": "heal", "peers": sorted(set(self.addresses) - {sid})})

    async def expire(self, session_id: int) -> None:
        """End a session as if its client had fallen silent; wait until it is gone. Needs a leader."""
        session = f"0x{session_id & (2**64 - 1):x}"
        async with self._admin(await self.leader()) as admin:
            await admin.expire_session(session)
            await self._until(lambda: self._gone(admin, session), f"session {session} did not end")

    async def _gone(self, admin: ServerAdmin, session: str) -> bool:
        sessions, total = await admin.sessions()
        assert len(sessions) == total, "more sessions than one answer holds"
        return all(int(each["session"], 16) != int(session, 16) for each in sessions)

    async def leader(self) -> int:
        """Return the id of the server that leads, or stands alone; waits until there is one."""
        found: list[int] = []

        async def one_leads() -> bool:
            modes = {sid: await self._mode(sid) for sid in self.running}
            found[:] = [sid for sid, mode in modes.items() if mode in ("leader", "standalone")]
            return len(found) == 1

        await self._until(one_leads, "the servers found no leader")
        return found[0]

    async def settle(self) -> None:
        """Wait until every server that runs serves clients; raises ``TimeoutError`` when one does not."""

        async def all_serve() -> bool:
            return all([await self._mode(sid) for sid in self.running])

        await self._until(all_serve, "not all servers serve")

    async def _until(self, condition: Callable[[], Awaitable[bool]], complaint: str) -> None:
        deadline = asyncio.get_running_loop().time() + SERVING_S_MAX
        while not await condition():
            if asyncio.get_running_loop().time() > deadline:
                raise TimeoutError(f"{complaint} within {SERVING_S_MAX:g} s")
            await asyncio.sleep(POLL_S)

    async def _mode(self, sid: int) -> str:
        """Ask a server what it is; empty when it does not serve."""
        port = int(self.addresses[sid].rpartition(":")[2])
        answer = b""
        with contextlib.suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(WORD_S_MAX):
                reader, writer = await asyncio.open_connection(HOST, port)
                try:
                    writer.write(b"srvr")
                    answer = await reader.read()
                finally:
                    writer.close()
        lines = answer.decode().splitlines()
        return next((line.partition(": ")[2] for line in lines if line.startswith("Mode: ")), "")

    def _admin(self, sid: int) -> ServerAdmin:
        # Only now: this import takes as long as all else until the servers serve.
        from ensemble.admin.client import ServerAdmin

        assert self._layout is not None
        seat = next(seat for seat in self._layout.seats if seat.sid == sid)
        return ServerAdmin(seat.admin_url, self._token)
