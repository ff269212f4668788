"""A snapshot becomes the state of an ensemble of both kinds: of Apache's making as well."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind, MixedEnsemble
from tests.mixed.test_histories import write_many
from tests.processes.conftest import HOST, free_base_port
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(180),
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


def listen_for_administrators(ensemble: MixedEnsemble, sid: int) -> int:
    """Give a server that is not started yet an AdminServer; return its port."""
    port = free_base_port(3 * len(ensemble.kinds) + 1) + 3 * len(ensemble.kinds)
    config = ensemble.home(sid) / "zoo.cfg"
    config.write_text(config.read_text().replace("admin.enableServer=false", f"admin.serverPort={port}"))
    return port


async def restore(port: int, data: bytes) -> int:
    """Post a snapshot and return the zxid of the answer."""
    url = f"http://{HOST}:{port}/commands/restore"
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=data, headers={"Authorization": "digest any:body"}) as response,
    ):
        answer = await response.json()
        assert response.status == 200, answer
        zxid: int = answer["last_zxid"]
        return zxid


def newest_snapshot(ensemble: MixedEnsemble, sid: int) -> bytes:
    """Return the last snapshot that a server has left."""
    directory: Path = ensemble.home(sid) / "data" / "version-2"
    newest = max(directory.glob("snapshot.*"), key=lambda path: int(path.suffix[1:], 16))
    return newest.read_bytes()


@pytest.mark.parametrize(
    "kinds", [("apache", "apache", "ours"), pytest.param(("ours", "apache", "ours"), marks=pytest.mark.slow)]
)
async def test_a_snapshot_of_apaches_server_becomes_the_state_of_both_kinds(
    ensemble_of: MakeEnsemble, kinds: tuple[Kind, ...]
) -> None:
    elsewhere = ensemble_of("apache")
    elsewhere.start(1)
    until(lambda: elsewhere.mode(1) == "standalone", 30)
    with elsewhere.client() as client:
        write_many(client, "/restored", 30)
        client.create("/restored/ünïcode", "ünïcode".encode())
    expected = elsewhere.assert_one_state()
    elsewhere.kill(1)
    elsewhere.start(1)  # it writes a snapshot of all that its log holds
    until(lambda: elsewhere.mode(1) == "standalone", 30)
    data = newest_snapshot(elsewhere, 1)
    elsewhere.kill(1)

    ensemble = ensemble_of(*kinds)
    port = listen_for_administrators(ensemble, 3)
    ensemble.start(1, 3)
    ensemble.until_led_by(3)
    ensemble.start(2)
    ensemble.until_led_by(3)
    with ensemble.client() as client:
        write_many(client, "/gone", 20)
    ensemble.kill(2)  # it hears of it only when it comes back
    zxid = await restore(port, data)
    ensemble.until_led_by(3)
    ensemble.start(2)
    ensemble.until_led_by(3)
    assert ensemble.assert_one_state() == expected
    with ensemble.client(1) as client:
        client.create("/after", b"")
        assert client.exists("/after").czxid > zxid
        write_many(client, "/later", 20)
    state = ensemble.assert_one_state()
    ensemble.kill(1, 2, 3)
    ensemble.start(1, 2, 3)
    ensemble.until_led()
    assert ensemble.assert_one_state() == state
