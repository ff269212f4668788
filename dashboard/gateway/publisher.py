"""What changed, coalesced, to the groups of the Channels layer.

Each topic is sent at once when it was quiet, and then at most once per interval with whatever gathered: a busy
ensemble costs a viewer a fixed number of frames a second. A layer may drop a frame of a consumer that is slow;
frames are numbered per group, so that it notices and asks for a snapshot instead of showing something old.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from channels.layers import BaseChannelLayer

from dashboard.gateway.layer import LAYER_ERRORS

logger = logging.getLogger(__name__)

STAGE_GROUP = "stage"
PANEL_GROUP = "panel"

Body = dict[str, Any]


@dataclass(slots=True)
class Topic:
    """One kind of frame: where it goes, how often at most, and what to say (``None``: nothing after all)."""

    name: str
    group: str
    interval_s: float
    take: Callable[[], Body | None]
    due: asyncio.Event = field(default_factory=asyncio.Event)


class Publisher:
    """Sends topics that were marked."""

    def __init__(self, layer: BaseChannelLayer) -> None:
        self._layer = layer
        self._topics: dict[str, Topic] = {}
        self._sequence = {STAGE_GROUP: 0, PANEL_GROUP: 0}

    def add(self, name: str, group: str, interval_s: float, take: Callable[[], Body | None]) -> None:
        """Declare a topic."""
        self._topics[name] = Topic(name, group, interval_s, take)

    def mark(self, *names: str) -> None:
        """Say that these topics have something new."""
        for name in names:
            self._topics[name].due.set()

    def sequence(self, group: str) -> int:
        """Return the number of the last frame sent to a group: a snapshot taken now includes it."""
        return self._sequence[group]

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as group:
            for topic in self._topics.values():
                group.create_task(self._serve(topic), name=f"publish {topic.name}")

    async def _serve(self, topic: Topic) -> None:
        while True:
            await topic.due.wait()
            topic.due.clear()
            body = topic.take()
            if body is not None:
                await self._send(topic, body)
            await asyncio.sleep(topic.interval_s)

    async def _send(self, topic: Topic, body: Body) -> None:
        self._sequence[topic.group] += 1
        message = {"type": f"{topic.group}.frame", "seq": self._sequence[topic.group], "topic": topic.name}
        # The stage's consumers pass frames on as they are: encode once for all of them.
        message |= (
            {"text": json.dumps(body, separators=(",", ":"))}
            if topic.group == STAGE_GROUP
            else {"body": body}
        )
        try:
            await self._layer.group_send(topic.group, message)
        except LAYER_ERRORS as error:
            # The number is used up: consumers will see the gap and ask anew when the layer is back.
            logger.warning("The Channels layer did not take a %s frame: %s", topic.name, error)
