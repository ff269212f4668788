"""``/ws/stage/``: the gateway's frames for the drawn stage and pipeline, as JSON.

First a snapshot, then what changes (see :meth:`Gateway._declare_topics` for how often). Frames are numbered; a
viewer whose channel overflowed gets a new snapshot instead of frames with a hole in between.
"""

from __future__ import annotations

import json
from typing import Any

from dashboard.consumers.guard import Guarded
from dashboard.gateway.access import gateway
from dashboard.gateway.errors import GatewayError
from dashboard.gateway.publisher import STAGE_GROUP

CLOSE_TRY_AGAIN = 1013


class StageConsumer(Guarded):
    """One viewer's stage."""

    async def opened(self) -> None:
        """Join first, then ask: a frame in between is either in the snapshot or comes after it."""
        self._sequence = -1
        await self.channel_layer.group_add(STAGE_GROUP, self.channel_name)
        await self._send_snapshot()

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(STAGE_GROUP, self.channel_name)
        await super().disconnect(code)

    async def stage_frame(self, message: dict[str, Any]) -> None:
        """Pass a frame on, or ask anew when one before it is missing."""
        sequence = int(message["seq"])
        if sequence <= self._sequence:
            return
        if sequence != self._sequence + 1:
            await self._send_snapshot()
            return
        self._sequence = sequence
        await self.send(text_data=message["text"])

    async def _send_snapshot(self) -> None:
        try:
            stage = await (await gateway()).call("stage")
        except GatewayError as error:
            await self.send(text_data=json.dumps({"type": "unavailable", "reason": error.reason}))
            await self.close(CLOSE_TRY_AGAIN)
            return
        self._sequence = int(stage["seq"])
        await self.send(text_data=json.dumps(stage["snapshot"], separators=(",", ":")))
