"""What is done to znodes in the browser, and what others see of it."""

from __future__ import annotations

import asyncio
import re

import pytest
from django.test import AsyncClient

from dashboard.gateway import access
from dashboard.models import AuditEntry
from ensemble.client import ZooKeeper
from ensemble.tree.operations import Acl, CreateMode, Identity
from tests.dashboard.conftest import text_of
from tests.dashboard.live.browsing import SOON_S, eventually, open_place, page_of, push
from tests.processes.conftest import RunningEnsemble
from tests.waiting import reached

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]

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
        detail = await page_of(browser, "/tree/", path=made[0])
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


async def test_an_edit_that_came_second_shows_both_values(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/edited", b'{"n": 1}')
    dialog = await page_of(browser, "/dialogs/znode/edit", path="/edited")
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
        return await page_of(browser, "/dialogs/znode/delete", path="/gone")

    html = await eventually(dialog, "1 watch fires")
    assert "250 children; <b>251 znodes are</b> below it" in html
    assert "Delete all 252 znodes" in html
    refused = await browser.post("/actions/znode/delete", {"path": "/gone", "version": "0"})
    assert refused.status_code == 409
    assert "/gone has children" in text_of(refused)
    socket = await open_place(browser, "tree", open="100:/", selected="/gone")
    started = await browser.post("/actions/znode/delete", {"path": "/gone", "recursive": "1"})
    assert 'id="job-1"' in text_of(started)
    done = await push(socket, 'id="job-1"', "are gone: 252 znodes")
    assert done
    await other.sync()
    assert await other.exists("/gone") is None
    kept = await browser.post("/actions/znode/delete", {"path": "/zookeeper/quota", "recursive": "1"})
    assert kept.status_code == 409
    await socket.disconnect()


async def test_names_and_values_of_others_stay_text(browser: AsyncClient, other: ZooKeeper) -> None:
    name = '<script>alert(1)</script>"\u202e'.replace("/", "")
    await other.create(f"/{name}", b'<img src=x onerror="alert(1)">')
    html = await page_of(browser, "/tree/", path=f"/{name}")
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "\u202e" not in html.replace("data-path", "").split("<title>")[0]
    assert "&lt;script&gt;alert(1)" in html
    download = await browser.get("/tree/value/", {"path": f"/{name}"})
    assert download.headers["Content-Type"] == "application/octet-stream"
    assert download.headers["Content-Disposition"] == 'attachment; filename="znode.bin"'
    await other.delete(f"/{name}")


async def test_what_may_not_be_read_is_said_and_not_edited(
    browser: AsyncClient, running: RunningEnsemble
) -> None:
    async with ZooKeeper(running.addresses, session_timeout_ms=8000) as owner:
        acl = [Acl(31, Identity("digest", "u:x"))]
        await owner.create("/secret", b"confidential", acl=acl)
        html = await eventually(lambda: page_of(browser, "/tree/", path="/secret"), "does not let the panel")
        assert "confidential" not in html
        assert (await browser.get("/dialogs/znode/edit", {"path": "/secret"})).status_code == 409
        assert (await browser.get("/tree/value/", {"path": "/secret"})).status_code == 409
        assert "not readable" in await page_of(browser, "/tree/", path="/")
        await owner.delete("/secret")


async def test_what_servers_delete_by_themselves_is_marked(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/kept")
    await other.create("/box", mode=CreateMode.CONTAINER)
    await other.create("/lease", mode=CreateMode.PERSISTENT_WITH_TTL, ttl_ms=7_200_000)

    async def marked() -> dict[str, str] | None:
        listing = await (await access.gateway()).call("children", path="/")
        kinds = {row["path"]: row["kind"] for row in listing["rows"]}
        return kinds if (kinds.get("/lease"), kinds.get("/box")) == ("T", "C") else None

    try:
        kinds = await reached(marked, SOON_S)
        assert kinds is not None
        assert kinds["/kept"] == ""
        assert "2:00:00</b> after it was last written to" in await page_of(browser, "/tree/", path="/lease")
        assert "A container: the servers delete it" in await page_of(browser, "/tree/", path="/box")
    finally:
        for path in ("/kept", "/box", "/lease"):
            await other.delete(path)
