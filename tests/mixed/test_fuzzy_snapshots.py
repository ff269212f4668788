"""What we make of each of Apache's snapshots: they are taken while transactions come in, and end by SIGKILL.

Whichever of them is read, it has to give, with what the log holds after it, the tree that Apache's server has itself
when it is started again; with access lists and sessions, which no digest counts.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random

import pytest

from ensemble.chaos.book import Book
from ensemble.client import ZooKeeper
from ensemble.errors import CoordinatorError, CorruptionError, KeeperError
from ensemble.runtime.disk.files import ReadOnlyFiles
from ensemble.storage.names import snapshot_files
from ensemble.toolkit.snapshot import load
from ensemble.tree.operations import OPEN_ACL, Acl, CreateMode, Identity, Perm
from tests.ensemble.tree.harness import state_of
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import START_S_MAX, MixedEnsemble
from tests.processes.conftest import HOST
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(240)]

CLIENTS = 8
ROUNDS = 3
ROUND_S = 3.0
STANDING = "/0"
"""What is written down first: the children of a znode come in the order of their names' hashes."""
STANDING_ZNODES = 4000
TOPS = ("/a", "/b", "/c")
OTHER_ACL = (Acl(Perm.ALL, Identity("ip", "127.0.0.0/8")),)
MODES = (
    CreateMode.PERSISTENT,
    CreateMode.PERSISTENT,
    CreateMode.EPHEMERAL,
    CreateMode.PERSISTENT_SEQUENTIAL,
    CreateMode.EPHEMERAL_SEQUENTIAL,
    CreateMode.CONTAINER,
)


async def keep_changing(address: str, seed: int) -> None:
    """Create, delete and change the same few znodes again and again, in sessions that last a moment."""
    rng = Random(seed)
    while True:
        zk = ZooKeeper(address, session_timeout_ms=4_000)
        try:
            await zk.start()
            for _ in range(rng.randrange(100)):
                with suppress(KeeperError):
                    await change(zk, rng)
            await (zk.close() if rng.random() < 0.7 else zk.detach())
        except CoordinatorError:
            await asyncio.sleep(0.05)
        finally:
            await zk.detach()


async def change(zk: ZooKeeper, rng: Random) -> None:
    top, data = rng.choice(TOPS), rng.randbytes(rng.randrange(5))
    path = f"{top}/{rng.choice('xyz')}"
    acl = rng.choice((OPEN_ACL, OTHER_ACL))
    match rng.randrange(10):
        case 0 | 1 | 2:
            await zk.create(path, data, mode=rng.choice(MODES), acl=acl)
        case 3 | 4:
            await zk.delete(path)
        case 5:
            await zk.set(rng.choice((top, path)), data)
        case 6:
            await zk.set_acl(rng.choice((top, path)), acl)
        case 7:
            await zk.transaction().create(f"{top}/m", data).set(top, data).delete(f"{top}/m").commit()
        case 8:
            names = await zk.get_children(top)
            transaction = zk.transaction()
            for name in names:
                transaction.delete(f"{top}/{name}")
            await transaction.delete(top).create(top, data, acl=acl).create(path, data).commit()
        case _:
            await zk.create(top, data, acl=acl)


async def fill(address: str) -> None:
    async with ZooKeeper(address) as zk:
        await zk.create(STANDING, b"")
        sequential = CreateMode.PERSISTENT_SEQUENTIAL
        await asyncio.gather(
            *[zk.create(f"{STANDING}/", b"", mode=sequential) for _ in range(STANDING_ZNODES)]
        )


async def under_load(ensemble: MixedEnsemble, address: str) -> None:
    tasks = [asyncio.create_task(keep_changing(address, number)) for number in range(CLIENTS)]
    await asyncio.sleep(ROUND_S)
    ensemble.kill(1)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_each_snapshot_and_the_log_behind_it_give_one_tree(ensemble_of: MakeEnsemble) -> None:
    ensemble = ensemble_of("apache", extra="snapCount=300\nextendedTypesEnabled=true\n")
    address = f"{HOST}:{ensemble.port(1)}"
    for number in range(ROUNDS):
        ensemble.start(1)
        until(lambda: ensemble.mode(1) == "standalone", START_S_MAX)
        if not number:
            await fill(address)
        await under_load(ensemble, address)
    ensemble.start(1)  # which writes what it has loaded, and nobody disturbs it
    until(lambda: ensemble.mode(1) == "standalone", START_S_MAX)
    ensemble.kill(1)
    files = ReadOnlyFiles(ensemble.home(1) / "data")
    newest, name = snapshot_files(files)[-1]
    quiet = load(files.read(name), name)
    book = Book()
    book.collect(files, newest)
    assert book.newest == newest
    for name, tree in book.snapshots(files):
        assert state_of(tree) == state_of(quiet), name
        assert tree.sessions == quiet.sessions, name
    assert name == "version-2/snapshot.0"
    assert any(is_fuzzy(zxid, files.read(name), name) for zxid, name in snapshot_files(files))


def is_fuzzy(zxid: int, data: bytes, name: str) -> bool:
    """Tell whether a snapshot holds more than its name says; one that a kill has cut short does not count."""
    with suppress(CorruptionError):
        return any(max(node.mzxid, node.pzxid) > zxid for node in load(data, name).nodes.values())
    return False
