"""What holds on every page, with the longest names and values in sight: widths, contrast, the row that is shown."""

from __future__ import annotations

import pytest
from kazoo.client import KazooClient
from playwright.sync_api import Browser, Page, expect

from tests.browser.contrast import LOW_CONTRAST
from tests.dashboard_browser.test_tree import row

pytestmark = [pytest.mark.browser, pytest.mark.process]

LONG = "n" * 900
DEEP = "".join(f"/level-{depth}-of-a-rather-long-path" for depth in range(14))
BESIDE = """() => [...document.querySelectorAll("main .card, main .head, main .row, main .note, main .foot")]
    .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => `${each.className}: ${each.textContent.trim().slice(0, 40)}`)"""
OVER = """() => [...document.querySelectorAll(".card > .head")]
    .filter((each) => each.checkVisibility() && each.scrollHeight > each.clientHeight + 1)
    .map((each) => each.textContent.trim().slice(0, 40))"""


@pytest.fixture
def pages(zk: KazooClient) -> list[str]:
    """Addresses of all places, and of znodes and sessions that are hard to show."""
    values = {
        "text": b"word " * 2000,
        "binary": bytes(range(256)),
        "json": b'{"a": [' + b"1," * 3000 + b"1]}",
    }
    for name, value in {LONG: b"", **values}.items():
        zk.create(f"/wide/{name}", value, makepath=True)
    zk.create(f"/wide{DEEP}", b"", makepath=True)
    mine = zk.create("/wide/mine", ephemeral=True)
    zk.get(f"/wide{DEEP}", watch=lambda event: None)
    owner = f"0x{zk.exists(mine).ephemeralOwner:x}"
    tree = [
        f"/tree/?path=/wide{path}"
        for path in ("", f"/{LONG}", DEEP, "/mine", "/gone", *(f"/{n}" for n in values))
    ]
    return [
        "/ensemble/",
        "/pipeline/",
        "/sessions/",
        f"/sessions/?session={owner}",
        "/sessions/?session=0x7",
        "/watches/",
        *tree,
    ]


def test_no_page_is_wider_than_its_window_or_hard_to_read(page: Page, base: str, pages: list[str]) -> None:
    wrong = []
    for address in pages:
        page.goto(base + address)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            wrong += [f"{address} {theme} {low}" for low in page.evaluate(LOW_CONTRAST)]
        for width, height in ((1440, 900), (720, 450), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append(f"{address} scrolls sideways at {width}")
            wrong += [
                f"{address} at {width}: {text} ends beside the window" for text in page.evaluate(BESIDE)
            ]
            wrong += [f"{address} at {width}: {text} runs over its head" for text in page.evaluate(OVER)]
    assert wrong == []


def test_the_row_that_is_shown_in_detail_is_in_sight(page: Page, base: str, zk: KazooClient) -> None:
    for index in range(60):
        zk.create(f"/far/n{index:02}", makepath=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{base}/tree/?path=/far/n57")
    expect(row(page, "/far/n57")).to_be_in_viewport(ratio=1)


def test_a_forgotten_token_is_asked_for_and_nothing_that_is_typed_is_lost(
    chromium: Browser, demo: tuple[str, str], base: str, zk: KazooClient
) -> None:
    """As after a restart of the panel: every request is refused, and the next one brings the page for the token."""
    zk.create("/typed", b"before")
    page = chromium.new_context().new_page()
    page.goto(demo[0])
    page.goto(f"{base}/tree/?path=/typed")
    page.get_by_role("button", name="Edit…").click()
    field = page.locator("#dialog textarea")
    field.fill("a long text")
    page.context.clear_cookies()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#locked")).to_contain_text("This panel asks for its access token")
    expect(field).to_have_value("a long text")
    assert zk.get("/typed")[0] == b"before"
    page.keyboard.press("Escape")
    with page.expect_response("**/dialogs/znode/delete*"):
        page.get_by_role("button", name="Delete…").click()
    expect(page.locator("#dialog")).to_be_hidden()
    page.locator("#locked a").click()
    page.get_by_label("Token").fill(demo[0].partition("token=")[2])
    page.get_by_role("button", name="Open the panel").click()
    expect(page.locator("#tree-detail h2")).to_have_text("/typed")
    page.context.close()


def test_a_socket_that_is_refused_for_its_token_says_so(
    chromium: Browser, demo: tuple[str, str], base: str
) -> None:
    page = chromium.new_context().new_page()
    page.add_init_script(
        "addEventListener('htmx:wsOpen', (event) => { window.socket = event.detail.socketWrapper; }, true)"
    )
    page.goto(demo[0])
    page.goto(f"{base}/sessions/")
    page.wait_for_function("window.socket !== undefined")
    page.context.clear_cookies()
    page.evaluate("socket.reconnect()")
    expect(page.locator("#locked")).to_be_visible()
    expect(page.locator("#lost")).to_be_hidden()
    page.context.close()
