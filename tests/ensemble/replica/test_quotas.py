"""Quotas as clients and monitoring see them: error -125, the log, and figures by namespace."""

from __future__ import annotations

from ensemble.errors import Code
from ensemble.replica.config import ZnodeConfig
from ensemble.tree.operations import OPEN_ACL, Create, Op
from tests.ensemble.replica.harness import Client, World, client


def world_with_quota(*, enforce: bool = True, voters: int = 1) -> tuple[World, Client]:
    world = World(voters=voters, znodes=ZnodeConfig(enforce_quota=enforce), words_allowed=frozenset({"mntr"}))
    user = client(world, timeout_ms=20_000)
    user.create("/app")
    user.create("/zookeeper/quota/app")
    user.create("/zookeeper/quota/app/zookeeper_limits", b"count=-1,bytes=100=;countHardLimit=2")
    user.create("/zookeeper/quota/app/zookeeper_stats", b"count=0,bytes=0")
    return world, user


def test_a_write_beyond_a_hard_limit_is_answered_125() -> None:
    world, user = world_with_quota()
    user.create("/app/a", b"data")
    assert user.error(Op.CREATE, Create("/app/b", b"", OPEN_ACL, 0)) == Code.QUOTA_EXCEEDED == -125
    assert user.get("/zookeeper/quota/app/zookeeper_stats") == b"count=2,bytes=4"
    assert any("quota of /app: count=3, over the hard limit 2" in line for line in world.only.lines)


def test_without_enforce_quota_it_is_carried_out() -> None:
    world, user = world_with_quota(enforce=False)
    user.create("/app/a", b"data")
    user.create("/app/b")
    assert user.get("/zookeeper/quota/app/zookeeper_stats") == b"count=3,bytes=4"
    assert any("over the hard limit" in line for line in world.only.lines)


def test_figures_are_told_by_namespace() -> None:
    world, user = world_with_quota()
    user.create("/app/a", b"data")
    user.error(Op.CREATE, Create("/app/b", b"", OPEN_ACL, 0))
    rows = Client(world).ask_word(b"mntr").splitlines()
    for name, value in (
        ("count_limit", 2),
        ("bytes_limit", 100),
        ("count_usage", 2),
        ("bytes_usage", 4),
        ("exceeded_error", 1),
    ):
        assert f"zk_app_quota_{name}_per_namespace\t{value}" in rows


def test_every_server_counts_by_itself_and_anew_when_it_starts() -> None:
    world, user = world_with_quota(voters=3)
    user.create("/app/a", b"data")
    world.settle()
    world.restart(world.follower.replica.config.sid)
    world.advance(2000)
    for server in world.servers.values():
        stats = server.replica.tree.get("/zookeeper/quota/app/zookeeper_stats")
        assert stats.data == b"count=2,bytes=4"
        assert server.replica.tree.digest() == world.leader.replica.tree.digest()
