"""Barriers and parties. The same against our server and Apache's."""

from __future__ import annotations

import asyncio

import pytest

from ensemble.client import SessionExpired, ZooKeeper
from ensemble.recipes import Barrier, DoubleBarrier, Party, RecipeError
from tests.ensemble.recipes.conftest import Connect, expire
from tests.relay import Relay

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


async def test_a_barrier_holds_until_it_is_opened(connect: Connect) -> None:
    zk, other = await connect(), await connect()
    barrier = Barrier(zk, "/deep/barrier")
    await barrier.wait()
    await barrier.close()
    waiting = asyncio.create_task(Barrier(other, "/deep/barrier").wait())
    await other.set("/deep/barrier", b"still closed")
    await other.sync()
    assert not waiting.done()
    await barrier.open()
    await barrier.open()
    async with asyncio.timeout(5):
        await waiting


async def test_a_wait_ends_with_the_session(connect: Connect, server: str) -> None:
    zk = await connect()
    barrier = Barrier(zk, "/barrier")
    await barrier.close()
    waiting = asyncio.create_task(barrier.wait())
    await zk.sync()
    await expire(zk, server)
    async with asyncio.timeout(20):
        with pytest.raises(SessionExpired):
            await waiting


async def test_all_come_in_together_and_leave_together_round_after_round(connect: Connect) -> None:
    size, rounds = 4, 3
    inside = [0] * rounds
    done = [0] * rounds

    async def take_part() -> None:
        barrier = DoubleBarrier(await connect(), "/round", size)
        for number in range(rounds):
            async with barrier:
                inside[number] += 1
                await asyncio.sleep(0)
                done[number] += 1
            assert (inside[number], done[number]) == (size, size)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(size):
            group.create_task(take_part())


async def test_who_gives_up_at_the_door_leaves_nothing(zk: ZooKeeper) -> None:
    barrier = DoubleBarrier(zk, "/round", 2)
    entering = asyncio.create_task(barrier.enter())
    while not entering.done() and not await _children(zk, "/round"):
        await zk.sync()
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert await zk.get_children("/round") == []
    with pytest.raises(RecipeError):
        await barrier.leave()


async def _children(zk: ZooKeeper, path: str) -> list[str]:
    return [] if await zk.exists(path) is None else await zk.get_children(path)


async def test_who_fails_inside_keeps_nobody_there(connect: Connect) -> None:
    zk, other = await connect(), await connect()

    async def fail() -> None:
        async with DoubleBarrier(zk, "/round", 2):
            raise ZeroDivisionError

    failing = asyncio.create_task(fail())
    async with asyncio.timeout(10):
        async with DoubleBarrier(other, "/round", 2):
            pass
        with pytest.raises(ZeroDivisionError):
            await failing
    assert await zk.get_children("/round") == []


async def test_a_party_sees_who_comes_and_goes(connect: Connect, server: str) -> None:
    zk, other, third = await connect(), await connect(), await connect()
    seen: asyncio.Queue[list[bytes]] = asyncio.Queue()

    async def look() -> None:
        async for members in Party(zk, "/party").changes():
            seen.put_nowait(members)

    looking = asyncio.create_task(look())
    async with asyncio.timeout(20):
        assert await seen.get() == []
        async with Party(other, "/party", b"two") as party:
            assert await seen.get() == [b"two"]
            await Party(third, "/party", b"three").join()
            assert await seen.get() == [b"three", b"two"]
            assert await party.members() == [b"three", b"two"]
            with pytest.raises(RecipeError):
                await party.join()
        assert await seen.get() == [b"three"]
        await expire(third, server)
        assert await seen.get() == []
    looking.cancel()


async def test_a_member_joins_once_though_the_answer_is_lost(connect: Connect, relay: Relay) -> None:
    plain, zk = await connect(), await connect(relay)
    await plain.ensure_path("/party")
    relay.deaf_to_answers = True
    party = Party(zk, "/party", b"me")
    joining = asyncio.create_task(party.join())
    members = Party(plain, "/party").changes()
    while await anext(members) != [b"me"]:
        continue
    relay.deaf_to_answers = False
    relay.cut()
    async with asyncio.timeout(10):
        await joining
    assert await plain.get_children("/party") == [(await zk.get_ephemerals("/"))[0].rpartition("/")[2]]
    await party.leave()
    assert await plain.get_children("/party") == []


@pytest.mark.parametrize("turns", range(5))
async def test_cancelled_at_any_moment_nobody_has_come(zk: ZooKeeper, turns: int) -> None:
    await zk.ensure_path("/party")
    await zk.ensure_path("/round")
    coming = [
        asyncio.create_task(Party(zk, "/party").join()),
        asyncio.create_task(DoubleBarrier(zk, "/round", 2).enter()),
    ]
    for _ in range(turns):
        await zk.exists("/")
    for each in coming:
        each.cancel()
    joined, _entered = await asyncio.gather(*coming, return_exceptions=True)
    assert await zk.get_children("/round") == []
    assert len(await zk.get_children("/party")) == (joined is None)
