"""A server with an AdminServer, and one who asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web

from ensemble.client import ZooKeeper
from ensemble.runtime.host import Server
from ensemble.runtime.operators.ports import OperatorPorts
from tests.ensemble.runtime.harness import HOST, free_ports
from tests.ensemble.runtime.test_host import load
from tests.waiting import reached

X509 = ("authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider",)

PROMETHEUS = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"


class Asked:
    """A server that serves, and one who asks its AdminServer."""

    def __init__(
        self, server: Server, ports: OperatorPorts, url: str, session: aiohttp.ClientSession
    ) -> None:
        self.server = server
        self.ports = ports
        self.url = url
        self._session = session

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Ask for a path; return the status and the JSON."""
        async with self._session.get(f"{self.url}{path}", headers=headers) as response:
            return response.status, await response.json()

    async def post(self, path: str, data: bytes = b"x", **headers: str) -> tuple[int, Any]:
        """Post to a path; return the status and the JSON."""
        async with self._session.post(f"{self.url}{path}", data=data, headers=headers) as response:
            return response.status, await response.json()

    async def raw(self, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        """Ask for a path; return the response and its body."""
        async with self._session.get(f"{self.url}{path}", headers=headers) as response:
            return response, await response.read()


@asynccontextmanager
async def asking(directory: Path, *lines: str) -> AsyncIterator[Asked]:
    """Run a server alone with its AdminServer."""
    (port,) = free_ports(1)
    loaded = load(directory, f"admin.serverPort={port}", *lines)
    said: list[str] = []
    server = Server(loaded, log=said.append)
    ports = OperatorPorts(server, loaded.operations, log=said.append)
    ports.open()
    await server.start()
    ports.serve()
    try:
        await reached(lambda: server.status()["serving"])
        async with aiohttp.ClientSession() as session:
            yield Asked(server, ports, f"http://{HOST}:{port}", session)
    finally:
        await ports.close()
        await server.stop()


async def as_client(asked: Asked, act: Callable[[ZooKeeper], Awaitable[object]]) -> None:
    """Do something as a client, on a loop of its own."""

    async def session() -> None:
        async with ZooKeeper(f"{HOST}:{asked.server.config.client_port}") as zk:
            await act(zk)

    def run() -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(session())

    await asyncio.to_thread(run)
