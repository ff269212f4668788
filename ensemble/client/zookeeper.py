"""The client: a session, kept connected, with the operations on it."""

from __future__ import annotations

import asyncio
import os
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from ssl import SSLContext
from types import TracebackType
from typing import Self, TypeVar

from ensemble import limits
from ensemble.client.addresses import Address, ConnectString, parse
from ensemble.client.chroot import Chroot
from ensemble.client.connection import Connector
from ensemble.client.errors import (
    AuthFailed,
    ClientClosed,
    ClientError,
    ConnectionLoss,
    SessionExpired,
    refusal,
)
from ensemble.client.mistakes import fault_of
from ensemble.client.quota import Quotas
from ensemble.client.session import Call, Session, State
from ensemble.client.watches import Watcher, WatchEvent, WatchKind
from ensemble.client.watching import Watching
from ensemble.errors import KeeperError
from ensemble.jute import Reader
from ensemble.sasl.digest_md5 import CLIENT_PORT, NONCE_BYTES, Initiator
from ensemble.tree.operations import Auth, CloseSession, Op, Operation
from ensemble.wire import requests

T = TypeVar("T")

StateListener = Callable[[State], None]


class ZooKeeper(Quotas, Watching):
    """A client of an ensemble, ours or Apache's::

        async with ZooKeeper("127.0.0.1:2181,127.0.0.1:2182/app", session_timeout_ms=10_000) as zk:
            await zk.create("/greeting", b"hello")

    What stands behind the addresses is the chroot: ``/greeting`` is the servers' ``/app/greeting``.

    Requests may be made together (``asyncio.gather``): they leave in the order made and are answered in it.
    While no server can be reached requests wait; what was already sent fails with ``ConnectionLoss``. One
    client is one session: when it expires, open another.
    """

    def __init__(
        self,
        servers: str | Sequence[Address],
        *,
        session_timeout_ms: int = 10_000,
        resume: tuple[int, bytes] | None = None,
        read_only: bool = False,
        ssl: SSLContext | None = None,
        sasl: tuple[str, str] | None = None,
        frame_bytes_max: int = limits.PEER_FRAME_BYTES_MAX,
    ) -> None:
        """``resume`` takes over the session of that id and password. ``read_only`` accepts a server that has
        lost its quorum, for as long as no other is found. ``ssl`` encrypts, and checks the server as that
        context says. ``sasl`` is the user and the password that SASL DIGEST-MD5 proves on every connection,
        and that the server has to know, too. An answer larger than ``frame_bytes_max`` costs the connection.
        Raises ``ConfigError`` for servers that are none."""
        where = parse(servers) if isinstance(servers, str) else ConnectString(tuple(servers), Chroot())
        self._addresses = where.addresses
        self.chroot = where.chroot
        options = {} if resume is None else {"session_id": resume[0], "password": resume[1]}
        self._session = Session(
            session_timeout_ms,
            tell=self._tell,
            state_changed=self._on_state,
            read_only=read_only,
            frame_bytes_max=frame_bytes_max,
            sasl=None if sasl is None else partial(_initiator, *sasl),
            **options,  # type: ignore[arg-type]
        )
        self._connector = Connector(self._addresses, self._session, ssl)
        self._listeners: list[StateListener] = []
        self._settled = asyncio.Event()
        self._room = asyncio.Semaphore(limits.OUTSTANDING_PER_CONNECTION_MAX)
        self._task: asyncio.Task[None] | None = None

    # --- state ------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where this client stands."""
        return self._session.state

    @property
    def session_id(self) -> int:
        """The session's id; 0 before the first connection."""
        return self._session.session_id

    @property
    def password(self) -> bytes:
        """What another client needs to resume this session."""
        return self._session.password

    @property
    def session_timeout_ms(self) -> int:
        """The time-out the server granted."""
        return self._session.timeout_ms

    @property
    def zxid_seen(self) -> int:
        """The last transaction this client has seen the effects of."""
        return self._session.zxid_seen

    @property
    def server(self) -> Address | None:
        """The server connected to, or last tried."""
        return self._connector.server

    @property
    def assured_until(self) -> float:
        """Up to when, in the time of the event loop, no server can have ended this session for our silence:
        one time-out after we sent the last thing that was answered. Behind it what the session holds may be
        somebody else's, though we hear of the end later."""
        return self._connector.assured_until()

    def listen(self, listener: StateListener) -> Callable[[], None]:
        """Call ``listener`` with each new state; returns what to call to stop that."""
        self._listeners.append(listener)

        def stop() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return stop

    async def states(self) -> AsyncIterator[State]:
        """Yield the present state, then each new one, up to EXPIRED, AUTH_FAILED or CLOSED, which is the last::

        async for state in zk.states():
            print(state.value)

        Of what a reader has not read the last ``STATES_UNREAD_MAX`` are kept, so the end is never missed.
        """
        unread = deque([self.state], maxlen=limits.STATES_UNREAD_MAX)
        changed = asyncio.Event()

        def note(state: State) -> None:
            unread.append(state)
            changed.set()

        stop = self.listen(note)
        try:
            while True:
                while not unread:
                    changed.clear()
                    await changed.wait()
                state = unread.popleft()
                yield state
                if state.over:
                    return
        finally:
            stop()

    # --- life -------------------------------------------------------------------------------------------

    def _nobody_there(self, limit_ms: int) -> str:
        refusals = self._connector.refusals
        each = [
            f"{host}:{port} ({refusals.get((host, port), 'no answer')})" for host, port in self._addresses
        ]
        return f"no server accepted us within {limit_ms} ms: {', '.join(each)}"

    async def start(self, timeout_ms: int | None = None) -> None:
        """Connect. Raises ``ConnectionLoss`` when no server accepted us within ``timeout_ms`` (by default
        the session time-out), ``SessionExpired`` when the session to resume is no more."""
        self._task = asyncio.create_task(self._connector.run(), name="zookeeper client")
        limit_ms = self._session.timeout_ms if timeout_ms is None else timeout_ms
        try:
            async with asyncio.timeout(limit_ms / 1000):
                await self._settled.wait()
        except TimeoutError:
            await self.detach()
            raise ConnectionLoss(self._nobody_there(limit_ms)) from None
        except asyncio.CancelledError:
            await self.detach()
            raise
        if self.state is State.EXPIRED:
            await self.detach()
            raise SessionExpired("the session to resume is no more")
        if self.state is State.AUTH_FAILED:
            await self.detach()
            raise AuthFailed

    async def close(self) -> None:
        """End the session, its ephemerals with it, and the client. Without a connection the session is left
        to expire."""
        if self.state.connected:
            grace_s = self._session.timeout_ms / 1000 / 3
            with suppress(ClientError, TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self.call(Op.CLOSE_SESSION, CloseSession(), None, lambda reader: None)
        await self.detach()

    async def detach(self) -> None:
        """Leave without ending the session: until its time-out another client can ``resume`` it."""
        self._session.close()
        if self._task is not None:
            self._task.cancel()
            # Awaiting the task itself would take a cancellation of ours for its own, and pass it over.
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.result()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- requests ---------------------------------------------------------------------------------------

    async def call(
        self,
        op: int,
        operation: Operation,
        path: str | None,
        read: Callable[[Reader], T],
        *,
        watch: Watcher | None = None,
        watch_kind: WatchKind = WatchKind.DATA,
    ) -> T:
        """Send any operation; see :meth:`Caller.call`. Waits while too many are unanswered."""
        if self._task is None:
            raise ClientClosed("the client was not started; write async with, or await its start() first")
        if watch is not None and not callable(watch):
            raise TypeError(
                f"watch must be a function of one argument or an EventStream, not {type(watch).__name__}"
            )
        try:
            record = requests.encode_operation(op, operation)
        except (TypeError, ValueError, AttributeError, struct.error) as error:
            raise TypeError(fault_of(operation) or str(error)) from error
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        call = Call(
            op,
            record,
            path,
            read,
            lambda value: None if answer.done() else answer.set_result(value),
            lambda error: None if answer.done() else answer.set_exception(self._outside(error)),
            watch,
            watch_kind,
            operation if isinstance(operation, Auth) else None,
        )
        async with self._room:
            self._session.submit(call)
            self._connector.flush_soon()
            try:
                return await answer
            finally:
                if answer.cancelled():
                    self._session.withdraw(call)

    async def add_auth(self, scheme: str, credential: bytes) -> None:
        """Prove an identity, for example ``("digest", b"user:password")``; it is kept over reconnects.

        Raises ``KeeperError`` AUTH_FAILED when the server refuses it (it then closes the connection).
        """
        await self.call(Op.AUTH, Auth(0, scheme, credential), None, lambda reader: None)

    def _watchers(self, kind: WatchKind, path: str) -> tuple[Watcher, ...]:
        return self._session.watchers(kind, path)

    def _forget_watch(self, kind: WatchKind, path: str, watcher: Watcher) -> bool:
        return self._session.forget_watch(kind, path, watcher)

    def _outside(self, error: Exception) -> Exception:
        """Name the path in a refusal as the client knows it."""
        if self.chroot.root and isinstance(error, KeeperError) and error.path:
            return refusal(error.code, self.chroot.outside(error.path))
        return error

    # --- from the session -------------------------------------------------------------------------------
    #
    # Callbacks of users run from the loop, one by one: what they raise is theirs, and the loop reports it.

    def _tell(self, watcher: Watcher, event: WatchEvent) -> None:
        if self.chroot.root:
            event = WatchEvent(event.type, self.chroot.outside(event.path))
        asyncio.get_running_loop().call_soon(watcher, event)

    def _on_state(self, state: State) -> None:
        if state is not State.CONNECTING:
            self._settled.set()
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            loop.call_soon(listener, state)


def _initiator(user: str, password: str) -> Initiator:
    return Initiator(user, password, CLIENT_PORT, random_bytes=os.urandom(NONCE_BYTES))
