"""The Pipeline place: rows from proposals as they go, and a list that never jumps under the hand."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.panel import Panel
from tests.dashboard.recording import zxid

pytestmark = pytest.mark.browser

ROWS = "#pipeline-rows tr"


def row(counter: int) -> str:
    """Return the selector of a proposal's row."""
    return f'{ROWS}[data-zxid="{zxid(5, counter)}"]'


def writes(panel: Panel, first: int, last: int) -> None:
    """Let writes pass through all stages, one every 10 ms."""
    for counter in range(first, last + 1):
        panel.recording.write(counter * 10_000, counter, path=f"/a/{counter}", cxid=counter)


def counters(panel: Panel) -> list[int]:
    """Return the counters shown, from the top."""
    zxids = panel.page.eval_on_selector_all(ROWS, "rows => rows.map(row => row.dataset.zxid)")
    return [int(text) & 0xFFFFFFFF for text in zxids]


def test_nothing_proposed_yet_is_said_with_what_to_do(panel: Panel) -> None:
    """An empty place says what it would show, and how to get there."""
    page = panel.open("/pipeline/")
    expect(page.locator("#pipeline-none")).to_be_visible()
    expect(page.locator("#pipeline-none button")).to_have_text("New znode…")
    expect(page.locator("#pipeline-table")).to_be_hidden()


def test_newest_first_and_each_stage_fills_in_place(panel: Panel) -> None:
    """A proposal shows how many acked while it waits, and its time when its quorum is full, in the same row."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 3)
    tell, this = panel.recording.tell, zxid(5, 4)
    tell(2, 90_000, "proposed", zxid=this, session="0x2a", cxid=9, op=5, path="/app/config", size=40)
    tell(2, 90_400, "logged", zxid=this, fsync_us=300)
    tell(2, 90_410, "acked", zxid=this, by=2)
    panel.publish_and_draw()
    assert counters(panel) == [4, 3, 2, 1]
    expect(page.locator(f"{row(4)} .state")).to_have_text("1 of 3 acked")
    expect(page.locator(f"{row(4)} .op")).to_have_text("setData")
    expect(page.locator(f"{row(3)} .state")).to_have_text("1.3 ms")
    page.evaluate(f"window.kept = document.querySelector('{row(4)}')")

    tell(2, 91_200, "acked", zxid=this, by=1)
    tell(2, 91_250, "committed", zxid=this)
    panel.publish_and_draw()
    expect(page.locator(f"{row(4)} .state")).to_have_text("1.3 ms")
    assert page.evaluate(f"window.kept === document.querySelector('{row(4)}')"), "the row was built anew"


def test_nothing_moves_under_the_pointer(panel: Panel) -> None:
    """While the pointer is over the rows they stand still; what is new is counted and waits for a click."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 5)
    panel.publish_and_draw()
    page.hover(row(4))
    before = counters(panel)
    writes(panel, 6, 17)
    panel.publish_and_draw(1500)
    assert counters(panel) == before
    button = page.get_by_role("button", name="+12 new")
    expect(button).to_be_visible()
    button.click()
    panel.wait(700)
    assert counters(panel)[0] == 17
    expect(page.locator("#pipeline-more")).to_be_hidden()


def test_rows_and_memory_are_bounded_and_it_says_so(panel: Panel) -> None:
    """Of many proposals the newest are shown, and the foot says what is not."""
    page = panel.open("/pipeline/")
    for first in range(1, 601, 50):
        writes(panel, first, first + 49)
        panel.publish()
    panel.wait(700)
    assert page.locator(ROWS).count() == 80
    assert counters(panel)[0] == 600
    foot = page.locator("#pipeline-foot").inner_text()
    shown, of = (int(word) for word in foot.split(" · ")[0].removeprefix("newest ").split(" of "))
    assert shown == 80
    assert 300 <= of <= 400


def test_filters_by_word_field_and_standing(panel: Panel) -> None:
    """Words narrow the list; what is shown is in the address, and comes back with it."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 4)
    tell = panel.recording.tell
    tell(2, 60_000, "proposed", zxid=zxid(5, 5), session="0xbeef", cxid=1, op=2, path="/b", size=4)
    for sid in (1, 2, 3):
        tell(
            sid,
            61_000 + sid,
            "applied",
            zxid=zxid(5, 5),
            session="0xbeef",
            cxid=1,
            op=2,
            path="/b",
            error=-101,
        )
    panel.publish_and_draw()
    for text, expected in (
        ("op:delete", [5]),
        ("/a/3", [3]),
        ("session:beef", [5]),
        ("5:2", [2]),
        ("s3 /a", [4, 3, 2, 1]),
    ):
        page.fill("#pipeline-find", text)
        panel.wait(700)
        assert counters(panel) == expected, text
    page.fill("#pipeline-find", "nothing like it")
    panel.wait(700)
    expect(page.locator("#pipeline-unmatched")).to_have_text(
        "None of the 5 proposals kept here is like that."
    )
    page.fill("#pipeline-find", "")
    page.get_by_role("button", name="Refused").click()
    panel.wait(700)
    assert counters(panel) == [5]
    expect(page.locator(f"{row(5)} .state")).to_have_text("no node")
    assert page.url.endswith("?show=refused")
    panel.open("/pipeline/?show=refused&find=op%3Adelete", still=False)
    panel.wait(700)
    assert counters(panel) == [5]
    assert page.input_value("#pipeline-find") == "op:delete"


def test_detail_tells_every_hop_in_order(panel: Panel) -> None:
    """A click shows who logged, acked, committed, applied and answered, with times; the address names the proposal."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 2)
    panel.publish_and_draw()
    page.click(row(2))
    panel.wait(300)
    hops = [
        line.split("\t") for line in page.locator("#pipeline-detail [data-at=hops]").inner_text().splitlines()
    ]
    assert [(hop[0], hop[1], hop[2]) for hop in hops] == [
        ("\N{MINUS SIGN}0.70", "s3", "submitted"),
        ("0.00", "s2", "proposed"),
        ("0.80", "s2", "logged"),
        ("0.81", "s2", "acked"),
        ("0.90", "s3", "logged"),
        ("1.30", "s3", "acked"),
        ("1.31", "s2", "committed"),
        ("1.32", "s2", "applied"),
        ("1.90", "s3", "applied"),
        ("1.95", "s3", "replied"),
        ("2.50", "s1", "applied"),
    ]
    assert hops[5][3] == "2 of 3, the quorum"
    assert page.url.endswith(f"?zxid={zxid(5, 2)}")
    for first in range(3, 900, 50):
        writes(panel, first, first + 49)
        panel.publish()
    panel.wait(900)
    expect(page.locator("#pipeline-more")).to_have_text(re.compile(r"\+3\d\d new"))  # as many as are kept
    page.mouse.move(5, 5)
    panel.publish_and_draw(900)
    assert page.locator(row(2)).count() == 0, "the list should have forgotten it by now"
    expect(page.get_by_role("heading", name="5 5:2")).to_be_visible()


def test_ids_are_exact_beyond_what_numbers_hold(panel: Panel) -> None:
    """A zxid and a session of 64 bits read as they are, to the last digit."""
    page = panel.open("/pipeline/")
    this, session = str(0x7FFFFFFF_FFFFFFFB), "0xffeeddccbbaa9987"
    panel.recording.tell(2, 0, "proposed", zxid=this, session=session, cxid=1, op=1, path="/a", size=1)
    panel.publish_and_draw()
    page.click(ROWS)
    panel.wait(300)
    expect(page.locator("[data-at=hex]")).to_have_text("0x7ffffffffffffffb")
    expect(page.locator("[data-at=counter]")).to_have_text("2147483647:4294967291")
    expect(page.locator("[data-at=session]")).to_have_text(session)


def test_a_hostile_path_is_only_text(panel: Panel) -> None:
    """Markup stays markup, and characters that turn text round are shown as what they are."""
    page = panel.open("/pipeline/")
    path = "/<img src=x onerror=alert(1)>\u202egnp.exe"
    panel.recording.tell(2, 0, "proposed", zxid=zxid(5, 1), session="0x1", cxid=1, op=1, path=path, size=1)
    panel.publish_and_draw()
    expect(page.locator(f"{ROWS} .path")).to_have_text("/<img src=x onerror=alert(1)>\\u202egnp.exe")
    assert page.locator("main img").count() == 0


def test_sampling_is_said_with_the_exact_count(panel: Panel) -> None:
    """Under load the list is a sample, and says of how many."""
    page = panel.open("/pipeline/")
    panel.server(2, "leading", trace_stride=8, commits=12_431)
    panel.publish_and_draw()
    line = page.locator("#pipeline-sampled")
    expect(line).to_contain_text("sampled 1 of 8")
    expect(line).to_contain_text("12,431 commits on s2")


def test_sampling_is_seen_in_the_zxids_themselves(panel: Panel) -> None:
    """When every zxid listed is a multiple of 32 the list says so, whatever the last status said; one other ends it."""
    page = panel.open("/pipeline/")
    line = page.locator("#pipeline-sampled")
    for counter in range(320, 320 + 32 * 12, 32):
        panel.recording.write(counter * 100, counter, cxid=counter)
    panel.publish_and_draw()
    expect(line).to_contain_text("sampled 1 of 32")
    writes(panel, 705, 707)
    panel.publish_and_draw()
    expect(line).to_be_hidden()


def test_pause_stops_the_list_and_counts_what_it_misses(panel: Panel) -> None:
    """Paused, nothing changes but the count of what is missed; live again jumps to the present."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 2)
    panel.publish_and_draw()
    page.click("#pause")
    writes(panel, 3, 9)
    panel.publish_and_draw(1500)
    assert counters(panel) == [2, 1]
    expect(page.locator("#behind")).to_contain_text("behind")
    page.click("#live")
    page.mouse.move(5, 5)
    panel.wait(1500)
    assert counters(panel)[0] == 9
    expect(page.locator("#behind")).to_be_hidden()


def test_a_lost_socket_is_said_and_comes_back(panel: Panel) -> None:
    """Without its socket the list is no longer live and says so; the next snapshot ends that."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 2)
    panel.publish_and_draw()
    old = panel.stage
    assert old is not None
    old.close(code=1012)
    panel.wait(100)
    expect(page.locator("#pipeline-note")).to_contain_text("Not live")
    writes(panel, 3, 3)
    panel.wait(2000)
    expect(page.locator("#pipeline-note")).to_be_hidden()
    panel.wait(700)
    assert panel.stage is not old
    assert counters(panel) == [3, 2, 1]


@pytest.mark.parametrize("size", [(390, 844)])
def test_fits_a_phone(panel: Panel, size: tuple[int, int]) -> None:
    """At 390 px nothing is wider than the window, and a tap brings the detail into view."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 12)
    panel.publish_and_draw()
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    for box in ("#place", "#pipeline-scroll"):
        assert page.evaluate(
            f"(box => box.scrollWidth <= box.clientWidth)(document.querySelector('{box}'))"
        ), box
    page.click(row(11))
    panel.wait(600)
    expect(page.get_by_role("heading", name="5:11")).to_be_in_viewport()
    assert page.evaluate("document.scrollingElement.scrollTop") == 0


def test_a_server_that_was_away_does_not_stretch_the_time_of_all(panel: Panel) -> None:
    """What s3 applies when it is back, half a minute later, runs out of the scale to the right."""
    page = panel.open("/pipeline/")
    writes(panel, 1, 8)
    for counter in range(1, 9):
        late = {"zxid": zxid(5, counter), "session": "0x2a", "cxid": counter, "op": 1, "error": 0}
        panel.recording.tell(1, 30_000_000 + counter, "applied", path=f"/a/{counter}", **late)
    panel.publish_and_draw()
    expect(page.locator("#pipeline-axis")).not_to_contain_text(re.compile(r"\d s\b"))


def test_of_a_long_path_the_end_stays_in_sight(panel: Panel) -> None:
    """Neighbours in a list of locks or jobs differ in their last name only."""
    page = panel.open("/pipeline/")
    panel.recording.write(
        10_000, 1, path="/a-rather-long-application/of-some-service/locks/request-0000000017"
    )
    panel.publish_and_draw()
    shown = page.locator(f"{row(1)} .path")
    expect(shown).to_have_text("/a-rather-long-application/of-some-service/locks/request-0000000017")
    leaf = shown.get_by_text("/request-0000000017", exact=True)
    assert leaf.evaluate("each => each.scrollWidth <= each.clientWidth + 1 && each.offsetWidth > 0")
    assert shown.evaluate("each => each.firstElementChild.scrollWidth <= each.clientWidth")
