"""What clients were told of their watches: a good history passes, and each kind of bad one is caught."""

from __future__ import annotations

import pytest

from ensemble.simulator.checks.model import CHANGED, CHILDREN, CREATED, DELETED
from ensemble.simulator.clients.history import (
    Attached,
    Fired,
    Pinged,
    Replied,
    Rewatched,
    Rewatching,
)
from ensemble.tree.operations import (
    OPEN_ACL,
    Create,
    Op,
    SetData,
)
from tests.ensemble.simulator.by_hand import OTHER, SESSION, Run, assert_fails


def _moved(run: Run, *found: Fired) -> None:
    relative = max(seen.call.zxid for seen in run.stream if isinstance(seen, Replied))
    call = run.call(Op.SET_DATA, SetData("/a", b"", -1), OTHER)
    run.txn(OTHER, 0, Op.CREATE_SESSION)
    run.txn(OTHER, call.cxid, Op.SET_DATA)
    run.stream += [Attached(SESSION, 2, resumed=True, relative_zxid=relative), *found, Rewatched(run.zxid)]


def test_c4_a_watch_that_fires_once_before_the_change_is_seen() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.read(Op.GET_CHILDREN, "/a", watch=True)
    run.stream.append(Fired(run.zxid + 1, CHANGED, "/a"))
    run.set("/a")
    run.stream.append(Fired(run.zxid + 1, CHILDREN, "/a"))
    run.create("/a/b")
    run.set("/a")
    run.judge()


def test_c4_a_watch_that_never_fires() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.set("/a")
    assert_fails(run, "C4")


def test_c4_a_ping_also_shows_that_the_event_is_late() -> None:
    run = Run()
    run.read(Op.EXISTS, "/a", watch=True)
    run.txn(OTHER, 0, Op.CREATE_SESSION)
    call = run.call(Op.CREATE, Create("/a", b"", OPEN_ACL, 0))
    run.txn(SESSION, call.cxid, Op.CREATE)
    run.stream.append(Pinged(run.zxid))
    assert_fails(run, "C4")


@pytest.mark.parametrize(
    ("event", "path", "offset"),
    [(CHANGED, "/a", 1), (CREATED, "/a", 0), (CHANGED, "/", 0), (DELETED, "/a", 0)],
)
def test_c4_an_event_that_fits_no_change_or_no_watch(event: int, path: str, offset: int) -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.stream.append(Fired(run.zxid + 1 + offset, event, path))
    run.set("/a")
    run.set("/a")
    assert_fails(run, "C4")


def test_c4_a_watch_that_fires_twice() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    run.stream += [Fired(run.zxid + 1, CHANGED, "/a"), Fired(run.zxid + 1, CHANGED, "/a")]
    run.set("/a")
    assert_fails(run, "C4")


def test_c4_a_client_is_believed_which_watches_it_carries_over() -> None:
    for said, found, holds in (
        (Rewatching(), (), True),
        (Rewatching(data=("/a",)), (Fired(-1, CHANGED, "/a"),), True),
        (Rewatching(data=("/a",)), (), False),
    ):
        run = Run()
        run.create("/a")
        run.read(Op.GET_DATA, "/a", watch=True)
        _moved(run, *found)
        run.stream.insert(
            next(i for i, s in enumerate(run.stream) if isinstance(s, Attached) and s.resumed) + 1, said
        )
        if holds:
            run.judge()
        else:
            assert_fails(run, "C4")


def test_c4_a_watch_carried_to_another_server_finds_what_it_missed() -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    _moved(run, Fired(-1, CHANGED, "/a"))
    run.judge()


@pytest.mark.parametrize("found", [[], [Fired(-1, DELETED, "/a")]])
def test_c4_set_watches_that_tells_nothing_or_something_else(found: list[Fired]) -> None:
    run = Run()
    run.create("/a")
    run.read(Op.GET_DATA, "/a", watch=True)
    _moved(run, *found)
    assert_fails(run, "C4")
