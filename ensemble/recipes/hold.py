"""Holding something that may be lost: a lock, a lease, leadership.

Whoever holds is told when it is over: the session ended; or it may have ended, since no server was heard of for so long
that the servers are free to have ended it; or somebody deleted the znode. A block under ``async with`` is then
interrupted, as by ``asyncio.timeout``, and leaves with :class:`Lost`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType

import ensemble.recipes.protected as protected
from ensemble.client import (
    ClientError,
    EventType,
    KeeperError,
    SessionExpired,
    State,
    WatchEvent,
    ZooKeeper,
)
from ensemble.recipes.errors import Lost, RecipeError


class Hold:
    """What is held for now.

    ``token`` is the zxid that created our znode: each later holder's is greater. Hand it to what the lock protects and
    have that refuse a token lower than the last: then a holder that was paused, and does not know yet that it
    lost the lock, does no harm.
    """

    def __init__(self, zk: ZooKeeper, path: str, token: int) -> None:
        self.path = path
        self.token = token
        self._zk = zk
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._stop_listening = zk.listen(self._on_state)
        if not zk.state.connected:
            self._on_state(zk.state)

    @property
    def lost(self) -> bool:
        """Whether it is over, given back or not."""
        return self._lost.done()

    def check(self) -> None:
        """Raise :class:`Lost` when it is over."""
        if self._lost.done():
            raise Lost(self._lost.result())

    async def wait_lost(self) -> str:
        """Wait until it is over; return why."""
        return await asyncio.shield(self._lost)

    def on_lost(self, told: Callable[[], None]) -> None:
        """Call ``told`` when it is over."""
        self._lost.add_done_callback(lambda _: told())

    async def confirm(self) -> bool:
        """Watch our znode; tell whether it is there. To be called before anybody relies on this."""
        return await protected.AGAIN(self._zk.exists, self.path, watch=self._on_event) is not None

    def let_go(self) -> None:
        """It is given back: nothing can be lost any more."""
        self._stop()
        self._zk.unwatch(self.path, self._on_event)
        self._lose("it was given back")

    def _lose(self, why: str) -> None:
        if not self._lost.done():
            self._stop()
            self._lost.set_result(why)

    def _stop(self) -> None:
        self._stop_listening()
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _on_state(self, state: State) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if state.over:
            self._lose(f"the session ended ({state.value})")
        elif not state.connected:
            why = "no server was heard of for a session time-out: somebody else may hold it"
            self._timer = asyncio.get_running_loop().call_at(self._zk.assured_until, self._lose, why)

    def _on_event(self, event: WatchEvent) -> None:
        if event.type is EventType.NODE_DELETED:
            self._lose(f"somebody deleted {self.path}")
        elif event.type is not EventType.NONE and not self._lost.done():
            self._looking = asyncio.create_task(self._look_again())

    async def _look_again(self) -> None:
        """Our data was changed, which ends the watch."""
        try:
            if not await self.confirm():
                self._lose(f"somebody deleted {self.path}")
        except (ClientError, KeeperError) as error:
            self._lose(f"{self.path} cannot be watched: {error}")


class Guard:
    """A block under which something is held. It is interrupted when that is lost, as ``asyncio.timeout``
    interrupts one, and leaves with :class:`Lost`: by itself too, when it did not notice."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self._interrupted = self._over = False

    def __enter__(self) -> Hold:
        self._task = _this_task()
        self._cancelling = self._task.cancelling()
        self.hold.on_lost(self._interrupt)
        return self.hold

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        ours = self._interrupted and self._task.uncancel() <= self._cancelling
        # A request that waits is told of the end of the session before the block is.
        ended = isinstance(error, SessionExpired)
        if error is None or ended or (ours and isinstance(error, asyncio.CancelledError)):
            try:
                self.hold.check()
            except Lost as lost:
                raise lost from error

    def _interrupt(self) -> None:
        if not self._over:
            self._interrupted = True
            self._task.cancel()


class Holdable(ABC):
    """Something to hold, in a block or from ``acquire`` to ``release``. Several tasks may use one object."""

    def __init__(self) -> None:
        self._guards: dict[asyncio.Task[object], Guard] = {}

    @abstractmethod
    async def acquire(self) -> Hold:
        """Wait until it is ours. Cancelled, it leaves no znode behind."""

    @abstractmethod
    async def release(self, hold: Hold) -> None:
        """Give it back. Harmless when it was lost."""

    async def __aenter__(self) -> Hold:
        task = _this_task()
        if task in self._guards:
            raise RecipeError("this task holds it already, and would wait for itself")
        guard = self._guards[task] = Guard(await self.acquire())
        return guard.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        guard = self._guards.pop(_this_task())
        try:
            guard.__exit__(kind, error, trace)
        finally:
            await self.release(guard.hold)


def _this_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task
