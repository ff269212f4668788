"""Every operation, against our server and Apache's: what the latter answers is what counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ensemble.client import (
    OPEN_ACL,
    READ_ACL,
    Acl,
    ClientClosed,
    Code,
    ConnectionLoss,
    CreateMode,
    EventStream,
    EventType,
    Identity,
    KeeperError,
    MultiError,
    Perm,
    SessionExpired,
    State,
    WatchEvent,
    ZooKeeper,
)

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]


def _code(caught: pytest.ExceptionInfo[KeeperError]) -> Code:
    return caught.value.code


async def test_create_get_set_delete(zk: ZooKeeper, base: str) -> None:
    path = await zk.create(f"{base}/a", b"one")
    assert path == f"{base}/a"
    data, stat = await zk.get(path)
    assert (data, stat.version, stat.data_length, stat.ephemeral_owner) == (b"one", 0, 3, 0)
    newer = await zk.set(path, b"two", version=0)
    assert (newer.version, newer.mzxid > stat.mzxid, newer.czxid) == (1, True, stat.czxid)
    assert await zk.exists(path) == newer
    await zk.delete(path, version=1)
    assert await zk.exists(path) is None


async def test_null_is_not_empty(zk: ZooKeeper, base: str) -> None:
    await zk.create(f"{base}/null", None)
    await zk.create(f"{base}/empty", b"")
    assert (await zk.get(f"{base}/null"))[0] is None
    assert (await zk.get(f"{base}/empty"))[0] == b""


async def test_create_modes(zk: ZooKeeper, base: str) -> None:
    ephemeral, stat = await zk.create2(f"{base}/e", mode=CreateMode.EPHEMERAL)
    assert stat.ephemeral_owner == zk.session_id
    assert await zk.get_ephemerals(base) == [ephemeral]
    first = await zk.create(f"{base}/s-", mode=CreateMode.PERSISTENT_SEQUENTIAL)
    second, _ = await zk.create2(f"{base}/s-", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    assert (first, second) == (f"{base}/s-0000000001", f"{base}/s-0000000002")
    assert await zk.create(f"{base}/c", mode=CreateMode.CONTAINER) == f"{base}/c"
    assert await zk.count_all_children(base) == 4


async def test_a_ttl(zk: ZooKeeper, base: str) -> None:
    made, stat = await zk.create2(f"{base}/t", mode=CreateMode.PERSISTENT_WITH_TTL, ttl_ms=60_000)
    assert (made, stat.ephemeral_owner) == (f"{base}/t", 0)


async def test_children(zk: ZooKeeper, base: str) -> None:
    names = [f"{index:04}-é" for index in range(500)]
    await asyncio.gather(*[zk.create(f"{base}/{name}") for name in names])
    assert sorted(await zk.get_children(base)) == names
    found, stat = await zk.get_children2(base)
    assert (len(found), stat.num_children, stat.cversion) == (500, 500, 500)


async def test_acl(zk: ZooKeeper, base: str) -> None:
    assert (await zk.get_acl(base))[0] == OPEN_ACL
    stat = await zk.set_acl(base, READ_ACL, version=0)
    assert stat.aversion == 1
    assert (await zk.get_acl(base))[0] == READ_ACL
    with pytest.raises(KeeperError) as caught:
        await zk.set(base, b"")
    assert _code(caught) is Code.NO_AUTH


async def test_credentials_open_what_they_own(server: str, zk: ZooKeeper, base: str) -> None:
    mine = (Acl(Perm.ALL, Identity("auth", "")),)
    async with ZooKeeper(server) as owner:
        await owner.add_auth("digest", b"ann:secret")
        await owner.create(f"{base}/mine", b"private", acl=mine)
        assert Identity("digest", "ann") in await owner.who_am_i()
        assert (await owner.get(f"{base}/mine"))[0] == b"private"
    with pytest.raises(KeeperError) as caught:
        await zk.get(f"{base}/mine")
    assert _code(caught) is Code.NO_AUTH


async def test_an_unknown_scheme_is_refused(server: str) -> None:
    async with ZooKeeper(server) as client:
        with pytest.raises(KeeperError) as caught:
            await client.add_auth("no-such-scheme", b"")
        assert _code(caught) is Code.AUTH_FAILED


async def test_refusals(zk: ZooKeeper, base: str) -> None:
    await zk.create(f"{base}/a")
    refusals = [
        (zk.create(f"{base}/a"), Code.NODE_EXISTS),
        (zk.create(f"{base}/no/parent"), Code.NO_NODE),
        (zk.create(f"{base}/b", acl=()), Code.INVALID_ACL),
        (zk.get(f"{base}/none"), Code.NO_NODE),
        (zk.get_children(f"{base}/none"), Code.NO_NODE),
        (zk.set(f"{base}/a", b"", version=7), Code.BAD_VERSION),
        (zk.delete(base), Code.NOT_EMPTY),
        (zk.delete(f"{base}/a", version=7), Code.BAD_VERSION),
        (zk.get("no-slash"), Code.BAD_ARGUMENTS),
        (zk.create(f"{base}/a/"), Code.BAD_ARGUMENTS),
    ]
    for refused, code in refusals:
        with pytest.raises(KeeperError) as caught:
            await refused
        assert _code(caught) is code


async def test_sync_and_answers_in_the_order_of_requests(zk: ZooKeeper, base: str) -> None:
    done: list[int] = []

    async def write(index: int) -> None:
        await zk.set(base, str(index).encode())
        done.append(index)

    await asyncio.gather(*[write(index) for index in range(200)])
    await zk.sync(base)
    assert done == list(range(200))
    data, stat = await zk.get(base)
    assert (data, stat.version) == (b"199", 200)
    assert zk.zxid_seen >= stat.mzxid


# --- transactions --------------------------------------------------------------------------------------


async def test_a_transaction_happens_as_one(zk: ZooKeeper, base: str) -> None:
    await zk.create(f"{base}/old")
    transaction = zk.transaction()
    transaction.check(base, version=0)
    transaction.create(f"{base}/s-", b"x", mode=CreateMode.PERSISTENT_SEQUENTIAL)
    transaction.set(base, b"new")
    transaction.delete(f"{base}/old")
    results = await transaction.commit()
    assert results[1].path == f"{base}/s-0000000001"
    assert results[2].stat is not None
    assert results[2].stat.version == 1
    assert (await zk.get(f"{base}/s-0000000001"))[1].czxid == results[2].stat.mzxid
    assert await zk.get_children(base) == ["s-0000000001"]


async def test_a_refused_transaction_names_the_operation_and_does_nothing(zk: ZooKeeper, base: str) -> None:
    transaction = zk.transaction()
    transaction.create(f"{base}/a").delete(f"{base}/none").create(f"{base}/b")
    with pytest.raises(MultiError) as caught:
        await transaction.commit()
    assert (caught.value.code, caught.value.index, caught.value.path) == (Code.NO_NODE, 1, f"{base}/none")
    assert await zk.get_children(base) == []


async def test_an_empty_transaction(zk: ZooKeeper) -> None:
    assert await zk.transaction().commit() == []


# --- watches -------------------------------------------------------------------------------------------


async def test_a_watch_is_told_once(zk: ZooKeeper, base: str) -> None:
    told: list[WatchEvent] = []
    await zk.get(base, watch=told.append)
    await zk.set(base, b"1")
    await zk.set(base, b"2")
    await zk.sync(base)
    assert told == [WatchEvent(EventType.NODE_DATA_CHANGED, base)]


async def test_watches_of_each_kind(zk: ZooKeeper, base: str) -> None:
    made, changed, listed, gone = (EventStream() for _ in range(4))
    assert await zk.exists(f"{base}/a", watch=made) is None
    await zk.get_children(base, watch=listed)
    await zk.create(f"{base}/a")
    assert await made == WatchEvent(EventType.NODE_CREATED, f"{base}/a")
    assert await listed == WatchEvent(EventType.NODE_CHILDREN_CHANGED, base)
    await zk.get(f"{base}/a", watch=changed)
    await zk.exists(f"{base}/a", watch=gone)
    await zk.delete(f"{base}/a")
    for stream in (changed, gone):
        assert await stream == WatchEvent(EventType.NODE_DELETED, f"{base}/a")


async def test_a_recursive_watch_stays(zk: ZooKeeper, base: str) -> None:
    async with zk.watch(base, recursive=True) as events:
        await zk.create(f"{base}/a")
        await zk.create(f"{base}/a/b")
        await zk.set(f"{base}/a/b", b"")
        await zk.delete(f"{base}/a/b")
        kinds = [await events for _ in range(4)]
    assert kinds == [
        WatchEvent(EventType.NODE_CREATED, f"{base}/a"),
        WatchEvent(EventType.NODE_CREATED, f"{base}/a/b"),
        WatchEvent(EventType.NODE_DATA_CHANGED, f"{base}/a/b"),
        WatchEvent(EventType.NODE_DELETED, f"{base}/a/b"),
    ]


async def test_a_persistent_watch_hears_of_children_and_can_be_left(zk: ZooKeeper, base: str) -> None:
    async with zk.watch(base) as events:
        await zk.create(f"{base}/a")
        await zk.set(base, b"")
        assert (await events).type is EventType.NODE_CHILDREN_CHANGED
        assert (await events).type is EventType.NODE_DATA_CHANGED
    late = EventStream()
    await zk.get(base, watch=late)
    await zk.set(base, b"")
    assert (await late).type is EventType.NODE_DATA_CHANGED


async def test_an_event_comes_before_the_answer_that_shows_its_cause(
    server: str, zk: ZooKeeper, base: str
) -> None:
    told: list[WatchEvent] = []
    await zk.get(base, watch=told.append)
    async with ZooKeeper(server) as other:
        await other.set(base, b"new")
    while (await zk.get(base))[0] != b"new":
        assert told == []
    assert told == [WatchEvent(EventType.NODE_DATA_CHANGED, base)]


# --- the session ---------------------------------------------------------------------------------------


async def test_closing_ends_the_session(server: str, zk: ZooKeeper, base: str) -> None:
    states: list[State] = []
    async with ZooKeeper(server) as other:
        stop = other.listen(states.append)
        await other.create(f"{base}/e", mode=CreateMode.EPHEMERAL)
        changed = EventStream()
        await other.get(base, watch=changed)
    stop()
    assert states[-1:] == [State.CLOSED]
    assert [event async for event in changed] == []
    assert await zk.exists(f"{base}/e") is None
    with pytest.raises(ClientClosed):
        await other.get(base)


async def test_a_session_can_be_resumed_by_another_client(server: str, base: str) -> None:
    first = ZooKeeper(server)
    await first.start()
    path = await first.create(f"{base}/e", mode=CreateMode.EPHEMERAL)
    await first.detach()
    async with ZooKeeper(server, resume=(first.session_id, first.password)) as second:
        assert second.session_id == first.session_id
        assert await second.get_ephemerals() == [path]


async def test_a_wrong_password_is_as_an_expired_session(server: str, zk: ZooKeeper) -> None:
    with pytest.raises(SessionExpired):
        await ZooKeeper(server, resume=(zk.session_id, b"\1" * 16)).start()


async def test_pings_keep_an_idle_session(server: str) -> None:
    """Three time-outs of silence from us; without pings the server would have ended it after one."""
    states: list[State] = []
    async with ZooKeeper(server, session_timeout_ms=800) as client:
        client.listen(states.append)
        session_id = client.session_id
        assert client.session_timeout_ms == 800
        await asyncio.sleep(2.4)  # time is tested
        await client.sync()
        assert (client.session_id, states) == (session_id, [])


async def test_nobody_there() -> None:
    refused = r"^no server accepted us within 300 ms: 127.0.0.1:1 \(Connection refused\)$"
    with pytest.raises(ConnectionLoss, match=refused):
        await ZooKeeper("127.0.0.1:1", session_timeout_ms=300).start()


async def test_somebody_there_who_is_no_server_for_us() -> None:
    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(
            ConnectionLoss, match=rf"127.0.0.1:{port} \(it closed the connection; its ensemble may"
        ):
            await ZooKeeper(f"127.0.0.1:{port}", session_timeout_ms=300).start()


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda zk, base: zk.create(base, "text"), "data must be bytes, not str; encode the text first"),
        (lambda zk, base: zk.set(base, "text"), "data must be bytes, not str; encode the text first"),
        (
            lambda zk, base: zk.set(base, b"", version="3"),
            "version must be a whole number, or -1 for any, not str",
        ),
        (lambda zk, base: zk.create(base, b"", mode="ephemeral"), "mode must be a CreateMode, not str"),
        (
            lambda zk, base: zk.create(base, acl="world:anyone"),
            "acl must be a sequence of Acl, such as OPEN_ACL",
        ),
        (lambda zk, base: zk.get(base.encode()), "path must be a str, not bytes"),
        (lambda zk, base: zk.get(None), "path must be a str, not NoneType"),
        (lambda zk, base: zk.add_auth("digest", "u:p"), "auth must be bytes, not str; encode the text first"),
        (
            lambda zk, base: zk.transaction().create(base, "text").commit(),
            "data must be bytes, not str; encode",
        ),
        (
            lambda zk, base: zk.exists(base, watch=True),
            "watch must be a function of one argument or an EventStream",
        ),
    ],
)
async def test_what_cannot_be_sent_is_named(zk: ZooKeeper, base: str, mistake: Any, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        await mistake(zk, base)
    assert said in str(caught.value)


async def test_a_client_that_was_not_started_says_so(server: str) -> None:
    with pytest.raises(ClientClosed, match="the client was not started; write async with"):
        await ZooKeeper(server).get("/")


async def test_a_request_too_large_for_servers_says_why_it_may_have_been_cut_off(
    zk: ZooKeeper, base: str
) -> None:
    with pytest.raises(
        ConnectionLoss, match=r"bytes; beyond jute\.maxbuffer, 1048575 unless set, servers cut off"
    ):
        await zk.create(f"{base}/large", bytes(2_000_000))


async def test_who_is_cancelled_while_leaving_is_cancelled(ours: str) -> None:
    zk = ZooKeeper(ours)
    await zk.start()
    leaving = asyncio.create_task(zk.detach())
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await zk.detach()
