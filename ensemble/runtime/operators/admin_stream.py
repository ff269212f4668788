"""The live stream of one server to one viewer: status frames and trace events over a websocket.

Each viewer has its own bounded listener on the trace; what it cannot keep up with is dropped there and
counted, never waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from aiohttp import WSMsgType, web

from ensemble.admin.schema import EventsFrame, ServerStatus, StatusFrame
from ensemble.trace import Listener, Trace

EVENTS_PERIOD_S = 0.05
STATUS_PERIOD_S_MIN = 0.2
STATUS_PERIOD_S_MAX = 1.0
INCOMING_BYTES_MAX = 1024

_RESTLESS = frozenset({"uptime_ms", "phase_ms", "loop_lag_us", "peers"})
"""Fields that change by themselves: alone they are no reason to send a status before its time."""


async def stream(
    request: web.Request, status: Callable[[], ServerStatus], trace: Trace
) -> web.WebSocketResponse:
    """Serve one viewer until it leaves."""
    socket = web.WebSocketResponse(heartbeat=10.0, max_msg_size=INCOMING_BYTES_MAX, compress=False)
    await socket.prepare(request)
    listener = Listener()
    trace.listen(listener)
    sender = asyncio.create_task(_send(socket, status, listener))
    try:
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await socket.close(code=1008, message=b"this stream only speaks")
    finally:
        trace.ignore(listener)
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await sender
    return socket


async def _send(
    socket: web.WebSocketResponse, status: Callable[[], ServerStatus], listener: Listener
) -> None:
    pace = _StatusPace()
    while not socket.closed:
        events, dropped = listener.take()
        if events or dropped:
            await socket.send_json(EventsFrame(type="events", events=events, dropped=dropped))
        if pace.may(time.monotonic()):
            now = status()
            if pace.wants(now, time.monotonic()):
                await socket.send_json(StatusFrame(type="status", status=now))
        await asyncio.sleep(EVENTS_PERIOD_S)


class _StatusPace:
    """When to send a status: at once, on change at most five times a second, and at least once a second."""

    def __init__(self) -> None:
        self._sent_s = float("-inf")
        self._looked_s = float("-inf")
        self._last: dict[str, object] = {}

    def may(self, now_s: float) -> bool:
        """Tell whether it is time to look at the status again."""
        if now_s - self._looked_s < STATUS_PERIOD_S_MIN:
            return False
        self._looked_s = now_s
        return True

    def wants(self, status: ServerStatus, now_s: float) -> bool:
        """Tell whether ``status`` is to be sent, and remember it if so."""
        telling: dict[str, object] = {key: value for key, value in status.items() if key not in _RESTLESS}
        if telling == self._last and now_s - self._sent_s < STATUS_PERIOD_S_MAX:
            return False
        self._last, self._sent_s = telling, now_s
        return True
