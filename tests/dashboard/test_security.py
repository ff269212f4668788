"""Who may come in: token, cookie, origin, CSRF, headers, hosts (rows 26 to 34 of the bad-input table)."""

from __future__ import annotations

import re

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import AsyncClient, RequestFactory
from django.urls import get_resolver

from coordinator.asgi import application
from dashboard.access.origin import same_origin
from dashboard.access.token import without_token
from dashboard.gateway.gateway import Gateway
from tests.dashboard.conftest import socket_headers, text_of

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = [
    "/",
    "/ensemble/",
    "/tree/",
    "/tree/item/",
    "/tree/value/",
    "/sessions/",
    "/watches/",
    "/pipeline/",
    "/dialogs/partition",
]


@pytest.mark.parametrize("page", PAGES)
async def test_a_stranger_is_told_to_bring_the_token(gateway: Gateway, page: str) -> None:
    response = await AsyncClient().get(page)
    assert response.status_code == 403
    assert "access token is needed" in text_of(response)


async def test_who_brings_the_token_to_a_page_gets_what_it_was_opened_for(gateway: Gateway) -> None:
    page = text_of(await AsyncClient().get("/tree/", {"path": '/a"b', "token": "wrong"}))
    assert '<input type="hidden" name="path" value="/a&quot;b">' in page
    assert page.count('name="token"') == 1, "the field alone"


async def test_an_open_page_is_told_of_a_missing_token_and_keeps_what_it_shows(gateway: Gateway) -> None:
    response = await AsyncClient().get("/dialogs/partition", headers={"HX-Request": "true"})
    assert (response.status_code, text_of(response)) == (403, "")
    assert response.headers["HX-Trigger"] == "panel:locked"
    assert (response.headers["HX-Reswap"], response.headers["HX-Push-Url"]) == ("none", "false")


async def test_the_token_is_exchanged_and_leaves_the_address(gateway: Gateway) -> None:
    client = AsyncClient()
    response = await client.get("/tree/", {"path": "/a b", "token": settings.COORDINATOR_PANEL_TOKEN})
    assert (response.status_code, response.headers["Location"]) == (302, "/tree/?path=%2Fa+b")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert settings.COORDINATOR_PANEL_TOKEN not in cookie.value


@pytest.mark.parametrize("token", ["", "wrong", "ü", "x" * 5000])
async def test_a_wrong_token_opens_nothing(gateway: Gateway, token: str) -> None:
    client = AsyncClient()
    assert (await client.get("/", {"token": token})).status_code == 403
    assert (await client.get("/ensemble/")).status_code == 403


def test_the_redirect_stays_here() -> None:
    request = RequestFactory().get("/", {"token": "t", "path": "/a"})
    request.path = "//evil.example/"
    assert without_token(request) == "/evil.example/?path=%2Fa"


async def test_a_cookie_of_an_older_token_is_worth_nothing(viewer: AsyncClient) -> None:
    before = settings.COORDINATOR_PANEL_TOKEN
    settings.COORDINATOR_PANEL_TOKEN = "another"
    try:
        assert (await viewer.get("/sessions/")).status_code == 403
    finally:
        settings.COORDINATOR_PANEL_TOKEN = before


async def test_every_answer_carries_the_policy(viewer: AsyncClient) -> None:
    for response in (
        await viewer.get("/sessions/"),
        await AsyncClient().get("/"),
        await viewer.get("/nowhere"),
    ):
        policy = response.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cache-Control"] == "no-store"
        assert "HX-Request" in response.headers["Vary"]


async def test_pages_hold_no_inline_script_or_style(viewer: AsyncClient) -> None:
    for page in ("/sessions/", "/watches/", "/tree/"):
        html = text_of(await viewer.get(page))
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", html)
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style", html)


async def test_other_hosts_are_refused(viewer: AsyncClient) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example"):
        assert (await viewer.get("/", headers={"host": host})).status_code == 400


def _actions() -> list[str]:
    return [
        str(p.pattern)
        for p in get_resolver("dashboard.urls").url_patterns
        if str(p.pattern).startswith("actions/")
    ]


ACTIONS = [
    "/" + route.replace("<int:sid>", "1").replace("<slug:action>", "kill").replace("<session:session>", "0x1")
    for route in _actions()
]


@pytest.mark.parametrize("action", ACTIONS)
async def test_actions_are_posts_with_the_pages_token_only(gateway: Gateway, action: str) -> None:
    client = AsyncClient(enforce_csrf_checks=True)
    await client.get("/", {"token": settings.COORDINATOR_PANEL_TOKEN})
    assert (await client.get(action)).status_code == 405
    refused = await client.post(action, headers={"hx-request": "true", "sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    assert "Not from this page" in text_of(refused)


async def test_a_post_from_another_port_is_refused(gateway: Gateway) -> None:
    client = AsyncClient(enforce_csrf_checks=True)
    await client.get("/", {"token": settings.COORDINATOR_PANEL_TOKEN})
    page = text_of(await client.get("/sessions/"))
    token = re.search(r"X-CSRFToken[^A-Za-z0-9]+([A-Za-z0-9]{64})", page)
    assert token is not None
    headers = {"x-csrftoken": token[1]}
    assert (
        await client.post("/actions/heal", headers=headers | {"origin": "http://testserver:9"})
    ).status_code == 403
    assert (
        await client.post("/actions/heal", headers=headers | {"origin": "http://testserver"})
    ).status_code == 409


HANDSHAKES = {
    "http://127.0.0.1:8000": True,
    "HTTP://127.0.0.1:8000": True,
    "http://127.0.0.1:8001": False,
    "http://127.0.0.1": False,
    "http://localhost:8000": False,
    "http://evil.example:8000": False,
    "http://sub.127.0.0.1:8000": False,
    "http://user@127.0.0.1:8000": False,
    "http://127.0.0.1:8000/path": False,
    "http://127.0.0.1:port": False,
    "null": False,
    "": False,
    "file://": False,
}


@pytest.mark.parametrize(("origin", "fine"), HANDSHAKES.items())
def test_origin_is_compared_with_its_port(origin: str, fine: bool) -> None:
    scope = {"headers": [(b"origin", origin.encode()), (b"host", b"127.0.0.1:8000")]}
    assert same_origin(scope) is fine


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"127.0.0.1:8000")],
        [(b"origin", b"http://127.0.0.1:8000")],
        [(b"origin", b"http://127.0.0.1:8000"), (b"origin", b"http://evil"), (b"host", b"127.0.0.1:8000")],
        [(b"origin", b"http://evil.example"), (b"host", b"evil.example")],
    ],
)
def test_a_handshake_without_one_origin_and_a_known_host_is_foreign(
    headers: list[tuple[bytes, bytes]],
) -> None:
    assert same_origin({"headers": headers}) is False


@pytest.mark.parametrize("path", ["/ws/stage/", "/ws/place/tree/"])
async def test_sockets_need_the_cookie_and_our_own_page(
    gateway: Gateway, viewer: AsyncClient, path: str
) -> None:
    stranger = WebsocketCommunicator(application, path, headers=socket_headers(AsyncClient()))
    assert (await stranger.connect())[0] is False
    foreign = WebsocketCommunicator(
        application, path, headers=socket_headers(viewer, origin="http://testserver:81")
    )
    assert (await foreign.connect())[0] is False
    ours = WebsocketCommunicator(application, path, headers=socket_headers(viewer))
    assert (await ours.connect())[0] is True
    await ours.disconnect()


@pytest.mark.parametrize("path", ["/ws/place/sessions/", "/ws/stage/"])
async def test_a_socket_whose_token_is_no_more_is_closed_at_its_next_message(
    gateway: Gateway, viewer: AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = WebsocketCommunicator(application, path, headers=socket_headers(viewer))
    await socket.connect()
    monkeypatch.setattr(settings, "COORDINATOR_PANEL_TOKEN", "another")
    await socket.send_to(text_data="{}")
    assert await _close_code(socket) == 4403


async def test_a_silent_socket_whose_token_is_no_more_is_closed_in_time(
    gateway: Gateway, viewer: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.consumers.guard.RECHECK_S", 0.01)
    socket = WebsocketCommunicator(application, "/ws/place/sessions/", headers=socket_headers(viewer))
    assert (await socket.connect())[0] is True
    monkeypatch.setattr(settings, "COORDINATOR_PANEL_TOKEN", "another")
    assert await _close_code(socket) == 4403


BAD_MESSAGES = {
    "not json": ("{", 4400),
    "not an object": ("[1]", 4400),
    "deep": ("[" * 60_000, 4400),
    "too large": ('{"a":"' + "x" * 70_000 + '"}', 1009),
}


@pytest.mark.parametrize("name", BAD_MESSAGES)
async def test_bad_messages_close_the_socket(gateway: Gateway, viewer: AsyncClient, name: str) -> None:
    text, code = BAD_MESSAGES[name]
    socket = WebsocketCommunicator(application, "/ws/place/sessions/", headers=socket_headers(viewer))
    await socket.connect()
    await socket.send_to(text_data=text)
    assert await _close_code(socket) == code


async def test_a_flood_of_messages_closes_the_socket(gateway: Gateway, viewer: AsyncClient) -> None:
    socket = WebsocketCommunicator(application, "/ws/place/pipeline/", headers=socket_headers(viewer))
    await socket.connect()
    for _ in range(200):
        await socket.send_to(text_data="{}")
    assert await _close_code(socket) == 4429


async def test_the_stage_takes_no_commands(gateway: Gateway, viewer: AsyncClient) -> None:
    socket = WebsocketCommunicator(application, "/ws/stage/", headers=socket_headers(viewer))
    await socket.connect()
    await socket.send_to(text_data='{"type":"stage_frame","seq":1,"text":"x"}')
    assert await _close_code(socket) == 4400


async def _close_code(socket: WebsocketCommunicator) -> int:
    while True:
        output = await socket.receive_output(timeout=3)
        if output["type"] == "websocket.close":
            return int(output["code"])
