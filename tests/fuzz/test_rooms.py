"""Rooms that inputs share: used again while they are as they were, and a failure can be had again."""

from __future__ import annotations

import pytest

from tests.ensemble.replica.harness import World, client
from tests.fuzz.rooms import Kept, Room, TogetherError, zxids


def build() -> Room:
    return Room(World())


def test_a_room_is_used_again_until_an_input_leaves_a_trace() -> None:
    rooms: list[Room] = []

    def act(room: Room, data: bytes) -> None:
        rooms.append(room)
        if data == b"connect":
            client(room.world)

    kept = Kept(build, act, zxids)
    for data in (b"", b"", b"connect", b"", b""):
        kept.feed(data)
    assert [rooms.index(room) for room in rooms] == [0, 0, 0, 3, 3]


def test_what_fails_alone_fails_as_it_would_in_a_room_of_its_own() -> None:
    def act(room: Room, data: bytes) -> None:
        assert data != b"bad"

    kept = Kept(build, act)
    kept.feed(b"good")
    with pytest.raises(AssertionError) as failed:
        kept.feed(b"bad")
    assert not isinstance(failed.value, TogetherError)


def test_what_fails_behind_others_only_is_one_input_with_all_of_them() -> None:
    def act(room: Room, data: bytes) -> None:
        assert not (data == b"second" and room.witnesses)
        if data == b"first":
            room.witnesses[9] = client(World())

    kept = Kept(build, act)
    for data in (b"", b"first", b""):
        kept.feed(data)
    with pytest.raises(TogetherError) as failed:
        kept.feed(b"second")
    again = Kept(build, act)
    with pytest.raises(AssertionError):
        again.feed(failed.value.whole)
    again.feed(b"second")
