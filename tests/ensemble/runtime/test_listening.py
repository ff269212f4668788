"""Ports and sockets: attempts to open one, probes of silent connections, names that come to mean another address."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from ensemble.errors import ConfigError
from ensemble.membership import Place
from ensemble.runtime import listening
from ensemble.runtime.config.cluster import Cluster
from ensemble.runtime.listening import keep_alive, listen, to_open
from tests.ensemble.runtime.harness import HOST, addresses
from tests.ensemble.runtime.links.test_quorum import Server, two_servers
from tests.waiting import reached

ELSEWHERE = "192.0.2.1"
"""Of the network that documentation is written with (RFC 5737)."""


def probed(transport: asyncio.BaseTransport) -> bool:
    option = transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return bool(option)


async def test_a_port_that_becomes_free_is_opened_by_a_later_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "RETRY_S", 0.02)
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="already in use"):
            await listen(asyncio.Protocol, HOST, port, key="clientPort", attempts=2)
        opening = asyncio.create_task(listen(asyncio.Protocol, HOST, port, key="clientPort", attempts=0))
        await asyncio.sleep(0.1)  # silence is tested: several attempts fail in this time
        assert not opening.done()
    async with await asyncio.wait_for(opening, 5) as server:
        assert server.sockets


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("clientPort", "correct clientPortAddress, or drop it"),
        ("admin.serverPort", "correct admin.serverAddress, or drop it"),
        ("quorum port of server.1", "correct it or set quorumListenOnAllIPs=true"),
    ],
)
async def test_an_address_of_another_machine_names_the_key_it_is_from(key: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await listen(asyncio.Protocol, ELSEWHERE, 2181, key=key)
    assert str(caught.value) == f"{ELSEWHERE} port 2181 ({key}) is not an address of this machine; {remedy}"


@pytest.mark.parametrize("wanted", [False, True])
async def test_clients_are_probed_when_asked_for(wanted: bool) -> None:
    accepted: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()

    class Client(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(transport)

    server = await listen(Client, HOST, 0, key="clientPort", keep_alive=wanted)
    async with server:
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        transport = await asyncio.wait_for(accepted, 5)
        assert probed(transport) is wanted
        keep_alive(transport)
        assert probed(transport)
        transport.close()
        keep_alive(transport)  # too late, and harmless
        writer.close()


@pytest.mark.parametrize("wanted", [False, True])
async def test_links_between_servers_are_probed_at_both_ends_when_asked_for(wanted: bool) -> None:
    settings = Cluster(keep_alive=wanted)
    async with two_servers(settings) as (one, two):
        one.network.dial(2)
        await reached(lambda: one.dialed and two.accepted and one.up.get(2))
        lines = [peer.link for each in (one, two) for peer in each.network._elections._peers.values()]
        transports = [each._transport for each in (one.dialed[0][1], two.accepted[0], *lines)]
        assert [probed(transport) for transport in transports] == [wanted] * 4


async def test_a_server_with_several_addresses_is_called_at_each_in_turn() -> None:
    elsewhere, one, two = addresses(3, 1, 2)
    unreached = Place(HOST, elsewhere.quorum_port, elsewhere.election_port)  # nobody listens there
    several = replace(
        one,
        quorum_port=unreached.quorum_port,
        election_port=unreached.election_port,
        further=(Place(HOST, one.quorum_port, one.election_port),),
    )
    plain, caller = Server(one, [one, two]), Server(two, [several, two])
    for server in (plain, caller):
        await server.network.open(server.me, server.servers, server)
    try:
        caller.network.dial(1)
        await reached(lambda: caller.dialed and caller.up.get(1))
        assert caller.dialed[0][1] is not None
        said = len(caller.said)
        caller.network.dial(1)
        await reached(lambda: len(caller.dialed) == 2)
        assert caller.dialed[1][1] is not None
        assert len(caller.said) == said  # what worked comes first
    finally:
        await plain.network.close()
        await caller.network.close()


async def test_a_server_listens_at_all_its_addresses() -> None:
    first, second, other = addresses(1, 3, 2)
    me = replace(first, further=(Place("127.0.0.2", second.quorum_port, second.election_port),))
    server = Server(me, [me, other])
    await server.network.open(server.me, server.servers, server)
    try:
        for place in me.places:
            for port in (place.quorum_port, place.election_port):
                _, writer = await asyncio.open_connection(place.host, port)
                writer.close()
    finally:
        await server.network.close()
    assert to_open(None, [("a", 5), ("b", 5), ("c", 6)]) == [(None, 5), (None, 6)]


def test_a_name_is_resolved_anew_at_every_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that was moved comes back under its name with another address."""
    with asyncio.Runner(
        loop_factory=asyncio.SelectorEventLoop
    ) as runner:  # resolves by Python's socket module
        runner.run(_move_a_server(monkeypatch))


async def _move_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    meaning = {"zoo1.example": "127.0.0.2"}
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str | None, *rest: object, **more: object) -> object:
        return resolve(meaning.get(host or "", host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    by_ip = addresses(1, 2)
    one = Server(by_ip[0], by_ip)
    two = Server(by_ip[1], [replace(by_ip[0], host="zoo1.example"), by_ip[1]])
    await one.network.open(one.me, one.servers, one)
    await two.network.open(two.me, two.servers, two)
    try:
        two.network.dial(1)
        await reached(lambda: two.dialed)
        assert two.dialed == [(1, None)]
        assert not two.up  # the greater id makes the election link, too
        meaning["zoo1.example"] = HOST
        two.network.dial(1)
        await reached(lambda: len(two.dialed) == 2 and two.up.get(1))
        assert two.dialed[1][1] is not None
    finally:
        await one.network.close()
        await two.network.close()
