"""A panel of several processes: calls and frames through a real Redis."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from channels_redis.core import RedisChannelLayer

from dashboard.gateway.errors import GatewayError
from dashboard.gateway.gateway import Gateway
from dashboard.gateway.publisher import PANEL_GROUP
from dashboard.gateway.remote import NO_ANSWER, RemoteGateway
from dashboard.gateway.sources import Source
from tests.dashboard.recording import Recording

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def redis_url(tmp_path: Path) -> AsyncIterator[str]:
    port = _free_port()
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = await asyncio.create_subprocess_exec("redis-server", *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async for line in process.stdout:
        if b"Ready to accept connections" in line:
            break
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    await process.communicate()


async def test_a_process_without_gateway_sees_the_same(redis_url: str) -> None:
    gateway = Gateway(Source("demo", (), None, ""), RedisChannelLayer(hosts=[redis_url]))
    other = RedisChannelLayer(hosts=[redis_url])  # another process's end of the layer
    remote = RemoteGateway(other)
    await gateway.start()
    try:
        gateway.model.named = True
        Recording(gateway.model).ensemble()
        state = await remote.call("state")
        assert state == await gateway.call("state")
        assert len(state["servers"]) == 3

        with pytest.raises(GatewayError, match="There is no server s9") as refused:
            await remote.call("server", sid=9, action="kill")
        assert refused.value.status == 404

        channel = await other.new_channel()
        await other.group_add(PANEL_GROUP, channel)
        gateway.publisher.mark("summary")
        frame = await asyncio.wait_for(other.receive(channel), 3)
        assert (frame["type"], frame["topic"], frame["body"]["quorum"]) == (
            "panel.frame",
            "summary",
            "3 of 3",
        )
    finally:
        await gateway.stop()
        await other.close_pools()
        await gateway._layer.close_pools()


async def test_without_any_gateway_the_viewer_is_told(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.gateway.remote.CALL_TIMEOUT_S", 0.2)
    layer = RedisChannelLayer(hosts=[redis_url])
    with pytest.raises(GatewayError) as nobody:
        await RemoteGateway(layer).call("state")
    assert (nobody.value.reason, nobody.value.status) == (NO_ANSWER, 503)
    await layer.close_pools()


async def test_without_redis_the_viewer_is_told() -> None:
    layer = RedisChannelLayer(hosts=[f"redis://127.0.0.1:{_free_port()}/0"])
    with pytest.raises(GatewayError) as nobody:
        await RemoteGateway(layer).call("state")
    assert nobody.value.status == 503
    await layer.close_pools()
