"""The quorum port and the fault port over real loopback sockets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from ensemble.membership import ServerAddress
from ensemble.ports import Link
from ensemble.runtime.config.cluster import Cluster
from ensemble.runtime.links import quorum
from ensemble.runtime.links.network import LoopNetwork
from ensemble.runtime.steps import Steps
from ensemble.wire import packets
from ensemble.zab.messages import PROTOCOL_VERSION, LearnerInfo, Packet, PacketType
from tests.ensemble.runtime.harness import HOST, addresses
from tests.ensemble.runtime.test_disk import children
from tests.waiting import reached

IMPATIENT = Cluster(connect_timeout_ms=1000)


def introduction(sid: int) -> bytes:
    """The first packet of a learner, as wire encodes it."""
    info = packets.encode_learner_info(LearnerInfo(sid, PROTOCOL_VERSION, 0))
    return packets.encode(Packet(PacketType.FOLLOWERINFO, 0, info))


class Server:
    """A replica's place: records what the network reports."""

    def __init__(
        self,
        me: ServerAddress,
        servers: list[ServerAddress],
        settings: Cluster = IMPATIENT,
    ) -> None:
        self.me, self.servers = me, servers
        self.accepted: list[Link] = []
        self.dialed: list[tuple[int, Link | None]] = []
        self.data: dict[Link, bytes] = {}
        self.closed: list[Link] = []
        self.up: dict[int, bool] = {}
        self.messages: list[tuple[int, bytes]] = []
        self.said: list[str] = []
        self.steps = Steps(asyncio.get_running_loop())
        self.flushes = 0
        self.steps.begin(self.flush)
        self.network = LoopNetwork(self.steps, log=self.said.append, settings=settings)

    def flush(self) -> None:
        self.flushes += 1

    def on_link_accepted(self, link: Link) -> None:
        self.accepted.append(link)

    def on_link_dialed(self, sid: int, link: Link | None) -> None:
        self.dialed.append((sid, link))

    def on_link_data(self, link: Link, data: bytes) -> None:
        self.data[link] = self.data.get(link, b"") + data

    def on_link_closed(self, link: Link) -> None:
        self.closed.append(link)

    def on_election_message(self, sid: int, payload: bytes) -> None:
        self.messages.append((sid, payload))

    def on_election_link(self, sid: int, up: bool) -> None:
        self.up[sid] = up

    def send(self, link: Link, *pieces: bytes) -> None:
        """Send as a replica does: within a step."""
        self.steps.wake()
        for piece in pieces:
            link.send(piece)


@asynccontextmanager
async def two_servers(
    settings: Cluster = IMPATIENT,
) -> AsyncIterator[tuple[Server, Server]]:
    servers = addresses(1, 2)
    pair = Server(servers[0], servers, settings), Server(servers[1], servers, settings)
    for server in pair:
        await server.network.open(server.me, server.servers, server)
    try:
        yield pair
    finally:
        for server in pair:
            await server.network.close()


async def linked(follower: Server, leader: Server) -> tuple[Link, Link]:
    """Dial, introduce the follower, and return both ends."""
    follower.network.dial(leader.me.sid)
    await reached(lambda: follower.dialed and leader.accepted)
    sid, link = follower.dialed.pop()
    assert sid == leader.me.sid
    assert link is not None
    follower.send(link, introduction(follower.me.sid))
    accepted = leader.accepted.pop()
    await reached(lambda: leader.data.get(accepted) == introduction(follower.me.sid))
    return link, accepted


async def test_bytes_pass_both_ways_and_leave_once_per_step() -> None:
    async with two_servers() as (one, two):
        dialed, accepted = await linked(one, two)
        two.data.clear()
        flushes = one.flushes
        one.send(dialed, b"a", b"b", b"c")
        assert one.flushes == flushes
        await reached(lambda: two.data.get(accepted) == b"abc")
        assert one.flushes == flushes + 1
        two.send(accepted, b"back")
        await reached(lambda: one.data.get(dialed) == b"back")


async def test_the_other_end_hears_of_a_close_and_this_one_does_not() -> None:
    async with two_servers() as (one, two):
        dialed, accepted = await linked(one, two)
        one.send(dialed, b"last words")
        dialed.close()
        await reached(lambda: two.closed == [accepted])
        assert two.data[accepted].endswith(b"last words")
        assert one.closed == []
        one.send(dialed, b"into the void")
        await asyncio.sleep(0.05)  # silence is tested
        assert one.closed == []


async def test_a_learner_that_lags_is_cut_off_but_not_for_the_size_of_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is proposed while a learner takes in a big snapshot does not make it a laggard."""
    monkeypatch.setattr(quorum, "UNSENT_BYTES_MAX", 1_000_000)
    async with two_servers() as (one, two):
        dialed, accepted = await linked(one, two)
        assert isinstance(dialed, quorum.QuorumLink)
        dialed._transport.pause_reading()
        snapshot = bytes(20_000_000)
        two.send(accepted, snapshot)
        for number in range(3):
            await asyncio.sleep(0.01)  # turns of the loop, in each of which it might be cut off
            two.send(accepted, b"%d" % number)
        await asyncio.sleep(0.01)
        assert not two.closed
        dialed._transport.resume_reading()
        await reached(lambda: one.data.get(dialed) == snapshot + b"012")
        dialed._transport.pause_reading()
        for _ in range(40):
            two.send(accepted, bytes(500_000))
            await asyncio.sleep(0)  # what is unsent is measured from one turn of the loop to the next
        await reached(lambda: accepted in two.closed)
        assert "lags behind" in two.said[-1]


async def test_a_dial_that_finds_nobody_is_reported_later() -> None:
    servers = addresses(1, 2)
    one = Server(servers[0], servers)
    await one.network.open(one.me, servers, one)
    try:
        one.network.dial(2)
        assert one.dialed == []
        await reached(lambda: one.dialed == [(2, None)])
        assert "server 2 cannot be reached" in one.said[0]
        one.network.dial(9)
        await reached(lambda: one.dialed == [(2, None), (9, None)])
    finally:
        await one.network.close()


async def test_first_bytes_wait_until_the_caller_is_known() -> None:
    async with two_servers() as (one, two):
        reader, writer = await asyncio.open_connection(HOST, two.me.quorum_port)
        hello = introduction(1)
        for byte in hello[:20]:
            writer.write(bytes([byte]))
            await writer.drain()
        await reached(lambda: two.accepted)
        await asyncio.sleep(0.05)  # silence is tested
        assert two.data == {}
        writer.write(hello[20:])
        await reached(lambda: two.data.get(two.accepted[0]) == hello)
        two.network.cut([1])
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert one.closed == []
        writer.close()


async def test_so_many_may_call_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum, "ACCEPTED_MAX", 2)
    async with two_servers() as (_, two):
        callers = [await asyncio.open_connection(HOST, two.me.quorum_port) for _ in range(3)]
        reader, _ = callers[2]
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        assert len(two.accepted) == 2
        for _, writer in callers:
            writer.close()


async def test_a_cut_breaks_both_directions_and_heals() -> None:
    async with two_servers() as (one, two):
        dialed, accepted = await linked(one, two)
        await reached(lambda: one.up == {2: True} and two.up == {1: True})

        two.network.cut([1, 2, 99])
        assert two.network.faults() == [{"what": "cut", "peers": [1]}]
        await reached(lambda: one.closed == [dialed] and two.closed == [accepted])
        await reached(lambda: one.up == {2: False} and two.up == {1: False})
        # outwards
        two.network.dial(1)
        await reached(lambda: two.dialed == [(1, None)])
        # inwards: accepted, and dropped as soon as it says who it is
        one.network.dial(2)
        await reached(lambda: one.dialed)
        _, link = one.dialed.pop()
        assert link is not None
        one.send(link, introduction(1))
        await reached(lambda: link in one.closed)
        assert introduction(1) not in [two.data.get(each) for each in two.accepted]
        one.network.send_election(2, b"unheard")
        await asyncio.sleep(0.2)  # silence is tested
        assert two.messages == []

        two.network.heal()
        assert two.network.faults() == []
        await reached(lambda: two.messages == [(1, b"unheard")])
        two.accepted.clear()
        await linked(one, two)


async def test_healing_one_peer_leaves_the_others_cut() -> None:
    servers = addresses(1, 2, 3)
    one = Server(servers[0], servers)
    await one.network.open(one.me, servers, one)
    try:
        one.network.cut([2])
        one.network.cut([3])
        assert one.network.faults() == [{"what": "cut", "peers": [2, 3]}]
        one.network.heal([2])
        assert one.network.faults() == [{"what": "cut", "peers": [3]}]
    finally:
        await one.network.close()


MIB = 1024 * 1024


async def test_a_large_state_is_sent_as_it_was_and_in_its_place() -> None:
    async with two_servers() as (one, two):
        link, arrived = await linked(one, two)
        state = [bytes([n]) * MIB for n in range(20)]
        one.send(link, b"before")
        one.steps.wake()
        link.send_aside(iter(state))
        link.send(b"behind it")
        state[:] = [b"changed since"] * 20
        one.send(link, b", and then this")
        expected = introduction(1) + b"before" + b"".join(bytes([n]) * MIB for n in range(20))
        expected += b"behind it, and then this"
        await reached(lambda: len(two.data.get(arrived, b"")) >= len(expected))
        assert two.data[arrived] == expected


async def test_a_small_state_is_sent_without_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum, "Outflow", None)
    async with two_servers() as (one, two):
        link, arrived = await linked(one, two)
        one.steps.wake()
        link.send_aside([b"small ", b"state"])
        link.send(b"!")
        await reached(lambda: two.data.get(arrived, b"").endswith(b"small state!"))


async def test_a_large_state_is_sent_where_no_process_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room() -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_room)
    async with two_servers() as (one, two):
        link, arrived = await linked(one, two)
        one.steps.wake()
        link.send_aside(iter([bytes([n]) * MIB for n in range(3)]))
        link.send(b"behind it")
        expected = introduction(1) + b"".join(bytes([n]) * MIB for n in range(3)) + b"behind it"
        await reached(lambda: len(two.data.get(arrived, b"")) >= len(expected))
        assert two.data[arrived] == expected
    assert any("no process for a snapshot" in line for line in one.said)


async def test_a_state_that_cannot_be_made_breaks_the_link() -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(2 * MIB)
        raise ValueError("no more")

    before = children()
    async with two_servers() as (one, two):
        link, _ = await linked(one, two)
        one.steps.wake()
        link.send_aside(broken())
        await reached(lambda: one.closed and two.closed)
        assert "could not be made; its link is cut" in one.said[-1]
        assert children() == before


@pytest.mark.parametrize("end", ["close", "break_off"])
async def test_a_link_that_ends_takes_its_child_along(end: str) -> None:
    before = children()
    async with two_servers() as (one, two):
        link, _ = await linked(one, two)
        one.steps.wake()
        link.send_aside(bytes(MIB) for _ in itertools.count())
        await reached(lambda: len(next(iter(two.data.values()), b"")) > 3 * MIB)
        assert len(children() - before) == 1
        link.send(b"never arrives")
        getattr(link, end)()
        await reached(lambda: two.closed and children() == before)


async def test_the_loop_goes_on_while_a_large_state_is_sent() -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(4):
            time.sleep(0.1)
            yield bytes(MIB)

    async with two_servers() as (one, two):
        link, _ = await linked(one, two)
        began = time.perf_counter()
        link.send_aside(itertools.chain([bytes(MIB)], slowly()))
        assert time.perf_counter() - began < 0.1
        await reached(lambda: len(next(iter(two.data.values()), b"")) >= 5 * MIB)


async def test_what_waits_behind_a_large_state_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quorum, "UNSENT_BYTES_MAX", 10 * MIB)
    before = children()
    async with two_servers() as (one, two):
        link, _ = await linked(one, two)
        one.steps.wake()
        link.send_aside(bytes(MIB) for _ in itertools.count())
        for _ in range(11):
            link.send(bytes(MIB))
        await reached(lambda: one.closed and two.closed)
        assert "is still sent a snapshot; its link is cut" in one.said[-1]
        assert children() == before
