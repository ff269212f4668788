"""Limits that Apache's server has too: the same bytes, the same end, at its server and at ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apache import running_apache
from tests.ours import running_ours
from tests.processes.conftest import RawSession
from tests.waiting import until

pytestmark = pytest.mark.process

Start = pytest.FixtureRequest

CONNECTIONS_MAX = 3
SETTINGS = f"maxCnxns={CONNECTIONS_MAX}\nlargeRequestThreshold=1000\nlargeRequestMaxBytes=5000\n"
THROTTLED = "connection_throttle_tokens=2\nconnection_throttle_fill_time=3600000\n"


def start(kind: str, directory: Path, settings: str) -> Iterator[int]:
    running = running_apache if kind == "apache" else running_ours
    with running(directory, settings) as port:
        yield port


@pytest.fixture(scope="module", params=["ours", "apache"])
def port(request: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    yield from start(request.param, tmp_path_factory.mktemp(request.param), SETTINGS)


@pytest.fixture(params=["ours", "apache"])
def throttled_port(request: Start, tmp_path: Path) -> Iterator[int]:
    yield from start(request.param, tmp_path, THROTTLED)


def comes_in(port: int) -> bool:
    """Tell whether a client is let in now; it leaves again."""
    try:
        return RawSession(port).end() == 0
    except ConnectionError:
        return False


def test_one_connection_too_many_is_closed_until_another_goes(port: int) -> None:
    sessions = [RawSession(port) for _ in range(CONNECTIONS_MAX)]
    with pytest.raises(ConnectionError):
        RawSession(port)
    assert sessions[0].end() == 0
    until(lambda: comes_in(port))
    for session in sessions[1:]:
        assert session.data("/") == b""
        session.close()


def test_a_large_request_that_has_no_room_costs_its_connection(port: int) -> None:
    session = RawSession(port)
    assert session.create("/large", b"x" * 4500) == 0
    assert session.create("/small", b"x" * 900) == 0
    with pytest.raises(ConnectionError):
        session.create("/larger", b"x" * 5500)
    session.close()


def test_clients_that_come_faster_than_tokens_are_closed(throttled_port: int) -> None:
    sessions = [RawSession(throttled_port) for _ in range(2)]
    with pytest.raises(ConnectionError):
        RawSession(throttled_port)
    for session in sessions:
        assert session.data("/") == b""
        session.close()
