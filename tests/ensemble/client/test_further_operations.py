"""What goes beyond single reads and writes, against our server and Apache's: chroot, several reads at once,
watches that stay, whole subtrees, quotas."""

from __future__ import annotations

import asyncio

import pytest

from ensemble.client import (
    READ_ACL,
    BadArguments,
    Code,
    ConnectionLoss,
    CreateMode,
    Data,
    EventStream,
    EventType,
    MultiError,
    NoAuth,
    NoNode,
    NotEmpty,
    NoWatcher,
    Quota,
    ReconfigDisabled,
    State,
    Unimplemented,
    Usage,
    WatcherType,
    WatchEvent,
    ZooKeeper,
)

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


async def test_each_refusal_has_its_class(zk: ZooKeeper, base: str) -> None:
    await zk.create(f"{base}/a")
    with pytest.raises(NotEmpty):
        await zk.delete(base)
    with pytest.raises(NoNode) as caught:
        await zk.get(f"{base}/none")
    assert (caught.value.code, caught.value.path) == (Code.NO_NODE, f"{base}/none")


async def test_several_reads_in_one_round_trip(zk: ZooKeeper, base: str) -> None:
    await zk.create(f"{base}/a", b"one")
    await zk.create(f"{base}/closed", acl=READ_ACL)
    names, data, missing = (
        await zk.multi_read().get_children(base).get(f"{base}/a").get(f"{base}/none").fetch()
    )
    assert isinstance(names, list)
    assert sorted(names) == ["a", "closed"]
    assert isinstance(data, Data)
    assert (data.data, data.stat) == (b"one", await zk.exists(f"{base}/a"))
    assert isinstance(missing, NoNode)
    assert missing.path == f"{base}/none"


async def test_a_check_alone(zk: ZooKeeper, base: str) -> None:
    await zk.check(base, version=0)
    with pytest.raises(MultiError) as caught:
        await zk.check(base, version=1)
    assert (caught.value.code, caught.value.path) == (Code.BAD_VERSION, base)


async def test_a_chroot_is_the_root_of_its_client(server: str, zk: ZooKeeper, base: str) -> None:
    async with ZooKeeper(f"{server}{base}/deep/down") as inner:
        with pytest.raises(NoNode) as caught:
            await inner.create("/a")
        assert caught.value.path == "/a"
        await inner.ensure_path("/")
        assert await inner.create("/a-", b"x", mode=CreateMode.EPHEMERAL_SEQUENTIAL) == "/a-0000000000"
        assert (await zk.get(f"{base}/deep/down/a-0000000000")).data == b"x"
        assert await inner.get_children("/") == ["a-0000000000"]
        assert await inner.get_ephemerals("/") == ["/a-0000000000"]
        created = await inner.create2("/c")
        assert created.path == "/c"
        results = await inner.transaction().create("/t").set("/t", b"1").check("/c").commit()
        assert results[0].path == "/t"
        with pytest.raises(MultiError) as refused:
            await inner.transaction().delete("/none").commit()
        assert refused.value.path == "/none"
        changed, there = EventStream(), EventStream()
        await inner.get_children("/", watch=changed)
        await inner.exists("/later", watch=there)
        await zk.create(f"{base}/deep/down/later")
        assert await changed == WatchEvent(EventType.NODE_CHILDREN_CHANGED, "/")
        assert await there == WatchEvent(EventType.NODE_CREATED, "/later")
        await inner.sync()
        await inner.get_config()


async def test_a_servers_answer_to_reconfig(zk: ZooKeeper) -> None:
    # A server that stands alone has nothing to change; Apache says so before it looks at the request.
    with pytest.raises((ReconfigDisabled, Unimplemented, NoAuth)):
        await zk.reconfig(leaving="3")


async def test_the_configuration(zk: ZooKeeper) -> None:
    assert (await zk.get_config()).stat.version >= -1


async def test_a_watch_is_taken_back(zk: ZooKeeper, base: str) -> None:
    one, other, child = EventStream(), EventStream(), EventStream()
    await zk.get(base, watch=one)
    await zk.get(base, watch=other)
    await zk.get_children(base, watch=child)
    await zk.remove_watches(base, one, kind=WatcherType.DATA)
    assert await zk.check_watches(base, kind=WatcherType.DATA)
    await zk.remove_watches(base, other, kind=WatcherType.DATA)
    assert not await zk.check_watches(base, kind=WatcherType.DATA)
    with pytest.raises(NoWatcher):
        await zk.remove_watches(base, other, kind=WatcherType.DATA)
    await zk.set(base, b"unseen")
    await zk.create(f"{base}/a")
    assert (await child).type is EventType.NODE_CHILDREN_CHANGED
    assert (one.pending, other.pending) == (0, 0)


async def test_watches_can_be_forgotten_without_a_server(server: str) -> None:
    zk = ZooKeeper(server)
    await zk.start()
    fired = EventStream()
    await zk.exists("/forgotten", watch=fired)
    await zk.detach()
    with pytest.raises(NoWatcher):
        # Closing has told every watcher that nothing comes any more.
        await zk.remove_watches("/forgotten", fired, local=True)


async def test_added_watches_stay(zk: ZooKeeper, base: str) -> None:
    told: list[WatchEvent] = []
    await zk.add_watch(base, told.append, recursive=True)
    for _ in range(3):
        await zk.create(f"{base}/a")
        await zk.delete(f"{base}/a")
    await zk.remove_watches(base, told.append)
    await zk.create(f"{base}/unseen")
    await zk.sync(base)
    assert (
        told
        == [
            WatchEvent(EventType.NODE_CREATED, f"{base}/a"),
            WatchEvent(EventType.NODE_DELETED, f"{base}/a"),
        ]
        * 3
    )


async def test_a_path_with_its_parents(zk: ZooKeeper, base: str) -> None:
    await zk.ensure_path(f"{base}/a/b/c")
    await zk.ensure_path(f"{base}/a/b/c")
    assert await zk.count_all_children(base) == 3
    assert [path async for path in zk.walk(base)] == [base, f"{base}/a", f"{base}/a/b", f"{base}/a/b/c"]


async def test_all_below_a_znode_is_deleted(zk: ZooKeeper, base: str) -> None:
    paths = [f"{base}/{number}" for number in range(600)]
    await asyncio.gather(*[zk.create(path) for path in paths])
    await asyncio.gather(*[zk.create(f"{path}/below") for path in paths])
    assert await zk.delete_recursively(base) == 1201
    assert await zk.exists(base) is None
    with pytest.raises(NoNode):
        await zk.delete_recursively(base)
    with pytest.raises(BadArguments):
        await zk.delete_recursively("/")


async def test_deleting_goes_on_where_others_create_and_delete(zk: ZooKeeper, base: str) -> None:
    async def disturb() -> int:
        for number in range(200):
            try:
                await zk.create(f"{base}/{number:03}")
                await zk.delete(f"{base}/{number - 10:03}")
            except NoNode:
                continue
        return number

    await asyncio.gather(*[zk.create(f"{base}/x{number}") for number in range(300)])
    disturbing = asyncio.create_task(disturb())
    await zk.delete_recursively(base)
    await disturbing
    assert await zk.exists(base) is None


async def test_a_quota_counts_what_is_there(zk: ZooKeeper, base: str) -> None:
    await zk.create(f"{base}/a", b"12345")
    assert await zk.get_quota(base) is None
    await zk.set_quota(base, Quota(count=10, data_bytes=100))
    await zk.create(f"{base}/b", b"678")
    assert await zk.get_quota(base) == (Quota(count=10, data_bytes=100), Usage(3, 8))
    await zk.set_quota(base, Quota(count_hard=5))
    assert await zk.get_quota(base) == (Quota(count_hard=5), Usage(3, 8))
    await zk.delete_quota(base)
    assert await zk.get_quota(base) is None
    assert await zk.exists(f"/zookeeper/quota{base}") is None
    with pytest.raises(NoNode):
        await zk.delete_quota(base)
    with pytest.raises(NoNode):
        await zk.set_quota(f"{base}/none", Quota(count=1))


async def test_a_quota_above_or_below_another_is_refused(zk: ZooKeeper, base: str) -> None:
    """Servers count the deepest only: the other would silently be wrong."""
    await zk.ensure_path(f"{base}/a/b/c")
    await zk.set_quota(f"{base}/a/b", Quota(count=10))
    await zk.set_quota(f"{base}/a/b", Quota(count=11))
    with pytest.raises(BadArguments, match=r"^/.*/a has a child /.*/a/b which has a quota$"):
        await zk.set_quota(f"{base}/a", Quota(count=10))
    with pytest.raises(BadArguments, match=r"^/.*/a/b/c has a parent /.*/a/b which has a quota$"):
        await zk.set_quota(f"{base}/a/b/c", Quota(count=10))
    await zk.delete_quota(f"{base}/a/b")
    await zk.set_quota(f"{base}/a", Quota(count=10))
    await zk.delete_quota(f"{base}/a")
    with pytest.raises(BadArguments, match="the root cannot have a quota"):
        await zk.set_quota("/", Quota(count=10))


async def test_what_the_client_itself_refuses_says_why(zk: ZooKeeper, base: str) -> None:
    with pytest.raises(BadArguments, match=r"^Path must start with / character$"):
        await zk.get("app")
    with pytest.raises(BadArguments, match=r"^Path must not end with / character$"):
        await zk.create(f"{base}/")
    with pytest.raises(BadArguments, match=r"^the root cannot be deleted; name what is below it$"):
        await zk.delete_recursively("/")
    with pytest.raises(
        BadArguments, match=r"^ttl must be positive and cannot be larger than: 1099511627775$"
    ):
        await zk.create(f"{base}/t", mode=CreateMode.PERSISTENT_WITH_TTL)
    with pytest.raises(
        BadArguments, match=r"^a ttl needs a mode with one, such as CreateMode.PERSISTENT_WITH_TTL$"
    ):
        await zk.create(f"{base}/t", ttl_ms=1000)


async def test_states_are_told_to_the_end(server: str) -> None:
    zk = ZooKeeper(server)
    states = zk.states()
    seen = [await anext(states)]
    await zk.start()
    seen.append(await anext(states))
    await zk.close()
    seen += [state async for state in states]
    assert (seen[:2], seen[-1]) == ([State.CONNECTING, State.CONNECTED], State.CLOSED)


async def test_an_answer_larger_than_allowed_costs_the_connection(
    server: str, zk: ZooKeeper, base: str
) -> None:
    await zk.set(base, bytes(100_000))
    async with ZooKeeper(server, frame_bytes_max=50_000) as small:
        with pytest.raises(ConnectionLoss):
            await small.get(base)
        assert (await zk.get(base)).stat.data_length == 100_000
