"""The Ensemble place: what is drawn is what the trace told, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.panel import Panel
from tests.dashboard.recording import membership, status, zxid

pytestmark = pytest.mark.browser

PACKETS = "#stage .packet"


def card(panel: Panel, sid: int) -> Locator:
    """Return a server's card."""
    return panel.page.locator(f'#stage [data-sid="{sid}"]')


def drawn(panel: Panel) -> list[tuple[str, int, int, int]]:
    """Return type, sender, receiver and number of what flies now."""
    found = panel.page.eval_on_selector_all(
        PACKETS,
        "all => all.map(one => [one.dataset.type, +one.dataset.from, +one.dataset.to, +one.dataset.count])",
    )
    return [tuple(each) for each in found]


def test_nothing_flies_that_was_not_told(panel: Panel) -> None:
    """An ensemble that says nothing of messages shows none, however long one looks."""
    panel.open("/ensemble/")
    panel.server(1)
    panel.publish_and_draw(5000)
    assert drawn(panel) == []


def test_a_message_told_twice_flies_once_and_lands(panel: Panel) -> None:
    """`sent` here and `received` there are one packet, from sender to receiver; then it is gone."""
    panel.open("/ensemble/")
    panel.message("PROPOSAL", 2, 1, 1000)
    panel.publish_and_draw(150)
    assert drawn(panel) == [("PROPOSAL", 2, 1, 1)]
    panel.publish_and_draw(3000)
    assert drawn(panel) == []


def test_the_halves_of_a_message_may_come_apart(panel: Panel) -> None:
    """The receiver's word may be in an earlier frame than the sender's; it is still one packet."""
    panel.open("/ensemble/")
    panel.message("PROPOSAL", 2, 1, 1000, half="received")
    panel.publish_and_draw(100)
    panel.message("PROPOSAL", 2, 1, 1000, half="sent")
    panel.publish_and_draw(100)
    assert drawn(panel) == [("PROPOSAL", 2, 1, 1)]


def test_effects_leave_after_their_causes_arrived(panel: Panel) -> None:
    """All of it is over within a millisecond; on the stage the ack waits for the proposal to land."""
    page = panel.open("/ensemble/")
    panel.message("PROPOSAL", 2, 1, 1000)
    panel.message("ACK", 1, 2, 1500)
    panel.message("COMMIT", 2, 1, 1900)
    panel.publish()
    order: list[str] = []
    for _ in range(60):
        panel.wait(50)
        seen = page.eval_on_selector_all(
            PACKETS,
            "all => all.filter(one => one.getAttribute('visibility') !== 'hidden').map(one => one.dataset.type)",
        )
        order += [kind for kind in seen if kind not in order]
        assert len(seen) <= 1, seen
    assert order == ["PROPOSAL", "ACK", "COMMIT"]


FLIGHT_ENDS = """
async (start) => {
  const {Flights, FLIGHT_MS} = await import("/static/js/stage/flights.js");
  const {Packets} = await import("/static/js/stage/packets.js");
  const flights = new Flights(), packets = new Packets(document.createElementNS("http://www.w3.org/2000/svg", "g"));
  const packet = (type, from, to) => ({type, from, to, zxid: "7", arrived: true});
  const asked = flights.add(packet("PROPOSAL", 2, 1), start, false);
  const answered = flights.add(packet("ACK", 1, 2), start, false);
  const way = {from: {x: 0, y: 0}, to: {x: 100, y: 0}, length: 100}, how = {still: false, narrow: false};
  const now = answered.start;
  return [now === start + FLIGHT_MS, (now - start) / FLIGHT_MS < 1, packets.place(asked, now, way, how)];
}
"""


def test_a_packet_is_gone_when_its_answer_leaves_whatever_the_rounding(panel: Panel) -> None:
    """At this time the quotient of the two is less than one."""
    page = panel.open("/ensemble/")
    assert page.evaluate(FLIGHT_ENDS, 65253.19259964955) == [True, True, False]


def test_many_messages_share_pills_and_none_is_lost_from_the_count(panel: Panel) -> None:
    """37 proposals in one frame are a few pills that say how many they are."""
    panel.open("/ensemble/")
    for counter in range(37):
        panel.message("PROPOSAL", 2, 1, 1000 + counter, zxid=zxid(5, 200 + counter))
    panel.publish_and_draw(60)
    flying = drawn(panel)
    assert sum(count for *_, count in flying) == 37
    assert len(flying) < 8
    labels = panel.page.locator(PACKETS).all_text_contents()
    assert any("\N{MULTIPLICATION SIGN}" in label for label in labels)


def test_a_message_nobody_received_does_not_arrive(panel: Panel) -> None:
    """Only sent: the packet stops short of its receiver and is marked."""
    page = panel.open("/ensemble/")
    panel.message("PROPOSAL", 2, 1, 1000, half="sent")
    panel.publish_and_draw(560)
    expect(page.locator(f"{PACKETS}.lost")).to_have_count(1)


def test_pause_holds_packets_where_they_are_and_counts(panel: Panel) -> None:
    """Paused, a packet stands; what happens meanwhile is counted, and not replayed after."""
    page = panel.open("/ensemble/")
    panel.message("PROPOSAL", 2, 1, 1000)
    panel.publish_and_draw(250)
    page.keyboard.press(".")
    panel.wait(50)
    where = page.get_attribute(PACKETS, "transform")
    for counter in range(12):
        panel.message("ACK", 1, 2, 5000 + counter, zxid=zxid(5, 300 + counter))
    panel.publish_and_draw(2000)
    assert page.get_attribute(PACKETS, "transform") == where
    expect(page.locator("#behind")).to_contain_text("24")
    page.keyboard.press(".")
    panel.wait(200)
    assert ("ACK", 1, 2, 12) not in drawn(panel)
    expect(page.locator("#behind")).to_be_hidden()


def test_a_killed_server_is_shown_dead_and_can_be_started(panel: Panel) -> None:
    """Its card says so in a word, its links go, and what can be done about it is offered."""
    page = panel.open("/ensemble/")
    panel.process(1, "killed")
    panel.publish_and_draw()
    expect(card(panel, 1)).to_have_attribute("data-look", "down")
    expect(card(panel, 1)).to_contain_text("killed")
    card(panel, 1).click()
    panel.wait(300)
    start = page.locator("#inspector").get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled()
    expect(page.locator("#inspector").get_by_role("button", name="Pause")).to_be_disabled()
    expect(page.locator('#invariants [data-state="violated"]')).to_have_count(0)
    expect(page.locator("#twin tr").first).to_contain_text("killed")


def test_the_leader_moves_to_the_top(panel: Panel) -> None:
    """Who leads stands above all others, also after the lead changed."""
    panel.open("/ensemble/")
    top = "(all => all.sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)[0].dataset.sid)"
    cards = "[...document.querySelectorAll('#stage [data-sid]')]"
    assert panel.page.evaluate(f"{top}({cards})") == "2"
    panel.server(2, "following", leader=3, epoch=6, counter=1)
    panel.server(3, "leading", leader=3, epoch=6, counter=1)
    panel.server(1, "following", leader=3, epoch=6, counter=1)
    panel.publish_and_draw(1500)
    assert panel.page.evaluate(f"{top}({cards})") == "3"
    expect(card(panel, 3)).to_contain_text("leader")
    expect(card(panel, 3)).to_contain_text("6")


def test_an_election_shows_who_votes_for_whom(panel: Panel) -> None:
    """A server that looks says so, and shows the votes it heard."""
    page = panel.open("/ensemble/")
    for sid in (1, 3):
        panel.server(sid, "looking", leader=None, election_round=7, vote=3)
    panel.process(2, "killed")
    panel.publish()
    vote: dict[str, Any] = {"zxid": zxid(5, 163), "vote": 3, "state": "looking"}
    panel.recording.tell(1, 1000, "message", way="received", peer=3, type="NOTIFICATION", **vote)
    panel.recording.tell(3, 1000, "message", way="received", peer=1, type="NOTIFICATION", **vote)
    panel.publish_and_draw(200)
    expect(card(panel, 1)).to_have_attribute("data-look", "looking")
    assert {(kind, one, other) for kind, one, other, _ in drawn(panel)} == {
        ("NOTIFICATION", 3, 1),
        ("NOTIFICATION", 1, 3),
    }
    expect(page.locator(PACKETS).first).to_contain_text("s3")


def test_who_has_no_vote_asks_and_votes_for_nobody(panel: Panel) -> None:
    """An observer that looks names no server in its notifications; none may be made up for it."""
    page = panel.open("/ensemble/")
    nobody: dict[str, Any] = {"zxid": "0", "vote": -(2**63), "state": "looking"}
    panel.recording.tell(1, 1000, "message", way="received", peer=3, type="NOTIFICATION", **nobody)
    panel.publish_and_draw(200)
    expect(page.locator(PACKETS).first).to_contain_text("asks who leads")
    expect(page.locator("#feed")).to_contain_text("s3 → s1 asks who leads, looking")


@pytest.mark.parametrize(("size", "servers"), [((1440, 900), 5), ((390, 844), 3)])
def test_a_cut_link_is_marked_where_no_card_hides_it(
    panel: Panel, size: tuple[int, int], servers: int
) -> None:
    """Links cross cards and lie between two of them; what says that they are cut is in sight."""
    panel.recording.ensemble(servers=servers)
    page = panel.open("/ensemble/")
    others = list(range(1, servers + 1))
    for sid in others:
        panel.server(
            sid,
            "leading" if sid == 2 else "looking",
            faults=[{"what": "cut", "peers": [each for each in others if each != sid]}],
        )
    panel.publish_and_draw()
    hidden = page.evaluate(
        """() => [...document.querySelectorAll("#stage .link.cut .mark")].filter((mark) => {
            const m = mark.getBoundingClientRect();
            return [...document.querySelectorAll("#stage .node .box")].some((box) => {
                const b = box.getBoundingClientRect();
                return m.left < b.right - 1 && m.right > b.left + 1 && m.top < b.bottom - 1 && m.bottom > b.top + 1;
            });
        }).map((mark) => mark.parentElement.dataset.link)"""
    )
    assert page.locator("#stage .link.cut").count() == servers * (servers - 1) // 2
    assert hidden == []


def test_two_leaders_of_one_epoch_are_called_a_violation(panel: Panel) -> None:
    """The invariants are judged from what the servers say, and say why."""
    page = panel.open("/ensemble/")
    expect(page.locator('#invariants [data-state="violated"]')).to_have_count(0)
    panel.server(3, "leading", leader=3)
    panel.publish_and_draw()
    broken = page.locator('#invariants [data-state="violated"]')
    expect(broken).to_have_count(1)
    expect(broken).to_contain_text("one leader per epoch")


def test_unequal_digests_at_one_zxid_are_a_violation(panel: Panel) -> None:
    """Two servers that hold different trees at the same zxid are found out."""
    page = panel.open("/ensemble/")
    panel.server(1, digest="abc")
    panel.publish_and_draw()
    expect(page.locator('#invariants [data-state="violated"]')).to_contain_text(["tree digests equal"])


def test_a_cut_link_is_drawn_cut_and_can_be_healed(panel: Panel) -> None:
    """A fault the servers tell of is on the stage, and Heal is offered only then."""
    page = panel.open("/ensemble/")
    expect(page.locator("#heal")).to_be_disabled()
    panel.server(1, faults=[{"what": "cut", "peers": [2]}])
    panel.publish_and_draw()
    expect(page.locator('[data-link="1-2"]')).to_have_class("link cut")
    expect(page.locator("#heal")).to_be_enabled()


def test_nothing_is_claimed_of_the_present_when_nobody_answers(panel: Panel) -> None:
    """With no server in reach the stage says so, and what needs their word cannot be judged."""
    page = panel.open("/ensemble/")
    for sid in (1, 2, 3):
        panel.model.on_lost(sid, "connection refused")
    panel.publish_and_draw()
    expect(page.locator("#nobody")).to_be_visible()
    for invariant in ("prefix", "quorum", "lag"):
        judged = page.locator(f'[data-invariant="{invariant}"]')
        expect(judged).to_have_attribute("data-state", "unknown")
        assert (judged.locator(".why").text_content() or "").strip()


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768), (390, 844)])
@pytest.mark.parametrize("servers", [1, 3, 5, 7])
def test_any_number_of_servers_fits(panel: Panel, servers: int, size: tuple[int, int]) -> None:
    """Cards lie within the stage and do not cover one another, and nothing is wider than the window."""
    panel.recording.ensemble(leader=1, servers=servers)
    for sid in range(1, servers + 1):
        panel.model.on_status(
            sid,
            status(
                sid,
                "leading" if sid == 1 else "following",
                leader=1,
                voters=list(range(1, servers + 1)),
                membership=membership(tuple(range(1, servers + 1))),
            ),
            0,
        )
    page = panel.open("/ensemble/")
    boxes = page.evaluate(
        "[...document.querySelectorAll('#stage [data-sid] .box')].map(box => box.getBoundingClientRect().toJSON())"
    )
    stage = page.evaluate("document.querySelector('.stagebox').getBoundingClientRect().toJSON()")
    assert len(boxes) == servers
    for index, box in enumerate(boxes):
        assert stage["left"] <= box["left"]
        assert box["right"] <= stage["right"]
        assert box["bottom"] <= stage["bottom"] + 1
        for other in boxes[index + 1 :]:
            apart = (
                box["right"] <= other["left"]
                or other["right"] <= box["left"]
                or box["bottom"] <= other["top"]
                or other["bottom"] <= box["top"]
            )
            assert apart, f"{box} covers {other}"
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    assert page.evaluate("document.querySelector('#place').scrollWidth <= innerWidth")


def test_a_storm_is_thinned_out_and_every_event_accounted_for(panel: Panel) -> None:
    """Of 4,000 messages in two seconds some are drawn, few pills at a time; the number of the others is said."""
    page = panel.open("/ensemble/")
    for frame in range(20):
        for index in range(100):
            counter = 1000 + frame * 100 + index
            for sid in (1, 3):
                at_us = frame * 100_000 + index
                panel.message("PROPOSAL", 2, sid, at_us, half="received", zxid=zxid(5, counter))
        panel.publish()
        panel.wait(100)
        assert page.locator(PACKETS).count() < 60
    assert drawn(panel)
    assert int(page.get_attribute("#stage", "data-drawn") or 0) + left_out(panel) == 20 * 100 * 2


def left_out(panel: Panel) -> int:
    """Return how many events and packets are not drawn, by what the page says."""
    said = panel.page.locator("#stage-subtitle").text_content() or ""
    words = re.findall(r"([\d,]+) (?:packets? not drawn|events? left out)", said)
    return sum(int(word.replace(",", "")) for word in words)


def with_observer(panel: Panel, **more: Any) -> None:
    """Three voters under s2, and s4, which observes."""
    members = membership((1, 2, 3), (4,), **more)
    panel.model.add_server(4, "127.0.0.1:2184", local=True)
    for sid in (1, 3):
        panel.server(sid, membership=members)
    peers = [
        {"sid": sid, "connected": True, "synced": True, "zxid_acked": None, "heard_ms_ago": 5}
        for sid in (1, 3, 4)
    ]
    panel.server(2, "leading", membership=members, peers=peers)
    panel.server(4, "observing", membership=members)
    panel.process(4, "running")


def test_an_observer_is_drawn_as_one_and_counts_for_no_quorum(panel: Panel) -> None:
    panel.recording.ensemble()
    with_observer(panel)
    panel.open("/ensemble/")
    page = panel.page
    expect(card(panel, 4).locator(".standing")).to_have_text("observer")
    expect(card(panel, 4)).to_have_attribute("data-part", "observer")
    expect(card(panel, 2).locator(".rim path")).to_have_count(3)
    expect(page.locator("#frame-summary")).to_contain_text("quorum 3 of 3")
    expect(page.locator("#stage-subtitle")).to_contain_text("4 servers, 1 of them an observer")
    expect(page.locator('#stage [data-link="2-4"]')).to_have_class("link follows observes")
    expect(page.locator('[data-row="supporters"]')).to_have_text("s1 5 ms · s3 5 ms ago")
    expect(page.locator('[data-row="observers"]')).to_have_text("s4 5 ms ago, without a vote")
    panel.message("INFORM", 2, 4, 1000)
    panel.publish_and_draw(150)
    assert drawn(panel) == [("INFORM", 2, 4, 1)]
    card(panel, 4).click()
    expect(page.locator('[data-row="observers"]')).to_be_hidden()
    expect(page.locator('#inspector [data-part="hint"]')).to_contain_text("has no vote")


def test_the_loss_of_the_leader_is_judged_by_the_links_between_the_others(panel: Panel) -> None:
    """A server that is cut off from the other one is no help in an election."""
    panel.open("/ensemble/")
    hint = panel.page.locator('#inspector [data-part="hint"]')
    expect(hint).to_contain_text("Killing the leader starts an election among s1 and s3.")
    panel.server(3, "looking", leader=None, faults=[{"what": "cut", "peers": [1, 2]}])
    panel.publish_and_draw()
    expect(hint).to_have_text(
        "Without s2 nobody can lead: with the links that are cut, no part of s1 and s3 has 2 of 3 voters."
    )


def test_without_a_quorum_the_stage_says_what_is_missing(panel: Panel) -> None:
    """That nobody leads is drawn; why nobody can is said."""
    panel.open("/ensemble/")
    note = panel.page.locator("#nobody")
    expect(note).to_be_hidden()
    for sid in (1, 2, 3):
        panel.server(sid, "looking", leader=None)
    panel.publish_and_draw()
    expect(note).to_be_hidden()  # an election that can be won is no trouble
    panel.server(1, "looking", leader=None, faults=[{"what": "cut", "peers": [2, 3]}])
    panel.server(2, "looking", leader=None, faults=[{"what": "cut", "peers": [1, 3]}])
    panel.publish_and_draw()
    expect(note).to_contain_text("no part of s1, s2 and s3 has the 2 of 3 voters a leader needs")
    panel.process(1, "killed")
    panel.process(2, "killed")
    panel.publish_and_draw()
    expect(note).to_contain_text("Of 3 voters only s3 answers, and a leader needs 2.")
    panel.process(3, "killed")
    panel.publish_and_draw()
    expect(note).to_contain_text("No server answers.")


def test_the_membership_is_in_the_inspector_with_its_version_and_text(panel: Panel) -> None:
    panel.recording.ensemble()
    with_observer(panel, version=zxid(5, 160), proposed="server.9=somewhere\nversion=5000000a4")
    panel.open("/ensemble/")
    row = panel.page.locator('[data-row="membership"]')
    expect(row).to_have_text("3 voters · 1 observer since 5:160")
    panel.page.get_by_text("Text of the membership").click()
    text = panel.page.locator('#inspector [data-part="members"]')
    expect(text).to_contain_text("server.4=127.0.0.1:2891:3891:observer;127.0.0.1:2184")
    expect(text).to_contain_text("version=5000000a0")
    expect(panel.page.locator('#inspector [data-part="proposed"]')).to_contain_text("server.9=somewhere")


def test_a_server_that_leaves_is_no_member_and_one_that_joins_is_drawn(panel: Panel) -> None:
    panel.open("/ensemble/")
    expect(panel.page.locator("#stage .node")).to_have_count(3)
    changed = membership((1, 2), (7,), version=zxid(5, 163))
    for sid, role in ((1, "following"), (3, "following"), (2, "leading")):
        panel.server(sid, role, membership=changed, voters=[1, 2])
    panel.publish_and_draw()
    expect(card(panel, 3).locator(".standing")).to_have_text("not a member")
    expect(card(panel, 7).locator(".standing")).to_have_text("not heard of")
    card(panel, 3).click()
    reason = panel.page.locator('#inspector [data-part="reason"]')
    expect(reason).to_contain_text("A reconfiguration that adds s3 brings it back")
    card(panel, 7).click()
    expect(reason).to_contain_text("not named in COORDINATOR_SERVERS")
    expect(panel.page.locator('[data-row="address"]')).to_have_text("127.0.0.1:2187")
    panel.server(2, "leading", membership=membership((1, 2, 3), version=zxid(5, 164)))
    panel.publish_and_draw()
    expect(panel.page.locator("#stage .node")).to_have_count(3)
    expect(card(panel, 3).locator(".standing")).to_have_text("follower")


def test_a_server_without_a_quorum_that_answers_reads_says_so(panel: Panel) -> None:
    panel.open("/ensemble/")
    panel.server(1, "looking", leader=None, read_only=True)
    panel.publish_and_draw()
    expect(card(panel, 1).locator(".standing")).to_have_text("read-only")
    card(panel, 1).click()
    expect(panel.page.locator('#inspector [data-part="reason"]')).to_contain_text("answers reads only")
