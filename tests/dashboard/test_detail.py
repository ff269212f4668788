"""What lists and details say, and how legible: times of the ensemble's birth, time-outs, colours."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from django.conf import settings
from django.template.loader import render_to_string

from dashboard.places.watches import FRESH_S, SHOWN_MAX, _drawn, _groups

TEXT_ON = {
    "paper": ("ink", "ink-2", "ink-3", "accent"),
    "card": ("ink", "ink-2", "ink-3", "accent", "ok", "warn", "bad"),
    "sunk": ("ink", "ink-2", "ink-3", "bad", "accent", "e0", "e1", "e2", "e3"),
    "accent-soft": ("ink", "ink-2", "ink-3", "accent"),
    "ok-soft": ("ink", "ink-2", "ok"),
    "warn-soft": ("ink", "ink-2", "warn"),
    "bad-soft": ("ink", "bad"),
    "e0s": ("ink", "ink-2", "ink-3", "e0"),
    **{f"e{hue}s": (f"e{hue}",) for hue in range(1, 6)},
}
"""Which tokens are text on which ground: faint text in rows that are hovered, chosen or flash; code; pills; epochs."""
PAIRS = [(ground, text) for ground, texts in TEXT_ON.items() for text in texts]


def tokens(theme: str) -> dict[str, str]:
    css = (settings.BASE_DIR / "static/css/tokens.css").read_text()
    light, dark = css.split(':root[data-theme="dark"]')
    of = lambda text: dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", text))  # noqa: E731
    return of(light) | (of(dark) if theme == "dark" else {})


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_can_be_read(theme: str) -> None:
    colours = tokens(theme)
    low = []
    for ground, text in PAIRS:
        one, other = sorted((luminance(colours[ground]), luminance(colours[text])))
        ratio = (other + 0.05) / (one + 0.05)
        if ratio < 4.5:
            low.append(f"{text} on {ground}: {ratio:.2f}")
    assert low == []


@pytest.mark.parametrize(("remaining", "said"), [(6400, "6.0 s / 6.0 s"), (5200, "5.2 s / 6.0 s")])
def test_a_session_never_has_more_left_than_its_time_out(remaining: int, said: str) -> None:
    html = render_to_string(
        "fragments/remaining.html", {"s": {"remaining_ms": remaining, "timeout_ms": 6000}}
    )
    assert said in html
    assert (
        "rounded up to the leader&#x27;s next tick" in html or "rounded up to the leader's next tick" in html
    )


def test_what_came_with_the_ensemble_has_no_age() -> None:
    assert "with the ensemble" in render_to_string("fragments/stamp.html", {"zxid": "0", "ms": 0})
    later = render_to_string("fragments/stamp.html", {"zxid": str((5 << 32) | 163), "ms": 0})
    assert "5:163" in later
    assert "days ago" in later


def test_a_watch_keeps_its_row_while_it_fires_and_is_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.places.watches.time.time", lambda: 1000.0)
    watch: dict[str, Any] = {"path": "/a", "mode": "data", "session": "0x1", "sid": 1, "fired": None}
    waiting = _drawn(watch)
    glows = [
        _drawn(watch | {"fired": fired, "n": n}) for fired, n in product((999.0, 1000 - FRESH_S), (1, 2))
    ]
    assert {row["id"] for row in [waiting, *glows]} == {waiting["id"]}
    assert [row["glow"] for row in [waiting, *glows]] == ["", "fired again", "fired", "", ""]


@pytest.mark.parametrize(
    ("known", "marks"),
    [
        ({"local": False, "read_only": False, "secure": None}, []),
        ({"local": True, "read_only": False, "secure": True}, ["local", "TLS"]),
        ({"local": True, "read_only": True, "secure": False}, ["local", "read-only"]),
    ],
)
def test_sessions_unlike_the_others_are_marked(known: dict[str, Any], marks: list[str]) -> None:
    html = render_to_string("fragments/session_marks.html", {"s": known})
    assert re.findall(r">([\w-]+)</span>", html) == marks


def test_a_group_of_watches_that_is_cut_says_how_many_there_are() -> None:
    watches = [
        {
            "path": f"/n{index:02}",
            "mode": "data",
            "session": f"0x{session}",
            "sid": 1,
            "fired": None,
            "waiting": True,
        }
        for index in range(20)
        for session in range(1, 51)
    ]
    groups = _groups(watches, "session")
    assert sum(len(group["watches"]) for group in groups) == SHOWN_MAX
    assert {group["standing"] for group in groups} == {20}
    assert [group["left"] for group in groups] == [0] * 30, "whole groups, as far as there is room"
    burnt = watches[-1] | {"fired": 1.0, "waiting": False, "n": 1}
    *_, last = _groups([*watches[:-1], burnt], "session")
    assert (last["key"], last["standing"], last["left"]) == ("0x50", 19, 19), (
        "one that burns is never left out"
    )
