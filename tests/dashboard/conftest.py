"""What the panel's tests share: a viewer with a cookie, a gateway fed from a recording, none at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.conf import settings
from django.test import AsyncClient

from dashboard.gateway import access
from dashboard.gateway.gateway import Gateway
from dashboard.gateway.sources import Source
from tests.dashboard.recording import Recording


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway that looks at no ensemble: publisher and calls run, no feed does."""
    made = Gateway(Source("demo", (), None, ""), get_channel_layer())
    access.install(made)
    await made.start()
    yield made
    await access.dismiss()


@pytest.fixture
def recorded(gateway: Gateway) -> Recording:
    """The same gateway, whose model is fed by hand."""
    gateway.model.named = True
    return Recording(gateway.model)


@pytest.fixture
async def viewer(gateway: Gateway) -> AsyncClient:
    """A browser that came with the token."""
    client = AsyncClient()
    response = await client.get("/", {"token": settings.COORDINATOR_PANEL_TOKEN})
    assert response.status_code == 302
    return client


def socket_headers(
    client: AsyncClient, origin: str = "http://testserver", host: str = "testserver"
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a websocket handshake made by a page of this client."""
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers: list[tuple[bytes, bytes]] = [(b"origin", origin.encode()), (b"host", host.encode())]
    if cookies:
        headers.append((b"cookie", cookies.encode()))
    return headers


def text_of(response: Any) -> str:
    """Return a response's body."""
    return response.content.decode()
