"""A server started on what the other kind left, and back: znode by znode the same, its sessions alive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensemble.client import ZooKeeper
from ensemble.tree.operations import Acl, CreateMode, Identity, Perm
from ensemble.wire.replies import Stat
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind, MixedEnsemble
from tests.processes.conftest import HOST
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

KEEPER = ("digest", b"keeper:secret")
PRIVATE = (Acl(Perm.ALL, Identity("auth", "")),)
MIXED = (
    Acl(Perm.READ, Identity("world", "anyone")),
    Acl(Perm.ALL, Identity("digest", "other:Zm9v")),
    Acl(Perm.ALL, Identity("ip", "127.0.0.0/8")),
)
SESSION_MS = 60_000
TTL_MS = 10_000_000

Znode = tuple[bytes | None, Stat, tuple[Acl, ...]]


def cases() -> Iterator[object]:
    for first in ("apache", "ours"):
        for end in ("stop", "kill"):
            for compression in ("", "gz", "snappy"):
                quick = (first, end, compression) in {
                    ("apache", "kill", "snappy"),
                    ("ours", "stop", "snappy"),
                }
                marks = () if quick else (pytest.mark.slow,)
                yield pytest.param(first, end, compression, marks=marks)


@pytest.mark.parametrize(("first", "end", "compression"), list(cases()))
async def test_a_directory_carries_over_to_the_other_kind_and_back(
    ensemble_of: MakeEnsemble, first: Kind, end: str, compression: str
) -> None:
    second: Kind = "ours" if first == "apache" else "apache"
    ensemble = ensemble_of(
        first,
        extra=f"snapCount=40\nextendedTypesEnabled=true\nsnapshot.compression.method={compression}\n"
        f"maxSessionTimeout={SESSION_MS}\n",
    )
    start(ensemble)
    client = connect(ensemble)
    await client.start(30_000)
    await client.add_auth(*KEEPER)
    await fill(client, first)
    state = await read(client)
    assert len(state) > 200
    for kind in (second, first, second):
        await client.detach()
        getattr(ensemble, end)(1)
        assert_compressed(ensemble.home(1) / "data", compression)
        start(ensemble, kind)
        client = connect(ensemble, resume=(client.session_id, client.password))
        await client.start(30_000)  # with the session of the first life
        await client.add_auth(*KEEPER)
        assert await read(client) == state
        await fill(client, f"{kind}-{len(state)}")
        state = await read(client)
    ephemerals = await client.get_ephemerals()
    assert len(ephemerals) == 4 * 2
    await client.close()
    async with connect(ensemble) as other:
        await other.add_auth(*KEEPER)
        left = await read(other)
    assert set(state) - set(left) == set(ephemerals)


def start(ensemble: MixedEnsemble, kind: Kind | None = None) -> None:
    ensemble.start(1, kind=kind)
    until(lambda: ensemble.mode(1) == "standalone", 30)


def connect(ensemble: MixedEnsemble, resume: tuple[int, bytes] | None = None) -> ZooKeeper:
    return ZooKeeper(f"{HOST}:{ensemble.port(1)}", session_timeout_ms=SESSION_MS, resume=resume)


def assert_compressed(data: Path, compression: str) -> None:
    """The newest snapshot is compressed as the settings say."""
    newest = max((data / "version-2").glob("snapshot.*"), key=lambda path: path.stat().st_mtime_ns)
    method = newest.suffix[1:] if newest.suffix in (".gz", ".snappy") else ""
    assert method == compression


async def fill(client: ZooKeeper, name: str) -> None:
    """Write every kind of znode there is, enough of them for several snapshots."""
    top = f"/{name}"
    await client.create(top, None)
    for number in range(60):
        await client.create(f"{top}/n{number:02}", bytes(number % 7) * number)
        await client.set(f"{top}/n{number:02}", f"ünïcode {number}".encode())
    deep = top
    for _ in range(30):
        deep += "/deep"
        await client.create(deep, b"")
    for number in range(0, 60, 9):
        await client.delete(f"{top}/n{number:02}")
    await client.create(f"{top}/private", b"mine", acl=PRIVATE)
    await client.create(f"{top}/mixed", b"", acl=MIXED)
    await client.set_acl(f"{top}/n01", MIXED)
    await client.create(f"{top}/e", b"", mode=CreateMode.EPHEMERAL)
    await client.create(f"{top}/e-", b"", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    await client.create(f"{top}/container", b"", mode=CreateMode.CONTAINER)
    await client.create(f"{top}/container/child", b"")
    await client.create(f"{top}/ttl", b"t", mode=CreateMode.PERSISTENT_WITH_TTL, ttl_ms=TTL_MS)
    await asyncio.gather(*[client.create(f"{top}/m{number}", b"m") for number in range(150)])
    # Without a create2, which ZooKeeper 3.8 cannot read back from a multi in the log.
    transaction = client.transaction().check(f"{top}/n02", version=1)
    for number in range(0, 150, 5):
        transaction.set(f"{top}/m{number}", b"").delete(f"{top}/m{number + 1}")
    await transaction.commit()


async def read(client: ZooKeeper) -> dict[str, Znode]:
    """Return everything but what each kind of server writes by itself."""
    found: dict[str, Znode] = {}
    todo = ["/"]
    while todo:
        path = todo.pop()
        if path == "/zookeeper/config":
            continue
        data, stat = await client.get(path)
        acl, _ = await client.get_acl(path)
        found[path] = (data, stat, tuple(acl))
        todo += [f"{path.rstrip('/')}/{name}" for name in await client.get_children(path)]
    return found
