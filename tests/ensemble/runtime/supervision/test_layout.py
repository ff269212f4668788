"""The directory of an ensemble: what it remembers, and what it refuses."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.runtime.config import server as config
from ensemble.runtime.supervision import layout, process


@pytest.fixture
def port() -> int:
    """A client port with free neighbours."""
    base = 12_000
    while not all(layout._is_free(number) for number in range(base, base + 5)):
        base += 10
    return base


def test_what_is_written_is_a_configuration_servers_accept(tmp_path: Path, port: int) -> None:
    laid = layout.prepare(tmp_path / "it's\\here", servers=3, port=port)
    for seat in laid.seats:
        loaded = config.load(laid.config_path(seat.sid))
        assert (loaded.sid, loaded.client_port, loaded.admin_port) == (
            seat.sid,
            port + seat.sid - 1,
            seat.admin_port,
        )
        assert loaded.membership.voters == (1, 2, 3)
        assert loaded.data_dir == laid.directory / f"server-{seat.sid}" / "data"
        assert loaded.faults_allowed
        assert loaded.warnings == ()
    laid.close()


def test_one_server_stands_alone(tmp_path: Path, port: int) -> None:
    laid = layout.prepare(tmp_path, servers=1, port=port)
    assert config.load(laid.config_path(1)).membership.servers == ()
    laid.close()


def test_ports_are_remembered_unless_somebody_took_them(tmp_path: Path, port: int) -> None:
    first = layout.prepare(tmp_path, servers=3, port=port)
    first.close()
    again = layout.prepare(tmp_path, servers=3, port=port)
    assert again.seats == first.seats
    assert again.supervisor_port == first.supervisor_port
    again.close()
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", first.seats[1].quorum_port))
        thief.listen()
        third = layout.prepare(tmp_path, servers=3, port=port)
        third.close()
    assert third.seats[1].quorum_port != first.seats[1].quorum_port
    everything = [
        number
        for seat in third.seats
        for number in (seat.client_port, seat.quorum_port, seat.election_port, seat.admin_port)
    ]
    assert len(set(everything)) == 12


def test_a_directory_in_use_is_refused_by_the_pid_of_its_user(tmp_path: Path, port: int) -> None:
    laid = layout.prepare(tmp_path, servers=1, port=port)
    with pytest.raises(ConfigError, match=r"is in use by process \d+; stop that one"):
        layout.prepare(tmp_path, servers=1, port=port)
    laid.close()
    layout.prepare(tmp_path, servers=1, port=port).close()


def test_fresh_forgets_the_servers_and_nothing_else(tmp_path: Path, port: int) -> None:
    layout.prepare(tmp_path, servers=3, port=port).close()
    (tmp_path / "server-1" / "data" / "history").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds an ensemble of 3; say --servers 3 or --fresh"):
        layout.prepare(tmp_path, servers=1, port=port)
    layout.prepare(tmp_path, servers=1, port=port, fresh=True).close()
    assert not (tmp_path / "server-1" / "data" / "history").exists()
    assert not (tmp_path / "server-2").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("servers", "number", "said"),
    [(0, 2181, "--servers 0"), (10, 2181, "--servers 10"), (3, 0, "--port 0"), (3, 65534, "--port 65534")],
)
def test_numbers_out_of_range(tmp_path: Path, servers: int, number: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        layout.prepare(tmp_path, servers=servers, port=number)


def test_as_many_servers_as_there_are(tmp_path: Path, port: int) -> None:
    layout.prepare(tmp_path, servers=1, port=port).close()
    again = layout.prepare(tmp_path, port=port)
    assert len(again.seats) == 1
    again.close()
    anew = layout.prepare(tmp_path, port=port, fresh=True)
    assert len(anew.seats) == layout.SERVERS
    anew.close()


def test_what_is_reserved_is_left_alone(tmp_path: Path, port: int) -> None:
    reserved = port + layout.ADMIN_OFFSET
    laid = layout.prepare(tmp_path, servers=1, port=port, reserved=[reserved])
    assert laid.seats[0].admin_port != reserved
    laid.close()
    with pytest.raises(ConfigError, match=f"port {port} is wanted for clients and for the panel"):
        layout.prepare(tmp_path, servers=1, port=port, reserved=[port])


def test_a_port_for_privileged_users_is_told_from_a_used_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_hindrance", lambda port: errno.EACCES)
    with pytest.raises(
        ConfigError, match="80 may not be opened by this user; choose one above 1023 with --port"
    ):
        layout.check_free(80, "the client port", "--port")


def test_an_unreadable_memory_is_said(tmp_path: Path, port: int) -> None:
    (tmp_path / "ensemble.json").write_text("{}")
    with pytest.raises(ConfigError, match="say --fresh"):
        layout.prepare(tmp_path, servers=1, port=port)


@pytest.mark.parametrize(
    ("wanted", "code", "log", "state", "reason"),
    [
        ("killed", -9, "", "killed", None),
        ("stopped", 0, "", "stopped", None),
        (None, -9, "", "failed", "ended by SIGKILL from elsewhere"),
        (None, 0, "", "stopped", "it was asked to stop by somebody else"),
        (None, 74, "x\nerror: the disk is full\nlate\n", "failed", "the disk is full"),
        (None, 70, "x\nlast line\n\n", "failed", "last line"),
        (None, 3, "", "failed", "ended with exit code 3"),
    ],
)
def test_why_a_process_ended(
    tmp_path: Path, wanted: str | None, code: int, log: str, state: str, reason: str | None
) -> None:
    path = tmp_path / "log"
    path.write_text(log)
    each = process.Process(layout.Seat(1, 2, 3, 4, 5), tmp_path / "zoo.cfg", path)
    each.begin()
    each.wanted_end = wanted  # type: ignore[assignment]
    each.ended(code)
    assert (each.state, each.reason, each.exit_code, each.alive) == (state, reason, code, False)


def test_observers_come_after_the_voters_and_are_remembered(tmp_path: Path, port: int) -> None:
    laid = layout.prepare(tmp_path, servers=3, observers=2, port=port)
    loaded = config.load(laid.config_path(5))
    assert (loaded.membership.voters, loaded.membership.observers) == ((1, 2, 3), (4, 5))
    laid.close()
    again = layout.prepare(tmp_path, port=port)
    assert again.seats == laid.seats
    again.close()
    with pytest.raises(ConfigError, match="of 3 and 2 observers; say --servers 3 --observers 2 or --fresh"):
        layout.prepare(tmp_path, servers=3, observers=1, port=port)


@pytest.mark.parametrize(
    ("servers", "observers", "sentence"),
    [(3, 7, "9 at most"), (None, -1, "9 at most"), (1, 1, "a single server cannot lead observers")],
)
def test_observers_nobody_could_lead_are_refused(
    tmp_path: Path, port: int, servers: int | None, observers: int, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        layout.prepare(tmp_path, servers=servers, observers=observers, port=port)
