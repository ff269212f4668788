"""Websockets: snapshots, frames, gaps, and fragments that are sent only when they differ."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.test import AsyncClient

from coordinator.asgi import application
from dashboard.gateway.gateway import Gateway
from dashboard.gateway.publisher import PANEL_GROUP, STAGE_GROUP, Publisher
from tests.dashboard.conftest import socket_headers
from tests.dashboard.recording import Recording, zxid

pytestmark = pytest.mark.django_db(transaction=True)


async def _open(viewer: AsyncClient, path: str) -> WebsocketCommunicator:
    socket = WebsocketCommunicator(application, path, headers=socket_headers(viewer))
    connected, _ = await socket.connect()
    assert connected
    return socket


async def _until(socket: WebsocketCommunicator, wanted: str) -> dict[str, Any]:
    """Return the next JSON frame of a type."""
    while True:
        frame: dict[str, Any] = json.loads(await socket.receive_from(timeout=3))
        if frame["type"] == wanted:
            return frame


async def test_the_stage_begins_with_everything(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble().write()
    socket = await _open(viewer, "/ws/stage/")
    snapshot = await _until(socket, "snapshot")
    assert [server["sid"] for server in snapshot["servers"]] == [1, 2, 3]
    leader = snapshot["servers"][1]
    assert (leader["role"], leader["reachable"], leader["reason"], leader["process"]["state"]) == (
        "leading",
        True,
        None,
        "running",
    )
    assert snapshot["clock"] == {"1": "shared", "2": "shared", "3": "shared"}
    assert [proposal["text"] for proposal in snapshot["proposals"]] == ["5:163"]
    assert isinstance(leader["zxid_committed"], str)
    await socket.disconnect()


async def test_the_stage_hears_what_changes(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    socket = await _open(viewer, "/ws/stage/")
    await _until(socket, "snapshot")
    recorded.write(counter=164, cxid=8)
    recorded.tell(2, 5000, "message", way="sent", peer=1, type="COMMIT", zxid=zxid(5, 164))
    recorded.model.on_lost(1, "gone")
    gateway.publisher.mark("proposals", "events", "servers")
    frames = {
        frame["type"]: frame for frame in [json.loads(await socket.receive_from(timeout=3)) for _ in range(3)]
    }
    assert [proposal["text"] for proposal in frames["proposals"]["proposals"]] == ["5:164"]
    assert frames["proposals"]["commit_ms_p50"] == 1.31
    assert [(event["kind"], event["type"]) for event in frames["events"]["events"]] == [("message", "COMMIT")]
    assert frames["events"]["dropped"] == 0
    assert [server["reason"] for server in frames["servers"]["servers"] if server["sid"] == 1] == ["gone"]
    await socket.disconnect()


async def test_a_hole_in_the_frames_brings_a_new_snapshot(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    socket = await _open(viewer, "/ws/stage/")
    first = await _until(socket, "snapshot")
    assert first["proposals"] == []
    recorded.write()
    gateway.publisher._sequence[STAGE_GROUP] += 3  # frames this viewer's channel had no room for
    gateway.publisher.mark("servers")
    recorded.model.changed_servers.add(1)
    assert len((await _until(socket, "snapshot"))["proposals"]) == 1
    await socket.disconnect()


async def test_frames_are_coalesced() -> None:
    sent: list[int] = []
    publisher = Publisher(get_channel_layer())
    publisher.add("busy", PANEL_GROUP, 0.1, lambda: {"n": len(sent)} if sent.append(1) is None else None)
    began = time.monotonic()
    task = asyncio.create_task(publisher.run())
    while len(sent) < 3:
        publisher.mark("busy")
        await asyncio.sleep(0.001)  # the pace of what happens, a hundred times that of the frames
    took_s = time.monotonic() - began
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert took_s >= 0.2  # three frames, and the time of two between them


async def test_a_page_gets_the_frame_first(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    socket = await _open(viewer, "/ws/place/pipeline/")
    html = await socket.receive_from(timeout=3)
    assert 'id="frame-summary"' in html
    assert 'hx-swap-oob="morph"' in html
    assert "quorum 3 of 3" in html
    assert 'id="count-tree"' in html
    assert "1,204" in html
    await socket.disconnect()


async def test_what_did_not_change_is_not_sent(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    socket = await _open(viewer, "/ws/place/pipeline/")
    await socket.receive_from(timeout=3)
    recorded.model.on_lost(3, "gone")
    gateway.publisher.mark("summary")
    html = await _html_with(socket, "2 of 3")
    assert 'id="count-tree"' not in html  # as before
    await socket.disconnect()


async def test_places_that_do_not_exist_are_refused(gateway: Gateway, viewer: AsyncClient) -> None:
    socket = WebsocketCommunicator(application, "/ws/place/console/", headers=socket_headers(viewer))
    assert (await socket.connect())[0] is False


async def test_the_audit_list_reaches_every_viewer(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    socket = await _open(viewer, "/ws/place/ensemble/")
    response = await viewer.post("/actions/server/1/start", {"reason": "<b>why</b>"})
    assert response.status_code == 409
    html = await _html_with(socket, 'id="audit"')
    assert "s1 is running" in html
    assert "<b>why</b>" not in html
    await socket.disconnect()


async def test_an_empty_list_of_sessions_says_who_could_not_be_asked(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    socket = await _open(viewer, "/ws/place/sessions/")
    await socket.send_to(text_data=json.dumps({"find": "", "sort": "evil", "session": "0x7", "HEADERS": {}}))
    html = await _html_with(socket, 'id="sessions-list"')
    assert "s1, s2, s3 do not answer" in html
    assert "No server can be asked whether session 0x7 lives." in html
    assert "There is no session" not in html
    await socket.disconnect()


async def _html_with(socket: WebsocketCommunicator, wanted: str) -> str:
    while True:
        html: str = await socket.receive_from(timeout=3)
        if wanted in html:
            return html
