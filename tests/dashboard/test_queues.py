"""Who is waiting: lines derived from numbered ephemerals and the watches on them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.gateway.queues import SHOWN_MAX, chain_of, in_order

Row = dict[str, Any]


def member(number: int, session: str, stem: str = "lock-") -> Row:
    name = f"{stem}{number:010}"
    return {"path": f"/l/{name}", "name": name, "owner": session}


def line(*numbers: int) -> list[Row]:
    """Members of one session each: number 40 belongs to 0x40."""
    return [member(number, f"0x{number}") for number in numbers]


def watch(session: int, number: int | None, mode: str = "exist") -> Row:
    path = "/l" if number is None else f"/l/lock-{number:010}"
    return {"path": path, "mode": mode, "session": f"0x{session}", "sid": 1}


def told(chain: dict[str, Any] | None) -> list[tuple[str, str, list[str]]]:
    assert chain is not None
    return [(link["label"], link["role"], link["watches"]) for link in chain["links"]]


def test_a_line_names_holder_next_and_whom_each_watches() -> None:
    watches = [watch(41, 40), watch(42, 41), watch(99, 40)]
    chain = chain_of("/l", line(40, 41, 42), watches, "/l/lock-0000000042")
    assert told(chain) == [("…0040", "holds", []), ("…0041", "next", ["…0040"]), ("…0042", "", ["…0041"])]
    assert chain is not None
    assert [link["this"] for link in chain["links"]] == [False, False, True]
    assert (chain["style"], chain["total"], chain["left_out_after"]) == ("line", 3, 0)
    assert chain["sentence"].startswith("Each waiter watches only one before it")


def test_who_has_no_watch_yet_is_counted() -> None:
    chain = chain_of("/l", line(40, 41, 42), [watch(41, 40, "data")], None)
    assert chain is not None
    assert chain["sentence"].endswith("not all; 1 of them has no watch yet.")


def test_a_herd_is_called_what_it_does() -> None:
    on_first = chain_of("/l", line(1, 2, 3), [watch(2, 1), watch(3, 1)], None)
    assert on_first is not None
    assert on_first["sentence"] == "2 clients watch …0001: when it goes, all of them wake at once."
    on_directory = chain_of(
        "/l", line(1, 2, 3), [watch(2, None, "child"), watch(3, None, "child"), watch(1, None, "data")], None
    )
    assert on_directory is not None
    assert on_directory["style"] == "herd"
    assert [link["watches_directory"] for link in on_directory["links"]] == [False, True, True]
    assert (
        on_directory["sentence"]
        == "2 waiters watch the whole directory, so every change in it wakes all of them."
    )


@pytest.mark.parametrize(
    ("watches", "complete", "style"), [([], True, "list"), ([], False, "unknown"), (None, True, "unknown")]
)
def test_without_watches_nobody_is_said_to_hold_anything(
    watches: list[Row] | None, complete: bool, style: str
) -> None:
    chain = chain_of("/l", line(1, 2), watches, None, watches_complete=complete)
    assert chain is not None
    assert chain["style"] == style
    assert [link["role"] for link in chain["links"]] == ["first", ""]


def test_one_alone_and_none() -> None:
    alone = chain_of("/l", line(7), [], "/l/lock-0000000007")
    assert alone is not None
    assert alone["sentence"].startswith("Nobody waits behind it")
    assert chain_of("/l", [], [], None) is None


def test_a_session_in_line_twice_waits_with_the_place_behind_the_watched_one() -> None:
    members = [member(1, "0xa"), member(2, "0xb"), member(3, "0xb")]
    watches = [
        {"path": "/l/lock-0000000001", "mode": "exist", "session": "0xb", "sid": 1},
        {"path": "/l/lock-0000000002", "mode": "exist", "session": "0xb", "sid": 1},
    ]
    assert [watched for _, _, watched in told(chain_of("/l", members, watches, None))] == [
        [],
        ["…0001"],
        ["…0002"],
    ]


def test_kinds_are_told_apart_and_protection_is_not_one() -> None:
    mixed = [member(1, "0x1", "read-"), member(2, "0x2", "write-")]
    assert [label for label, _, _ in told(chain_of("/l", mixed, [], None))] == ["read-…0001", "write-…0002"]
    protected = [
        member(1, "0x1", "_c_2f5b4a1e-7a52-4c39-9b3e-0d5f3c2a1b00-lock-"),
        member(2, "0x2", "_c_9f5b4a1e-7a52-4c39-9b3e-0d5f3c2a1b00-lock-"),
    ]
    assert [label for label, _, _ in told(chain_of("/l", protected, [], None))] == ["…0001", "…0002"]
    kazoo = [member(1, "0x1", "0" * 32 + "__lock__"), member(2, "0x2", "1" * 32 + "__lock__")]
    assert [label for label, _, _ in told(chain_of("/l", kazoo, [], None))] == ["…0001", "…0002"]


def test_order_is_by_number_and_other_names_are_left_out() -> None:
    names = ["b-0000000002", "a-0000000010", "c-0000000001", "config", "x-12"]
    assert in_order(names) == ["c-0000000001", "b-0000000002", "a-0000000010"]


@given(count=st.integers(1, 60), place=st.none() | st.integers(0, 59))
def test_a_long_line_shows_its_front_and_the_one_looked_at(count: int, place: int | None) -> None:
    members = line(*range(count))
    this = members[place]["path"] if place is not None and place < count else None
    chain = chain_of("/l", members, [watch(n, n - 1) for n in range(1, count)], this)
    assert chain is not None
    links = chain["links"]
    assert len(links) == min(SHOWN_MAX, count)
    left_out = sum(link["left_out_before"] for link in links) + chain["left_out_after"]
    assert len(links) + left_out == chain["total"] == count
    assert this is None or sum(link["this"] for link in links) == 1
