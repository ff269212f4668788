"""What both sockets share: only viewers who hold the token, and only so much from each.

Nothing that changes anything is offered over a websocket: a viewer can only say what it is looking at.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer

from dashboard.access.token import role_of

MESSAGE_BYTES_MAX = 64 * 1024
MESSAGES_PER_S = 20
MESSAGES_BURST = 60
RECHECK_S = 30.0

CLOSE_NOT_ALLOWED = 4403
CLOSE_BAD_MESSAGE = 4400
CLOSE_TOO_MUCH = 4429
CLOSE_TOO_BIG = 1009


class Guarded(AsyncWebsocketConsumer, ABC):  # type: ignore[misc]
    """A consumer behind the token, with a bound on what it reads."""

    groups: list[str] = []

    async def connect(self) -> None:
        """Accept viewers who hold the token; everyone else is refused during the handshake."""
        if role_of(self.scope.get("session")) is None:
            await self.close()
            return
        self._credit = float(MESSAGES_BURST)
        self._credit_at = time.monotonic()
        await self.accept()
        self._tasks = {asyncio.create_task(self._recheck())}
        await self.opened()

    async def disconnect(self, code: int) -> None:
        """Stop what belongs to this viewer."""
        tasks: set[asyncio.Task[None]] = getattr(self, "_tasks", set())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Read one JSON object; anything else, too large or too often, closes the socket."""
        if text_data is None:
            await self.close(CLOSE_BAD_MESSAGE)
            return
        if len(text_data) > MESSAGE_BYTES_MAX:
            await self.close(CLOSE_TOO_BIG)
            return
        if not self._may_say():
            await self.close(CLOSE_TOO_MUCH)
            return
        if role_of(self.scope.get("session")) is None:
            await self.close(CLOSE_NOT_ALLOWED)
            return
        try:
            said = json.loads(text_data)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            await self.close(CLOSE_BAD_MESSAGE)
            return
        await self.said(said)

    @abstractmethod
    async def opened(self) -> None:
        """Send what a viewer sees first."""

    async def said(self, values: dict[str, Any]) -> None:
        """A viewer said what it is looking at; a drawn stage has nothing to say."""
        await self.close(CLOSE_BAD_MESSAGE)

    def spawn(self, coroutine: Any) -> None:
        """Run something for as long as this socket lives."""
        self._tasks.add(asyncio.create_task(coroutine))

    def _may_say(self) -> bool:
        now = time.monotonic()
        self._credit = min(MESSAGES_BURST, self._credit + (now - self._credit_at) * MESSAGES_PER_S)
        self._credit_at = now
        self._credit -= 1
        return self._credit >= 0

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            if role_of(self.scope.get("session")) is None:
                await self.close(CLOSE_NOT_ALLOWED)
                return
