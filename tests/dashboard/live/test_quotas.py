"""Quotas in the browser."""

from __future__ import annotations

import pytest
from django.test import AsyncClient

from dashboard import audit
from ensemble.client import Quota, ZooKeeper
from tests.dashboard.conftest import text_of
from tests.dashboard.live.browsing import eventually, page_of

pytestmark = [pytest.mark.process, pytest.mark.django_db(transaction=True)]


async def test_a_quota_is_shown_with_what_is_used(browser: AsyncClient, other: ZooKeeper) -> None:
    await other.create("/limited", b"12345")
    await other.create("/limited/child", b"")
    assert "None of its own" in await page_of(browser, "/tree/", path="/limited")
    for path in ("/", "/zookeeper", "/zookeeper/quota"):
        assert "Quota</h3>" not in await page_of(browser, "/tree/", path=path)
    await other.set_quota("/limited", Quota(count=4, data_bytes_hard=10))
    page = await page_of(browser, "/tree/", path="/limited")
    assert "2 of 4 znodes" in page
    assert "5 of 10 bytes" in page
    assert page.count("hard: writes beyond it are refused") == 1
    await other.delete_quota("/limited")


async def test_a_quota_is_set_and_lifted_and_refused_with_the_reason(
    browser: AsyncClient, other: ZooKeeper
) -> None:
    await other.ensure_path("/bounded/inner")
    try:
        html = await eventually(
            lambda: page_of(browser, "/dialogs/znode/quota", path="/bounded"), "would be counted"
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
        assert "2 of 5 znodes" in await page_of(browser, "/dialogs/znode/lift", path="/bounded")
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
