"""Where a running server keeps its memberships: files that Apache's servers read and write too."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from ensemble.errors import ConfigError, StorageError
from ensemble.membership import Membership, ServerAddress, parse
from ensemble.runtime.clients.ports import ClientPorts
from ensemble.runtime.config import server as config
from ensemble.runtime.links.network import LoopNetwork
from ensemble.runtime.members import MemberFiles
from tests.ensemble.members import plain

STATIC = """\
# how long a tick is
tickTime=2000
initLimit=10
syncLimit=5
dataDir={dir}
reconfigEnabled=true
clientPort=2181
server.1=server1:2888:3888
server.2=server2:2888:3888
server.3=server3:2888:3888
peerType=participant
"""


class Links:
    """Notes what was to be reached, and where clients are to be served."""

    def __init__(self) -> None:
        self.reached: list[list[int]] = []
        self.moved: list[tuple[str | None, int]] = []

    def reach(self, servers: list[ServerAddress]) -> None:
        self.reached.append([server.sid for server in servers])

    def move(self, host: str | None, port: int) -> None:
        self.moved.append((host, port))


def files(tmp_path: Path, links: Links, said: list[str] | None = None) -> MemberFiles:
    (tmp_path / "myid").write_text("1")
    (tmp_path / "zoo.cfg").write_text(STATIC.replace("{dir}", str(tmp_path)))
    made = MemberFiles(
        1,
        tmp_path / "zoo.cfg",
        plain((1, 2, 3)),
        cast("LoopNetwork", links),
        log=(said if said is not None else []).append,
    )
    made.clients = cast("ClientPorts", links)
    return made


def test_a_membership_in_force_is_found_again(tmp_path: Path) -> None:
    members = files(tmp_path, Links())
    wanted = plain((1, 2), 4, version=0x100000002)
    members.save_active(wanted)
    dynamic = tmp_path / "zoo.cfg.dynamic.100000002"
    assert "version" not in dynamic.read_text()
    text = (tmp_path / "zoo.cfg").read_text()
    assert text.startswith("# how long a tick is\ntickTime=2000\n")
    assert text.endswith(f"dynamicConfigFile={dynamic}\n")
    assert not any(line.startswith(("server.", "clientPort", "peerType")) for line in text.splitlines())
    assert "server.3=server3" in (tmp_path / "zoo.cfg.bak").read_text()
    loaded = config.load(tmp_path / "zoo.cfg")
    assert loaded.membership == wanted
    assert loaded.client_port == 2181
    assert loaded.reconfig.enabled
    assert loaded.reconfig.proposed is None


def test_a_client_port_that_no_line_names_stays_in_the_file(tmp_path: Path) -> None:
    members = files(tmp_path, Links())
    members.save_active(parse("server.1=server1:2888:3888\nserver.2=server2:2888:3888\nversion=5"))
    assert "clientPort=2181\n" in (tmp_path / "zoo.cfg").read_text()
    assert config.load(tmp_path / "zoo.cfg").membership.version == 5


def test_a_proposed_membership_is_kept_apart_until_it_is_in_force(tmp_path: Path) -> None:
    members = files(tmp_path, Links())
    wanted = plain((1, 2, 3, 4), version=7)
    members.save_proposed(wanted)
    loaded = config.load(tmp_path / "zoo.cfg")
    assert (loaded.membership.version, loaded.reconfig.proposed) == (0, wanted)
    members.save_active(wanted)
    assert not (tmp_path / "zoo.cfg.dynamic.next").exists()
    assert config.load(tmp_path / "zoo.cfg").membership == wanted


def test_one_that_is_proposed_outlives_an_earlier_one_that_comes_into_force(tmp_path: Path) -> None:
    kept = files(tmp_path, Links())
    later = plain((1, 2), version=0x200000009)
    kept.save_proposed(later)
    kept.save_active(plain((1, 2, 3), 4, version=0x200000000))
    assert config.load(tmp_path / "zoo.cfg").reconfig.proposed == later


def test_links_and_the_client_port_follow(tmp_path: Path) -> None:
    links, said = Links(), list[str]()
    members = files(tmp_path, links, said)
    members.reach(plain((1, 4), version=7))
    moved = ServerAddress(1, "server1", 2888, 3888, client_host="0.0.0.0", client_port=2199)
    members.follow(Membership((moved,), 7))
    assert links.reached == [[1, 2, 3, 4], [1]]
    assert links.moved == [("0.0.0.0", 2199)]
    members.follow(plain((2, 3), version=8))
    assert any("no member any more" in line for line in said)
    assert len(links.moved) == 1


def test_what_cannot_be_kept_stops_the_server(tmp_path: Path) -> None:
    members = files(tmp_path, Links())
    (tmp_path / "zoo.cfg.dynamic.next.tmp").mkdir()
    with pytest.raises(StorageError, match=r"dynamic\.next"):
        members.save_proposed(plain((1, 2), version=7))


def test_a_server_that_was_removed_does_not_start_again(tmp_path: Path) -> None:
    members = files(tmp_path, Links())
    members.save_active(plain((2, 3), version=7))
    with pytest.raises(ConfigError, match=r"no server\.1 line"):
        config.load(tmp_path / "zoo.cfg")


def test_observers_are_told_that_they_connect_to_the_leader(tmp_path: Path) -> None:
    files(tmp_path, Links())
    path = tmp_path / "zoo.cfg"
    path.write_text(path.read_text() + "observerMasterPort=2191\n")
    assert any("observers connect to the leader" in warning for warning in config.load(path).warnings)
