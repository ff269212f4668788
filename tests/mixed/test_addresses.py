"""Servers with two addresses each: ours and Apache's find each other, and name the addresses alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.mixed.conftest import NEEDED
from tests.mixed.servers import JARS, MixedEnsemble
from tests.processes.conftest import HOST

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]

OTHER_HOST = "127.0.0.2"
OPTION = ("-Dzookeeper.multiAddress.enabled=true",)
"""Apache's server reads the key of its own file too late for the lines of its members."""


class TwoAddresses(MixedEnsemble):
    """Every server listens at two addresses of this machine."""

    def address(self, sid: int, role: str | None = None) -> str:
        """Name both in the ``server.N`` line."""
        line = super().address(sid, role)
        ports = line.removeprefix(HOST)
        here = f"{HOST}:{':'.join(ports.split(':')[1:3])}"
        return line.replace(here, f"{here}|{here.replace(HOST, OTHER_HOST)}", 1)


def test_servers_of_both_kinds_with_two_addresses_each(tmp_path: Path) -> None:
    if shutil.which("java") is None or not (JARS / "zookeeper.jar").exists():
        pytest.skip(NEEDED)
    ensemble = TwoAddresses(tmp_path, "ours", "apache", "ours", extra="multiAddress.enabled=true")
    try:
        ensemble.start(1, 2, 3, options=OPTION)
        leader = ensemble.until_led()
        with ensemble.client() as client:
            client.create("/before", b"1")
        ensemble.kill(leader)
        ensemble.until_led()
        ensemble.start(leader, options=OPTION)
        ensemble.until_led()
        assert "/before" in ensemble.assert_one_state()
        for sid in (1, 2, 3):
            with ensemble.client(sid) as client:
                lines = client.get("/zookeeper/config")[0].decode().splitlines()
            assert [line.count("|") for line in lines] == [1, 1, 1, 0]
    finally:
        ensemble.close()
