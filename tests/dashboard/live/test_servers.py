"""The servers themselves: the stage, cut links, killed servers."""

from __future__ import annotations

import pytest
from django.test import AsyncClient

from dashboard.gateway.gateway import Gateway
from ensemble.client import ZooKeeper
from tests.dashboard.conftest import text_of
from tests.dashboard.live.browsing import SOON_S, page_of
from tests.waiting import reached

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


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
    dialog = await page_of(browser, "/dialogs/partition")
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
    dialog = await page_of(browser, f"/dialogs/server/{leader}/kill")
    assert "Killing the leader starts an election" in dialog
    assert "everything committed up to" in dialog
    assert (await browser.post(f"/actions/server/{leader}/kill", {"reason": "drill"})).status_code == 200
    dead = live.model.servers[leader]
    await reached(lambda: not dead.reachable and dead.process["state"] == "killed", SOON_S)
    again = await browser.post(f"/actions/server/{leader}/kill")
    assert again.status_code == 409
    assert f"s{leader} is killed" in text_of(again)
    await reached(lambda: live.model.summary()["leader"] not in (None, leader), SOON_S)
    assert "Broadcast" in await page_of(browser, "/sessions/")
    assert (await browser.post(f"/actions/server/{leader}/start")).status_code == 200
    await reached(lambda: live.model.summary()["quorum"] == "3 of 3", SOON_S)
