"""A client that takes a server without a quorum, and leaves it for a better one: three of ours, three of Apache's."""

from __future__ import annotations

import asyncio

import pytest

from ensemble.client import ClientError, NotReadOnly, Retry, State, ZooKeeper
from tests.mixed.conftest import MakeEnsemble, ensemble_of
from tests.mixed.servers import HOST, Kind

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

__all__ = ["ensemble_of"]

EXTRA = "localSessionsEnabled=true\nlocalSessionsUpgradingEnabled=true\nreadonlymode.enabled=true"
"""Apache's server opens read-only sessions only where sessions may be local."""
OPTIONS = ("-Dreadonlymode.enabled=true",)


@pytest.mark.parametrize("kind", ["ours", "apache"])
async def test_reads_go_on_without_a_quorum_and_writes_with_one(
    ensemble_of: MakeEnsemble, kind: Kind
) -> None:
    servers = ensemble_of(kind, kind, kind, extra=EXTRA)

    def start(*sids: int) -> None:
        servers.start(*sids, options=OPTIONS)
        servers.until_led()

    await asyncio.to_thread(start, 1, 2, 3)
    hosts = ",".join(f"{HOST}:{servers.port(sid)}" for sid in (1, 2, 3))
    async with ZooKeeper(hosts) as writer:
        await writer.create("/a", b"kept")
        await writer.sync()
    leader = servers.until_led()
    gone = [leader, leader % 3 + 1]
    await asyncio.to_thread(servers.kill, *gone)
    zk = await read_only(hosts)
    assert zk.state is State.CONNECTED_READ_ONLY
    assert (await zk.get("/a")).data == b"kept"
    with pytest.raises(NotReadOnly):
        await zk.set("/a", b"changed")
    states = zk.states()
    await asyncio.to_thread(start, *gone)
    async with asyncio.timeout(40):
        async for state in states:
            if state is State.CONNECTED:
                break
        await Retry(attempts=None)(zk.set, "/a", b"changed")
    await zk.close()


async def read_only(hosts: str) -> ZooKeeper:
    """Connect as soon as the server that is left has found out that it is alone."""
    async with asyncio.timeout(40):
        while True:
            zk = ZooKeeper(hosts, read_only=True, session_timeout_ms=6000)
            try:
                await zk.start()
                return zk
            except ClientError:
                continue
