"""Queues and counters: nothing lost, nothing twice. The same against our server and Apache's."""

from __future__ import annotations

import asyncio
import random

import pytest

from ensemble.client import Code, MultiError, ZooKeeper
from ensemble.recipes import Counter, Lost, Once, Queue, RecipeError
from tests.ensemble.recipes.conftest import Connect, expire
from tests.relay import Relay

pytestmark = [pytest.mark.process, pytest.mark.timeout(90)]


async def test_first_in_first_out_and_the_urgent_before(zk: ZooKeeper) -> None:
    queue = Queue(zk, "/queue")
    await queue.put(b"1", b"2")
    await queue.put(b"3")
    await queue.put(b"urgent", priority=0)
    assert await queue.size() == 4
    assert [await queue.get() for _ in range(4)] == [b"urgent", b"1", b"2", b"3"]
    with pytest.raises(RecipeError, match="priority"):
        await queue.put(b"", priority=1000)
    await queue.close()
    assert await zk.get_children("/queue/marks") == []


async def test_who_waits_gets_what_comes(connect: Connect) -> None:
    zk, other = await connect(), await connect()
    waiting = asyncio.create_task(Queue(zk, "/queue").get())
    await asyncio.sleep(0)  # it begins
    await Queue(other, "/queue").put(b"late")
    async with asyncio.timeout(5):
        assert await waiting == b"late"


async def test_an_item_that_is_not_done_comes_back(connect: Connect) -> None:
    zk, other = await connect(), await connect()
    queue, second = Queue(zk, "/queue"), Queue(other, "/queue")
    await queue.put(b"difficult")
    with pytest.raises(ZeroDivisionError):
        await _fail(queue)
    async with queue.take() as item:
        assert item.data == b"difficult"
        getting = asyncio.create_task(second.get())
        await other.sync()
        assert not getting.done(), "somebody works on it"
    assert await queue.size() == 0
    await queue.put(b"next")
    async with asyncio.timeout(5):
        assert await getting == b"next"


async def _fail(queue: Queue) -> None:
    async with queue.take():
        raise ZeroDivisionError


async def test_an_item_goes_on_to_another_when_the_session_of_its_holder_ends(
    connect: Connect, server: str
) -> None:
    zk, other = await connect(), await connect()
    await Queue(other, "/queue").put(b"job")
    taken: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        async with Queue(zk, "/queue").take() as item:
            taken.set_result(item.hold.token)
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    token = await taken
    await expire(zk, server)
    async with asyncio.timeout(20):
        with pytest.raises(Lost):
            await working
        async with Queue(other, "/queue").take() as item:
            assert (item.data, item.hold.token > token) == (b"job", True)


@pytest.mark.parametrize("turns", range(8))
async def test_cancelled_at_any_moment_it_claims_nothing(zk: ZooKeeper, turns: int) -> None:
    queue = Queue(zk, "/queue")
    await queue.put(b"job")

    async def work() -> None:
        async with queue.take():
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    for _ in range(turns):
        await zk.exists("/")
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await zk.get_children("/queue/claims") == []
    assert await queue.get() == b"job"


async def test_nothing_is_lost_or_doubled_while_connections_break(connect: Connect, relay: Relay) -> None:
    items = [f"item-{number}".encode() for number in range(60)]
    plain = await connect()
    await Queue(plain, "/queue").size()
    got: list[bytes] = []
    left = len(items)
    over = asyncio.Event()

    async def produce(part: list[bytes]) -> None:
        queue = Queue(await connect(relay, 10_000), "/queue")
        for item in part:
            await queue.put(item)

    async def consume(number: int) -> None:
        nonlocal left
        queue = Queue(await connect(relay, 10_000), "/queue")
        while True:
            if number % 2:
                got.append(await queue.get())
            else:
                async with queue.take() as item:
                    data = item.data
                got.append(data)
            if len(got) == len(items):
                over.set()

    async def disturb() -> None:  # what it waits is the pace of the disturbance
        chance = random.Random(7)
        while True:
            await asyncio.sleep(chance.uniform(0.05, 0.2))
            relay.deaf_to_answers = chance.random() < 0.5
            await asyncio.sleep(chance.uniform(0, 0.05))
            relay.deaf_to_answers = False
            relay.cut()

    tasks = [asyncio.create_task(produce(items[part::3])) for part in range(3)]
    tasks += [asyncio.create_task(consume(number)) for number in range(3)]
    disturbing = asyncio.create_task(disturb())
    async with asyncio.timeout(60):
        finished, _ = await asyncio.wait(
            [asyncio.create_task(over.wait()), *tasks[3:]], return_when=asyncio.FIRST_COMPLETED
        )
    disturbing.cancel()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(got) == sorted(items)
    assert await Queue(plain, "/queue").size() == 0
    assert finished


async def test_each_addition_counts_once(connect: Connect, relay: Relay) -> None:
    plain = await connect()
    assert await Counter(plain, "/deep/counter", start=5).value() == 5

    async def add() -> None:
        counter = Counter(await connect(relay, 10_000), "/deep/counter")
        for amount in (1, 2, -1) * 5:
            await counter.add(amount)
        await counter.close()

    async def disturb() -> None:  # what it waits is the pace of the disturbance
        while True:
            relay.deaf_to_answers = True
            await asyncio.sleep(0.02)
            relay.deaf_to_answers = False
            relay.cut()
            await asyncio.sleep(0.15)

    disturbing = asyncio.create_task(disturb())
    async with asyncio.timeout(60):
        await asyncio.gather(*[add() for _ in range(3)])
    disturbing.cancel()
    assert await Counter(plain, "/deep/counter").value() == 5 + 3 * 10


async def test_what_is_no_number_is_said(zk: ZooKeeper) -> None:
    await zk.create("/counter", b"many")
    with pytest.raises(RecipeError, match="no number"):
        await Counter(zk, "/counter").add(1)


async def test_a_transaction_whose_answer_is_lost_is_not_repeated(connect: Connect, relay: Relay) -> None:
    plain, zk = await connect(), await connect(relay)
    once = Once(zk, "/marks")
    await once.commit(lambda transaction: transaction.create("/list"))
    relay.deaf_to_answers = True
    appending = asyncio.create_task(
        once.commit(lambda transaction: transaction.set("/list", b"changed", version=-1))
    )
    while (await plain.get("/list")).stat.version == 0:
        continue
    relay.deaf_to_answers = False
    relay.cut()
    async with asyncio.timeout(10):
        await appending
    assert (await plain.get("/list")).stat.version == 1
    with pytest.raises(MultiError) as refused:
        await once.commit(lambda transaction: transaction.check("/list").delete("/none"))
    assert (refused.value.index, refused.value.code, refused.value.path) == (1, Code.NO_NODE, "/none")
    await once.commit(lambda transaction: transaction.delete("/list"))
    assert await plain.exists("/list") is None


@pytest.mark.parametrize("turns", range(8))
async def test_a_put_cancelled_at_any_moment_is_whole_and_leaves_no_mark(zk: ZooKeeper, turns: int) -> None:
    queue = Queue(zk, "/queue")
    await queue.size()
    putting = asyncio.create_task(queue.put(b"one", b"two"))
    for _ in range(turns):
        await zk.exists("/")
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    if putting.cancelled():
        assert await zk.exists("/queue/marks") is None or await zk.get_children("/queue/marks") == []
    assert await queue.size() in (0, 2)
    await queue.put(b"three")
    assert await queue.size() in (1, 3)
