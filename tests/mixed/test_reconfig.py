"""Members come and go while ensembles of both kinds run, by Apache's shell and by a client."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from kazoo.exceptions import NewConfigNoQuorumError

from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind, MixedEnsemble
from tests.processes.conftest import HOST, four_letter, free_base_port
from tests.waiting import until

SHELL = Path("/usr/share/zookeeper/bin/zkCli.sh")
CHANGEABLE = "reconfigEnabled=true\nstandaloneEnabled=false\nskipACL=yes"

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not SHELL.exists() or shutil.which("java") is None, reason="needs Apache's zkCli.sh and Java"
    ),
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

KINDS = pytest.mark.parametrize(
    "kinds",
    [("apache", "apache", "apache", "ours"), ("ours", "ours", "ours", "apache")],
    ids=["ours-joins-apache", "apache-joins-ours"],
)


def shell(ensemble: MixedEnsemble, sid: int, line: str) -> str:
    """Type a line into zkCli.sh at a server; return what it printed."""
    done = subprocess.run(
        [str(SHELL), "-server", f"{HOST}:{ensemble.port(sid)}"],
        input=f"{line}\nquit\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def config_of(ensemble: MixedEnsemble, sid: int) -> tuple[dict[int, str], int]:
    """The members by their roles, and the version, as a server tells them."""
    with ensemble.client(sid) as client:
        client.sync("/")
        data, stat = client.get("/zookeeper/config")
    text = data.decode()
    version = int(re.search(r"version=([0-9a-f]+)", text)[1], 16)
    assert stat.mzxid == version
    return {int(n): role for n, role in re.findall(r"server\.(\d+)=[^;\n]*:(\w+)", text)}, version


def write(ensemble: MixedEnsemble, name: str, *sids: int) -> None:
    """Write through each of some servers."""
    for sid in sids:
        with ensemble.client(sid) as client:
            client.create(f"/{name}-{sid}", b"")


@KINDS
def test_a_server_of_the_other_kind_joins_takes_part_and_leaves(
    ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]
) -> None:
    ensemble = ensemble_of(*kinds, spares=(4,), extra=CHANGEABLE)
    ensemble.start(1, 2, 3)
    ensemble.until_led()
    write(ensemble, "before", 1, 2, 3)
    ensemble.start(4)
    ensemble.until_modes(s4="follower")
    said = shell(ensemble, 1, f"reconfig -add server.4={ensemble.address(4, 'participant')}")
    assert "Committed new configuration" in said, said
    for sid in (1, 2, 3, 4):
        members, version = config_of(ensemble, sid)
        assert members == dict.fromkeys((1, 2, 3, 4), "participant")
        dynamic = ensemble.home(sid) / f"zoo.cfg.dynamic.{version:x}"
        assert "server.4=" in dynamic.read_text()
        assert f"zoo.cfg.dynamic.{version:x}" in (ensemble.home(sid) / "zoo.cfg").read_text()
    # Four voters now: three are a quorum, and the new one makes it.
    ensemble.kill(1)
    ensemble.until_led()
    write(ensemble, "with-the-new-one", 2, 3, 4)
    ensemble.start(1)
    ensemble.until_led()
    said = shell(ensemble, 2, "reconfig -remove 4")
    assert "Committed new configuration" in said, said
    assert config_of(ensemble, 1)[0] == dict.fromkeys((1, 2, 3), "participant")
    ensemble.stop(4)
    write(ensemble, "without-it", 1, 2, 3)
    ensemble.assert_one_state()


@KINDS
def test_the_leader_leaves_and_another_one_goes_on(
    ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]
) -> None:
    ensemble = ensemble_of(*kinds, extra=CHANGEABLE)
    ensemble.start(1, 2, 3, 4)
    leader = ensemble.until_led()
    other = next(sid for sid in (1, 2, 3, 4) if sid != leader)
    with ensemble.client(other) as client:
        client.create("/kept", b"")
        client.retry(client.reconfig, joining=None, leaving=str(leader), new_members=None)
        ensemble.stop(leader)
        assert ensemble.until_led() != leader
        assert client.retry(client.exists, "/kept")
    write(ensemble, "after", *ensemble.running)
    assert set(config_of(ensemble, other)[0]) == {1, 2, 3, 4} - {leader}
    ensemble.assert_one_state()


@KINDS
def test_an_observer_is_promoted_and_a_voter_retires_to_observe(
    ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]
) -> None:
    ensemble = ensemble_of(*kinds, observers=(4,), extra=CHANGEABLE)
    ensemble.start(1, 2, 3, 4)
    ensemble.until_modes(s4="observer")
    with ensemble.client(1) as client:
        client.retry(client.reconfig, f"server.4={ensemble.address(4, 'participant')}", None, None)
        ensemble.until_led()
        client.retry(client.reconfig, f"server.1={ensemble.address(1, 'observer')}", None, None)
        ensemble.until_modes(s1="observer")
        write(ensemble, "after", 1, 2, 3, 4)
    assert config_of(ensemble, 3)[0] == {1: "observer", 2: "participant", 3: "participant", 4: "participant"}
    ensemble.assert_one_state()


def test_a_client_port_that_changes_is_opened_and_the_old_one_closed(ensemble_of: MakeEnsemble) -> None:
    ensemble = ensemble_of("ours", "ours", "ours", extra=CHANGEABLE)
    ensemble.start(1, 2, 3)
    ensemble.until_led()
    port = free_base_port(1)
    line = ensemble.address(1, "participant").rpartition(":")[0]
    with ensemble.client(2) as client:
        client.retry(client.reconfig, f"server.1={line}:{port}", None, None)
    until(lambda: "Mode" in four_letter(port, "srvr"), 10)
    until(lambda: not four_letter(ensemble.port(1), "srvr"), 10)
    ensemble.kill(1)
    ensemble.start(1)
    until(lambda: "Mode" in four_letter(port, "srvr"), 20)


@KINDS
def test_a_server_of_ours_moves_to_other_ports(ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]) -> None:
    ensemble = ensemble_of(*kinds, extra=CHANGEABLE)
    ensemble.start(1, 2, 3, 4)
    ensemble.until_led()
    ours = next(sid for sid, kind in ensemble.kinds.items() if kind == "ours")
    quorum = free_base_port(2)
    line = f"server.{ours}={HOST}:{quorum}:{quorum + 1}:participant;{HOST}:{ensemble.port(ours)}"
    others = [sid for sid in (1, 2, 3, 4) if sid != ours]
    with ensemble.client(others[0]) as client:
        client.retry(client.reconfig, line, None, None)
    ensemble.until_led()
    write(ensemble, "moved", 1, 2, 3, 4)
    # Only where it listens now can the others elect with it, and follow it.
    ensemble.kill(others[0])
    ensemble.until_led()
    ensemble.start(others[0])
    ensemble.until_led()
    write(ensemble, "after", 1, 2, 3, 4)
    ensemble.assert_one_state()


def test_members_nobody_follows_with_are_refused(ensemble_of: MakeEnsemble) -> None:
    ensemble = ensemble_of("ours", "ours", "ours", spares=(3,), extra=CHANGEABLE)
    ensemble.start(1, 2)
    ensemble.until_led()
    with ensemble.client(1) as client, pytest.raises(NewConfigNoQuorumError):
        client.reconfig(f"server.3={ensemble.address(3, 'participant')}", "1", None)


def test_an_ensemble_grows_from_one_server(ensemble_of: MakeEnsemble) -> None:
    ensemble = ensemble_of("ours", "apache", "ours", spares=(2, 3), extra=CHANGEABLE)
    ensemble.start(1)
    ensemble.until_modes(s1="leader")
    write(ensemble, "alone", 1)
    for sid in (2, 3):
        ensemble.start(sid)
        ensemble.until_modes(**{f"s{sid}": "follower"})
        with ensemble.client(1) as client:
            client.retry(client.reconfig, f"server.{sid}={ensemble.address(sid, 'participant')}", None, None)
    ensemble.until_led_by(1)
    ensemble.kill(1)
    ensemble.until_led()
    write(ensemble, "grown", 2, 3)
    ensemble.start(1)
    ensemble.until_led()
    ensemble.assert_one_state()
