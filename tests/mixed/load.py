"""Clients that write all the time, and know what was acknowledged: kazoo's and ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kazoo.exceptions import ConnectionLoss as KazooConnectionLoss
from kazoo.exceptions import SessionExpiredError

from ensemble.client import ZooKeeper
from ensemble.client.errors import ConnectionLoss
from ensemble.tree.operations import CreateMode
from tests.mixed.servers import MixedEnsemble
from tests.processes.conftest import HOST
from tests.waiting import until

PAUSE_S = 0.02
TIMEOUT_S = 20


class Writer:
    """Writes one znode after another; ``acknowledged`` are those that the ensemble has answered for.

    A write whose connection broke may be there or not. Any other error is kept in ``wrong``, the end of the
    session included.
    """

    def __init__(self, ensemble: MixedEnsemble, name: str, act: Callable[[Writer], None]) -> None:
        self.ensemble = ensemble
        self.name = name
        self.acknowledged: list[str] = []
        self.broken = 0
        self.wrong: list[BaseException] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, args=[act])

    @property
    def ephemeral(self) -> str:
        """What goes when the session does."""
        return f"/{self.name}-alive"

    def _run(self, act: Callable[[Writer], None]) -> None:
        try:
            act(self)
        except BaseException as error:  # noqa: BLE001  the test is told
            self.wrong.append(error)


def by_kazoo(writer: Writer) -> None:
    """Write with kazoo."""
    with writer.ensemble.client(timeout=TIMEOUT_S) as client:
        client.create(writer.ephemeral, b"", ephemeral=True)
        number = 0
        while not writer.ended.is_set():
            number += 1
            try:
                writer.acknowledged.append(client.create(f"/{writer.name}-{number}", b"v" * 100))
            except (KazooConnectionLoss, SessionExpiredError) as error:
                # kazoo says so too of a connection that it could not open again at once.
                writer.broken += 1
                until(lambda: client.connected, 60)
                if client.exists(writer.ephemeral) is None:
                    raise AssertionError("the session has expired") from error
            writer.ended.wait(PAUSE_S)


def by_ours(writer: Writer) -> None:
    """Write with this project's client."""
    asyncio.run(_by_ours(writer))


async def _by_ours(writer: Writer) -> None:
    hosts = ",".join(f"{HOST}:{writer.ensemble.port(sid)}" for sid in writer.ensemble.kinds)
    async with ZooKeeper(hosts, session_timeout_ms=TIMEOUT_S * 1000) as client:
        await client.create(writer.ephemeral, b"", mode=CreateMode.EPHEMERAL)
        number = 0
        while not writer.ended.is_set():
            number += 1
            path = f"/{writer.name}-{number}"
            try:
                await client.create(path, b"v" * 100)
                writer.acknowledged.append(path)
            except ConnectionLoss:
                writer.broken += 1
            await asyncio.sleep(PAUSE_S)
        if await client.exists(writer.ephemeral) is None:
            raise AssertionError("the session has expired")


@contextmanager
def writing(ensemble: MixedEnsemble) -> Iterator[list[Writer]]:
    """Write with both clients while the block runs."""
    writers = [Writer(ensemble, "kazoo", by_kazoo), Writer(ensemble, "ours", by_ours)]
    for writer in writers:
        writer.thread.start()
    try:
        for writer in writers:
            until(lambda writer=writer: writer.acknowledged or writer.wrong, 30)
        yield writers
    finally:
        for writer in writers:
            writer.ended.set()
        for writer in writers:
            writer.thread.join(90)


def assert_nothing_lost(writers: list[Writer], state: object) -> None:
    """What was acknowledged is there, and nothing went wrong but connections."""
    assert isinstance(state, dict)
    for writer in writers:
        assert not writer.thread.is_alive()
        assert writer.wrong == []
        assert len(writer.acknowledged) > 50
        assert [path for path in writer.acknowledged if path not in state] == []
