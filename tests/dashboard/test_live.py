"""The panel on a real ensemble of three server processes, with real clients beside it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import AsyncClient

from coordinator.asgi import application
from dashboard import audit
from dashboard.gateway import access
from dashboard.gateway.gateway import Gateway
from dashboard.gateway.sources import ServerAddress, Source
from dashboard.models import AuditEntry
from dashboard.places.rows import row_id
from ensemble.client import Quota, ZooKeeper
from ensemble.tree.operations import Acl, CreateMode, Identity
from tests.dashboard.conftest import socket_headers, text_of
from tests.processes.conftest import RunningEnsemble
from tests.waiting import reached

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

SOON_S = 15.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEnsemble]:
    ensemble = RunningEnsemble(tmp_path_factory.mktemp("panel") / "data")
    yield ensemble
    ensemble.close()


@pytest.fixture
async def live(running: RunningEnsemble) -> AsyncIterator[Gateway]:
    servers = tuple(
        ServerAddress(sid, f"127.0.0.1:{running.port(sid)}", running.server_admin(sid).url)
        for sid in running.sids
    )
    source = Source("demo", servers, running.supervisor_admin().url, running.token)
    gateway = Gateway(source, get_channel_layer())
    access.install(gateway)
    await gateway.start()
    await reached(lambda: gateway.model.summary()["quorum"] == "3 of 3" and gateway.model.supervised, SOON_S)
    yield gateway
    await access.dismiss()


@pytest.fixture
async def browser(live: Gateway) -> AsyncClient:
    client = AsyncClient()
    await client.get("/", {"token": settings.COORDINATOR_PANEL_TOKEN})
    return client


@pytest.fixture
async def other(running: RunningEnsemble) -> AsyncIterator[ZooKeeper]:
    """A client that is not the panel."""
    async with ZooKeeper(running.addresses, session_timeout_ms=8000) as client:
        yield client


async def _eventually(look: Callable[[], Awaitable[str]], wanted: str) -> str:
    async def found() -> str:
        text = await look()
        return text if wanted in text else ""

    return await reached(found, SOON_S)


async def _page(browser: AsyncClient, address: str, /, **query: str) -> str:
    response = await browser.get(address, query)
    assert response.status_code == 200
    return text_of(response)


async def _open(browser: AsyncClient, place: str, **shown: Any) -> WebsocketCommunicator:
    socket = WebsocketCommunicator(application, f"/ws/place/{place}/", headers=socket_headers(browser))
    assert (await socket.connect())[0]
    await socket.send_to(text_data=json.dumps(shown))
    return socket


async def _push(socket: WebsocketCommunicator, *wanted: str, without: str | None = None) -> str:
    """Return the next push in which all patterns are found (and one is not)."""
    async with asyncio.timeout(SOON_S):
        while True:
            html: str = await socket.receive_from(timeout=SOON_S)
            if all(re.search(pattern, html) for pattern in wanted) and not (without and without in html):
                return html


MODES = {
    "persistent": ("plain", r"/m/plain", "persistent"),
    "ephemeral": ("mine", r"/m/mine", "ephemeral"),
    "persistent_sequential": ("task-", r"/m/task-\d{10}", "persistent, looks sequential"),
    "ephemeral_sequential": ("lock-", r"/m/lock-\d{10}", "ephemeral, looks sequential"),
}


async def test_all_four_modes_can_be_created(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/m")
    for mode, (name, pattern, words) in MODES.items():
        form = {"parent": "/m", "name": name, "mode": mode, "value": "a\r\nb", "reason": "a lesson"}
        response = await browser.post("/actions/znode/create", form)
        assert response.status_code == 200
        made = re.search(pattern, text_of(response))
        assert made is not None
        await other.sync()  # its server may not have applied yet what the panel's has
        data, stat = await other.get(made[0])
        assert data == b"a\nb"
        detail = await _page(browser, "/tree/", path=made[0])
        assert f'">{words}</span>' in detail
        assert ("this panel" in detail) is (stat.ephemeral_owner != 0)
    entry = await AuditEntry.objects.alatest("id")
    assert (entry.action, entry.target, entry.reason, entry.user) == (
        "create",
        "/m/lock-",
        "a lesson",
        "operator",
    )
    assert int(entry.zxid) == stat.czxid
    again = await browser.post(
        "/actions/znode/create", {"parent": "/m", "name": "plain", "mode": "persistent"}
    )
    assert (again.status_code, "/m/plain exists already" in text_of(again)) == (409, True)


async def test_a_deep_link_opens_the_tree_down_to_it(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/deep")
    for index in range(230):
        await other.create(f"/deep/n{index:03}")
    await other.create("/deep/n215/below", b"x")
    html = await _page(browser, "/tree/", path="/deep/n215/below")
    assert f'id="row-{row_id("/deep/n215/below")}"' in html
    assert 'value="300:/deep"' in html
    first_page = await _page(browser, "/tree/item/", path="/deep", open="1")
    assert "… 130 more, show the next 100" in first_page
    found = await _page(browser, "/tree/find/", find="/deep/n21")
    assert "10 matches below" in found
    by_name = await _page(browser, "/tree/find/", find="BELOW")
    assert "1 match; all" in by_name
    assert "/deep/n215/below" in by_name


async def test_an_edit_that_came_second_shows_both_values(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/edited", b'{"n": 1}')
    dialog = await _page(browser, "/dialogs/znode/edit", path="/edited")
    assert 'name="version" value="0"' in dialog
    await other.set("/edited", b'{"n": "theirs"}')
    form = {"path": "/edited", "version": "0", "value": '{"n": "mine"}'}
    conflict = await browser.post("/actions/znode/set", form)
    assert conflict.status_code == 409
    html = text_of(conflict)
    assert "Someone else was first" in html
    assert "&quot;theirs&quot;" in html
    assert "&quot;mine&quot;" in html
    assert 'name="version" value="1"' in html
    assert (await other.get("/edited"))[0] == b'{"n": "theirs"}'
    assert (await browser.post("/actions/znode/set", form | {"version": "1"})).status_code == 200
    await other.sync()
    assert (await other.get("/edited"))[0] == b'{"n": "mine"}'


async def test_a_deletion_shows_what_goes_with_it_and_says_how_far_it_is(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/gone")
    await asyncio.gather(*(other.create(f"/gone/{index}") for index in range(250)))
    await other.create("/gone/7/below")
    await other.exists("/gone", watch=lambda event: None)

    async def dialog() -> str:
        return await _page(browser, "/dialogs/znode/delete", path="/gone")

    html = await _eventually(dialog, "1 watch fires")
    assert "250 children; <b>251 znodes are</b> below it" in html
    assert "Delete all 252 znodes" in html
    refused = await browser.post("/actions/znode/delete", {"path": "/gone", "version": "0"})
    assert refused.status_code == 409
    assert "/gone has children" in text_of(refused)
    socket = await _open(browser, "tree", open="100:/", selected="/gone")
    started = await browser.post("/actions/znode/delete", {"path": "/gone", "recursive": "1"})
    assert 'id="job-1"' in text_of(started)
    done = await _push(socket, 'id="job-1"', "are gone: 252 znodes")
    assert done
    await other.sync()
    assert await other.exists("/gone") is None
    kept = await browser.post("/actions/znode/delete", {"path": "/zookeeper/quota", "recursive": "1"})
    assert kept.status_code == 409
    await socket.disconnect()


async def test_open_rows_follow_what_others_do(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/live")
    await other.create("/live/a", b"1")
    socket = await _open(browser, "tree", open=["100:/", "100:/live"], selected="/live/a")
    await _push(socket, f'id="kids-{row_id("/")}"', f'id="kids-{row_id("/live")}"')
    await other.create("/live/b")
    await _push(socket, f'id="kids-{row_id("/live")}"', rf'class="row new[^"]*" id="row-{row_id("/live/b")}"')
    await other.set("/live/b", b"2")
    await _push(socket, rf'class="row flash[^"]*" id="row-{row_id("/live/b")}"')
    await other.set("/live/a", b"changed")
    html = await _push(socket, 'id="tree-detail"', "changed")
    assert not re.search(
        rf'flash[^"]*" id="row-{row_id("/live/a")}"', html
    )  # the selected row does not flash
    await other.delete("/live/b")
    await _push(socket, f'id="kids-{row_id("/live")}"', without="/live/b")
    await socket.disconnect()


async def test_names_and_values_of_others_stay_text(browser: AsyncClient, other: ZooKeeper) -> None:
    name = '<script>alert(1)</script>"\u202e'.replace("/", "")
    await other.create(f"/{name}", b'<img src=x onerror="alert(1)">')
    html = await _page(browser, "/tree/", path=f"/{name}")
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "\u202e" not in html.replace("data-path", "").split("<title>")[0]
    assert "&lt;script&gt;alert(1)" in html
    download = await browser.get("/tree/value/", {"path": f"/{name}"})
    assert download.headers["Content-Type"] == "application/octet-stream"
    assert download.headers["Content-Disposition"] == 'attachment; filename="znode.bin"'
    await other.delete(f"/{name}")


async def test_expiring_a_session_does_what_was_announced(
    browser: AsyncClient, other: ZooKeeper, running: RunningEnsemble
) -> None:
    fired: list[Any] = []
    await other.create("/workers")
    holder = ZooKeeper(running.addresses, session_timeout_ms=8000)
    await holder.start()
    await holder.create("/workers/w1", mode=CreateMode.EPHEMERAL)
    await other.sync()  # else the watch may be set before w1 is there, and fire for its creation
    await other.get_children("/workers", watch=fired.append)
    name = f"0x{holder.session_id & (2**64 - 1):x}"

    async def dialog() -> str:
        return text_of(await browser.get(f"/dialogs/expire/{name}"))

    html = await _eventually(dialog, "1 watch of others fires")
    assert "1 znode vanishes" in html
    assert "/workers/w1" in html
    table = await _page(browser, "/sessions/", session=name)
    assert f'id="session-{name}" class="on"' in table
    assert re.search(r"127\.0\.0\.1:\d+", table)
    assert '<progress max="100"' in table
    chosen = await _page(browser, f"/sessions/{name}/", sort="watches")
    assert f'id="session-selected" name="session" value="{name}"' in chosen
    assert "1 znode vanishes, 1 watch of others fires" in chosen
    socket = await _open(browser, "watches", by="path")
    response = await browser.post(f"/actions/expire/{name}", {"reason": "test"})
    assert response.status_code == 200
    await _push(socket, "fired", "NodeChildrenChanged", "/workers")
    await reached(lambda: fired, SOON_S)
    assert await other.exists("/workers/w1") is None
    unknown = await browser.post("/actions/expire/0x7")
    assert unknown.status_code == 404
    await holder.close()
    await socket.disconnect()


async def test_the_stage_draws_a_real_write_whole(
    live: Gateway, browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/written", b"x")
    stat = await other.exists("/written")
    assert stat is not None

    def whole() -> bool:
        found = [p for p in live.model.proposals.last(60) if p.zxid == stat.czxid]
        return bool(found) and len(found[0].applied) == 3 and found[0].replied is not None

    await reached(whole, SOON_S)
    (told,) = [p.to_json() for p in live.model.proposals.last(60) if p.zxid == stat.czxid]
    assert (told["op"], told["path"], told["error"], told["quorum"], told["voters"]) == (
        "create",
        "/written",
        0,
        2,
        3,
    )
    assert told["submitted"] <= 0 <= told["committed"] <= told["replied"]
    assert len(told["acked"]) >= 2
    assert min(told["logged"].values()) > 0
    assert sorted(told["acked"].values())[1] <= told["committed"]
    assert live.model.stage_snapshot()["clock"] == {"1": "shared", "2": "shared", "3": "shared"}


async def test_cut_links_are_seen_and_mended(live: Gateway, browser: AsyncClient) -> None:
    leader = live.model.summary()["leader"]
    followers = [sid for sid in (1, 2, 3) if sid != leader]
    dialog = await _page(browser, "/dialogs/partition")
    assert f"s{followers[0]} and s{followers[1]} keep a quorum" in dialog
    sides = {f"side-{sid}": "b" if sid == followers[0] else "a" for sid in (1, 2, 3)}
    response = await browser.post("/actions/partition", sides)
    assert (response.status_code, "Not everywhere" in text_of(response)) == (200, False)
    alone = live.model.servers[followers[0]]
    await reached(lambda: alone.status["faults"] and alone.status["phase"] == "election", SOON_S)
    assert live.model.summary()["leader"] == leader
    assert live.model.summary()["quorum"] == "2 of 3"
    assert (await browser.post("/actions/heal")).status_code == 200
    await reached(lambda: live.model.summary()["quorum"] == "3 of 3" and not alone.status["faults"], SOON_S)


async def test_a_killed_server_is_seen_dead_and_can_be_started(live: Gateway, browser: AsyncClient) -> None:
    leader = live.model.summary()["leader"]
    dialog = await _page(browser, f"/dialogs/server/{leader}/kill")
    assert "Killing the leader starts an election" in dialog
    assert "everything committed up to" in dialog
    assert (await browser.post(f"/actions/server/{leader}/kill", {"reason": "drill"})).status_code == 200
    dead = live.model.servers[leader]
    await reached(lambda: not dead.reachable and dead.process["state"] == "killed", SOON_S)
    again = await browser.post(f"/actions/server/{leader}/kill")
    assert again.status_code == 409
    assert f"s{leader} is killed" in text_of(again)
    await reached(lambda: live.model.summary()["leader"] not in (None, leader), SOON_S)
    assert "Broadcast" in await _page(browser, "/sessions/")
    assert (await browser.post(f"/actions/server/{leader}/start")).status_code == 200
    await reached(lambda: live.model.summary()["quorum"] == "3 of 3", SOON_S)


async def test_children_beyond_those_shown_change_only_numbers(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/many")
    await asyncio.gather(*(other.create(f"/many/n{index:03}") for index in range(104)))
    socket = await _open(browser, "tree", open=["100:/", "100:/many"], selected="/")
    await _push(socket, f'id="kids-{row_id("/many")}"', "… 4 more, show the next 4")
    for left in range(5, 15):
        await other.create(f"/many/n9{left:02}")
        html = await _push(socket, f"… {left} more, show the next {left}")
        if 'id="kids-' not in html:
            assert f'id="more-{row_id("/many")}"' in html
            break  # else what was created before the page opened was told in the same frame
    else:
        pytest.fail("the rows that are shown were drawn anew each time")
    await other.create("/many/n050a")
    await _push(socket, f'id="kids-{row_id("/many")}"', "/many/n050a")
    await socket.disconnect()


async def test_who_waits_is_told_from_real_watches_and_follows_them(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/queue")
    first = await other.create("/queue/r-", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    second = await other.create("/queue/r-", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    await other.exists(first, watch=lambda event: None)

    async def detail() -> str:
        return await _page(browser, "/tree/", path="/queue")

    html = await _eventually(detail, "watches …0000")
    assert "…0000</b> holds" in html
    assert "Each waiter watches only one before it" in html
    socket = await _open(browser, "tree", open="100:/", selected=second)
    await _push(socket, 'id="tree-detail"', 'class="stand this"')
    await other.delete(first)  # neither the selected one nor its child: one before it in line
    await _push(socket, 'id="tree-detail"', "Nobody waits behind it")
    await socket.disconnect()
    await other.delete(second)
    await other.create("/queue/member")
    assert "Who is waiting" not in await _page(browser, "/tree/", path="/queue")


async def test_children_are_listed_by_pages_that_exist(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/pages")
    await asyncio.gather(*(other.create(f"/pages/n{index:03}", b"x" * index) for index in range(120)))
    await _eventually(lambda: _page(browser, "/tree/", path="/pages"), "1\N{EN DASH}50 of 120")
    last = await _page(browser, "/tree/", path="/pages", **{"from": "7000"})
    assert "101\N{EN DASH}120 of 120" in last
    assert "119 B" in last
    assert "from=50" in last
    found = await _page(browser, "/tree/item/", path="/pages", open="1", reveal="/pages/n119")
    assert 'value="200:/pages"' in found


async def test_a_page_that_let_changes_go_by_gets_the_present_state_whole(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/anew")
    shown = {"open": ["100:/", "100:/anew"], "selected": "/"}
    socket = await _open(browser, "tree", **shown)
    await _push(socket, f'id="kids-{row_id("/anew")}"')
    await socket.send_to(text_data=json.dumps(shown | {"anew": "1"}))
    await _push(socket, f'id="kids-{row_id("/")}"', f'id="kids-{row_id("/anew")}"')
    await socket.disconnect()


async def test_what_may_not_be_read_is_said_and_not_edited(
    browser: AsyncClient, running: RunningEnsemble
) -> None:
    async with ZooKeeper(running.addresses, session_timeout_ms=8000) as owner:
        acl = [Acl(31, Identity("digest", "u:x"))]
        await owner.create("/secret", b"confidential", acl=acl)
        html = await _eventually(lambda: _page(browser, "/tree/", path="/secret"), "does not let the panel")
        assert "confidential" not in html
        assert (await browser.get("/dialogs/znode/edit", {"path": "/secret"})).status_code == 409
        assert (await browser.get("/tree/value/", {"path": "/secret"})).status_code == 409
        assert "not readable" in await _page(browser, "/tree/", path="/")
        await owner.delete("/secret")


async def test_a_quota_is_shown_with_what_is_used(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/limited", b"12345")
    await other.create("/limited/child", b"")
    assert "None of its own" in await _page(browser, "/tree/", path="/limited")
    for path in ("/", "/zookeeper", "/zookeeper/quota"):
        assert "Quota</h3>" not in await _page(browser, "/tree/", path=path)
    await other.set_quota("/limited", Quota(count=4, data_bytes_hard=10))
    page = await _page(browser, "/tree/", path="/limited")
    assert "2 of 4 znodes" in page
    assert "5 of 10 bytes" in page
    assert page.count("hard: writes beyond it are refused") == 1
    await other.delete_quota("/limited")


async def test_a_quota_is_set_and_lifted_and_refused_with_the_reason(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.ensure_path("/bounded/inner")
    try:
        html = await _eventually(
            lambda: _page(browser, "/dialogs/znode/quota", path="/bounded"), "would be counted"
        )
        assert "2 znodes would be counted" in html
        for wrong in ("-1", "0", "many", "9" * 30, "٣"):
            refused = await browser.post("/actions/znode/quota", {"path": "/bounded", "count": wrong})
            assert refused.status_code == 400, wrong
            assert "is not a limit; write a whole number from 1 on" in text_of(refused)
        empty = await browser.post("/actions/znode/quota", {"path": "/bounded", "count": ""})
        assert "A quota has at least one limit." in text_of(empty)
        limits = {"count": "", "count_hard": "5", "data_bytes": "0", "data_bytes_hard": ""}
        done = await browser.post("/actions/znode/quota", {"path": "/bounded", "reason": "because", **limits})
        assert "/bounded has a quota." in text_of(done)
        await other.sync()
        found = await other.get_quota("/bounded")
        assert found is not None
        assert found[0] == Quota(count_hard=5, data_bytes=0)
        nested = await browser.post("/actions/znode/quota", {"path": "/bounded/inner", "count": "5"})
        assert nested.status_code == 409
        assert "/bounded/inner has a parent /bounded which has a quota." in text_of(nested)
        assert "2 of 5 znodes" in await _page(browser, "/dialogs/znode/lift", path="/bounded")
        assert "has no quota any more" in text_of(
            await browser.post("/actions/znode/lift", {"path": "/bounded"})
        )
        again = await browser.post("/actions/znode/lift", {"path": "/bounded"})
        assert (again.status_code, "has no quota (any more)" in text_of(again)) == (404, True)
        audited = [(each.action, each.target, each.done, each.reason) for each in await audit.recent(4)]
        assert audited == [
            ("lift quota", "/bounded", False, ""),
            ("lift quota", "/bounded", True, ""),
            ("set quota", "/bounded/inner", False, ""),
            ("set quota", "/bounded", True, "because"),
        ]
    finally:
        await other.delete_recursively("/bounded")


async def test_what_servers_delete_by_themselves_is_marked(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/kept")
    await other.create("/box", mode=CreateMode.CONTAINER)
    await other.create("/lease", mode=CreateMode.PERSISTENT_WITH_TTL, ttl_ms=7_200_000)

    async def rows() -> dict[str, str]:
        listing = await (await access.gateway()).call("children", path="/")
        return {row["path"]: row["kind"] for row in listing["rows"]}

    try:
        async with asyncio.timeout(SOON_S):
            while (kinds := await rows()).get("/lease") != "T" or kinds.get("/box") != "C":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert kinds["/kept"] == ""
        assert "2:00:00</b> after it was last written to" in await _page(browser, "/tree/", path="/lease")
        assert "A container: the servers delete it" in await _page(browser, "/tree/", path="/box")
    finally:
        for path in ("/kept", "/box", "/lease"):
            await other.delete(path)
