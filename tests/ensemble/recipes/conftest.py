"""Clients for the recipes, of our server and of Apache's, and connections that break when a test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count

import pytest

from ensemble.client import SessionExpired, ZooKeeper
from tests.relay import Relay

TIMEOUT_MS = 2_000
_names = count(1)

Connect = Callable[..., Awaitable[ZooKeeper]]


@pytest.fixture
async def connect(server: str) -> AsyncIterator[Connect]:
    """Make clients that share a part of the tree which is this test's own."""
    root = f"/recipes-{next(_names)}"
    async with ZooKeeper(server) as zk:
        await zk.ensure_path(root)
    async with AsyncExitStack() as stack:

        async def make(through: Relay | None = None, timeout_ms: int = TIMEOUT_MS) -> ZooKeeper:
            address = server if through is None else f"127.0.0.1:{through.port}"
            client = ZooKeeper(f"{address}{root}", session_timeout_ms=timeout_ms)
            return await stack.enter_async_context(client)

        yield make


@pytest.fixture
async def zk(connect: Connect) -> ZooKeeper:
    return await connect()


@pytest.fixture
async def relay(server: str) -> AsyncIterator[Relay]:
    """A connection to the server that can be cut."""
    async with Relay(server).listening() as relay:
        yield relay


async def expire(zk: ZooKeeper, server: str) -> None:
    """End a session under the feet of its client: others take it over and close it, until it is gone."""
    while True:
        other = ZooKeeper(server, resume=(zk.session_id, zk.password))
        try:
            await other.start()
        except SessionExpired:
            return
        await other.close()
