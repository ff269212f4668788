"""One ensemble of processes for all tests here, and a panel on it for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from channels.layers import get_channel_layer
from django.conf import settings
from django.test import AsyncClient

from dashboard.gateway import access
from dashboard.gateway.gateway import Gateway
from dashboard.gateway.sources import ServerAddress, Source
from ensemble.client import ZooKeeper
from tests.dashboard.live.browsing import SOON_S
from tests.processes.conftest import RunningEnsemble
from tests.waiting import reached


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEnsemble]:
    ensemble = RunningEnsemble(tmp_path_factory.mktemp("panel") / "data")
    yield ensemble
    ensemble.close()


@pytest.fixture
async def live(running: RunningEnsemble) -> AsyncIterator[Gateway]:
    servers = tuple(
        ServerAddress(sid, f"127.0.0.1:{running.port(sid)}", running.server_admin(sid).url)
        for sid in running.sids
    )
    source = Source("demo", servers, running.supervisor_admin().url, running.token)
    gateway = Gateway(source, get_channel_layer())
    access.install(gateway)
    await gateway.start()
    await reached(lambda: gateway.model.summary()["quorum"] == "3 of 3" and gateway.model.supervised, SOON_S)
    yield gateway
    await access.dismiss()


@pytest.fixture
async def browser(live: Gateway) -> AsyncClient:
    client = AsyncClient()
    await client.get("/", {"token": settings.COORDINATOR_PANEL_TOKEN})
    return client


@pytest.fixture
async def other(running: RunningEnsemble) -> AsyncIterator[ZooKeeper]:
    """A client that is not the panel."""
    async with ZooKeeper(running.addresses, session_timeout_ms=8000) as client:
        yield client
