"""Clients of the admin interface, for the panel and for tests.

Every method either returns what ``schema`` says or raises an :class:`AdminError`, whose text is the
server's own sentence where it gave one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, cast

import aiohttp

from ensemble.admin.schema import (
    EnsembleStatus,
    EventsFrame,
    FaultCommand,
    FaultStatus,
    LifetimeStatus,
    ProcessStatus,
    ServerStatus,
    SessionStatus,
    StatusFrame,
    WatchStatus,
)
from ensemble.errors import CoordinatorError

Action = Literal["kill", "stop", "start", "restart", "pause", "resume"]

TIMEOUT_S = 5.0
ACTION_TIMEOUT_S = 20.0
"""A stop waits for the process to end."""
RETRY_S_MIN = 0.1
RETRY_S_MAX = 2.0
SILENCE_S_MAX = 3.0
"""A live stream sends a status every second; after this long without a frame it counts as broken."""
PATHS_BYTES_MAX = 48 * 1024
"""Paths sent with one request; servers read bodies of 64 KiB."""
FRAME_BYTES_MAX = 32 * 1024 * 1024


class AdminError(CoordinatorError):
    """The server or supervisor did not do what was asked."""


class Unreachable(AdminError):
    """Nobody answers at the address, or not in time."""


class Refused(AdminError):
    """An answer, and it says no; ``status`` is the HTTP status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class LinkFrame(TypedDict):
    """Made by the client, not the server: whether the stream is up, and if not why."""

    type: Literal["link"]
    up: bool
    error: str | None


Frame = StatusFrame | EventsFrame | LinkFrame


class _Admin:
    """One address and its token; usable as an async context manager."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections kept for reuse."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {self._token}"})
        return self._http

    async def _ask(
        self, method: str, path: str, body: object = None, *, timeout_s: float = TIMEOUT_S
    ) -> dict[str, Any]:
        """Send one request and return the JSON object of the answer."""
        try:
            async with self._session().request(
                method, self.url + path, json=body, timeout=aiohttp.ClientTimeout(timeout_s)
            ) as response:
                answer = await response.json(content_type=None)
        except TimeoutError:
            raise Unreachable(f"{self.url} did not answer within {timeout_s:g} s") from None
        except aiohttp.ClientError as error:
            raise Unreachable(f"{self.url} cannot be reached: {error}") from None
        except ValueError:
            raise Refused(response.status, f"{self.url} answered with something that is not JSON") from None
        if not isinstance(answer, dict):
            raise Refused(response.status, f"{self.url} answered with something that is not an object")
        if response.status >= 400:
            raise Refused(response.status, str(answer.get("error") or response.reason))
        return answer


def _batches(paths: Sequence[str]) -> Iterator[list[str]]:
    """Yield ``paths`` in lists that fit into the body of a request."""
    batch: list[str] = []
    size = 0
    for path in paths:
        length = len(json.dumps(path)) + 2
        if batch and size + length > PATHS_BYTES_MAX:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield batch


class ServerAdmin(_Admin):
    """The admin port of one server."""

    async def status(self) -> ServerStatus:
        """Return the server's status."""
        return cast("ServerStatus", await self._ask("GET", "/api/status"))

    async def sessions(self, limit: int = 1000) -> tuple[list[SessionStatus], int]:
        """Return at most ``limit`` sessions, and how many there are."""
        answer = await self._ask("GET", f"/api/sessions?limit={limit}")
        return answer["sessions"], answer["total"]

    async def watches(self, limit: int = 1000) -> tuple[list[WatchStatus], int]:
        """Return at most ``limit`` watches of this server, and how many it has."""
        answer = await self._ask("GET", f"/api/watches?limit={limit}")
        return answer["watches"], answer["total"]

    async def lifetimes(self, paths: Sequence[str]) -> list[LifetimeStatus]:
        """Return those of ``paths`` that are containers or have a time to live."""
        found: list[LifetimeStatus] = []
        for batch in _batches(paths):
            found += (await self._ask("POST", "/api/lifetimes", {"paths": batch}))["lifetimes"]
        return found

    async def fault(self, command: FaultCommand) -> list[FaultStatus]:
        """Command a fault, or its end, and return the faults then in force."""
        return cast("list[FaultStatus]", (await self._ask("POST", "/api/faults", command))["faults"])

    async def expire_session(self, session: str) -> None:
        """Ask the leader to close ``session`` (``0x`` and hex) as if its client had fallen silent."""
        await self._ask("POST", f"/api/sessions/{session}/expire")

    async def stream(self) -> AsyncIterator[Frame]:
        """Yield frames for ever, connecting anew whenever the stream breaks.

        A :class:`LinkFrame` is yielded whenever the link comes up or breaks; an attempt that fails for the
        same reason as the one before is not told again.
        """
        wait_s = RETRY_S_MIN
        told: str | None = None
        while True:
            error = "the stream ended"
            try:
                async with self._connect() as socket:
                    yield LinkFrame(type="link", up=True, error=None)
                    wait_s, told = RETRY_S_MIN, None
                    async for frame in _frames(socket):
                        yield frame
            except (aiohttp.ClientError, TimeoutError, OSError) as broken:
                error = str(broken) or "no answer in time"
            if error != told:
                yield LinkFrame(type="link", up=False, error=error)
                told = error
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_S_MAX)

    def _connect(self) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        return self._session().ws_connect(
            self.url + "/api/stream",
            timeout=aiohttp.ClientWSTimeout(ws_receive=SILENCE_S_MAX, ws_close=1.0),
            max_msg_size=FRAME_BYTES_MAX,
        )


async def _frames(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[Frame]:
    while True:
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return
        yield cast("Frame", message.json())


class SupervisorAdmin(_Admin):
    """The port of the supervisor that runs the server processes."""

    async def ensemble(self) -> EnsembleStatus:
        """Return the state of all processes."""
        return cast("EnsembleStatus", await self._ask("GET", "/api/ensemble"))

    async def act(self, sid: int, action: Action) -> ProcessStatus:
        """Kill, stop, start, restart, pause or resume a server's process."""
        answer = await self._ask("POST", f"/api/servers/{sid}/{action}", timeout_s=ACTION_TIMEOUT_S)
        return cast("ProcessStatus", answer)
