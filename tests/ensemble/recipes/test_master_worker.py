"""Masters, workers and those who submit tasks. The same against our server and Apache's."""

from __future__ import annotations

import asyncio

import pytest

from ensemble.client import ConnectionLoss, EventStream, ZooKeeper
from ensemble.recipes import Assignment, Lost, Master, TaskFailed, Tasks, Worker
from tests.ensemble.recipes.conftest import Connect, expire
from tests.relay import Relay

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


async def shout(task: Assignment) -> bytes:
    return task.data.upper()


async def refuse(task: Assignment) -> bytes:
    raise ValueError(task.data.decode())


async def until_children(zk: ZooKeeper, path: str, number: int) -> list[str]:
    await zk.ensure_path(path)
    while True:
        changed = EventStream()
        names = await zk.get_children(path, watch=changed)
        if len(names) == number:
            return names
        await changed


async def test_tasks_are_done_by_workers_that_a_master_chose(connect: Connect) -> None:
    zk = await connect()
    running = [
        asyncio.create_task(Master(await connect(), "/jobs", b"m").run()),
        *[asyncio.create_task(Worker(await connect(), shout, "/jobs").run()) for _ in range(2)],
    ]
    tasks = Tasks(zk, "/jobs")
    async with asyncio.timeout(20):
        submitted = [await tasks.submit(f"task {number}".encode()) for number in range(10)]
        again = tasks.submitted(submitted[-1].key)
        results = [await task.result() for task in [*submitted[:-1], again]]
    assert results == [f"TASK {number}".encode() for number in range(10)]
    await tasks.close()
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for part in ("tasks", "workers", "status", "assign", "marks"):
        assert await zk.get_children(f"/jobs/{part}") == [], part
    assert await zk.exists("/jobs/master") is None


async def test_what_goes_wrong_is_told_to_who_asked(connect: Connect) -> None:
    zk = await connect()
    running = [
        asyncio.create_task(Master(zk).run()),
        asyncio.create_task(Worker(await connect(), refuse).run()),
    ]
    async with asyncio.timeout(20):
        task = await Tasks(await connect()).submit(b"too large")
        with pytest.raises(TaskFailed, match="ValueError: too large"):
            await task.result()
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_the_tasks_of_a_worker_that_is_gone_are_done_by_another(connect: Connect, server: str) -> None:
    zk, doomed = await connect(), await connect()
    started: asyncio.Queue[Assignment] = asyncio.Queue()

    async def never_end(task: Assignment) -> bytes:
        started.put_nowait(task)
        await asyncio.Event().wait()
        return b""

    async def go_on(task: Assignment) -> bytes:
        started.put_nowait(task)
        return task.data

    mastering = asyncio.create_task(Master(zk).run())
    working = asyncio.create_task(Worker(doomed, never_end).run())
    tasks = Tasks(await connect())
    async with asyncio.timeout(30):
        first, second = await tasks.submit(b"one"), await tasks.submit(b"two")
        begun = await started.get()
        await expire(doomed, server)
        other = asyncio.create_task(Worker(await connect(), go_on).run())
        assert [await first.result(), await second.result()] == [b"one", b"two"]
        with pytest.raises(Lost):
            await working
        again = await started.get()
    assert (again.key, again.token > begun.token) == (begun.key, True)
    for each in (mastering, other):
        each.cancel()
    await asyncio.gather(mastering, other, return_exceptions=True)


async def test_another_master_goes_on(connect: Connect, server: str) -> None:
    zk, second = await connect(), await connect()
    first = asyncio.create_task(Master(zk, name=b"first").run())
    await until_children(second, "/tasks", 0)
    while (await zk.exists("/master")) is None:
        continue
    standing_by = asyncio.create_task(Master(second, name=b"second").run())
    async with asyncio.timeout(30):
        task = await Tasks(await connect()).submit(b"alone")
        assert len(await second.get_children("/tasks")) == 1, "nobody works yet"
        await expire(zk, server)
        with pytest.raises(Lost):
            await first
        working = asyncio.create_task(Worker(await connect(), shout).run())
        assert await task.result() == b"ALONE"
        assert ((await second.get("/master")).data or b"").startswith(b"second ")
    for each in (standing_by, working):
        each.cancel()
    await asyncio.gather(standing_by, working, return_exceptions=True)


async def test_who_was_the_master_leaves_the_next_one_alone(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    zk, other = await connect(), await connect()
    master = Master(zk)
    await zk.ensure_path("/tasks")
    hold = await master.acquire()
    await other.delete("/master")
    await other.create("/master", b"next")
    await master.release(hold)
    assert (await other.get("/master")).data == b"next"

    await other.delete("/master")
    hold = await master.acquire()
    delete = zk.delete

    async def delete_unheard(path: str) -> None:
        monkeypatch.undo()
        await delete(path)
        await other.create("/master", b"next")
        raise ConnectionLoss(path)

    monkeypatch.setattr(zk, "delete", delete_unheard)
    await master.release(hold)
    assert (await other.get("/master")).data == b"next"


async def test_every_task_is_answered_once_while_connections_break(connect: Connect, relay: Relay) -> None:
    clients = [await connect(relay, 10_000) for _ in range(4)]
    running = [
        asyncio.create_task(Master(clients[0]).run()),
        *[asyncio.create_task(Worker(client, shout).run()) for client in clients[1:3]],
    ]
    tasks = Tasks(clients[3])

    async def disturb() -> None:  # what it waits is the pace of the disturbance
        while True:
            await asyncio.sleep(0.1)
            relay.deaf_to_answers = True
            await asyncio.sleep(0.02)
            relay.deaf_to_answers = False
            relay.cut()

    disturbing = asyncio.create_task(disturb())
    async with asyncio.timeout(50):
        submitted = [await tasks.submit(b"x%d" % number) for number in range(20)]
        results = [await task.result() for task in submitted]
    disturbing.cancel()
    assert results == [b"X%d" % number for number in range(20)]
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    plain = await connect()
    assert await plain.get_children("/tasks") == []
    assert await plain.get_children("/status") == []
