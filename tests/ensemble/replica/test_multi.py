"""Several operations in one request: all or nothing for writes, each by itself for reads."""

from __future__ import annotations

import pytest

from ensemble import limits
from ensemble.errors import Code
from ensemble.tree.operations import (
    OPEN_ACL,
    Check,
    Create,
    Delete,
    Multi,
    Op,
    Read,
    RemoveWatches,
    SetData,
)
from ensemble.wire import replies
from tests.ensemble.replica.harness import World, client


def test_multi_is_all_or_nothing() -> None:
    world = World()
    user = client(world)
    user.create("/a", b"1")
    good = Multi(
        [
            (Op.CHECK, Check("/a", 0)),
            (Op.CREATE, Create("/b", b"", OPEN_ACL, 0)),
            (Op.SET_DATA, SetData("/a", b"2", 0)),
            (Op.CREATE2, Create("/c", b"cc", OPEN_ACL, 0)),
            (Op.DELETE, Delete("/b", -1)),
        ]
    )
    results = replies.read_multi(replies.body_reader(user.ask(Op.MULTI, good)))
    assert [result.op for result in results] == [Op.CHECK, Op.CREATE, Op.SET_DATA, Op.CREATE2, Op.DELETE]
    assert results[1].path == "/b"
    assert results[2].stat is not None
    assert results[2].stat.version == 1
    bad = Multi(
        [(Op.SET_DATA, SetData("/a", b"x", -1)), (Op.DELETE, Delete("/no", -1)), (Op.CHECK, Check("/a", 0))]
    )
    frame = user.ask(Op.MULTI, bad)
    assert replies.decode_header(frame)[2] == 0
    errors = [result.error for result in replies.read_multi(replies.body_reader(frame))]
    assert errors == [0, Code.NO_NODE, Code.RUNTIME_INCONSISTENCY]
    assert user.get("/a") == b"2"


def test_multi_read_answers_each_by_itself() -> None:
    user = client(World())
    user.create("/a", b"1")
    multi = Multi([(Op.GET_DATA, Read("/a")), (Op.GET_DATA, Read("/no")), (Op.GET_CHILDREN, Read("/"))])
    results = replies.read_multi(replies.body_reader(user.ask(Op.MULTI_READ, multi)))
    assert (results[0].data, results[1].error) == (b"1", Code.NO_NODE)
    assert sorted(results[2].children or ()) == ["a", "zookeeper"]


def test_a_multi_read_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MULTI_READ_BYTES_MAX", 1000)
    user = client(World())
    user.create("/a", b"x" * 400)
    multi = Multi([(Op.GET_DATA, Read("/a")), (Op.GET_DATA, Read("/no")), *[(Op.GET_DATA, Read("/a"))] * 3])
    results = replies.read_multi(replies.body_reader(user.ask(Op.MULTI_READ, multi)))
    refused = Code.BAD_ARGUMENTS
    assert [result.error for result in results] == [0, Code.NO_NODE, 0, refused, refused]


def test_reads_in_a_multi_set_no_watch() -> None:
    user = client(World())
    user.ask(Op.MULTI_READ, Multi([(Op.GET_DATA, Read("/", True)), (Op.GET_CHILDREN, Read("/", True))]))
    assert user.error(Op.CHECK_WATCHES, RemoveWatches("/", 3)) == Code.NO_WATCHER
