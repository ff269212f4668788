"""The tree in the browser: what is shown of it, and how it follows what others do."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from django.test import AsyncClient

from dashboard.places.rows import row_id
from ensemble.client import ZooKeeper
from tests.dashboard.live.browsing import eventually, open_place, page_of, push

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


async def test_a_deep_link_opens_the_tree_down_to_it(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/deep")
    for index in range(230):
        await other.create(f"/deep/n{index:03}")
    await other.create("/deep/n215/below", b"x")
    html = await page_of(browser, "/tree/", path="/deep/n215/below")
    assert f'id="row-{row_id("/deep/n215/below")}"' in html
    assert 'value="300:/deep"' in html
    first_page = await page_of(browser, "/tree/item/", path="/deep", open="1")
    assert "… 130 more, show the next 100" in first_page
    found = await page_of(browser, "/tree/find/", find="/deep/n21")
    assert "10 matches below" in found
    by_name = await page_of(browser, "/tree/find/", find="BELOW")
    assert "1 match; all" in by_name
    assert "/deep/n215/below" in by_name


async def test_open_rows_follow_what_others_do(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/live")
    await other.create("/live/a", b"1")
    socket = await open_place(browser, "tree", open=["100:/", "100:/live"], selected="/live/a")
    await push(socket, f'id="kids-{row_id("/")}"', f'id="kids-{row_id("/live")}"')
    await other.create("/live/b")
    await push(socket, f'id="kids-{row_id("/live")}"', rf'class="row new[^"]*" id="row-{row_id("/live/b")}"')
    await other.set("/live/b", b"2")
    await push(socket, rf'class="row flash[^"]*" id="row-{row_id("/live/b")}"')
    await other.set("/live/a", b"changed")
    html = await push(socket, 'id="tree-detail"', "changed")
    assert not re.search(
        rf'flash[^"]*" id="row-{row_id("/live/a")}"', html
    )  # the selected row does not flash
    await other.delete("/live/b")
    await push(socket, f'id="kids-{row_id("/live")}"', without="/live/b")
    await socket.disconnect()


async def test_children_beyond_those_shown_change_only_numbers(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/many")
    await asyncio.gather(*(other.create(f"/many/n{index:03}") for index in range(104)))
    socket = await open_place(browser, "tree", open=["100:/", "100:/many"], selected="/")
    await push(socket, f'id="kids-{row_id("/many")}"', "… 4 more, show the next 4")
    for left in range(5, 15):
        await other.create(f"/many/n9{left:02}")
        html = await push(socket, f"… {left} more, show the next {left}")
        if 'id="kids-' not in html:
            assert f'id="more-{row_id("/many")}"' in html
            break  # else what was created before the page opened was told in the same frame
    else:
        pytest.fail("the rows that are shown were drawn anew each time")
    await other.create("/many/n050a")
    await push(socket, f'id="kids-{row_id("/many")}"', "/many/n050a")
    await socket.disconnect()


async def test_children_are_listed_by_pages_that_exist(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/pages")
    await asyncio.gather(*(other.create(f"/pages/n{index:03}", b"x" * index) for index in range(120)))
    await eventually(lambda: page_of(browser, "/tree/", path="/pages"), "1\N{EN DASH}50 of 120")
    last = await page_of(browser, "/tree/", path="/pages", **{"from": "7000"})
    assert "101\N{EN DASH}120 of 120" in last
    assert "119 B" in last
    assert "from=50" in last
    found = await page_of(browser, "/tree/item/", path="/pages", open="1", reveal="/pages/n119")
    assert 'value="200:/pages"' in found


async def test_a_page_that_let_changes_go_by_gets_the_present_state_whole(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.create("/anew")
    shown = {"open": ["100:/", "100:/anew"], "selected": "/"}
    socket = await open_place(browser, "tree", **shown)
    await push(socket, f'id="kids-{row_id("/anew")}"')
    await socket.send_to(text_data=json.dumps(shown | {"anew": "1"}))
    await push(socket, f'id="kids-{row_id("/")}"', f'id="kids-{row_id("/anew")}"')
    await socket.disconnect()
