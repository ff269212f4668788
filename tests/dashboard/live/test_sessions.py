"""Sessions, and who waits for whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import AsyncClient

from ensemble.client import ZooKeeper
from ensemble.tree.operations import CreateMode
from tests.dashboard.conftest import text_of
from tests.dashboard.live.browsing import SOON_S, eventually, open_place, page_of, push
from tests.processes.conftest import RunningEnsemble
from tests.waiting import reached

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


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

    html = await eventually(dialog, "1 watch of others fires")
    assert "1 znode vanishes" in html
    assert "/workers/w1" in html
    table = await page_of(browser, "/sessions/", session=name)
    assert f'id="session-{name}" class="on"' in table
    assert re.search(r"127\.0\.0\.1:\d+", table)
    assert '<progress max="100"' in table
    chosen = await page_of(browser, f"/sessions/{name}/", sort="watches")
    assert f'id="session-selected" name="session" value="{name}"' in chosen
    assert "1 znode vanishes, 1 watch of others fires" in chosen
    socket = await open_place(browser, "watches", by="path")
    response = await browser.post(f"/actions/expire/{name}", {"reason": "test"})
    assert response.status_code == 200
    await push(socket, "fired", "NodeChildrenChanged", "/workers")
    await reached(lambda: fired, SOON_S)
    assert await other.exists("/workers/w1") is None
    unknown = await browser.post("/actions/expire/0x7")
    assert unknown.status_code == 404
    await holder.close()
    await socket.disconnect()


async def test_who_waits_is_told_from_real_watches_and_follows_them(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/queue")
    first = await other.create("/queue/r-", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    second = await other.create("/queue/r-", mode=CreateMode.EPHEMERAL_SEQUENTIAL)
    await other.exists(first, watch=lambda event: None)

    async def detail() -> str:
        return await page_of(browser, "/tree/", path="/queue")

    html = await eventually(detail, "watches …0000")
    assert "…0000</b> holds" in html
    assert "Each waiter watches only one before it" in html
    socket = await open_place(browser, "tree", open="100:/", selected=second)
    await push(socket, 'id="tree-detail"', 'class="stand this"')
    await other.delete(first)  # neither the selected one nor its child: one before it in line
    await push(socket, 'id="tree-detail"', "Nobody waits behind it")
    await socket.disconnect()
    await other.delete(second)
    await other.create("/queue/member")
    assert "Who is waiting" not in await page_of(browser, "/tree/", path="/queue")
