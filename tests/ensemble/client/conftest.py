"""A client of either server, and a znode of each test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from ensemble.client import ZooKeeper

_names = count(1)


@pytest.fixture
async def zk(server: str) -> AsyncIterator[ZooKeeper]:
    """A client whose session the test may lose."""
    async with ZooKeeper(server, session_timeout_ms=10_000) as client:
        yield client


@pytest.fixture
async def base(zk: ZooKeeper) -> str:
    """A znode of this test's own."""
    return await zk.create(f"/test-{next(_names)}")
