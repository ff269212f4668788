"""What a test uses: an ensemble that exists for as long as a ``with`` block lasts.

The servers' supervisor runs on an event loop of its own, in a thread: so an ensemble can be used by code with
and without asyncio, and outlive the loops of single tests.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from ensemble.testing.servers import Servers, settings_for

T = TypeVar("T")

TICK_MS = 200
"""Sessions end at ticks: short ones let a test see it soon. The least time-out of a session is two of them."""


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ensemble.testing", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and let the loop here go on."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Ensemble:
    """What both kinds of use have in common."""

    def __init__(self, loop: _Loop, servers: Servers) -> None:
        self._loop = loop
        self._servers = servers

    @property
    def hosts(self) -> str:
        """The connect string of all servers: ``host:port,host:port``."""
        return ",".join(self.addresses.values())

    @property
    def addresses(self) -> dict[int, str]:
        """Where clients reach each server, by its id (1, 2, ...)."""
        return self._servers.addresses


class AsyncEnsemble(_Ensemble):
    """An ensemble at hand inside ``async with Ensemble()``; see :class:`Ensemble` for what its methods do."""

    async def kill(self, server: int) -> None:
        """End a server's process as a power cut does."""
        await self._loop.wait(self._servers.act(server, "kill"))

    async def stop(self, server: int) -> None:
        """Ask a server to end, and wait for it."""
        await self._loop.wait(self._servers.act(server, "stop"))

    async def start(self, server: int) -> None:
        """Start a server that was killed or stopped, on the data it had."""
        await self._loop.wait(self._servers.act(server, "start"))

    async def restart(self, server: int) -> None:
        """Stop a server if it runs, and start it."""
        await self._loop.wait(self._servers.act(server, "restart"))

    async def pause(self, server: int) -> None:
        """Stop a server's clock: its process does nothing until it is resumed, and its connections stay."""
        await self._loop.wait(self._servers.act(server, "pause"))

    async def resume(self, server: int) -> None:
        """Let a paused server go on."""
        await self._loop.wait(self._servers.act(server, "resume"))

    async def partition(self, *servers: int) -> None:
        """Cut these servers off from the others, in both directions; clients still reach all."""
        await self._loop.wait(self._servers.cut(servers))

    async def heal(self) -> None:
        """Undo every partition."""
        await self._loop.wait(self._servers.heal())

    async def expire(self, session_id: int) -> None:
        """End a session as if its client had been silent for too long; wait until it is gone."""
        await self._loop.wait(self._servers.expire(session_id))

    async def leader(self) -> int:
        """Return the id of the server that leads; waits until there is one."""
        return await self._loop.wait(self._servers.leader())

    async def settle(self) -> None:
        """Wait until every server that runs serves clients."""
        await self._loop.wait(self._servers.settle())


class Ensemble(_Ensemble):
    """Servers of an ensemble of its own, in a temporary directory, for as long as the block lasts::

        with Ensemble(servers=3) as zookeeper:
            client = KazooClient(zookeeper.hosts)
            ...
            zookeeper.kill(zookeeper.leader())

    Inside ``async with`` the same methods are awaited (:class:`AsyncEnsemble`). All servers serve when the
    block begins. ``tick_ms`` is the servers' ``tickTime``; ``settings`` are further lines of their
    ``zoo.cfg``. Raises ``ConfigError`` when the servers cannot start, with the sentence they gave.
    """

    def __init__(
        self, servers: int = 1, *, tick_ms: int = TICK_MS, settings: Mapping[str, str] | None = None
    ) -> None:
        self._count = servers
        self._settings = settings_for(tick_ms, settings or {})

    def __enter__(self) -> Self:
        self._begin()
        try:
            self._loop.run(self._servers.open())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.run(self._servers.close())
        self._loop.close()

    async def __aenter__(self) -> AsyncEnsemble:
        self._begin()
        try:
            await self._loop.wait(self._servers.open())
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return AsyncEnsemble(self._loop, self._servers)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._loop.wait(self._servers.close())
        self._loop.close()

    def _begin(self) -> None:
        self._loop = _Loop()
        self._servers = Servers(self._count, self._settings)

    def kill(self, server: int) -> None:
        """End a server's process as a power cut does."""
        self._loop.run(self._servers.act(server, "kill"))

    def stop(self, server: int) -> None:
        """Ask a server to end, and wait for it."""
        self._loop.run(self._servers.act(server, "stop"))

    def start(self, server: int) -> None:
        """Start a server that was killed or stopped, on the data it had."""
        self._loop.run(self._servers.act(server, "start"))

    def restart(self, server: int) -> None:
        """Stop a server if it runs, and start it."""
        self._loop.run(self._servers.act(server, "restart"))

    def pause(self, server: int) -> None:
        """Stop a server's clock: its process does nothing until it is resumed, and its connections stay."""
        self._loop.run(self._servers.act(server, "pause"))

    def resume(self, server: int) -> None:
        """Let a paused server go on."""
        self._loop.run(self._servers.act(server, "resume"))

    def partition(self, *servers: int) -> None:
        """Cut these servers off from the others, in both directions; clients still reach all."""
        self._loop.run(self._servers.cut(servers))

    def heal(self) -> None:
        """Undo every partition."""
        self._loop.run(self._servers.heal())

    def expire(self, session_id: int) -> None:
        """End a session as if its client had been silent for too long; wait until it is gone."""
        self._loop.run(self._servers.expire(session_id))

    def leader(self) -> int:
        """Return the id of the server that leads; waits until there is one."""
        return self._loop.run(self._servers.leader())

    def settle(self) -> None:
        """Wait until every server that runs serves clients."""
        self._loop.run(self._servers.settle())
