"""Without an ensemble every place says so, and how to start one; nothing fails and nothing is made up."""

from __future__ import annotations

import pytest
from django.test import AsyncClient

from dashboard.gateway.gateway import Gateway
from tests.dashboard.conftest import text_of
from tests.dashboard.recording import Recording

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("place", ["ensemble", "tree", "sessions", "watches", "pipeline"])
async def test_every_place_opens(viewer: AsyncClient, place: str) -> None:
    response = await viewer.get(f"/{place}/")
    assert response.status_code == 200
    assert "No ensemble" in text_of(response)


async def test_the_tree_says_how_to_start_one(viewer: AsyncClient) -> None:
    html = text_of(await viewer.get("/tree/?path=/a"))
    assert "There is no ensemble to read from." in html
    assert "python manage.py demo" in html


async def test_actions_are_refused_with_the_reason(viewer: AsyncClient) -> None:
    healed = await viewer.post("/actions/heal")
    assert healed.status_code == 409
    killed = await viewer.post("/actions/server/1/kill")
    assert killed.status_code == 404
    assert "There is no server s1." in text_of(killed)
    dialog = await viewer.get("/dialogs/server/1/kill")
    assert dialog.status_code == 404
    created = await viewer.post("/actions/znode/create", {"parent": "/", "name": "a"})
    assert (created.status_code, "There is no ensemble" in text_of(created)) == (503, True)


async def test_a_partition_is_checked_before_anything_is_cut(
    recorded: Recording, viewer: AsyncClient
) -> None:
    recorded.ensemble()
    same_side = await viewer.post("/actions/partition", {"side-1": "a", "side-2": "a", "side-3": "a"})
    assert same_side.status_code == 409
    assert "nothing to cut" in text_of(same_side)
    nonsense = await viewer.post("/actions/partition", {"cut": "1-2-3"})
    assert nonsense.status_code == 400
    itself = await viewer.post("/actions/partition", {"cut": "1-1"})
    assert itself.status_code == 400
    preview = text_of(await viewer.get("/dialogs/partition?preview=1&side-1=a&side-2=b&side-3=a"))
    assert "s1 and s3 keep a quorum" in preview


async def test_names_that_are_no_paths_are_said_to_be_none(gateway: Gateway, viewer: AsyncClient) -> None:
    for path in ("a", "/a/", "/../etc", "/a\x00", "//evil.example"):
        response = await viewer.get("/tree/", {"path": path})
        assert "is not a path a znode can have" in text_of(response)


async def test_unknown_addresses_are_nothing_here(viewer: AsyncClient) -> None:
    response = await viewer.get("/console/")
    assert response.status_code == 404
    assert "not one of the panel" in text_of(response)
