"""A watcher to wait for: events as something to ``await`` or to iterate over."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator

from ensemble import limits
from ensemble.client.errors import ClientError
from ensemble.client.watches import WatchEvent
from ensemble.tree.operations import EventType


class WatchEnded(ClientError):
    """The session ended, or the reader fell too far behind: this stream hears nothing more."""


class EventStream:
    """Give it to any operation as ``watch=``, then wait::

        changed = EventStream()
        data, stat = await zk.get("/config", watch=changed)
        event = await changed

    ``async for event in stream`` gives one event after the other and ends when the stream does. One reader
    at a time.
    """

    def __init__(self) -> None:
        self._events: deque[WatchEvent] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._ended = ""

    def __call__(self, event: WatchEvent) -> None:
        """Be told (this is what makes it a watcher)."""
        if self._ended:
            return
        if event.type is EventType.NONE:
            self._ended = "the session ended"
        elif len(self._events) >= limits.WATCH_QUEUE_EVENTS_MAX:
            self._ended = f"more than {limits.WATCH_QUEUE_EVENTS_MAX} events were not read"
        else:
            self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    @property
    def pending(self) -> int:
        """How many events are there to be read."""
        return len(self._events)

    async def next(self) -> WatchEvent:
        """Wait for the next event; ``WatchEnded`` when none can come."""
        while not self._events:
            if self._ended:
                raise WatchEnded(self._ended)
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        return self._events.popleft()

    def __await__(self) -> Generator[object, None, WatchEvent]:
        return self.next().__await__()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> WatchEvent:
        try:
            return await self.next()
        except WatchEnded:
            raise StopAsyncIteration from None
