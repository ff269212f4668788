"""The links between servers, each led through a relay of its own, and what can be done to them.

Every server reaches every other at ports of this process, two for each ordered pair: quorum and election. A
direction can be *blocked*: its bytes stay where they are and nobody is told, as when packets are lost for a
while. A pair can be *cut*: connections break and none is made. Bytes are never lost within a connection
that lives on, as TCP would not lose them either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass

HOST = "127.0.0.1"
CHUNK_BYTES = 65536
REDIAL_S = 0.02
LATE_S_MAX = 1.0
"""For so long a connection waits for a port that is opened late; servers repeat their calls for 0.8 s."""

Way = tuple[int, int]
"""From which server to which."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one server listens for the others."""

    quorum: int
    election: int


class Links:
    """All relays of an ensemble."""

    def __init__(self) -> None:
        self.ports: dict[Way, Ports] = {}
        """Where the first server finds the second."""
        self.blocked: set[Way] = set()
        self.cut: set[frozenset[int]] = set()
        self.delay_s: dict[Way, float] = {}
        self.carried_bytes = 0
        self._deaf: list[asyncio.StreamWriter] = []
        self._changed = asyncio.Event()
        self._servers: list[asyncio.Server] = []
        self._open: dict[Way, list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, seats: dict[int, Ports], late: Collection[int] = ()) -> None:
        """Listen for every pair.

        ``late`` are servers whose quorum port is open only while they lead. A call before that is refused and made
        again by whoever called; a relay, which has taken the call, waits for the port instead.
        """
        for here in seats:
            for there in seats:
                if here != there:
                    patience_s = LATE_S_MAX if there in late else 0.0
                    ways = (
                        await self._listen((here, there), seats[there].quorum, patience_s),
                        await self._listen((here, there), seats[there].election, 0.0),
                    )
                    self.ports[(here, there)] = Ports(*ways)

    async def close(self) -> None:
        """Stop listening and break everything."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- faults ------------------------------------------------------------------------------------------

    def block(self, ways: Iterable[Way]) -> None:
        """Let nothing through in these directions, silently."""
        self.blocked |= set(ways)

    def break_pairs(self, pairs: Iterable[frozenset[int]]) -> None:
        """Break the connections of these pairs, and refuse new ones."""
        self.cut |= set(pairs)
        for way, lines in self._open.items():
            if frozenset(way) in self.cut:
                for ends in lines:
                    for end in ends:
                        end.transport.abort()

    def slow(self, ways: Iterable[Way], delay_s: float) -> None:
        """Delay what goes in these directions."""
        self.delay_s.update(dict.fromkeys(ways, delay_s))

    def leave_half_open(self, here: int, there: int) -> None:
        """End what ``here`` has to ``there`` as a crash of ``there`` would: ``here`` is not told."""
        self.block([(here, there), (there, here)])
        for near, far in self._open.get((here, there), []):
            self._deaf.append(near)
            far.transport.abort()

    def heal(self) -> None:
        """End all faults."""
        self.blocked, self.cut, self.delay_s = set(), set(), {}
        for writer in self._deaf:
            writer.transport.abort()
        self._deaf = []
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # -- carrying ----------------------------------------------------------------------------------------

    async def _listen(self, way: Way, port: int, patience_s: float) -> int:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(way, port, patience_s, reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        server = await asyncio.start_server(accept, HOST, 0)
        self._servers.append(server)
        ours: int = server.sockets[0].getsockname()[1]
        return ours

    async def _serve(
        self,
        way: Way,
        port: int,
        patience_s: float,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        back = (way[1], way[0])
        far: asyncio.StreamWriter | None = None
        try:
            # What is lost one way lets no connection come about.
            await self._passage(way)
            await self._passage(back)
            if frozenset(way) in self.cut:
                return
            far_reader, far = await _reach(port, patience_s)
            ends = (writer, far)
            lines = self._open.setdefault(way, [])
            lines.append(ends)
            try:
                await self._both(way, back, (reader, far), (far_reader, writer))
                while writer in self._deaf:
                    await self._changed.wait()
            finally:
                lines.remove(ends)
        except OSError:
            return
        finally:
            writer.transport.abort()
            if far is not None:
                far.transport.abort()

    async def _both(
        self,
        way: Way,
        back: Way,
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Carry both ways until one of them ends."""
        tasks = [asyncio.create_task(self._carry(way, *there)), asyncio.create_task(self._carry(back, *here))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if way in self.delay_s:
                    await asyncio.sleep(self.delay_s[way])
                await self._passage(way)
                self.carried_bytes += len(data)
                writer.write(data)
                await writer.drain()
        await self._passage(way)  # the end of a connection, too, is heard of by a packet

    async def _passage(self, way: Way) -> None:
        while way in self.blocked:
            await self._changed.wait()


async def _reach(port: int, patience_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect; a port that is closed is tried again for so long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            return await asyncio.open_connection(HOST, port)
        except ConnectionRefusedError:
            if loop.time() >= deadline:
                raise
            await asyncio.sleep(REDIAL_S)
