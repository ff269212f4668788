"""The members of an ensemble as text, as servers exchange it."""

from __future__ import annotations

import pytest

from ensemble.errors import ConfigError
from ensemble.membership import Membership, ServerAddress, parse

THREE = (
    "server.1=zoo1:2888:3888:participant;0.0.0.0:2181\n"
    "server.2=[::1]:2889:3889:participant;[::1]:2182\n"
    "server.10=zoo10:2888:3888:observer\n"
    "version=100000004"
)


def test_what_was_read_is_written_again() -> None:
    membership = parse(THREE)
    assert membership.text() == THREE
    assert (membership.voters, membership.observers, membership.version) == ((1, 2), (10,), 0x100000004)
    assert membership.server(2) == ServerAddress(2, "::1", 2889, 3889, True, "::1", 2182)


def test_servers_stand_in_the_order_of_their_ids() -> None:
    membership = parse("server.10=c:1:2\nserver.9=b:1:2\nserver.1=a:1:2\nversion=0")
    assert [server.sid for server in membership.servers] == [1, 9, 10]


def test_groups_and_weights_are_written_behind_the_servers() -> None:
    text = (
        "server.1=a:1:2:participant\nserver.2=b:1:2:participant\nserver.3=c:1:2:participant\n"
        "group.1=1:2\ngroup.2=3\nweight.1=1\nweight.2=5\nweight.3=1\nversion=0"
    )
    membership = parse(text)
    assert membership.text() == text
    assert [membership.weight(sid) for sid in (1, 2, 3)] == [1, 5, 1]


def test_only_what_is_said_of_the_members_makes_a_difference() -> None:
    membership = parse(THREE)
    assert not membership.differs_from(membership.under(7))
    assert membership.differs_from(Membership(membership.servers[:2], membership.version))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("server.1=a:1", "is not of the form"),
        ("server.x=a:1:2", "does not name a server"),
        ("server.1=a:1:1", "twice"),
        ("server.1=a:1:70000", "ports are 1 to 65535"),
        ("server.1=a:1:2:leader", "gives the role leader"),
        ("server.1=a:1:2|b:1", "is not of the form"),
        ("server.1=[a[b]:1:2", "is not of the form"),
        ("server.1=a:1:2:observer|b:1:2:participant", "gives the role observer and participant"),
        ("server.1=a:1:2|b:3:3", "uses port 3 twice"),
        ("server.1=a:1:2\nserver.01=b:1:2", "a second time"),
        ("clientPort=2181", "does not belong into a membership"),
        ("nonsense", "no line of a membership"),
        ("server.1=a:1:2\nversion=x", "no hexadecimal number"),
        ("server.1=a:1:2\nserver.2=b:1:2\ngroup.1=1", "server 2 votes and is in no group"),
        ("server.1=a:1:2\ngroup.1=1\ngroup.2=1", "in group.1 and in group.2"),
        ("server.1=a:1:2\nserver.2=b:1:2:observer\ngroup.1=1:2", "which is no participant"),
        ("server.1=a:1:2\nweight.1=2", "weight lines without group lines"),
        ("server.1=a:1:2\ngroup.1=one", "which is no number"),
    ],
)
def test_what_is_wrong_is_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse(text)
