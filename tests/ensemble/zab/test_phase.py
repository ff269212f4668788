"""The phases have the names of the paper and of the specification (protocol-spec/Zab.tla, zabState)."""

from __future__ import annotations

import pytest

from ensemble.zab.phase import Phase
from tests.ensemble.replica.harness import Server, World

SPECIFIED = ["ELECTION", "DISCOVERY", "SYNCHRONIZATION", "BROADCAST"]


def phases(server: Server) -> list[str]:
    """Return the phases that a server has gone through, as its trace names them."""
    named: list[str] = []
    for event in server.events("phase"):
        if named[-1:] != [event["phase"]]:
            named.append(event["phase"])
    return named


def test_there_are_the_phases_of_the_specification() -> None:
    assert [phase.name for phase in Phase] == SPECIFIED
    assert [phase.value.upper() for phase in Phase] == SPECIFIED


@pytest.mark.parametrize("voters", [1, 3])
def test_every_server_goes_through_them_in_their_order(voters: int) -> None:
    world = World(voters=voters)
    for server in world.servers.values():
        assert [phase.upper() for phase in phases(server)][-4:] == SPECIFIED
