"""The gateway's calls over the Channels layer, for panel processes that have no gateway of their own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from channels.layers import BaseChannelLayer

from dashboard.gateway.errors import GatewayError
from dashboard.gateway.layer import LAYER_ERRORS

logger = logging.getLogger(__name__)

CALLS_CHANNEL = "gateway-calls"
CALL_TIMEOUT_S = 8.0
CALLS_AT_ONCE_MAX = 64

NO_ANSWER = "The panel's gateway does not answer. One panel process must run without --no-gateway."


class RemoteGateway:
    """Stands for the gateway in a process that only serves pages."""

    def __init__(self, layer: BaseChannelLayer) -> None:
        self._layer = layer

    async def start(self) -> None:
        """Nothing to start here."""

    async def stop(self) -> None:
        """Nothing to stop here."""

    async def call(self, name: str, **arguments: Any) -> Any:
        """Make a call in the process that has the gateway; raises :class:`GatewayError`."""
        reply_to = await self._layer.new_channel("gateway.reply")
        request = {"type": "call", "name": name, "arguments": arguments, "reply_to": reply_to}
        try:
            await self._layer.send(CALLS_CHANNEL, request)
            answer = await asyncio.wait_for(self._layer.receive(reply_to), CALL_TIMEOUT_S)
        except (TimeoutError, *LAYER_ERRORS) as error:
            raise GatewayError(NO_ANSWER, "unavailable") from error
        if answer["error"] is not None:
            raise GatewayError.from_json(answer["error"])
        return answer["result"]


class CallServer:
    """Answers the calls of other processes; runs beside the gateway."""

    def __init__(self, layer: BaseChannelLayer, call: Callable[..., Awaitable[Any]]) -> None:
        self._layer = layer
        self._call = call
        self._room = asyncio.Semaphore(CALLS_AT_ONCE_MAX)

    async def run(self) -> None:
        """Answer until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._room.acquire()
                try:
                    request = await self._layer.receive(CALLS_CHANNEL)
                except LAYER_ERRORS as error:
                    self._room.release()
                    logger.warning("The Channels layer cannot be read: %s", error)
                    await asyncio.sleep(1)
                    continue
                group.create_task(self._answer(request))

    async def _answer(self, request: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"type": "answer", "result": None, "error": None}
        try:
            answer["result"] = await self._call(request["name"], **request["arguments"])
        except GatewayError as error:
            answer["error"] = error.to_json()
        except Exception:
            logger.exception("Call %s failed", request.get("name"))
            answer["error"] = GatewayError(
                "The gateway failed; its log has the reason.", "unavailable"
            ).to_json()
        finally:
            self._room.release()
        try:
            await self._layer.send(request["reply_to"], answer)
        except LAYER_ERRORS as error:
            logger.warning("The answer to %s could not be sent: %s", request["name"], error)
