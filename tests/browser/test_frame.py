"""The frame of every place: themes, keys, dialogs, phones, and the policy that nothing breaks."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.contrast import LOW_CONTRAST
from tests.browser.panel import ORIGIN, Panel

pytestmark = pytest.mark.browser

DRAWN = ("ensemble", "pipeline")


def background(panel: Panel) -> str:
    """Return the page's ground as the browser computed it."""
    return str(panel.page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_theme_goes_round_and_is_remembered(panel: Panel) -> None:
    """System, light, dark: the choice survives a new page, and is there before the first paint."""
    page = panel.open("/pipeline/")
    light = background(panel)
    button = page.locator("#theme")
    button.click()
    assert "light" in (button.get_attribute("title") or "")
    button.click()
    dark = background(panel)
    assert dark != light
    page.goto(f"{ORIGIN}/ensemble/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert background(panel) == dark
    head = page.evaluate(
        "[...document.head.querySelectorAll('script[src], link[rel=stylesheet]')].map(e => e.tagName)"
    )
    assert head[0] == "SCRIPT", "the theme must be set before styles load"


def test_the_system_theme_is_followed(panel: Panel) -> None:
    """Without a choice the page is as the system is."""
    page = panel.open("/pipeline/")
    light = background(panel)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert background(panel) != light


def test_help_lists_the_keys_and_escape_closes_it(panel: Panel) -> None:
    """? opens the map of keys, Esc closes it."""
    page = panel.open("/pipeline/")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_g_then_a_letter_goes_to_a_place(panel: Panel) -> None:
    """g e goes to the ensemble, g p back to the pipeline."""
    page = panel.open("/pipeline/")
    page.keyboard.press("g")
    page.keyboard.press("e")
    page.wait_for_url("**/ensemble/")
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/pipeline/")


def test_slash_finds_and_typing_is_not_a_command(panel: Panel) -> None:
    """/ puts the cursor into the field; there, letters and space are text."""
    page = panel.open("/pipeline/")
    page.keyboard.press("/")
    expect(page.locator("#pipeline-find")).to_be_focused()
    page.keyboard.type("g e ?.")
    assert page.input_value("#pipeline-find") == "g e ?."
    assert "/pipeline/" in page.url
    assert page.evaluate("document.documentElement.dataset.paused") == "no"


def test_j_and_k_walk_the_rows_and_show_each(panel: Panel) -> None:
    """Rows are reached by keys alone, and what has the focus is in the detail."""
    page = panel.open("/pipeline/")
    for counter in (1, 2, 3):
        panel.recording.write(counter * 10_000, counter, cxid=counter)
    panel.publish_and_draw()
    page.keyboard.press("j")
    page.keyboard.press("j")
    panel.wait(300)
    expect(page.locator("#pipeline-detail [data-at=counter]")).to_have_text("5:2")
    page.keyboard.press("k")
    panel.wait(300)
    expect(page.locator("#pipeline-detail [data-at=counter]")).to_have_text("5:3")


@pytest.mark.parametrize("key", [" ", "."])
def test_space_and_dot_pause_and_go_on(panel: Panel, key: str) -> None:
    """The presenter's keys stop time, and start it again; the buttons say which it is."""
    page = panel.open("/ensemble/")
    page.keyboard.press(key)
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press(key)
    expect(page.locator("#live")).to_have_attribute("aria-pressed", "true")


def test_a_dialog_opens_from_a_fragment_and_gives_the_focus_back(panel: Panel) -> None:
    """What htmx puts into the dialog is shown as a modal; Cancel closes it and asks nothing of the server."""
    page = panel.open("/pipeline/")
    panel.answers["/dialogs/znode/create"] = lambda: (
        '<div class="dlg"><h2>New child</h2><form><input class="field" name="name" autofocus>'
        '<div class="actions"><button class="btn" type="button" data-close>Cancel</button></div></form></div>'
    )
    opener = page.get_by_role("button", name="New znode…")
    opener.click()
    panel.wait(200)
    expect(page.locator("#dialog")).to_be_visible()
    expect(page.locator("#dialog input")).to_be_focused()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#dialog")).to_be_hidden()
    expect(opener).to_be_focused()
    assert panel.asked[-1] == "GET /dialogs/znode/create"


def test_pushed_fragments_change_the_top_bar_without_taking_the_focus(panel: Panel) -> None:
    """An out-of-band swap morphs what is there: focus and selection stay."""
    page = panel.open("/pipeline/")
    page.fill("#pipeline-find", "abc")
    page.focus("#pipeline-find")
    assert panel.place is not None
    panel.place.send(
        '<div id="frame-summary" class="summary" hx-swap-oob="morph"><span class="pill warn"><i></i>Election</span></div>'
        '<b id="count-tree" hx-swap-oob="true">1,204</b>'
    )
    panel.wait(100)
    expect(page.locator("#frame-summary")).to_have_text(re.compile("Election"))
    expect(page.locator("#count-tree")).to_have_text("1,204")
    expect(page.locator("#pipeline-find")).to_be_focused()


def test_the_policy_really_holds(panel: Panel) -> None:
    """The pages pass under the policy because they obey it, not because it is off: a breach is refused."""
    page = panel.open("/pipeline/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p id=breach style=\"color:red\">x</p>')")
    assert page.evaluate("getComputedStyle(document.getElementById('breach')).color") != "rgb(255, 0, 0)"
    breaches = [text for text in panel.complaints if "Content Security Policy" in text]
    assert len(breaches) == 1
    panel.complaints.clear()


@pytest.mark.parametrize("size", [(390, 844), (820, 1180)])
@pytest.mark.parametrize("place", DRAWN)
def test_nothing_is_wider_than_the_window(panel: Panel, place: str, size: tuple[int, int]) -> None:
    """Phones and tablets scroll down, never sideways, and the places are within reach of a thumb."""
    page = panel.open(f"/{place}/")
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    for link in page.locator(".rail a").all():
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= (44 if size[0] < 640 else 24)


@pytest.mark.parametrize("size", [(1440, 900), (820, 1180), (390, 844)])
def test_places_keep_their_names_where_only_icons_fit(panel: Panel, size: tuple[int, int]) -> None:
    """Half a window, or a page at 200 percent, shows icons; who hears the page or waits over one gets the word."""
    page = panel.open("/pipeline/")
    for name in ("Ensemble", "Tree", "Sessions", "Watches", "Pipeline"):
        link = page.get_by_role("navigation", name="Places").get_by_role("link", name=name)
        expect(link).to_have_accessible_name(re.compile(name))
        expect(link).to_have_attribute("title", name)


def test_the_first_stop_of_the_tab_key_leads_past_the_frame_and_is_seen(panel: Panel) -> None:
    """A link that only screen readers see would be a press of Tab that does nothing."""
    page = panel.open("/pipeline/")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to content")
    expect(link).to_be_focused()
    box = link.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 24
    page.keyboard.press("Enter")
    expect(page.locator("#place")).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("place", DRAWN)
def test_all_text_has_contrast(panel: Panel, place: str, theme: Literal["light", "dark"]) -> None:
    """Every text is at least 4.5 to 1 on its ground, in both themes, with rows of every kind in sight."""
    page = panel.page
    page.emulate_media(color_scheme=theme)
    panel.open(f"/{place}/")
    for counter in (1, 2, 3):
        panel.recording.write(counter * 10_000, counter, cxid=counter)
    panel.recording.tell(
        2, 90_000, "proposed", zxid="21474836484", session="0x2a", cxid=9, op=5, path="/b", size=1
    )
    panel.server(1, faults=[{"what": "cut", "peers": [2]}])
    panel.process(3, "killed")
    panel.publish_and_draw(1500)
    assert page.evaluate(LOW_CONTRAST) == []
