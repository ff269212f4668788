"""Zxids, paths and the trace."""

from __future__ import annotations

import pytest

from ensemble import paths, zxid
from ensemble.errors import Code, KeeperError
from ensemble.trace import SAMPLE_PROPOSALS_PER_WINDOW, Listener, Trace, session_text


def test_a_zxid_is_an_epoch_and_a_counter():
    made = zxid.make(5, 163)
    assert (zxid.epoch_of(made), zxid.counter_of(made), zxid.text(made)) == (5, 163, "5:163")


@pytest.mark.parametrize(
    ("after", "before", "allowed"),
    [
        (zxid.make(1, 1), 0, True),
        (zxid.make(1, 2), zxid.make(1, 1), True),
        (zxid.make(1, 3), zxid.make(1, 1), False),
        (zxid.make(1, 1), zxid.make(1, 1), False),
        (zxid.make(2, 1), zxid.make(1, 7), True),
        (zxid.make(3, 1), zxid.make(1, 7), True),
        (zxid.make(2, 2), zxid.make(1, 7), False),
        (zxid.make(1, 1), zxid.make(2, 1), False),
    ],
)
def test_histories_have_no_holes(after: int, before: int, allowed: bool):
    assert zxid.follows(after, before) is allowed


@pytest.mark.parametrize("path", ["/", "/a", "/a/b.c", "/a/...", "/ü/日本", "/a/.b", "/zookeeper/quota"])
def test_paths_that_name_a_znode(path: str):
    paths.validate(path)


@pytest.mark.parametrize(
    "path",
    ["", "a", "a/b", "/a/", "//", "/a//b", "/.", "/a/..", "/a/./b", "/a\0", "/a\x1f", "/a\x7f", "/a\x9f", "/\ud800", "/\uf8ff", "/\ufff0", "/\U0001f600"],
)  # fmt: skip
def test_paths_that_do_not(path: str):
    with pytest.raises(KeeperError) as caught:
        paths.validate(path)
    assert caught.value.code is Code.BAD_ARGUMENTS


def test_a_sequential_prefix_may_end_in_a_slash():
    paths.validate("/a/", sequential=True)
    with pytest.raises(KeeperError):
        paths.validate("/a//", sequential=True)


def test_a_very_deep_path_needs_no_recursion():
    paths.validate("/a" * 10_000)


@pytest.mark.parametrize(("path", "parent", "name"), [("/a/b", "/a", "b"), ("/a", "/", "a"), ("/", "/", "")])
def test_parts_of_a_path(path: str, parent: str, name: str):
    assert (paths.parent_of(path), paths.name_of(path)) == (parent, name)
    if name:
        assert paths.child_of(parent, name) == path


def test_nobody_listening_keeps_the_trace_off():
    trace = Trace(1, lambda: 7)
    listener = Listener()
    assert not trace.on
    trace.listen(listener)
    assert trace.on
    trace.emit("phase", role="looking")
    trace.ignore(listener)
    assert not trace.on
    assert listener.take() == ([{"n": 1, "at": 7, "sid": 1, "kind": "phase", "role": "looking"}], 0)


def test_a_slow_listener_is_told_how_much_it_missed():
    trace = Trace(1, lambda: 0)
    slow, quick = Listener(limit=2), Listener()
    trace.listen(slow)
    trace.listen(quick)
    for _ in range(5):
        trace.emit("phase")
    events, dropped = slow.take()
    assert ([event["n"] for event in events], dropped, trace.dropped) == ([1, 2], 3, 3)
    assert len(quick.take()[0]) == 5
    assert slow.take() == ([], 0)


def test_sampling_widens_under_load_and_narrows_again():
    now = 0
    trace = Trace(1, lambda: now)
    for window in range(1, 6):
        for _ in range(SAMPLE_PROPOSALS_PER_WINDOW * 8):
            trace.count_proposal()
        now = window * 300_000
    wanted = [z for z in range(64) if trace.wants(z)]
    assert 2 <= len(wanted) <= 16
    assert 4 <= trace.stride == 64 // len(wanted)
    assert wanted[0] == 0  # every stride keeps the multiples of the coarser ones
    for window in range(6, 20):
        now = window * 300_000
        trace.count_proposal()
    assert all(trace.wants(z) for z in range(64))


def test_session_ids_are_written_in_hex_also_when_java_counts_them_negative():
    assert session_text(0x100000000000001) == "0x100000000000001"
    assert session_text(-1) == "0xffffffffffffffff"
