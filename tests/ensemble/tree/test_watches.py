"""Watches: the table of who hears of what, once or again, and what a reconnecting client is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.tree.operations import Delete, EventType, Op, SetData, SetWatches
from ensemble.tree.watches import ON_EXISTS, WatcherType, Watches
from tests.ensemble.tree.harness import Leader

CREATED, DELETED = EventType.NODE_CREATED, EventType.NODE_DELETED
DATA, CHILDREN = EventType.NODE_DATA_CHANGED, EventType.NODE_CHILDREN_CHANGED
EVERY = (CREATED, DELETED, DATA, CHILDREN)


def watches_of(kind: str, path: str = "/a/b", watcher: str = "w") -> Watches[str]:
    watches: Watches[str] = Watches()
    add(watches, kind, path, watcher)
    return watches


def add(watches: Watches[str], kind: str, path: str, watcher: str) -> None:
    match kind:
        case "data":
            watches.add_data(path, watcher)
        case "exist":
            watches.add_data(path, watcher, ON_EXISTS)
        case "child":
            watches.add_child(path, watcher)
        case "persistent":
            watches.add_persistent(path, watcher)
        case "recursive":
            watches.add_recursive(path, watcher)


@pytest.mark.parametrize(
    ("kind", "path", "hears"),
    [
        ("data", "/a/b", {CREATED, DELETED, DATA}),
        ("data", "/a", set()),
        ("data", "/a/b/c", set()),
        ("exist", "/a/b", {CREATED, DELETED, DATA}),
        ("child", "/a/b", {DELETED, CHILDREN}),
        ("child", "/a/b/c", set()),
        ("persistent", "/a/b", {CREATED, DELETED, DATA, CHILDREN}),
        ("persistent", "/a/b/c", set()),
        ("recursive", "/a/b", {CREATED, DELETED, DATA}),
        ("recursive", "/a/b/c", {CREATED, DELETED, DATA}),
        ("recursive", "/a/b/c/d", {CREATED, DELETED, DATA}),
        ("recursive", "/a/bc", set()),
        ("recursive", "/a", set()),
    ],
)
def test_who_hears_of_what(kind: str, path: str, hears: set[EventType]) -> None:
    heard = {event for event in EVERY if watches_of(kind).fire(event, path) == ["w"]}
    assert heard == hears


@pytest.mark.parametrize(
    ("kind", "again"), [("data", False), ("exist", False), ("persistent", True), ("recursive", True)]
)
def test_ordinary_watches_are_told_once(kind: str, again: bool) -> None:
    watches = watches_of(kind)
    assert watches.fire(DATA, "/a/b") == ["w"]
    assert watches.fire(DATA, "/a/b") == (["w"] if again else [])
    assert watches.count == (0 if not again else 2 if kind == "persistent" else 1)


def test_a_root_watch_hears_of_everything_below() -> None:
    watches = watches_of("recursive", "/")
    assert watches.fire(CREATED, "/x/y") == watches.fire(DATA, "/") == ["w"]


def test_a_watcher_hears_of_a_deletion_once_however_often_it_watches() -> None:
    watches: Watches[str] = Watches()
    for kind in ("data", "exist", "child", "recursive"):
        add(watches, kind, "/a", "w")
    watches.add_recursive("/", "w")
    watches.add_child("/a", "v")
    assert watches.fire(DELETED, "/a") == ["w", "v"]
    assert sorted(watches.listing()) == [("/", "recursive", "w"), ("/a", "recursive", "w")]


def test_watchers_are_told_in_the_order_in_which_they_came() -> None:
    watches: Watches[str] = Watches()
    for watcher in "zyxabc":
        watches.add_data("/a", watcher)
    assert watches.fire(DATA, "/a") == list("zyxabc")


def test_firing_takes_only_the_ordinary_part_of_a_watch() -> None:
    watches = watches_of("persistent")
    watches.add_data("/a/b", "w")
    watches.fire(DATA, "/a/b")
    assert list(watches.listing_of("w")) == [("/a/b", "persistent")]


@pytest.mark.parametrize(
    ("type_", "removed"),
    [
        (WatcherType.CHILDREN, {"child"}),
        (WatcherType.DATA, {"data", "exist"}),
        (WatcherType.ANY, {"child", "data", "exist", "persistent", "recursive"}),
        (WatcherType.PERSISTENT, {"persistent"}),
        (WatcherType.PERSISTENT_RECURSIVE, {"recursive"}),
    ],
)
def test_what_a_removal_removes(type_: WatcherType, removed: set[str]) -> None:
    kinds = {"child", "data", "exist", "persistent", "recursive"}
    watches: Watches[str] = Watches()
    assert not watches.remove("/a", "w", type_)
    for kind in sorted(kinds):
        add(watches, kind, "/a", "w")
        add(watches, kind, "/a", "other")
    assert watches.has("/a", "w", type_)
    assert watches.remove("/a", "w", type_)
    assert not watches.has("/a", "w", type_)
    assert not watches.remove("/a", "w", type_)
    assert {mode for _, mode in watches.listing_of("w")} == kinds - removed
    assert {mode for _, mode in watches.listing_of("other")} == kinds


def test_a_forgotten_watcher_leaves_nothing() -> None:
    watches: Watches[str] = Watches()
    for kind in ("data", "child", "persistent", "recursive"):
        add(watches, kind, "/a", "w")
        add(watches, kind, "/b", "w")
    watches.add_data("/a", "v")
    watches.forget("w")
    watches.forget("nobody")
    assert list(watches.listing()) == [("/a", "data", "v")]
    assert (watches.count, watches.paths_count, watches.watchers_count) == (1, 1, 1)
    assert (watches.count_of("w"), watches.count_of("v")) == (0, 1)
    assert watches.fire(DATA, "/b/c") == []


def test_setting_watches_again_tells_what_was_missed() -> None:
    leader = Leader()
    for path in ("/same", "/changed", "/parent", "/quiet", "/made"):
        leader.create(path)
    since = leader.zxid
    leader.do(Op.SET_DATA, SetData("/changed", b"", -1))
    leader.create("/parent/child")
    leader.do(Op.DELETE, Delete("/parent/child", -1))
    watches: Watches[str] = Watches()
    request = SetWatches(
        since,
        data=["/same", "/changed", "/gone"],
        exist=["/made", "/unmade"],
        child=["/quiet", "/parent", "/gone"],
        persistent=["/changed"],
        persistent_recursive=["/gone"],
    )
    assert watches.set_watches(leader.tree, "w", request) == [
        (DATA, "/changed"),
        (DELETED, "/gone"),
        (CREATED, "/made"),
        (CHILDREN, "/parent"),
        (DELETED, "/gone"),
    ]
    assert sorted(watches.listing_of("w")) == [
        ("/changed", "persistent"),
        ("/gone", "recursive"),
        ("/quiet", "child"),
        ("/same", "data"),
        ("/unmade", "exist"),
    ]


names = st.sampled_from(["/", "/a", "/a/b", "/c"])
kinds = st.sampled_from(["data", "exist", "child", "persistent", "recursive"])
watchers = st.sampled_from(["v", "w"])
steps = st.one_of(
    st.tuples(st.just("add"), names, watchers, kinds),
    st.tuples(st.just("fire"), names, st.sampled_from(EVERY)),
    st.tuples(st.just("remove"), names, watchers, st.sampled_from(list(WatcherType))),
    st.tuples(st.just("forget"), watchers),
)


@given(st.lists(steps, max_size=30))
def test_the_two_directions_never_disagree(script: list[tuple[object, ...]]) -> None:
    watches: Watches[str] = Watches()
    for step in script:
        match step:
            case ("add", str(path), str(watcher), str(kind)):
                add(watches, kind, path, watcher)
            case ("fire", str(path), EventType() as event):
                told = watches.fire(event, path)
                assert len(told) == len(set(told))
            case ("remove", str(path), str(watcher), WatcherType() as type_):
                watches.remove(path, watcher, type_)
            case ("forget", str(watcher)):
                watches.forget(watcher)
        listed = sorted(watches.listing())
        assert listed == sorted(
            (path, mode, each) for each in "vw" for path, mode in watches.listing_of(each)
        )
        assert watches.count == watches.count_of("v") + watches.count_of("w")
        assert watches._data.recursive == sum(mode == "recursive" for _, mode, _ in listed)
    for watcher in "vw":
        watches.forget(watcher)
    assert (watches.count, watches.paths_count, watches.watchers_count) == (0, 0, 0)
