"""Requests for another membership: what they make of it, what refuses them, and what clients are told."""

from __future__ import annotations

from typing import Any

import pytest

from ensemble.errors import Code
from ensemble.membership import parse
from ensemble.replica.access.config import AccessConfig
from ensemble.tree.access.access import Policy
from ensemble.tree.operations import Op, Read, Reconfig
from ensemble.wire import replies
from tests.ensemble.members import plain
from tests.ensemble.replica.harness import World, client

EVERYBODY = AccessConfig(Policy(skip=True))
LINE_4 = "server.4=server4:2888:3888:participant;2181"


def changeable(voters: int = 3, **settings: Any) -> World:
    """An ensemble whose members may change, by anybody."""
    return World(voters=voters, **{"reconfig_enabled": True, "access": EVERYBODY, **settings})


def member_text(world: World, sid: int = 1) -> str:
    """What a client reads at one server."""
    data = client(world, world.servers[sid]).get("/zookeeper/config")
    assert data is not None
    return data.decode()


def test_members_leave_and_every_server_says_so() -> None:
    world = changeable(4)
    user = client(world, world.servers[1])
    frame = user.ask(Op.RECONFIG, Reconfig("", "4", "", -1))
    data, stat = replies.read_data(replies.body_reader(frame))
    wanted = parse((data or b"").decode())
    assert wanted.voters == (1, 2, 3)
    assert (wanted.version, stat.version) == (stat.mzxid, -1)
    assert all(member_text(world, sid) == wanted.text() for sid in world.servers)
    assert all(server.members.followed[-1] == wanted for server in world.servers.values())
    assert all(server.members.proposed[-1] == wanted for server in world.servers.values())


def test_the_status_of_every_server_tells_who_the_members_are() -> None:
    world = changeable(4)
    user = client(world, world.servers[1])
    user.ask(Op.RECONFIG, Reconfig(LINE_4.replace("participant", "observer"), "3", "", -1))
    world.advance(5000)
    for sid in (1, 2, 4):
        told = world.servers[sid].replica.status()["membership"]
        assert told["text"] == member_text(world, sid)
        assert told["version"] == str(parse(told["text"]).version)
        assert [(member["sid"], member["votes"]) for member in told["members"]] == [
            (1, True),
            (2, True),
            (4, False),
        ]
        assert told["members"][2]["client_address"] == "server4:2181"
        assert told["proposed"] is None


def test_whoever_watches_the_members_hears_of_the_change() -> None:
    world = changeable(4)
    watching, user = client(world, world.servers[2]), client(world, world.servers[1])
    watching.ask(Op.GET_DATA, Read("/zookeeper/config", True))
    user.ask(Op.RECONFIG, Reconfig("", "4", "", -1))
    event = replies.read_event(replies.body_reader(watching.answers()[0]))
    assert (event.type, event.path) == (3, "/zookeeper/config")


def test_all_members_may_be_given_at_once() -> None:
    world = changeable(4)
    user = client(world)
    lines = plain((1, 2, 3), 4).text().replace("\n", ",")
    assert user.error(Op.RECONFIG, Reconfig("", "", lines, -1)) == 0
    assert parse(member_text(world)).observers == (4,)


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (Reconfig("", "4", "", 5), Code.BAD_VERSION, "based on version 5"),
        (Reconfig("server.4=nonsense", "", "", -1), Code.BAD_ARGUMENTS, "is not of the form"),
        (Reconfig("server.4=a:1:2", "", "", -1), Code.BAD_ARGUMENTS, "names no client port"),
        (Reconfig("server.5=server1:2888:9;2181", "", "", -1), Code.BAD_ARGUMENTS, "is server 1's"),
        (Reconfig("", "", "clientPort=1", -1), Code.BAD_ARGUMENTS, "does not belong into a membership"),
        (Reconfig("", "2,3,4", "", -1), Code.BAD_ARGUMENTS, "fewer than 2 participants"),
        (Reconfig("", "four", "", -1), Code.MARSHALLING_ERROR, "no server id"),
        (
            Reconfig("server.5=server5:1:2;3,server.6=server6:1:2;3", "1,2", "", -1),
            Code.NEW_CONFIG_NO_QUORUM,
            "no quorum of the new participants",
        ),
    ],
)
def test_a_change_that_cannot_be_is_refused_and_the_log_says_why(
    change: Reconfig, code: Code, said: str
) -> None:
    world = changeable(4)
    before = member_text(world)
    user = client(world, world.servers[1])
    assert user.error(Op.RECONFIG, change) == code
    assert member_text(world) == before
    assert any(said in line for server in world.servers.values() for line in server.lines)


def test_the_version_it_is_based_on_may_be_the_one_in_force() -> None:
    world = changeable(4)
    version = parse(member_text(world)).version
    assert client(world).error(Op.RECONFIG, Reconfig("", "4", "", version)) == 0


def test_two_changes_at_once_are_one_too_many() -> None:
    world = changeable(4)
    user = client(world)
    changes = [user.request(Op.RECONFIG, Reconfig("", str(sid), "", -1)) for sid in (1, 4)]
    leader = next(server for server in world.servers.values() if server.replica.service.leading)
    user = client(world, leader)
    user.send(b"".join(changes))
    world.settle()
    assert [error for _, _, error in user.headers()] == [0, Code.RECONFIG_IN_PROGRESS]


def test_the_znode_of_the_members_is_not_for_everybody_to_write() -> None:
    world = World(voters=4, reconfig_enabled=True)
    user = client(world)
    assert user.error(Op.RECONFIG, Reconfig("", "4", "", -1)) == Code.NO_AUTH
    assert user.error(Op.RECONFIG, Reconfig("", "4", "", 5)) == Code.BAD_VERSION  # which is looked at first


def test_a_server_that_stands_alone_has_no_members_to_change() -> None:
    world = World(reconfig_enabled=True, access=EVERYBODY)
    assert client(world).error(Op.RECONFIG, Reconfig("", "4", "", -1)) == Code.UNIMPLEMENTED


def test_an_ensemble_of_one_may_grow_when_it_does_not_stand_alone() -> None:
    world = changeable(1, membership=plain((1,)), standalone_enabled=False)
    assert world.only.replica.service.mode == "leader"
    user = client(world)
    assert user.error(Op.RECONFIG, Reconfig(LINE_4, "", "", -1)) == Code.NEW_CONFIG_NO_QUORUM


NINES = "9" * 5000


@pytest.mark.parametrize(
    "change",
    [
        Reconfig(f"server.{NINES}=a:1:2;3", "", "", -1),
        Reconfig(f"server.4=a:{NINES}:2;3", "", "", -1),
        Reconfig(f"server.4=a:1:2;{NINES}", "", "", -1),
        Reconfig("", NINES, "", -1),
        Reconfig("", "", f"server.1=a:1:2;3,group.{NINES}=1", -1),
        Reconfig("server.4=a\nb:1:2;3", "", "", -1),
        Reconfig("server.4=a\x85b:1:2;3", "", "", -1),
        Reconfig("", "", "server.1=a\u2028b:1:2;3,server.2=b:1:2;3", -1),
    ],
)
def test_no_text_of_a_change_ends_a_server(change: Reconfig) -> None:
    world = changeable()
    assert client(world).error(Op.RECONFIG, change) in (Code.BAD_ARGUMENTS, Code.MARSHALLING_ERROR)
    assert client(world).create("/still-here") == "/still-here"


@pytest.mark.parametrize("part", ["joining", "leaving", "new_members"])
def test_a_change_of_thousands_costs_the_leader_nothing(part: str) -> None:
    world = changeable(access=AccessConfig())
    lines = ",".join([f"server.{sid}=host{sid}:1:2;3" for sid in range(4, 30_000)])
    change = Reconfig("", "", "", -1)
    setattr(change, part, lines)
    assert client(world).error(Op.RECONFIG, change) == Code.BAD_ARGUMENTS
    lines_said = [line for server in world.servers.values() for line in server.lines]
    assert any("parts; an ensemble needs no more" in line for line in lines_said)
