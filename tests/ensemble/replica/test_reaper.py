"""The reaper: which containers and TTL znodes go, when, at what rate, and on whose word."""

from __future__ import annotations

from typing import Any

from ensemble.errors import Code
from ensemble.replica.config import ZnodeConfig
from ensemble.tree.operations import OPEN_ACL, Create, CreateMode, Op
from ensemble.wire import replies
from tests.ensemble.replica.harness import Client, Server, World, client

CONTAINER, TTL = CreateMode.CONTAINER, CreateMode.PERSISTENT_WITH_TTL


def world_with(voters: int = 1, **settings: Any) -> World:
    """Return a world whose servers look for znodes to delete every second."""
    kinds = ZnodeConfig(**{"extended_types": True, "container_check_ms": 1000, **settings})
    return World(voters=voters, znodes=kinds)


def create_container(user: Client, path: str) -> None:
    assert user.error(Op.CREATE_CONTAINER, Create(path, b"", OPEN_ACL, CONTAINER)) == Code.OK


def create_ttl(user: Client, path: str, ttl_ms: int) -> None:
    assert user.error(Op.CREATE_TTL, Create(path, b"", OPEN_ACL, TTL, ttl_ms)) == Code.OK


def there(server: Server, path: str) -> bool:
    return server.replica.tree.find(path) is not None


def deleted(server: Server) -> list[str]:
    return [event["path"] for event in server.events("znode") if event["what"] == "deleted"]


def test_a_container_goes_when_its_last_child_has_gone() -> None:
    world = world_with()
    user = client(world, timeout_ms=20_000)
    create_container(user, "/c")
    user.create("/c/a")
    world.advance(2500)
    assert there(world.only, "/c")
    user.delete("/c/a")
    before = world.only.replica.tree.zxid
    world.advance(1000)
    assert not there(world.only, "/c")
    assert world.only.replica.tree.zxid == before + 1


def test_a_container_without_a_first_child_stays() -> None:
    world = world_with()
    create_container(client(world, timeout_ms=20_000), "/c")
    world.advance(9000)
    assert there(world.only, "/c")


def test_a_container_nobody_uses_may_be_given_a_time() -> None:
    world = world_with(container_unused_ms_max=3000)
    create_container(client(world, timeout_ms=20_000), "/c")
    world.advance(3000)
    assert there(world.only, "/c")
    world.advance(1100)
    assert not there(world.only, "/c")


def test_a_ttl_znode_goes_when_nothing_was_written_to_it_for_its_time() -> None:
    world = world_with()
    user = client(world, timeout_ms=20_000)
    create_ttl(user, "/t", 2000)
    world.advance(1900)
    assert user.set("/t", b"again") == Code.OK
    world.advance(2000)
    assert there(world.only, "/t")
    world.advance(1100)
    assert not there(world.only, "/t")


def test_a_ttl_znode_with_children_stays_until_they_have_gone() -> None:
    world = world_with()
    user = client(world, timeout_ms=20_000)
    create_ttl(user, "/t", 500)
    user.create("/t/a")
    world.advance(3000)
    assert there(world.only, "/t")
    user.delete("/t/a")
    world.advance(1100)
    assert not there(world.only, "/t")


def test_other_znodes_are_left_alone() -> None:
    world = world_with(container_unused_ms_max=1)
    user = client(world, timeout_ms=20_000)
    for path, mode in (("/p", CreateMode.PERSISTENT), ("/e", CreateMode.EPHEMERAL)):
        user.create(path, mode=mode)
    user.create("/p/a")
    user.delete("/p/a")
    world.advance(3000)
    assert there(world.only, "/p")
    assert there(world.only, "/e")


def test_those_found_go_one_after_the_other_at_the_rate_that_is_set() -> None:
    world = world_with(containers_per_minute_max=600)  # one in 100 ms
    user = client(world, timeout_ms=20_000)
    for number in range(5):
        create_ttl(user, f"/t{number}", 100)
    world.advance(1000)
    assert deleted(world.only) == ["/t0"]
    world.advance(200)
    assert deleted(world.only) == ["/t0", "/t1", "/t2"]
    world.advance(1000)
    assert len(deleted(world.only)) == 5


def test_one_that_is_used_again_before_its_turn_stays() -> None:
    world = world_with(containers_per_minute_max=600)
    user = client(world, timeout_ms=20_000)
    for number in range(3):
        create_container(user, f"/c{number}")
        user.create(f"/c{number}/a")
        user.delete(f"/c{number}/a")
    world.advance(1000)
    user.create("/c2/b")
    zxid = world.only.replica.tree.zxid
    world.advance(900)
    assert (there(world.only, "/c1"), there(world.only, "/c2")) == (False, True)
    assert world.only.replica.tree.zxid == zxid + 1


def test_one_that_changed_on_its_way_is_not_deleted() -> None:
    """Between the look and the transaction a child may be proposed: that is judged with all other requests."""
    world = world_with()
    user = client(world, timeout_ms=20_000)
    create_container(user, "/c")
    user.create("/c/a")
    user.delete("/c/a")
    user.send(user.request(Op.CREATE, Create("/c/b", b"", OPEN_ACL, 0)))
    world.only.replica._writes.delete_container("/c")
    world.settle()
    assert replies.decode_header(user.answers()[0])[2] == Code.OK
    assert there(world.only, "/c/b")


def test_only_the_leader_reaps_and_the_next_leader_goes_on() -> None:
    world = world_with(voters=3)
    user = client(world, world.leader, timeout_ms=20_000)
    create_ttl(user, "/t", 1000)
    first = world.leader
    reapers = {sid: server.replica._writes.reaper for sid, server in world.servers.items()}
    assert [sid for sid, reaper in reapers.items() if reaper._timer] == [first.replica.config.sid]
    world.cut.add(first.replica.config.sid)
    world.advance(12_000)
    others = [server for server in world.servers.values() if server is not first]
    assert [there(server, "/t") for server in others] == [False, False]
    assert reapers[first.replica.config.sid]._timer is None


def test_a_stopped_server_looks_no_more() -> None:
    world = world_with()
    create_ttl(client(world, timeout_ms=20_000), "/t", 1)
    world.only.replica.stop()
    world.advance(3000)
    assert there(world.only, "/t")


def test_the_admin_port_is_told_which_znodes_go_by_themselves() -> None:
    world = world_with()
    user = client(world, timeout_ms=20_000)
    create_container(user, "/c")
    create_ttl(user, "/t", 5000)
    user.create("/p")
    replica = world.only.replica
    assert replica.lifetimes(["/t", "/p", "/none", "/c"]) == [
        {"path": "/t", "kind": "ttl", "ttl_ms": 5000},
        {"path": "/c", "kind": "container", "ttl_ms": None},
    ]
    assert replica.status()["lifetimes"] == 2
