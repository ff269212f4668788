"""A browser as tests have one: pages, sockets of places, and what they push."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from channels.testing import WebsocketCommunicator
from django.test import AsyncClient

from coordinator.asgi import application
from tests.dashboard.conftest import socket_headers, text_of
from tests.waiting import reached

SOON_S = 15.0


async def eventually(look: Callable[[], Awaitable[str]], wanted: str) -> str:
    """Look again and again until ``wanted`` is in the text, and return it."""

    async def found() -> str:
        text = await look()
        return text if wanted in text else ""

    return await reached(found, SOON_S)


async def page_of(browser: AsyncClient, address: str, /, **query: str) -> str:
    """Return the body of a page."""
    response = await browser.get(address, query)
    assert response.status_code == 200
    return text_of(response)


async def open_place(browser: AsyncClient, place: str, **shown: Any) -> WebsocketCommunicator:
    """Open the websocket of a place that shows this."""
    socket = WebsocketCommunicator(application, f"/ws/place/{place}/", headers=socket_headers(browser))
    assert (await socket.connect())[0]
    await socket.send_to(text_data=json.dumps(shown))
    return socket


async def push(socket: WebsocketCommunicator, *wanted: str, without: str | None = None) -> str:
    """Return the next push in which all patterns are found (and one is not)."""
    async with asyncio.timeout(SOON_S):
        while True:
            html: str = await socket.receive_from(timeout=SOON_S)
            if all(re.search(pattern, html) for pattern in wanted) and not (without and without in html):
                return html
