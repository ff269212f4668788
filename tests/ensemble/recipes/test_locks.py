"""Locks, leases and elections: order, loss, cancellation. The same against our server and Apache's."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from kazoo.client import KazooClient

from ensemble.client import ConnectionLoss, EventStream, Retry, ZooKeeper
from ensemble.recipes import Hold, LeaderElection, Lock, Lost, ReadWriteLock, RecipeError, Semaphore
from ensemble.recipes.hold import Holdable
from tests.ensemble.recipes.conftest import Connect, expire
from tests.relay import Relay

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


async def in_line(zk: ZooKeeper, path: str, number: int) -> None:
    """Wait until so many stand in a line."""
    await zk.ensure_path(path)
    async with asyncio.timeout(10):
        while True:
            changed = EventStream()
            names = await zk.get_children(path, watch=changed)
            if len([name for name in names if name != "leases"]) == number:
                return
            await changed


async def held(what: Holdable) -> tuple[asyncio.Task[None], Hold]:
    """Hold something in a task that ends only when it is interrupted."""
    got: asyncio.Future[Hold] = asyncio.get_running_loop().create_future()

    async def keep() -> None:
        async with what as hold:
            got.set_result(hold)
            await asyncio.Event().wait()

    task = asyncio.create_task(keep())
    return task, await got


async def test_holders_come_one_after_the_other_in_the_order_of_arrival(connect: Connect) -> None:
    zk = await connect()
    inside: list[str] = []
    tokens: list[int] = []

    async def work(name: str) -> None:
        client = await connect()
        async with Lock(client, "/lock", name.encode()) as hold:
            inside.append(name)
            assert len(inside) == 1
            tokens.append(hold.token)
            await asyncio.sleep(0.01)  # work, in which another one may come if the lock lets it
            inside.remove(name)

    async with asyncio.TaskGroup() as group:
        for name in "abcde":
            group.create_task(work(name))
    assert len(tokens) == 5
    assert tokens == sorted(set(tokens))
    assert await zk.get_children("/lock") == []


async def test_one_object_serves_several_tasks_and_no_task_twice(zk: ZooKeeper) -> None:
    lock = Lock(zk, "/lock")
    held = 0

    async def work() -> None:
        nonlocal held
        async with lock:
            held += 1
            assert held == 1
            await zk.sync()
            held -= 1

    await asyncio.gather(*[work() for _ in range(5)])
    async with lock:
        with pytest.raises(RecipeError, match="wait for itself"):
            await lock.__aenter__()
    assert await zk.get_children("/lock") == []


async def test_who_does_not_wait_leaves_nothing(zk: ZooKeeper) -> None:
    lock = Lock(zk, "/lock", b"first")
    hold = await lock.try_acquire()
    assert hold is not None
    assert await Lock(zk, "/lock").try_acquire() is None
    assert await lock.contenders() == [b"first"]
    await lock.release(hold)
    assert await lock.contenders() == []


async def test_a_wait_that_is_cancelled_leaves_nothing_and_lets_others_pass(zk: ZooKeeper) -> None:
    lock = Lock(zk, "/lock")
    async with lock:
        waiting = asyncio.create_task(Lock(zk, "/lock").acquire())
        await in_line(zk, "/lock", 2)
        last = asyncio.create_task(Lock(zk, "/lock").acquire())
        await in_line(zk, "/lock", 3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(await zk.get_children("/lock")) == 2
    async with asyncio.timeout(5):
        await last


@pytest.mark.parametrize("turns", range(6))
async def test_cancelled_at_any_moment_it_leaves_nothing(zk: ZooKeeper, turns: int) -> None:
    lock = Lock(zk, "/lock")
    async with lock:
        waiting = asyncio.create_task(lock.acquire())
        for _ in range(turns):
            await zk.exists("/")  # one round trip more than before
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(await zk.get_children("/lock")) == 1


async def test_a_create_whose_answer_is_lost_is_found_again(connect: Connect, relay: Relay) -> None:
    plain, zk = await connect(), await connect(relay)
    await plain.ensure_path("/lock")
    relay.deaf_to_answers = True
    acquiring = asyncio.create_task(Lock(zk, "/lock").acquire())
    await in_line(plain, "/lock", 1)
    relay.deaf_to_answers = False
    relay.cut()
    async with asyncio.timeout(10):
        hold = await acquiring
    assert len(await plain.get_children("/lock")) == 1
    assert (await plain.exists(hold.path)).czxid == hold.token  # type: ignore[union-attr]


async def test_an_expired_session_interrupts_its_holder(connect: Connect, server: str) -> None:
    zk, other = await connect(), await connect()
    lock = Lock(zk, "/lock")
    holding, hold = await held(lock)
    await expire(zk, server)
    async with asyncio.timeout(20):
        # The deletion of its znode may be heard of before the end of the session that brought it about.
        with pytest.raises(Lost, match=r"session|deleted"):
            await holding
    assert hold.lost
    async with asyncio.timeout(5), Lock(other, "/lock") as later:
        assert later.token > hold.token


async def test_a_request_that_waits_when_the_session_ends_does_not_hide_that_the_lock_is_lost(
    connect: Connect, server: str
) -> None:
    zk = await connect()
    holds = asyncio.Event()

    async def ask_on() -> None:
        async with Lock(zk, "/lock"):
            holds.set()
            while True:
                with suppress(ConnectionLoss):
                    await zk.get("/lock")

    asking = asyncio.create_task(ask_on())
    await holds.wait()
    await expire(zk, server)
    with pytest.raises(Lost, match=r"session|deleted"):
        await asking


async def test_a_holder_that_nobody_hears_gives_up_before_another_can_hold(
    connect: Connect, relay: Relay
) -> None:
    zk, other = await connect(relay, 1000), await connect()
    loop = asyncio.get_running_loop()
    given_up_at: list[float] = []

    async def hold() -> None:
        try:
            async with Lock(zk, "/lock"):
                relay.open = False
                relay.cut()
                await asyncio.Event().wait()
        finally:
            given_up_at.append(loop.time())

    holding = asyncio.create_task(hold())
    await in_line(other, "/lock", 1)
    async with asyncio.timeout(20), Lock(other, "/lock"):
        held_at = loop.time()
    with pytest.raises(Lost, match="time-out"):
        await holding
    assert given_up_at[0] < held_at


async def test_a_short_loss_of_the_connection_costs_nothing(connect: Connect, relay: Relay) -> None:
    zk = await connect(relay, 10_000)
    async with Lock(zk, "/lock") as hold:
        relay.cut()
        await Retry(attempts=None)(zk.sync)
        assert not hold.lost
        hold.check()
    assert await zk.get_children("/lock") == []


async def test_a_znode_that_somebody_deletes_is_a_lock_lost(connect: Connect) -> None:
    zk, other = await connect(), await connect()
    holding, hold = await held(Lock(zk, "/lock"))
    await other.set(hold.path, b"touched")
    await other.delete(hold.path)
    async with asyncio.timeout(10):
        with pytest.raises(Lost, match="deleted"):
            await holding


async def test_a_cancellation_from_outside_stays_one(zk: ZooKeeper) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with Lock(zk, "/lock"):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await zk.get_children("/lock") == []


async def test_what_goes_wrong_inside_comes_out(zk: ZooKeeper) -> None:
    with pytest.raises(ZeroDivisionError):
        async with Lock(zk, "/lock"):
            raise ZeroDivisionError
    assert await zk.get_children("/lock") == []


async def test_many_read_or_one_writes(zk: ZooKeeper) -> None:
    lock = ReadWriteLock(zk, "/rw")
    reading, writing = await lock.read.acquire(), asyncio.create_task(lock.write.acquire())
    await in_line(zk, "/rw", 2)
    assert await lock.read.try_acquire() is None, "a reader does not pass a writer that waits"
    late = asyncio.create_task(lock.read.acquire())
    await in_line(zk, "/rw", 3)
    assert not writing.done()
    await lock.read.release(reading)
    async with asyncio.timeout(5):
        held = await writing
    assert not late.done()
    await lock.write.release(held)
    async with asyncio.timeout(5):
        first, second = await late, await lock.read.acquire()
    assert second.token > first.token


async def test_a_semaphore_lets_so_many_in(zk: ZooKeeper) -> None:
    semaphore = Semaphore(zk, "/semaphore", 3)
    inside = most = 0
    full = asyncio.Event()

    async def work() -> None:
        nonlocal inside, most
        async with semaphore:
            inside += 1
            most = max(most, inside)
            if inside == 3:
                full.set()
            await full.wait()
            inside -= 1

    async with asyncio.timeout(20):
        await asyncio.gather(*[work() for _ in range(12)])
    assert most == 3


async def test_whichever_lease_is_given_back_first_the_next_comes_in(zk: ZooKeeper) -> None:
    semaphore = Semaphore(zk, "/semaphore", 2)
    _first, second = await semaphore.acquire(), await semaphore.acquire()
    waiting = asyncio.create_task(semaphore.acquire())
    await in_line(zk, "/semaphore", 3)
    await semaphore.release(second)
    async with asyncio.timeout(5):
        await waiting
    with pytest.raises(RecipeError, match="with 2 leases, not 5"):
        await Semaphore(zk, "/semaphore", 5).acquire()


async def test_the_next_in_line_leads(connect: Connect, server: str) -> None:
    zk, other = await connect(), await connect()
    one, two = LeaderElection(zk, "/election", b"one"), LeaderElection(other, "/election", b"two")
    assert await one.leader() is None
    leading, leadership = await held(one)
    standing_by = asyncio.create_task(two.acquire())
    await in_line(other, "/election", 2)
    assert (await two.leader(), await two.contenders()) == (b"one", [b"one", b"two"])
    await expire(zk, server)
    async with asyncio.timeout(20):
        with pytest.raises(Lost):
            await leading
        assert (await standing_by).token > leadership.token
    assert await two.leader() == b"two"


async def test_a_lock_is_shared_with_kazoo(connect: Connect, server: str) -> None:
    zk = await connect()
    root = zk.chroot.root

    def other() -> KazooClient:
        client = KazooClient(f"{server}{root}")
        client.start()
        return client

    kazoo = await asyncio.to_thread(other)
    theirs = kazoo.Lock("/lock", extra_lock_patterns=["lock-"])
    assert await asyncio.to_thread(theirs.acquire)
    waiting = asyncio.create_task(Lock(zk, "/lock").acquire())
    await in_line(zk, "/lock", 2)
    assert not waiting.done()
    await asyncio.to_thread(theirs.release)
    async with asyncio.timeout(10):
        hold = await waiting
    assert not await asyncio.to_thread(theirs.acquire, False)
    await Lock(zk, "/lock").release(hold)
    assert await asyncio.to_thread(theirs.acquire, True, 10)
    await asyncio.to_thread(kazoo.stop)
    kazoo.close()
