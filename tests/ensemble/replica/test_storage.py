"""What is on disk: snapshots at the right moments, and a restart that brings everything back."""

from __future__ import annotations

import pytest

from ensemble.errors import StorageError
from ensemble.membership import parse
from ensemble.storage.settings import StorageSettings
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Op
from tests.ensemble.replica.harness import Server, World, client


def snapshots(world: World) -> list[str]:
    """Return the names of the snapshots on disk."""
    return [name for name in world.only.disk.files if "snapshot." in name]


def test_a_restart_brings_back_znodes_and_sessions() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    user.create("/e", mode=CreateMode.EPHEMERAL)
    user.set("/a", b"2")
    digest, zxid = world.only.replica.tree.digest(), world.only.replica.tree.zxid
    server = world.restart(1)
    assert (server.replica.tree.digest(), server.replica.tree.zxid) == (digest, zxid)
    assert user.closed
    back = client(world, server, session_id=user.session_id, password=user.password, zxid=zxid)
    assert back.get("/a") == b"2"
    assert back.create("/b") == "/b"
    assert server.replica.tree.zxid >> 32 == (zxid >> 32) + 1


def test_snapshots_are_taken_at_their_count_and_purged() -> None:
    world = World(snap_count=10, snap_retain_count=3)
    user = client(world)
    for number in range(8):
        user.create(f"/n{number}")
    assert len(snapshots(world)) == 1
    for number in range(8, 60):
        user.create(f"/n{number}")
    assert len(snapshots(world)) == 3
    digest = world.only.replica.tree.digest()
    status = world.only.replica.status()
    assert status["snapshot"] != "0"
    server = world.restart(1)
    assert server.replica.tree.digest() == digest
    assert server.replica.tree.znodes == 64


def test_what_was_not_answered_may_be_lost_and_what_was_is_not() -> None:
    world = World()
    user = client(world)
    user.create("/kept")
    user.send(user.request(Op.CREATE, Create("/lost", b"", OPEN_ACL, 0)))
    disk = world.only.disk
    disk.queue.clear()
    world.later.clear()
    server = Server(world, world.only.replica.config, disk)
    assert server.replica.tree.find("/kept") is not None
    assert server.replica.tree.find("/lost") is None


def test_a_disk_that_cannot_be_trusted_stops_the_server_at_once() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"x" * 100)
    user.create("/b", b"x" * 100)
    name = next(name for name in world.only.disk.files if "log." in name)
    world.only.disk.files[name][100] ^= 0xFF
    with pytest.raises(StorageError):
        Server(world, world.only.replica.config, world.only.disk)


def test_the_membership_is_in_the_config_znode() -> None:
    text = "server.1=localhost:2888:3888:participant;0.0.0.0:2181\nversion=100000000"
    world = World(membership=parse(text))
    user = client(world)
    assert user.get("/zookeeper/config") == text.encode()
    assert world.only.replica.tree.get("/zookeeper/config").mzxid == 0x100000000


def test_the_snapshots_of_an_ensemble_are_staggered() -> None:
    world = World(voters=3, snap_count=12)
    counts = {server.replica.application.snapshots._snap_count for server in world.servers.values()}
    assert counts == {12, 10, 8}


def test_a_snapshot_is_due_after_its_bytes_too() -> None:
    world = World(snap_count=100_000, snap_bytes=40_000)
    user = client(world)
    for number in range(100):
        user.create(f"/n{number}", b"x" * 100)
    assert len(snapshots(world)) == 1
    for number in range(100, 700):
        user.create(f"/n{number}", b"x" * 100)
    # About 160 bytes each.
    assert len(snapshots(world)) == 3


def test_snapshots_are_compressed_as_asked_for() -> None:
    world = World(snap_count=10, storage=StorageSettings(compression="snappy"))
    user = client(world)
    for number in range(30):
        user.create(f"/n{number}")
    assert all(name.endswith(".snappy") for name in snapshots(world))
    digest = world.only.replica.tree.digest()
    assert world.restart(1).replica.tree.digest() == digest
