"""A master that hands out tasks to workers, as in the book on ZooKeeper (Junqueira and Reed, chapter 4).

::

    /master            ephemeral: whoever made it is the master
    /workers/W         ephemeral: who works
    /tasks/T           what nobody does yet, in the order it came
    /assign/W/T        what is assigned to whom
    /status/T          what became of it; whoever submitted it takes it away

Every step from one place to the next is one transaction, so a task is always in exactly one of them. When a worker's
session ends the master takes its tasks back, and the work on one may begin a second time: its ``token`` is greater then.
It ends once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, NoReturn
from uuid import uuid4

import ensemble.recipes.protected as protected
from ensemble.client import (
    CreateMode,
    EventStream,
    MultiError,
    NodeExists,
    NoNode,
    NotEmpty,
    Transaction,
    ZooKeeper,
)
from ensemble.recipes.errors import RecipeError
from ensemble.recipes.hold import Guard, Hold, Holdable
from ensemble.recipes.line import number_of
from ensemble.recipes.once import Once

MASTER, WORKERS, TASKS, ASSIGN, STATUS = "/master", "/workers", "/tasks", "/assign", "/status"
_DONE: Final = b"done\n"
_FAILED: Final = b"failed\n"


class TaskFailed(RecipeError):
    """The work on a task raised an error, whose text this is."""


class Assignment(NamedTuple):
    """A task as its worker sees it."""

    key: str
    data: bytes
    token: int
    """Greater than that of any assignment of the same task before."""


Work = Callable[[Assignment], Awaitable[bytes]]


class _Place:
    """Where all of it lives."""

    def __init__(self, zk: ZooKeeper, root: str) -> None:
        self.zk = zk
        self.root = root.rstrip("/")

    def at(self, *parts: str) -> str:
        """Return the path of something below the root."""
        return self.root + "/".join(parts)

    async def lay(self) -> None:
        for part in (WORKERS, TASKS, ASSIGN, STATUS):
            await protected.ensure(self.zk, self.at(part))

    async def names(self, part: str, watch: EventStream | None = None) -> list[str]:
        """Return what is in a place; nothing when there is none."""
        try:
            return await protected.AGAIN(self.zk.get_children, self.at(part), watch=watch)
        except NoNode:
            return []

    async def data(self, *parts: str) -> bytes | None:
        """Return the data of a znode; None when there is none."""
        try:
            return (await protected.AGAIN(self.zk.get, self.at(*parts))).data or b""
        except NoNode:
            return None

    async def move(self, fill: Callable[[Transaction], object]) -> None:
        """Carry out a step, unless somebody did already: the next look shows which."""

        async def attempt() -> None:
            transaction = self.zk.transaction()
            fill(transaction)
            try:
                await transaction.commit()
            except MultiError:
                return

        await protected.AGAIN(attempt)


class Tasks:
    """Submits tasks::

    task = await Tasks(zk, "/images").submit(b"resize 17.png")
    print(await task.result())
    """

    def __init__(self, zk: ZooKeeper, root: str = "") -> None:
        self._place = _Place(zk, root)
        self._once = Once(zk, self._place.at("/marks"))
        self._laid = False

    async def submit(self, data: bytes) -> Task:
        """Submit a task, once. ``SessionExpired``: perhaps."""
        if not self._laid:
            await self._place.lay()
            self._laid = True
        key = f"task-{uuid4()}"
        path = self._place.at(TASKS, f"{key}-")
        await self._once.commit(
            lambda transaction: transaction.create(path, data, mode=CreateMode.PERSISTENT_SEQUENTIAL)
        )
        return Task(self._place, key)

    def submitted(self, key: str) -> Task:
        """Return a task that was submitted before, by its ``key``."""
        return Task(self._place, key)

    async def close(self) -> None:
        """Leave nothing of our own in the tree; the tasks stay."""
        await self._once.close()


class Task:
    """A task that was submitted."""

    def __init__(self, place: _Place, key: str) -> None:
        self.key = key
        self._place = place
        self._status = place.at(STATUS, key)

    async def result(self) -> bytes:
        """Wait until it is done, take its result away and return it. Raises :class:`TaskFailed`."""
        zk = self._place.zk
        while True:
            there = EventStream()
            if await protected.AGAIN(zk.exists, self._status, watch=there) is not None:
                zk.unwatch(self._status, there)
                break
            await protected.heard(zk, self._status, there)
        status = await self._place.data(STATUS, self.key)
        await protected.remove(zk, self._status)
        if status is None:
            raise RecipeError(f"somebody else took the result of {self.key}")
        if status.startswith(_FAILED):
            raise TaskFailed(status.removeprefix(_FAILED).decode(errors="replace"))
        return status.removeprefix(_DONE)


class Worker:
    """Does what it is assigned, one task after the other::

    async def resize(task: Assignment) -> bytes: ...
    await Worker(zk, resize, "/images", b"host-7").run()
    """

    def __init__(self, zk: ZooKeeper, work: Work, root: str = "", name: bytes = b"") -> None:
        """An error that ``work`` raises is told to whoever submitted the task. ``name`` is what others see."""
        self._place = _Place(zk, root)
        self._zk = zk
        self._work = work
        self._name = name

    async def run(self) -> NoReturn:
        """Work until cancelled; raises :class:`Lost` when the session ends."""
        await self._place.lay()
        mine = f"worker-{uuid4()}"
        inbox, presence = self._place.at(ASSIGN, mine), self._place.at(WORKERS, mine)
        try:
            # In this order: an inbox without a worker is one whose worker is gone.
            await protected.create(
                self._zk, self._place.at(WORKERS), mine, "", self._name, CreateMode.EPHEMERAL
            )
            await protected.ensure(self._zk, inbox)
            stat = await protected.AGAIN(self._zk.exists, presence)
            hold = Hold(self._zk, presence, stat.czxid if stat else 0)
            try:
                await hold.confirm()
                with Guard(hold):
                    await self._serve(mine, inbox)
            finally:
                hold.let_go()
        finally:
            await protected.finish(self._leave(presence, inbox))

    async def _serve(self, mine: str, inbox: str) -> NoReturn:
        while True:
            changed = EventStream()
            names = await protected.AGAIN(self._zk.get_children, inbox, watch=changed)
            for name in sorted(names, key=number_of):
                await self._do(mine, name)
            if names:
                self._zk.unwatch(inbox, changed)
            else:
                await protected.heard(self._zk, inbox, changed)

    async def _do(self, mine: str, name: str) -> None:
        path = self._place.at(ASSIGN, mine, name)
        try:
            data, stat = await protected.AGAIN(self._zk.get, path)
        except NoNode:
            return  # taken back
        key = key_of(name)
        try:
            outcome = _DONE + await self._work(Assignment(key, data or b"", stat.czxid))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever submitted the task is to know
            outcome = _FAILED + f"{type(error).__name__}: {error}".encode()
        await self._place.move(
            lambda transaction: transaction.delete(path).create(self._place.at(STATUS, key), outcome)
        )

    async def _leave(self, presence: str, inbox: str) -> None:
        await protected.remove(self._zk, presence)
        try:
            await protected.remove(self._zk, inbox)
        except NotEmpty:
            return  # the master takes it back


class Master(Holdable):
    """Hands out the tasks; of several, one at a time does, and the others stand by::

    await Master(zk, "/images", b"host-1").run()
    """

    def __init__(self, zk: ZooKeeper, root: str = "", name: bytes = b"") -> None:
        """``name`` is what others see of us."""
        super().__init__()
        self._place = _Place(zk, root)
        self._zk = zk
        self._name = name
        self._path = self._place.at(MASTER)

    async def run(self) -> NoReturn:
        """Wait for our turn, then hand out tasks until cancelled; raises :class:`Lost` when the session ends."""
        await self._place.lay()
        async with self:
            while True:
                await self._hand_out()

    async def acquire(self) -> Hold:
        """Wait until we are the master."""
        claim = self._name + b" " + str(uuid4()).encode()
        try:
            while True:
                if await self._claimed(claim):
                    stat = await protected.AGAIN(self._zk.exists, self._path)
                    if stat is not None:
                        hold = Hold(self._zk, self._path, stat.czxid)
                        if await hold.confirm():
                            return hold
                        hold.let_go()
        except BaseException:
            await protected.finish(self._withdraw(claim))
            raise

    async def release(self, hold: Hold) -> None:
        """Be the master no more."""
        hold.let_go()
        work = protected.remove_own(self._zk, hold.path, lambda _, stat: stat.czxid == hold.token)
        await protected.finish(work)

    async def _claimed(self, claim: bytes) -> bool:
        """Try to become the master; when another is, wait until something happens to it."""
        try:
            await protected.AGAIN(self._zk.create, self._path, claim, mode=CreateMode.EPHEMERAL)
            return True
        except NodeExists:
            changed = EventStream()
        try:
            data, _stat = await protected.AGAIN(self._zk.get, self._path, watch=changed)
        except NoNode:
            return False
        if data == claim:
            self._zk.unwatch(self._path, changed)
            return True
        await protected.heard(self._zk, self._path, changed)
        return False

    async def _withdraw(self, claim: bytes) -> None:
        await protected.remove_own(self._zk, self._path, lambda data, _: data == claim)

    # --- handing out ----------------------------------------------------------------------------------------

    async def _hand_out(self) -> None:
        """Bring every task to a worker that is there; then wait for a change."""
        changed = EventStream()
        # Inboxes first: whose worker is not there afterwards is gone, and not about to come.
        inboxes = await self._place.names(ASSIGN, changed)
        workers = await self._place.names(WORKERS, changed)
        tasks = await self._place.names(TASKS, changed)
        load: dict[str, int] = {}
        for worker in inboxes:
            assigned = await self._place.names(f"{ASSIGN}/{worker}")
            if worker in workers:
                load[worker] = len(assigned)
            else:
                await self._take_back(worker, assigned)
        if load:
            for task in sorted(tasks, key=number_of):
                worker = min(load, key=lambda each: load[each])
                load[worker] += 1
                await self._assign(task, worker)
        try:
            # What we did ourselves is heard of as well, and looked at again.
            await protected.heard(self._zk, self._place.at(WORKERS), changed)
        finally:
            for part in (ASSIGN, TASKS):
                self._zk.unwatch(self._place.at(part), changed)

    async def _assign(self, task: str, worker: str) -> None:
        data = await self._place.data(TASKS, task)
        if data is None:
            return
        # A worker that is gone by now would keep it: its presence is part of the transaction.
        await self._place.move(
            lambda transaction: (
                transaction.check(self._place.at(WORKERS, worker))
                .delete(self._place.at(TASKS, task))
                .create(self._place.at(ASSIGN, worker, task), data)
            )
        )

    async def _take_back(self, worker: str, assigned: list[str]) -> None:
        for task in assigned:
            data = await self._place.data(ASSIGN, worker, task)
            if data is not None:
                await self._back(worker, task, data)
        try:
            await protected.remove(self._zk, self._place.at(ASSIGN, worker))
        except NotEmpty:
            return  # the next look finds the rest

    async def _back(self, worker: str, task: str, data: bytes) -> None:
        await self._place.move(
            lambda transaction: transaction.delete(self._place.at(ASSIGN, worker, task)).create(
                self._place.at(TASKS, task), data
            )
        )


def key_of(name: str) -> str:
    """Return the key of a task from its name in the tree, which ends in a number."""
    return name.rpartition("-")[0]
