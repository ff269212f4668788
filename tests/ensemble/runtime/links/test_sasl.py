"""Servers that prove themselves to each other before anything else is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from ensemble.errors import ConfigError
from ensemble.membership import ServerAddress
from ensemble.runtime.config.quorum_sasl import QuorumSasl, read
from ensemble.runtime.config.values import Values
from ensemble.runtime.links import sasl
from ensemble.runtime.links.election import ElectionLinks
from ensemble.runtime.links.sasl import NotProved, SaslWays
from ensemble.runtime.links.ways import GreetingSize, Port, Ways, no_greeting
from ensemble.wire.quorum_auth import MAGIC
from tests.ensemble.runtime.harness import HOST, addresses, free_ports
from tests.ensemble.runtime.links.test_election import Manager, running
from tests.waiting import reached

ACCOUNTS = {"zk": "secret"}
STRICT = QuorumSasl(ACCOUNTS, ("zk", "secret"), required=True)
LENIENT = QuorumSasl(ACCOUNTS, ("zk", "secret"), required=False)
SILENT = QuorumSasl(ACCOUNTS, None, required=False)
WRONG = QuorumSasl(ACCOUNTS, ("zk", "guess"), required=True)
STRANGER = QuorumSasl(ACCOUNTS, ("eve", "secret"), required=True)
HUNG_UP = "it hung up in the middle of the SASL exchange"
IMPOSTOR = QuorumSasl({"zk": "another"}, None, required=False)


class Recorder(asyncio.Protocol):
    """One end of a connection."""

    def __init__(self) -> None:
        self.data = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.data += data


class Recording:
    """A port of a server, whom it took, and what it logged."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.taken: list[Recorder] = []
        self.said: list[str] = []

    def take(self) -> Recorder:
        self.taken.append(Recorder())
        return self.taken[-1]


@asynccontextmanager
async def listening(
    settings: QuorumSasl, *, greeting_size: GreetingSize = no_greeting
) -> AsyncIterator[Recording]:
    (number,) = free_ports(1)
    port = Recording(number)
    ways = SaslWays(Ways(), settings, log=port.said.append)
    where = Port(HOST, number, "quorum port of server.1")
    listener = await ways.listen(port.take, where, greeting_size=greeting_size)
    try:
        yield port
    finally:
        listener.close()
        for taken in port.taken:
            taken.transport.abort()
        await asyncio.sleep(0)


async def dial(settings: QuorumSasl | None, port: int) -> Recorder:
    ways = SaslWays(Ways(), settings, log=print) if settings else Ways()
    return await asyncio.wait_for(ways.dial(HOST, port, Recorder), 5)


@pytest.mark.parametrize("called", [STRICT, LENIENT], ids=["required", "not-required"])
async def test_who_proves_itself_passes_and_bytes_flow_both_ways(called: QuorumSasl) -> None:
    async with listening(called) as port:
        caller = await dial(STRICT, port.port)
        caller.transport.write(b"from the caller")
        await reached(lambda: port.taken and port.taken[0].data == b"from the caller")
        port.taken[0].transport.write(b"from the called")
        await reached(lambda: caller.data == b"from the called")
        caller.transport.abort()
        assert port.said == []


@pytest.mark.parametrize("caller", [WRONG, STRANGER], ids=["wrong-password", "unknown-user"])
@pytest.mark.parametrize("called", [STRICT, LENIENT], ids=["required", "not-required"])
async def test_who_tries_and_fails_is_turned_away(caller: QuorumSasl, called: QuorumSasl) -> None:
    async with listening(called) as port:
        with pytest.raises(NotProved, match="does not let in the SASL user"):
            await dial(caller, port.port)
        await reached(lambda: port.said)
        assert "is turned away: SASL user" in port.said[0]
        assert port.taken == []


async def test_a_caller_notices_that_the_called_does_not_know_its_password() -> None:
    """A responder that accepts anybody gives no proof; here it refuses first, as it knows another password."""
    async with listening(IMPOSTOR) as port:
        with pytest.raises(NotProved):
            await dial(STRICT, port.port)
        assert port.taken == []


@pytest.mark.parametrize("caller", [None, SILENT], ids=["without-sasl", "that-shows-nothing"])
async def test_who_does_not_prove_itself_passes_where_it_need_not(caller: QuorumSasl | None) -> None:
    async with listening(LENIENT) as port:
        connection = await dial(caller, port.port)
        connection.transport.write(b"\0\0\0\x0b")
        await reached(lambda: port.taken and port.taken[0].data == b"\0\0\0\x0b")
        connection.transport.abort()
    async with listening(STRICT) as port:
        connection = await dial(caller, port.port)
        connection.transport.write(b"\0\0\0\x0b")
        await reached(lambda: port.said)
        assert "it does not prove itself by SASL" in port.said[0]
        assert port.taken == []
        connection.transport.abort()


async def test_an_exchange_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sasl, "QUORUM_SASL_S_MAX", 0.1)
    async with listening(STRICT) as port:
        connection = await dial(None, port.port)
        connection.transport.write(MAGIC[:5])
        await reached(
            lambda: port.said == [f"quorum port of server.1: {HOST} is turned away: no SASL exchange in time"]
        )
        connection.transport.abort()


async def test_exchanges_beyond_the_limit_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sasl, "QUORUM_SASL_EXCHANGES_MAX", 1)
    async with listening(STRICT) as port:
        first = await dial(None, port.port)
        with pytest.raises(NotProved, match="hung up"):
            await dial(STRICT, port.port)
        first.transport.abort()


async def test_who_says_much_before_it_has_proved_itself_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sasl, "_UNREAD_BYTES_MAX", 1000)
    async with listening(STRICT, greeting_size=lambda data: None) as port:  # a hello that never ends
        _, writer = await asyncio.open_connection(HOST, port.port)
        writer.write(bytes(1001))
        await reached(lambda: port.said == [f"quorum port of server.1: {HOST} is turned away: {HUNG_UP}"])
        writer.transport.abort()


def manager(me: ServerAddress, servers: list[ServerAddress], settings: QuorumSasl | None) -> Manager:
    made = Manager(me, servers)
    if settings:
        made.links.ways = SaslWays(made.links.ways, settings, log=made.said.append)
    return made


@pytest.mark.parametrize(
    "settings",
    [(STRICT, STRICT), (LENIENT, SILENT), (SILENT, LENIENT), (SILENT, None), (None, SILENT)],
    ids=["all-prove", "one-shows-nothing", "other-shows-nothing", "old-one-dials", "old-one-is-dialed"],
)
async def test_election_links_come_up_when_the_hello_is_followed_by_proof(
    settings: tuple[QuorumSasl | None, QuorumSasl | None],
) -> None:
    servers = addresses(1, 2)
    one, two = (manager(server, servers, own) for server, own in zip(servers, settings, strict=True))
    one.links.send(2, b"vote of 1")
    two.links.send(1, b"vote of 2")
    async with running(one, two):
        await reached(lambda: one.messages and two.messages)
        assert (one.messages, two.messages) == ([(2, b"vote of 2")], [(1, b"vote of 1")])


async def test_election_links_do_not_come_up_without_proof() -> None:
    servers = addresses(1, 2)
    one, two = manager(servers[0], servers, STRICT), manager(servers[1], servers, None)
    two.links.send(1, b"vote of 2")
    async with running(one, two):
        await reached(lambda: any("does not prove itself" in line for line in one.said))
        assert one.messages == []
        assert one.states == []


async def test_a_trouble_with_a_peer_is_said_once() -> None:
    servers = addresses(1, 2)
    one, two = manager(servers[0], servers, STRICT), manager(servers[1], servers, WRONG)
    dial, dials = two.links.ways.dial, []

    async def counted(*arguments: Any, **options: Any) -> Any:
        dials.append(arguments)
        return await dial(*arguments, **options)

    two.links.ways.dial = counted
    async with running(one, two):
        await reached(lambda: len(dials) > 3)
        assert len(one.said) == 1
        assert len([line for line in two.said if "does not let in the SASL user zk" in line]) == 1
        assert isinstance(two.links, ElectionLinks)


JAAS = """
QuorumServer { org.apache.zookeeper.server.auth.DigestLoginModule required user_zk="secret"; };
QuorumLearner { org.apache.zookeeper.server.auth.DigestLoginModule required username="zk" password="secret"; };
"""


def test_the_keys_are_apaches(tmp_path: Path) -> None:
    assert read(Values({})) is None
    (tmp_path / "jaas").write_text(JAAS)
    keys = {"quorum.auth.enableSasl": "true", "java.security.auth.login.config": str(tmp_path / "jaas")}
    assert read(Values(keys)) == SILENT
    shown = keys | {"quorum.auth.learnerRequireSasl": "true"}
    assert read(Values(shown)) == LENIENT
    assert read(Values(shown | {"quorum.auth.serverRequireSasl": "true"})) == STRICT
    assert "secret" not in repr(read(Values(shown)))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"quorum.auth.learnerRequireSasl": "true"}, "needs quorum.auth.enableSasl=true"),
        (
            {"quorum.auth.enableSasl": "true", "quorum.auth.serverRequireSasl": "true"},
            "needs quorum.auth.learnerRequireSasl=true",
        ),
        ({"quorum.auth.enableSasl": "true"}, "set java.security.auth.login.config to a JAAS file"),
        (
            {"quorum.auth.enableSasl": "true", "quorum.auth.server.saslLoginContext": "Other"},
            "set java.security.auth.login.config to a JAAS file",
        ),
    ],
)
def test_wrong_keys_are_one_sentence(keys: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Values(keys))
    assert said in str(caught.value)
