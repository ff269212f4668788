"""The whole demo, as its README promises it: one command, real servers, a browser on its panel."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.contrast import LOW_CONTRAST
from tests.processes.conftest import ROOT, free_base_port

pytestmark = [pytest.mark.browser, pytest.mark.process]

SOON_MS = 20_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address, token and all, that the demo prints; the demo must stop clean afterwards."""
    folder = tmp_path_factory.mktemp("demo")
    base = free_base_port(20)
    command = [sys.executable, "manage.py", "demo", "--servers", "3", "--port", str(base)]
    command += ["--web-port", str(base + 10), "--data-dir", str(folder / "data"), "--no-browser"]
    environment = os.environ | {"COORDINATOR_PANEL_DB": str(folder / "panel.sqlite3")}
    with (folder / "output").open("w+") as output:
        demo = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _printed_address(demo, Path(output.name))
        finally:
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(20) == 0


def _printed_address(demo: subprocess.Popen[bytes], output: Path) -> str:
    for _ in range(400):
        found = re.search(r"http://\S+\?token=\S+", output.read_text())
        if found:
            return found[0]
        try:
            demo.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"the demo printed no address:\n{output.read_text()}")


@pytest.fixture
def live(chromium: Browser, address: str) -> Iterator[Page]:
    """A viewer who came with the token; nothing may go wrong in the page meanwhile."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(SOON_MS)
    expect.set_options(timeout=SOON_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(address)
    assert "token" not in page.url
    yield page
    context.close()
    expect.set_options(timeout=5000)
    assert complaints == []


def go(page: Page, place: str) -> None:
    """Go to a place by the rail."""
    page.locator(".rail").get_by_role("link", name=place).click()
    expect(page.locator("main h1").first).to_have_text(place)


def test_every_place_shows_the_running_ensemble(live: Page) -> None:
    """Servers on the stage, packets in flight, proposals with their times, znodes, sessions, watches."""
    expect(live.locator("#stage [data-sid]")).to_have_count(3)
    expect(live.locator('#stage [data-look="leader"]')).to_have_count(1)
    expect(live.locator('#stage .packet[data-type="PROPOSAL"]').first).to_be_attached()
    expect(live.locator('#invariants [data-state="violated"]')).to_have_count(0)
    go(live, "Pipeline")
    expect(live.locator("#pipeline-rows tr").nth(5)).to_contain_text("ms")
    go(live, "Tree")
    expect(live.locator('[role="treeitem"]').first).to_be_visible()
    go(live, "Sessions")
    expect(live.locator("#sessions-list tbody tr").first).to_contain_text("0x")
    go(live, "Watches")
    expect(live.locator("#watches-list")).to_be_visible()


def test_a_znode_made_in_the_panel_goes_through_the_pipeline(live: Page) -> None:
    """What a viewer creates is proposed, logged, acked, committed and applied before their eyes."""
    live.goto(live.url.split("/ensemble")[0] + "/pipeline/?find=made-by-hand")
    expect(live.locator("#pipeline-unmatched")).to_be_visible()
    live.goto(live.url.split("/pipeline")[0] + "/ensemble/")
    live.get_by_role("button", name="New znode").click()
    live.fill("#dialog [name=name]", "made-by-hand")
    live.fill("#dialog [name=value]", '{"by": "a test"}')
    live.get_by_role("button", name="Create").click()
    expect(live.locator("#dialog")).to_contain_text("was created")
    live.goto(live.url.split("/ensemble")[0] + "/pipeline/?find=made-by-hand")
    row = live.locator("#pipeline-rows tr")
    expect(row).to_have_count(1)
    expect(row.locator(".state")).to_contain_text("ms")
    row.click()
    hops = live.locator("#pipeline-detail [data-at=hops]")
    for what in ("proposed", "logged", "acked", "committed", "applied", "replied"):
        expect(hops).to_contain_text(what)


def test_killing_the_leader_is_an_election_one_can_watch(live: Page) -> None:
    """The dialog says what follows; another leads a new epoch; the dead one is started and follows again."""
    old = live.locator('#stage [data-look="leader"]').get_attribute("data-sid")
    live.locator(f'#stage [data-sid="{old}"]').click()
    live.locator('#inspector [data-action="kill"]').click()
    expect(live.locator("#dialog .consequences li").first).to_be_visible()
    live.locator("#dialog .btn.danger").click()
    expect(live.locator("#dialog")).to_contain_text("was killed")
    live.locator("#dialog").get_by_role("button", name="Close").click()
    expect(live.locator(f'#stage [data-sid="{old}"]')).to_have_attribute("data-look", "down")
    new = live.locator('#stage [data-look="leader"]')
    expect(new).to_have_count(1)
    assert new.get_attribute("data-sid") != old
    expect(live.locator("#frame-summary")).to_contain_text(f"leader s{new.get_attribute('data-sid')}")
    expect(live.locator("#audit")).to_contain_text(f"s{old}")
    live.locator('#inspector [data-action="start"]').click()
    live.locator("#dialog .btn.primary").click()
    expect(live.locator("#dialog")).to_contain_text("was started")
    live.locator("#dialog").get_by_role("button", name="Close").click()
    expect(live.locator(f'#stage [data-sid="{old}"]')).to_have_attribute("data-look", "follower")
    expect(live.locator('#invariants [data-state="violated"]')).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_place_can_be_read_on_a_phone(live: Page, theme: Literal["light", "dark"]) -> None:
    """At 390 px no place scrolls sideways, and all text has contrast, with what a real ensemble shows."""
    live.emulate_media(color_scheme=theme)
    live.set_viewport_size({"width": 390, "height": 844})
    origin = live.url.split("/ensemble")[0]
    found: dict[str, object] = {}
    for place in ("ensemble", "tree", "sessions", "watches", "pipeline"):
        live.goto(f"{origin}/{place}/")
        expect(live.locator("#frame-summary")).to_contain_text("Broadcast")
        found[place] = live.evaluate(LOW_CONTRAST)
        assert live.evaluate("document.documentElement.scrollWidth") == 390, place
    assert not any(found.values()), found
