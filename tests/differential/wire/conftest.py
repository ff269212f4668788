"""Either server, and a place on it."""

from __future__ import annotations

from itertools import count

import pytest

from tests.differential.wire.frames import OK
from tests.raw import raw

PLACES = count(1)


@pytest.fixture(params=["apache", "ours"])
def port(request: pytest.FixtureRequest) -> int:
    """The client port of either server."""
    found: int = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def place(port: int) -> str:
    """A znode of the test's own."""
    path = f"/w{next(PLACES)}"
    with raw(port) as zk:
        zk.connect()
        assert zk.create(path) == OK
        zk.end()
    return path
