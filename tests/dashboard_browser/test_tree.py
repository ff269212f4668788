"""The tree, the detail and the lists in a browser, while others change what they show."""

from __future__ import annotations

import pytest
from kazoo.client import KazooClient
from playwright.sync_api import Locator, Page, expect

from dashboard.places.rows import row_id
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.process]

AWAY = (1200, 20)
"""The top bar: a pointer there holds nothing."""


def row(page: Page, path: str) -> Locator:
    return page.locator(f"#row-{row_id(path)}")


def names(page: Page) -> list[str]:
    return page.locator('[role="treeitem"] .name').all_inner_texts()


def open_tree(page: Page, base: str, path: str | None = None) -> None:
    """Open the tree and wait for its first live word: from then on changes are pushed."""
    page.mouse.move(*AWAY)
    told: list[str] = []
    page.on(
        "websocket", lambda socket: socket.on("framereceived", lambda frame: told.append(str(frame)[:100000]))
    )
    page.goto(f"{base}/tree/" + (f"?path={path}" if path else ""))
    for _ in range(500):
        if any("tree-detail" in frame for frame in told):
            return
        page.wait_for_timeout(20)
    raise AssertionError("the page heard nothing live")


def test_a_newcomer_sees_the_only_tree_opened_and_children_listed(
    page: Page, base: str, zk: KazooClient
) -> None:
    zk.create("/app/config", b"{}", makepath=True)
    open_tree(page, base)
    expect(page.locator('[role="treeitem"] .name')).to_have_text(["/", "app", "config", "zookeeper"])
    page.locator("#calm-children").get_by_role("link", name="app").click()
    expect(row(page, "/app")).to_have_attribute("aria-selected", "true")
    page.locator("#calm-children").get_by_role("link", name="config").click()
    expect(page.locator(".code li")).to_have_text("{}")
    expect(page.locator("#tree-detail .kv").last).not_to_contain_text("days ago")
    page.go_back()
    expect(page.locator("#tree-detail h2")).to_have_text("/app")

    def a_key_moves_on() -> bool:
        row(page, "/app").focus()
        page.keyboard.press("ArrowUp")
        return bool(row(page, "/").evaluate("row => row === document.activeElement"))

    until(a_key_moves_on)  # a page gone back to is a whole one: its scripts run, once it is there


def test_a_child_chosen_in_the_detail_is_shown_in_the_tree_far_down(
    page: Page, base: str, zk: KazooClient
) -> None:
    zk.create("/many")
    for index in range(130):
        zk.create(f"/many/n{index:03}")
    open_tree(page, base, "/many")
    for shown in ("51\N{EN DASH}100", "101\N{EN DASH}130"):
        page.get_by_role("link", name="Next").click()
        expect(page.locator(".pages")).to_contain_text(f"{shown} of 130")
    page.get_by_role("link", name="n125", exact=True).click()
    expect(row(page, "/many/n125")).to_have_attribute("aria-selected", "true")
    expect(row(page, "/many/n125")).to_be_in_viewport()


def test_keys_work_on_rows_that_came_later_and_focus_survives(page: Page, base: str, zk: KazooClient) -> None:
    for name in ("alpha", "beta", "gamma"):
        zk.create(f"/keys/{name}", makepath=True)
    open_tree(page, base)
    row(page, "/").focus()
    page.keyboard.press("k")
    expect(row(page, "/keys")).to_be_focused()
    page.keyboard.type("be")
    expect(row(page, "/keys/beta")).to_be_focused()
    zk.create("/keys/best", b"")
    zk.set("/keys/beta", b"new")  # a row drawn anew keeps the focus
    expect(row(page, "/keys/best")).to_be_visible()
    expect(row(page, "/keys/beta")).to_be_focused()
    page.keyboard.type("bes")
    expect(row(page, "/keys/best")).to_be_focused()
    zk.delete("/keys/best")  # a row that goes hands it to the one in its place
    expect(row(page, "/keys/best")).to_have_count(0)
    expect(row(page, "/keys/beta")).to_be_focused()
    assert page.locator('[role="treeitem"][tabindex="0"]').count() == 1
    page.keyboard.press("ArrowLeft")
    expect(row(page, "/keys")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(row(page, "/keys")).to_have_attribute("aria-expanded", "false")
    expect(row(page, "/keys")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#tree-detail h2")).to_have_text("/keys")


def test_rows_stand_still_under_the_pointer_until_it_leaves(page: Page, base: str, zk: KazooClient) -> None:
    for name in ("b", "d"):
        zk.create(f"/calm/{name}", makepath=True)
    open_tree(page, base)
    row(page, "/calm/d").hover()
    zk.create("/calm/a")
    zk.create("/calm/c")
    held = page.locator("#calm-tree > [data-held]")
    expect(held).to_have_text("2 changes, show")
    zk.create("/calm/d/below", b"")  # what a row says passes: it has a child now
    expect(row(page, "/calm/d").locator(".cnt")).to_have_text("1")
    assert names(page) == ["/", "calm", "b", "d", "zookeeper"]
    held.click()
    expect(row(page, "/calm/a")).to_be_visible()
    expect(held).to_be_hidden()
    page.wait_for_timeout(2100)  # until it holds again
    row(page, "/calm/d").hover()
    zk.delete("/calm/a")
    expect(held).to_have_text("1 change, show")
    page.mouse.move(*AWAY)
    expect(row(page, "/calm/a")).to_have_count(0)


def test_waiters_are_drawn_in_line_and_follow_it(page: Page, base: str, zk: KazooClient) -> None:
    zk.create("/lock")
    mine = [
        zk.create("/lock/w-", ephemeral=True, sequence=True),
        zk.create("/lock/w-", ephemeral=True, sequence=True),
    ]
    zk.exists(mine[0], watch=lambda event: None)
    open_tree(page, base, mine[1])
    chain = page.locator(".chain .stand")
    expect(chain).to_have_count(2)
    expect(chain.nth(0)).to_contain_text("…0000 holds")
    expect(chain.nth(1)).to_contain_text("watches …0000")
    expect(chain.nth(1)).to_have_attribute("aria-current", "true")
    zk.delete(mine[0])
    expect(chain).to_have_count(1)
    expect(page.locator(".waiting")).to_contain_text("Nobody waits behind it")


def test_names_and_bytes_of_all_kinds_are_shown_as_what_they_are(
    page: Page, base: str, zk: KazooClient
) -> None:
    hostile = "<script>alert(1)</script>"[:-9] + "& \u202e\u200b ünï 名"
    zk.create(f"/odd/{hostile}", bytes(range(256)), makepath=True)
    zk.create("/odd/" + "long" * 60, b"x")
    open_tree(page, base, "/odd")
    shown = page.locator("#calm-children tbody a")
    expect(shown).to_have_count(2)
    assert "<script>alert(1)" in shown.nth(0).inner_text()
    assert "\\u202e" in shown.nth(0).inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown.nth(0).click()
    expect(page.locator(".code li").first).to_contain_text("0000  0001 0203")
