"""Requests that cannot be read, or that no client may make."""

from __future__ import annotations

import pytest

from ensemble.errors import Code
from ensemble.tree.operations import (
    Check,
    Op,
    Read,
    Reconfig,
)
from ensemble.wire import replies
from ensemble.wire.requests import request_frame
from tests.ensemble.replica.harness import World, client

READ_OPS = (Op.EXISTS, Op.GET_DATA, Op.GET_CHILDREN2, Op.GET_ACL, Op.SYNC, Op.SET_WATCHES, Op.MULTI_READ)

CHANGES = (Op.CREATE, Op.CREATE2, Op.DELETE, Op.SET_DATA, Op.SET_ACL, Op.MULTI, Op.RECONFIG)


@pytest.mark.parametrize("op", [*READ_OPS, *CHANGES])
def test_a_record_that_cannot_be_read_is_answered_in_its_turn(op: Op) -> None:
    world = World()
    user = client(world)
    before = world.only.replica.tree.zxid
    broken = request_frame(2, op, b"\x00\x00\x00\x03/a")
    user.send(user.request(Op.EXISTS, Read("/")) + broken + user.request(Op.EXISTS, Read("/"), xid=3))
    world.settle()
    assert [header[::2] for header in user.headers()] == [(1, 0), (2, Code.MARSHALLING_ERROR), (3, 0)]
    # What would have become a transaction takes a number all the same (ZOOKEEPER-4925).
    assert world.only.replica.tree.zxid == before + (op in CHANGES)


def test_bytes_behind_a_record_are_passed_over() -> None:
    user = client(World())
    path = b"\x00\x00\x00\x01/"
    for xid, op, record in (
        (1, Op.GET_DATA, path + b"\0more"),
        (2, Op.SYNC, path + b"more"),
        (3, Op.PING, b"x"),
    ):
        user.send(request_frame(xid, op, record))
    user.world.settle()
    _, synced, pinged = answers = user.answers()
    assert [replies.decode_header(answer)[2] for answer in answers] == [0, 0, 0]
    assert synced[16:] == path
    assert replies.decode_header(pinged)[0] == -2


def test_exists_refuses_the_one_character_that_apache_looks_for() -> None:
    user = client(World())
    assert user.error(Op.EXISTS, Read("/\0")) == Code.BAD_ARGUMENTS
    assert user.error(Op.GET_DATA, Read("/\0")) == Code.NO_NODE


@pytest.mark.parametrize("op", [Op.CHECK, Op.CREATE_SESSION, Op.DELETE_CONTAINER, 999, -1])
def test_what_no_client_may_ask_is_refused_and_ends_the_connection(op: int) -> None:
    world = World()
    user = client(world)
    bodies = {Op.CHECK: Check("/", 0)}
    body = user.request(Op.CHECK, bodies[Op.CHECK])[12:]
    frame = (
        (8 + len(body)).to_bytes(4, "big")
        + (5).to_bytes(4, "big")
        + op.to_bytes(4, "big", signed=True)
        + body
    )
    user.send(frame + user.request(Op.EXISTS, Read("/")))
    world.settle()
    assert user.headers() == [(5, -1, Code.UNIMPLEMENTED)]
    assert user.closed


def test_reconfiguration_is_off() -> None:
    world = World()
    user = client(world)
    before = world.only.replica.tree.zxid
    assert user.error(Op.RECONFIG, Reconfig("", "", "", -1)) == Code.RECONFIG_DISABLED
    assert world.only.replica.tree.zxid == before + 1  # a refused write like any other
