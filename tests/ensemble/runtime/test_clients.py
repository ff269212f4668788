"""Client sockets over real loopback connections, with a server that only records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ensemble.limits import OUTSTANDING_BYTES_PER_CONNECTION_MAX
from ensemble.ports import ClientTransport
from ensemble.runtime.clients.clients import ClientSocket
from ensemble.runtime.listening import listen
from ensemble.runtime.steps import Steps
from tests.ensemble.runtime.harness import HOST, free_ports
from tests.waiting import reached


class Client:
    """The server's end of one client, recording."""

    def __init__(self, transport: ClientTransport) -> None:
        self.transport = transport
        self.data = b""
        self.events: list[str] = []

    def on_data(self, data: bytes) -> None:
        self.data += data

    def on_closed(self) -> None:
        self.events.append("closed")

    def on_write_full(self) -> None:
        self.events.append("full")

    def on_write_drained(self) -> None:
        self.events.append("drained")


class Service:
    """Takes at most ``room`` clients."""

    def __init__(self, room: int = 10) -> None:
        self.room = room
        self.clients: list[Client] = []
        self.steps = Steps(asyncio.get_running_loop())
        self.steps.begin(lambda: None)

    def open_client(self, transport: ClientTransport) -> Client | None:
        if len(self.clients) >= self.room:
            return None
        self.clients.append(Client(transport))
        return self.clients[-1]


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[int]:
    (port,) = free_ports(1)
    server = await listen(lambda: ClientSocket(service, service.steps), HOST, port, key="clientPort")
    try:
        yield port
    finally:
        server.close()
        for client in service.clients:
            client.transport.close()
        await asyncio.sleep(0)  # the loop closes sockets in its next turn


async def test_bytes_pass_and_the_address_is_the_sockets() -> None:
    service = Service()
    async with serving(service) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"hello")
        await reached(lambda: service.clients and service.clients[0].data == b"hello")
        client = service.clients[0]
        assert client.transport.address == writer.get_extra_info("sockname")
        assert not client.transport.secure
        assert client.transport.subject == ""
        service.steps.wake()
        client.transport.write(b"wor")
        client.transport.write(b"ld")
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"world"
        writer.close()
        await reached(lambda: client.events == ["closed"])


async def test_a_refused_client_is_closed() -> None:
    service = Service(room=0)
    async with serving(service) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
        writer.close()


async def test_what_was_written_before_a_close_arrives() -> None:
    service = Service()
    async with serving(service) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        await reached(lambda: service.clients)
        client = service.clients[0]
        client.transport.write(b"bye")
        client.transport.close()
        assert await asyncio.wait_for(reader.read(), 5) == b"bye"
        writer.write(b"too late")
        writer.close()
        await asyncio.sleep(0.05)  # silence is tested
        assert client.events == []
        assert client.data == b""


async def test_nothing_is_read_while_paused() -> None:
    service = Service()
    async with serving(service) as port:
        _, writer = await asyncio.open_connection(HOST, port)
        await reached(lambda: service.clients)
        client = service.clients[0]
        client.transport.pause_reading()
        writer.write(b"later")
        await asyncio.sleep(0.05)  # silence is tested
        assert client.data == b""
        client.transport.resume_reading()
        await reached(lambda: client.data == b"later")
        writer.close()


async def test_a_client_that_does_not_read_is_told_of_and_in_the_end_dropped() -> None:
    service = Service()
    async with serving(service) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        await reached(lambda: service.clients)
        client = service.clients[0]
        chunk = bytes(OUTSTANDING_BYTES_PER_CONNECTION_MAX)

        def push(until: str) -> bool:
            if until in client.events:
                return True
            service.steps.wake()
            client.transport.write(chunk)
            return False

        await reached(lambda: push("full"))
        read = 0
        while "drained" not in client.events:
            read += len(await asyncio.wait_for(reader.read(1 << 20), 5))
        await reached(lambda: push("closed"))
        assert client.events[-1] == "closed"
        writer.transport.abort()
