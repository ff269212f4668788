"""``/ws/place/<key>/``: one page's fragments, pushed as out-of-band swaps when what they show changed.

The page says what it shows (open znodes, filter, selection) through its ``place-state`` form, when the socket
opens and whenever that changes; the consumer renders the same fragments as the views do, remembers what it sent,
and sends only what differs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from django.template.loader import render_to_string

from dashboard.consumers.guard import Guarded
from dashboard.consumers.live import LIVE, Fragments, Live
from dashboard.context import places
from dashboard.gateway.access import gateway
from dashboard.gateway.errors import GatewayError
from dashboard.gateway.publisher import PANEL_GROUP

logger = logging.getLogger(__name__)

RENDER_SHARE = 7
"""Pause after a rendering, as a multiple of the time it took."""
PAUSE_S_MAX = 3.0
"""A rendering may take long because servers did not answer; what they say next is not to wait for that."""
RETRY_S = 1.0
"""Pause after a rendering that failed because the ensemble could not be asked."""


class PlaceConsumer(Guarded):
    """One viewer's page."""

    async def connect(self) -> None:
        """Refuse places that do not exist."""
        if self.scope["url_route"]["kwargs"]["place"] not in LIVE:
            await self.close()
            return
        await super().connect()

    async def opened(self) -> None:
        """Join the group, and begin to refresh; the page says next what it shows."""
        self._place: Live = LIVE[self.scope["url_route"]["kwargs"]["place"]]()
        self._sent: dict[str, str] = {}
        self._sequence: int | None = None
        self._refresh = asyncio.Event()
        self._noted = False
        await self.channel_layer.group_add(PANEL_GROUP, self.channel_name)
        state = await self._state()
        if state is not None:
            await self._show_summary(state["summary"])
        self.spawn(self._keep_fresh())

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(PANEL_GROUP, self.channel_name)
        await super().disconnect(code)

    async def said(self, values: dict[str, Any]) -> None:
        """The page says what it shows now."""
        self._place.shows(values)
        if values.get("anew"):
            # It let changes go by (nothing moves under a pointer), and now wants the present state whole.
            self._sent.clear()
            self._place.missed()
        self._refresh.set()

    async def panel_frame(self, message: dict[str, Any]) -> None:
        """Something changed in the ensemble."""
        sequence = int(message["seq"])
        if self._sequence is not None and sequence > self._sequence + 1:
            self._place.missed()
            self._refresh.set()
        self._sequence = sequence
        topic, body = message["topic"], message["body"]
        if topic == "summary":
            await self._show_summary(body)
        elif topic == "progress":
            await self._send(
                {f"job-{job['job']}": _render("fragments/job.html", {"job": job}) for job in body["jobs"]}
            )
        elif topic in self._place.topics:
            self._place.changed(topic, body)
            self._refresh.set()

    async def _keep_fresh(self) -> None:
        """Render when something changed, at most once per interval, and at least every tick if the place has one."""
        while True:
            try:
                await asyncio.wait_for(self._refresh.wait(), self._place.tick_s)
            except TimeoutError:
                self._refresh.set()
            self._refresh.clear()
            began = time.monotonic()
            try:
                await self._send(await self._place.render() | self._note(None))
            except GatewayError as error:
                await self._send(self._note(error))
                await asyncio.sleep(RETRY_S)
                if error.kind == "unavailable":
                    # What was to be shown is not lost: it is asked for again until somebody answers.
                    self._place.missed()
                    self._refresh.set()
                continue
            except Exception:
                logger.exception("A place could not be rendered")
                await self.close(1011)
                return
            await asyncio.sleep(pause_after(time.monotonic() - began, self._place.interval_s))

    def _note(self, error: GatewayError | None) -> Fragments:
        """Return the line that says why nothing new is shown, or its removal; nothing if it never was there."""
        if error is None and not self._noted:
            return {}
        self._noted = error is not None
        return {"live-note": _render("fragments/live_note.html", {"error": error})}

    async def _show_summary(self, summary: dict[str, Any]) -> None:
        fragments = {
            "frame-summary": _render("fragments/frame_summary.html", {"summary": summary, "oob": True})
        }
        for place in places(summary):
            if place["counted"]:
                fragments[f"count-{place['key']}"] = _render(
                    "fragments/rail_count.html", {"item": place, "oob": True}
                )
        await self._send(fragments | self._place.of_summary(summary))

    async def _state(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = await (await gateway()).call("state")
        except GatewayError as error:
            await self._send(self._note(error))
            return None
        return state

    async def _send(self, fragments: Fragments) -> None:
        """Send the fragments that differ from what this viewer has."""
        changed = {name: html for name, html in fragments.items() if self._sent.get(name) != html}
        if changed:
            self._sent.update(changed)
            self._place.forget_old(self._sent)
            await self.send(text_data="\n".join(changed.values()))


def pause_after(took_s: float, interval_s: float) -> float:
    """Return how long to pause: what is dear to draw is drawn in a small share of the time, but not too late."""
    return max(interval_s, min(PAUSE_S_MAX, took_s * RENDER_SHARE))


def _render(template: str, context: dict[str, Any]) -> str:
    return render_to_string(template, context)
