"""Quotas set and lifted on a znode's page, and znodes that servers delete by themselves marked as such."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kazoo.client import KazooClient
from playwright.sync_api import Page, expect

from tests.dashboard_browser.test_tree import open_tree, row
from tests.processes.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.process]


def shell(demo: tuple[str, str], *words: str) -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "shell_zk", demo[1], *words]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def test_a_quota_is_set_changed_and_lifted(page: Page, base: str, zk: KazooClient) -> None:
    zk.create("/app/config", b"12345", makepath=True)
    open_tree(page, base, "/app")
    side = page.locator("#tree-detail .side")
    expect(side).to_contain_text("None of its own.")

    side.get_by_role("button", name="Set a quota…").click()
    dialog = page.locator("#dialog")
    expect(dialog).to_contain_text("2 znodes would be counted")
    dialog.get_by_label("Znodes, hard").fill("3")
    dialog.get_by_label("Bytes of data, soft").fill("100")
    dialog.get_by_label("Reason").fill("tests")
    dialog.get_by_role("button", name="Set", exact=True).click()
    expect(dialog).to_contain_text("/app has a quota.")
    dialog.get_by_role("button", name="Close").click()
    expect(side).to_contain_text("2 of 3 znodes")
    expect(side).to_contain_text("5 of 100 bytes")
    assert zk.get("/zookeeper/quota/app/zookeeper_limits")[0] == (
        b"count=-1,bytes=100=;byteHardLimit=-1;countHardLimit=3"
    )

    zk.create("/app/more", b"")
    expect(side).to_contain_text("3 of 3 znodes")

    side.get_by_role("button", name="Change…").click()
    expect(dialog.get_by_label("Znodes, hard")).to_have_value("3")
    dialog.get_by_label("Znodes, hard").fill("")
    dialog.get_by_role("button", name="Change", exact=True).click()
    dialog.get_by_role("button", name="Close").click()
    expect(side).not_to_contain_text("of 3 znodes")

    side.get_by_role("button", name="Lift…").click()
    expect(dialog).to_contain_text("5 of 100 bytes")
    dialog.get_by_role("button", name="Lift", exact=True).click()
    expect(dialog).to_contain_text("/app has no quota any more.")
    dialog.get_by_role("button", name="Close").click()
    expect(side).to_contain_text("None of its own.")
    assert zk.exists("/zookeeper/quota/app") is None

    page.goto(f"{base}/ensemble/")
    audit = page.locator("#audit")
    expect(audit).to_contain_text("lift quota")
    expect(audit).to_contain_text("tests")


def test_what_is_typed_at_once_stays_in_its_field(page: Page, base: str, zk: KazooClient) -> None:
    """htmx focuses a dialog's first field when it settles, 20 ms after it stands there."""
    zk.create("/app", b"")
    open_tree(page, base, "/app")
    page.evaluate(
        """() => {
            const dialog = document.getElementById("dialog");
            document.body.addEventListener("htmx:afterSwap", (event) => {
                if (event.detail.target === dialog) dialog.querySelectorAll(".limits input")[1].focus();
            });
            window.settled = new Promise((resolve) => {
                document.body.addEventListener("htmx:afterSettle", (event) => {
                    if (event.detail.target === dialog) resolve(document.activeElement.name);
                });
            });
        }"""
    )
    page.locator("#tree-detail .side").get_by_role("button", name="Set a quota…").click()
    focused = page.evaluate("() => window.settled")
    assert focused == page.locator("#dialog .limits input").nth(1).get_attribute("name")


def test_containers_and_znodes_with_a_time_to_live_are_marked(
    page: Page, base: str, demo: tuple[str, str], zk: KazooClient
) -> None:
    zk.create("/app/plain", b"", makepath=True)
    shell(demo, "create", "-c", "/app/box")
    shell(demo, "create", "-t", "3600000", "/app/lease", "x")
    open_tree(page, base, "/app")
    page.locator("[data-path='/app'] .tw").click()
    expect(row(page, "/app/box").locator(".kind")).to_have_text("C")
    expect(row(page, "/app/lease").locator(".kind")).to_have_text("T")
    expect(row(page, "/app/plain").locator(".kind")).to_have_count(0)
    row(page, "/app/lease").locator(".name").click()
    detail = page.locator("#tree-detail")
    expect(detail.locator(".pill")).to_have_text("persistent with TTL")
    expect(detail).to_contain_text("1:00:00 after it was last written to")
    row(page, "/app/box").locator(".name").click()
    expect(detail).to_contain_text("A container: the servers delete it")
