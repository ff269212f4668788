"""A panel for one browser page, without a server: the real templates and static files, and sockets played by the test.

Pages are rendered by Django with the state of a real gateway model, answered under the panel's real content security
policy; frames on the sockets are what that same model publishes. What a test tells the model is therefore what the
page must show. Whatever the page does that it must not (an error, a request elsewhere, a breach of the policy) is kept
in :attr:`Panel.complaints`, and fails the test that caused it.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.contrib.staticfiles import finders
from django.shortcuts import render
from django.test import RequestFactory
from playwright.sync_api import Page, Route, WebSocketRoute

from dashboard.access.headers import CONTENT_SECURITY_POLICY
from dashboard.gateway.model import Model
from dashboard.gateway.proposals import percentile
from tests.dashboard.recording import HOUR_US, Recording, process, status, zxid

ORIGIN = "http://panel.test"
PLACES = ("ensemble", "tree", "sessions", "watches", "pipeline")
Body = dict[str, Any]


class Panel:
    """The page, and the ensemble it looks at."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.model = Model("demo")
        self.recording = Recording(self.model)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.stage: WebSocketRoute | None = None
        self.place: WebSocketRoute | None = None
        self.answers: dict[str, Callable[[], str]] = {}
        page.route("**/*", self._answer)
        page.route_web_socket("**/ws/stage/", self._on_stage)
        page.route_web_socket("**/ws/place/**", self._on_place)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))

    # What the page is given

    def open(self, address: str, *, ensemble: bool = True, still: bool = True) -> Page:
        """Open a place. ``still`` takes the page's clock in hand: time passes by :meth:`wait` only."""
        if ensemble and not self.model.servers:
            self.recording.ensemble()
        if still:
            self.page.clock.install(time=1_800_000_000)
        self.page.goto(ORIGIN + address)
        self._until(lambda: self.stage is not None or not address.startswith(("/ensemble", "/pipeline")))
        if still:
            self.wait(700)
        return self.page

    def wait(self, ms: int) -> None:
        """Let what was sent arrive, and then the page's own time pass, frame by frame."""
        self.page.evaluate("0")
        self.page.clock.run_for(ms)

    def publish(self) -> None:
        """Send what changed in the model, as the gateway's topics would."""
        servers = self.model.servers_frame()
        if servers is not None:
            self.send(servers)
        events, dropped = self.model.take_stage_events()
        if events or dropped:
            self.send({"type": "events", "events": events, "dropped": dropped})
        proposals, left_out = self.model.proposals.take_changed(60)
        if proposals:
            latencies = self.model.proposals.latencies_ms()
            self.send(
                {
                    "type": "proposals",
                    "proposals": [proposal.to_json() for proposal in proposals],
                    "left_out": left_out,
                    "commit_ms_p50": percentile(latencies, 0.50),
                    "commit_ms_p99": percentile(latencies, 0.99),
                }
            )

    def send(self, frame: Body) -> None:
        """Send one frame on the stage's socket."""
        assert self.stage is not None
        self.stage.send(json.dumps(frame))

    def publish_and_draw(self, ms: int = 700) -> None:
        """Publish, and give the page time to draw."""
        self.publish()
        self.wait(ms)

    # What the test tells of the ensemble

    def server(self, sid: int, role: str = "following", **fields: Any) -> None:
        """A server tells its status."""
        self.model.on_status(sid, status(sid, role, **fields), HOUR_US)

    def process(self, sid: int, state: str) -> None:
        """The supervisor tells of a process; one that is down cannot be heard."""
        self.model.on_processes([process(sid, state)])
        if state in ("killed", "stopped", "failed"):
            self.model.on_lost(sid, "connection refused")

    def message(
        self, kind: str, one: int, other: int, at_us: int, *, half: str = "both", **fields: Any
    ) -> None:
        """One message passes from ``one`` to ``other`` within 300 us; ``half`` of it may be all that is traced."""
        fields.setdefault("zxid", zxid(5, 164))
        if half in ("both", "sent"):
            self.recording.tell(one, at_us, "message", way="sent", peer=other, type=kind, **fields)
        if half in ("both", "received"):
            self.recording.tell(other, at_us + 300, "message", way="received", peer=one, type=kind, **fields)

    # Inside

    def _answer(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        if f"{address.scheme}://{address.netloc}" != ORIGIN:
            self.complaints.append(f"asked elsewhere: {route.request.url}")
            route.abort()
            return
        if address.path.startswith("/static/"):
            self._answer_file(route, address.path.removeprefix("/static/"))
            return
        self.asked.append(f"{route.request.method} {address.path}")
        if address.path in self.answers:
            body = self.answers[address.path]()
        else:
            body = self._page(address.path.strip("/"))
        headers = {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Content-Type": "text/html; charset=utf-8",
        }
        route.fulfill(status=200, headers=headers, body=body)

    def _answer_file(self, route: Route, name: str) -> None:
        path = finders.find(name)
        if path is None:
            self.complaints.append(f"no such file: {name}")
            route.fulfill(status=404)
            return
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        route.fulfill(path=path, headers={"Content-Type": kind})

    def _page(self, place: str) -> str:
        assert place in PLACES, f"the page asked for /{place}/"
        request = RequestFactory().get(f"/{place}/")
        summary = self.model.summary()
        request.place, request.summary, request.role = place, summary, "operator"  # type: ignore[attr-defined]
        context = {
            "state": self.model.state(),
            "stage": {"snapshot": self.model.stage_snapshot(), "seq": 0},
            "audit": [],
            "named": True,
        }
        return render(request, f"places/{place}.html", context).content.decode()

    def _on_stage(self, socket: WebSocketRoute) -> None:
        self.stage = socket
        socket.send(json.dumps(self.model.stage_snapshot()))

    def _on_place(self, socket: WebSocketRoute) -> None:
        self.place = socket

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _until(self, condition: Callable[[], bool]) -> None:
        for _ in range(200):
            if condition():
                return
            self.page.evaluate("0")  # lets the sockets' messages through
        raise TimeoutError("the page did not open its socket")
