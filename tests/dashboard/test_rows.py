"""Which rows of the tree are drawn when many changed, and when there are more than a page shows."""

from __future__ import annotations

import pytest
from django.test import AsyncClient

from dashboard.consumers.live import ROWS_MAX, TreeLive
from dashboard.gateway.gateway import Gateway
from dashboard.places.rows import SHOWN_MAX, Shown, item, row_id
from tests.dashboard.conftest import text_of
from tests.dashboard.planted import Planted
from tests.dashboard.recording import Recording

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("changed", "whole"), [(ROWS_MAX, False), (ROWS_MAX + 1, True)])
async def test_many_changed_rows_of_one_znode_are_drawn_with_all_its_children(
    gateway: Gateway, recorded: Recording, changed: int, whole: bool
) -> None:
    recorded.ensemble()
    names = [f"/app/n{index:02}" for index in range(20)]
    Planted(gateway, ["/app", *names])
    live = TreeLive()
    live.shows({"open": ["100:/", "100:/app"], "selected": ""})
    await live.render()
    live.changed(
        "tree", {"left_out": 0, "changes": [{"path": path, "what": "changed"} for path in names[:changed]]}
    )
    drawn = await live.render()
    rows = {f"row-{row_id(path)}" for path in names[:changed]}
    assert (f"kids-{row_id('/app')}" in drawn) is whole
    assert rows.isdisjoint(drawn) if whole else rows == set(drawn)


async def test_more_children_than_a_page_shows_are_counted_and_left_to_find(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    Planted(gateway, ["/many", *(f"/many/n{index:04}" for index in range(SHOWN_MAX + 30))])
    asked = {"path": "/many", "open": "1", "shown": str(SHOWN_MAX - 10)}
    html = text_of(await viewer.get("/tree/item/", asked))
    assert "… 40 more, show the next 40" in html
    html = text_of(await viewer.get("/tree/item/", asked | {"shown": "9999"}))
    assert html.count('role="treeitem"') == SHOWN_MAX + 1
    assert "… 30 more; the first 2,000 are shown, find reaches the others" in html
    assert "<button" not in html.rpartition("<li")[2]


async def test_children_named_by_a_page_that_are_gone_are_left_out(
    gateway: Gateway, recorded: Recording
) -> None:
    recorded.ensemble()
    Planted(gateway, ["/app", "/app/a"])
    root = await item("/", Shown("", {"/": 100, "/gone": 100}))
    assert [child["path"] for child in root["group"]["items"]] == ["/app"]


async def test_the_page_of_a_missing_znode_leads_to_what_there_is(
    gateway: Gateway, recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    Planted(gateway, ["/app", "/app/a"])
    page = text_of(await viewer.get("/tree/", {"path": "/app/a/b"}))
    assert "/app/a/b does not exist (any more)." in page
    assert 'The nearest above it is <a class="mono" href="/tree/?path=%2Fapp%2Fa">/app/a</a>.' in page
    assert 'hx-get="/dialogs/znode/create?path=%2Fapp%2Fa&amp;name=b"' in page
    deeper = text_of(await viewer.get("/tree/", {"path": "/app/x/y/z"}))
    assert 'The nearest above it is <a class="mono" href="/tree/?path=%2Fapp">/app</a>.' in deeper
    assert "&amp;name=z" not in deeper, "its parent would have to be created first"
    dialog = text_of(await viewer.get("/dialogs/znode/create", {"path": "/app/a", "name": "b<"}))
    assert 'name="name" value="b&lt;"' in dialog
