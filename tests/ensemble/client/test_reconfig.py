"""Changing the servers of an ensemble through the client."""

from __future__ import annotations

import asyncio

import pytest

from ensemble.client import BadVersion, EventStream, EventType, Retry, ZooKeeper
from tests.mixed.conftest import MakeEnsemble, ensemble_of
from tests.mixed.servers import HOST

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

__all__ = ["ensemble_of"]


async def test_a_server_leaves_and_comes_back(ensemble_of: MakeEnsemble) -> None:
    servers = ensemble_of("apache", "apache", "apache", extra="reconfigEnabled=true")

    def start() -> int:
        servers.start(1, 2, 3, options=("-Dzookeeper.skipACL=yes",))
        return servers.until_led()

    # One that follows leaves: to take away the leader costs everybody's connection.
    leader = await asyncio.to_thread(start)
    leaving = leader % 3 + 1
    retry = Retry(attempts=None)
    async with ZooKeeper(f"{HOST}:{servers.port(leader)}/app") as zk:
        changed = EventStream()
        before = await zk.get_config(watch=changed)
        assert (before.data or b"").count(b"server.") == 3
        with pytest.raises(BadVersion):
            await zk.reconfig(leaving=str(leaving), config_version=77)
        after = await zk.reconfig(leaving=str(leaving))
        assert (after.data or b"").count(b"server.") == 2
        async with asyncio.timeout(20):
            # It lies outside of the chroot, and keeps its name.
            assert await changed == (EventType.NODE_DATA_CHANGED, "/zookeeper/config")
            # The server opens its port for clients anew, as the new configuration says.
            assert (await retry(zk.get_config)).data == after.data
        ports = f"{servers.base_port + 2 + leaving}:{servers.base_port + 5 + leaving}"
        line = f"server.{leaving}={HOST}:{ports}:participant;{HOST}:{servers.port(leaving)}"
        again = await retry(zk.reconfig, joining=line)
        assert line.encode() in (again.data or b"")
