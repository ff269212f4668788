"""The election port over real loopback sockets: the handshake's bytes, who wins, what is sent again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ensemble.membership import ServerAddress
from ensemble.runtime.links import election
from ensemble.runtime.links.election import STRANGERS_MAX, ElectionLinks
from ensemble.runtime.links.ways import P, Ways
from ensemble.wire.elections import encode_hello
from tests.ensemble.runtime.harness import HOST, addresses, free_ports
from tests.waiting import PATIENCE_S, reached


class Manager:
    """One server's election links, and all they reported."""

    def __init__(
        self, me: ServerAddress, servers: list[ServerAddress], *, strangers_welcome: bool = False
    ) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.states: list[tuple[int, bool]] = []
        self.said: list[str] = []
        self.links = ElectionLinks(
            me,
            [server for server in servers if server.sid != me.sid],
            on_message=lambda sid, payload: self.messages.append((sid, payload)),
            on_link=lambda sid, up: self.states.append((sid, up)),
            log=self.said.append,
            strangers_welcome=strangers_welcome,
        )


@asynccontextmanager
async def running(*managers: Manager) -> AsyncIterator[None]:
    for manager in managers:
        await manager.links.open(HOST)
    try:
        yield
    finally:
        for manager in managers:
            await manager.links.close()


async def read_exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    async with asyncio.timeout(5):
        return await reader.readexactly(size)


def golden_hello(sid: int, port: int) -> bytes:
    address = f"{HOST}:{port}".encode()
    return (
        b"\xff\xff\xff\xff\xff\xff\x00\x00"
        + sid.to_bytes(8, "big")
        + len(address).to_bytes(4, "big")
        + address
    )


async def test_two_servers_link_up_once_and_talk_both_ways() -> None:
    servers = addresses(1, 2)
    one, two = Manager(servers[0], servers), Manager(servers[1], servers)
    one.links.send(2, b"vote of 1")
    two.links.send(1, b"vote of 2")
    async with running(one, two):
        await reached(lambda: one.messages and two.messages)
        assert (one.messages, two.messages) == ([(2, b"vote of 2")], [(1, b"vote of 1")])
        assert (one.states, two.states) == ([(2, True)], [(1, True)])


async def test_the_greater_id_dials_with_apaches_hello() -> None:
    servers = addresses(1, 2)
    two = Manager(servers[1], servers)
    called: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    listener = await asyncio.start_server(
        lambda reader, writer: called.put_nowait((reader, writer)), HOST, servers[0].election_port
    )
    async with listener, running(two):
        reader, writer = await asyncio.wait_for(called.get(), 5)
        hello = golden_hello(2, servers[1].election_port)
        assert await read_exactly(reader, len(hello)) == hello
        writer.write(b"\x00\x00\x00\x03abc")
        two.links.send(1, b"xyz")
        assert await read_exactly(reader, 7) == b"\x00\x00\x00\x03xyz"
        await reached(lambda: two.messages == [(1, b"abc")])
        writer.close()


@pytest.fixture
def without_another_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tries again by itself within a test: what happens, happens at once."""
    for name in ("RETRY_S_MIN", "RETRY_S_MAX"):
        monkeypatch.setattr(election, name, 1000.0)


@pytest.mark.usefixtures("without_another_attempt")
async def test_a_smaller_id_knocks_and_is_dialed_back() -> None:
    servers = addresses(1, 2)
    two = Manager(servers[1], servers)
    called: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    listener = await asyncio.start_server(
        lambda _, writer: called.put_nowait(writer), HOST, servers[0].election_port
    )
    async with listener, running(two):
        first = await asyncio.wait_for(called.get(), PATIENCE_S)
        first.close()
        await reached(lambda: two.states[-1:] == [(1, False)])
        reader, writer = await asyncio.open_connection(HOST, servers[1].election_port)
        writer.write(golden_hello(1, servers[0].election_port))
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        back = await asyncio.wait_for(called.get(), PATIENCE_S)
        for each in (writer, back):
            each.close()
            await each.wait_closed()


async def test_a_caller_that_does_not_say_who_it_is_is_hung_up_on_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(election, "HELLO_S_MAX", 0.05)
    servers = addresses(1, 2)
    two = Manager(servers[1], servers)
    async with running(two):
        reader, writer = await asyncio.open_connection(HOST, servers[1].election_port)
        writer.write(golden_hello(1, servers[0].election_port)[:9])
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        await reached(lambda: not two.links.strangers)
        writer.close()


async def test_a_smaller_id_hangs_up_after_its_hello() -> None:
    servers = addresses(1, 2)
    one = Manager(servers[0], servers)
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.put_nowait(await reader.read())
        writer.close()

    listener = await asyncio.start_server(answer, HOST, servers[1].election_port)
    async with listener, running(one):
        knock = await asyncio.wait_for(received.get(), 5)
        assert knock == golden_hello(1, servers[0].election_port)
        assert one.states == []
        _, writer = await asyncio.open_connection(HOST, servers[0].election_port)
        writer.write(golden_hello(2, servers[1].election_port) + b"\x00\x00\x00\x01x")
        await reached(lambda: one.messages == [(2, b"x")])
        assert one.states == [(2, True)]
        writer.close()
        await reached(lambda: one.states == [(2, True), (2, False)])


async def test_only_the_newest_waits_and_the_last_is_sent_again() -> None:
    servers = addresses(1, 2)
    two = Manager(servers[1], servers)
    async with running(two):
        for payload in (b"old", b"older", b"new"):
            two.links.send(1, payload)
        for _ in range(2):
            one = Manager(servers[0], servers)
            async with running(one):
                await reached(lambda manager=one: manager.messages)
                assert one.messages == [(2, b"new")]


@pytest.mark.usefixtures("without_another_attempt")
async def test_a_restarted_peer_is_seen_to_go_and_to_come_back_at_once() -> None:
    servers = addresses(1, 2)
    one = Manager(servers[0], servers)
    async with running(one):
        for _ in range(2):
            two = Manager(servers[1], servers)
            async with running(two):
                await reached(lambda: one.states and one.states[-1] == (2, True))
            await reached(lambda: one.states[-1] == (2, False))
    assert one.states == [(2, True), (2, False)] * 2


async def test_a_cut_peer_stays_away_until_healed() -> None:
    servers = addresses(1, 2)
    one, two = Manager(servers[0], servers), Manager(servers[1], servers)
    async with running(one, two):
        await reached(lambda: one.states and two.states)
        one.links.fault(frozenset({2}))
        await reached(lambda: two.states[-1] == (1, False))
        one.links.send(2, b"kept")
        await asyncio.sleep(0.3)  # silence is tested: nobody comes and nothing arrives
        assert one.states == [(2, True), (2, False)]
        assert two.messages == []
        one.links.fault(frozenset())
        await reached(lambda: two.messages == [(1, b"kept")])


@pytest.mark.parametrize(
    ("first_bytes", "said"),
    [
        (golden_hello(9, 1), "says it is server 9, which is not one of ours"),
        (golden_hello(1, 1), "says it is server 1, which is not one of ours"),  # our own id
        (b"\xff" * 20, "handshake of version"),
        (b"\xff\xff\xff\xff\xff\xff\x00\x00" + bytes(8) + b"\x7f\xff\xff\xff", "bytes of addresses"),
        (golden_hello(2, 1) + b"\x7f\xff\xff\xff", "a frame of"),
    ],
)
async def test_strangers_and_garbage_are_closed(first_bytes: bytes, said: str) -> None:
    servers = addresses(1, 2)
    one = Manager(servers[0], servers)
    async with running(one):
        reader, writer = await asyncio.open_connection(HOST, servers[0].election_port)
        writer.write(first_bytes)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await read_exactly(reader, 1)
        await reached(lambda: one.said)
        assert said in one.said[0]
        writer.close()


async def test_silent_strangers_are_bounded() -> None:
    servers = addresses(1, 2)
    one = Manager(servers[0], servers)
    async with running(one):
        opened = [
            await asyncio.open_connection(HOST, servers[0].election_port) for _ in range(STRANGERS_MAX + 1)
        ]
        reader, _ = opened[-1]
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await read_exactly(reader, 1)
        assert len(one.links.strangers) == STRANGERS_MAX
        for _, writer in opened:
            writer.close()


@pytest.mark.parametrize("stranger", [1, 3], ids=["knocks", "calls"])
async def test_a_server_that_is_about_to_join_may_ask_and_is_answered(stranger: int) -> None:
    servers = addresses(2, stranger)
    member, joining = Manager(servers[0], servers[:1], strangers_welcome=True), Manager(servers[1], servers)
    joining.links.send(2, b"who leads?")
    async with running(member, joining):
        await reached(lambda: member.messages == [(stranger, b"who leads?")])
        member.links.send(stranger, b"2 does")
        await reached(lambda: joining.messages == [(2, b"2 does")])


async def test_a_stranger_is_hung_up_on_where_nobody_may_join() -> None:
    servers = addresses(2, 3)
    member, stranger = Manager(servers[0], servers[:1]), Manager(servers[1], servers)
    async with running(member, stranger):
        await reached(lambda: any("not one of ours" in line for line in member.said))
    assert member.states == []


async def test_an_observer_without_an_id_gets_one_of_its_own_for_as_long_as_it_stays() -> None:
    servers = addresses(2)
    manager = Manager(servers[0], servers)
    async with running(manager):
        reader, writer = await asyncio.open_connection(HOST, servers[0].election_port)
        writer.write(golden_hello(2**63 - 1, 1) + b"\x00\x00\x00\x03ask")
        await reached(lambda: manager.messages == [(-1, b"ask")])
        manager.links.send(-1, b"told")
        assert await read_exactly(reader, 8) == b"\x00\x00\x00\x04told"
        writer.close()
        await reached(lambda: manager.states == [(-1, True), (-1, False)])


async def test_callers_that_are_gone_take_nobodys_place() -> None:
    servers = addresses(100, 99)
    member, joining = Manager(servers[0], servers[:1], strangers_welcome=True), Manager(servers[1], servers)
    joining.links.send(100, b"who leads?")
    (nobody,) = free_ports(1)
    async with running(member):
        for sid in range(1, STRANGERS_MAX + 2):
            knocking = await knock(servers[0], golden_hello(sid, nobody))
            assert await asyncio.get_running_loop().sock_recv(knocking, 1) == b""  # it was heard
            knocking.close()
        async with running(joining):
            await reached(lambda: member.messages == [(99, b"who leads?")])


async def test_observers_without_an_id_take_no_place_for_ever() -> None:
    servers = addresses(2)
    member = Manager(servers[0], servers)
    async with running(member):
        for count in range(1, STRANGERS_MAX + 2):
            knocking = await knock(servers[0], golden_hello(2**63 - 1, 1))
            await reached(lambda: len(member.states) == 2 * count - 1)  # noqa: B023 - awaited at once
            knocking.close()
            await reached(lambda: len(member.states) == 2 * count)  # noqa: B023


async def test_a_guest_that_is_called_twice_may_go_twice() -> None:
    servers = addresses(2)
    member = Manager(servers[0], servers, strangers_welcome=True)
    faults: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    guest = socket.create_server((HOST, 0))
    guest.setblocking(False)
    turns = asyncio.Semaphore(0)
    member.links.ways = InTurns(turns)
    async with running(member):
        for _ in range(2):
            (await knock(servers[0], golden_hello(1, guest.getsockname()[1]))).close()
        for _ in range(2):
            turns.release()
            called, _ = await asyncio.wait_for(loop.sock_accept(guest), 5)
            await reached(lambda: member.states and member.states[-1] == (1, True))
            called.close()
            await reached(lambda: member.states[-1] == (1, False))
    guest.close()
    assert faults == []


class InTurns(Ways):
    """Calls that are made when they are let."""

    def __init__(self, turns: asyncio.Semaphore) -> None:
        super().__init__()
        self._turns = turns

    async def dial(self, host: str, port: int, make_protocol: Callable[[], P], *, greeting: bytes = b"") -> P:
        await self._turns.acquire()
        return await super().dial(host, port, make_protocol, greeting=greeting)


async def knock(server: ServerAddress, hello: bytes) -> socket.socket:
    knocking = socket.socket()
    knocking.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(knocking, (HOST, server.election_port))
    await loop.sock_sendall(knocking, hello)
    return knocking


async def test_links_follow_the_members() -> None:
    servers = addresses(1, 2, 3)
    one, two, three = (
        Manager(server, members)
        for server, members in zip(servers, (servers[:2], servers[:2], servers), strict=True)
    )
    async with running(one, two, three):
        await reached(lambda: one.states == [(2, True)])
        one.links.reach(servers[1:])
        await reached(lambda: (3, True) in one.states)
        one.links.send(3, b"welcome")
        await reached(lambda: three.messages == [(1, b"welcome")])
        one.links.reach(servers[2:])
        two.links.send(1, b"still here")  # who has left is not cut off
        await reached(lambda: (2, b"still here") in one.messages)


async def test_a_server_that_moves_is_called_at_its_new_port_and_not_at_the_old() -> None:
    before, two = addresses(1, 2)
    (after,) = addresses(1)
    one, caller = Manager(before, [before, two]), Manager(two, [after, two])
    async with running(one, caller):
        await one.links.move(after, HOST)
        await reached(lambda: one.states == [(2, True)])
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection(HOST, before.election_port)


async def test_a_guest_that_says_it_is_where_nobody_can_be_is_not_called_and_nothing_else_happens() -> None:
    servers = addresses(2, 3)
    manager, other = Manager(servers[0], servers, strangers_welcome=True), Manager(servers[1], servers)
    async with running(manager):
        for host in ("a" * 70, "a..b", "\0"):
            _, writer = await asyncio.open_connection(HOST, servers[0].election_port)
            writer.write(encode_hello(1, [(host, 1)]))
            await reached(lambda: "server 1 cannot be reached" in " ".join(manager.said))
            manager.said.clear()
            manager.links._peers.clear()
            writer.close()
            await writer.wait_closed()
    manager = Manager(servers[0], servers, strangers_welcome=True)
    async with running(manager, other):
        await reached(lambda: manager.states == [(3, True)])


async def test_strangers_beyond_the_limit_of_guests_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensemble.runtime.links.election.STRANGERS_MAX", 3)
    servers = addresses(2, 3)
    manager = Manager(servers[0], servers, strangers_welcome=True)
    async with running(manager):
        writers = []
        for sid in range(10, 14):
            _, writer = await asyncio.open_connection(HOST, servers[0].election_port)
            writer.write(golden_hello(sid, 1))
            writers.append(writer)
        await reached(lambda: any("not one of ours" in line for line in manager.said))
        assert len(manager.links._peers) == 1 + 3
        for writer in writers:
            writer.close()
            await writer.wait_closed()
