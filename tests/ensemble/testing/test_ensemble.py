"""A throw-away ensemble as its users see it: with and without asyncio, and everything that can be done to it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from ensemble.client import CreateMode, Retry, State, ZooKeeper
from ensemble.errors import ConfigError, CoordinatorError
from ensemble.testing import Ensemble
from tests.waiting import until

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

START_S_MAX = 3.0
"""Ten times what one server takes on two cores that do nothing else."""


@pytest.fixture(scope="module")
def three() -> Iterator[Ensemble]:
    with Ensemble(servers=3) as zookeeper:
        yield zookeeper


@pytest.fixture(autouse=True)
def _settled(request: pytest.FixtureRequest) -> None:
    if "three" in request.fixturenames:
        request.getfixturevalue("three").settle()


def test_kazoo_without_asyncio() -> None:
    with Ensemble() as zookeeper:
        client = KazooClient(zookeeper.hosts)
        client.start()
        client.create("/a", b"hello")
        assert client.get("/a")[0] == b"hello"
        client.stop()
        client.close()


async def test_inside_asyncio() -> None:
    async with Ensemble() as zookeeper, ZooKeeper(zookeeper.hosts) as zk:
        await zk.create("/a", b"hello")
        await zookeeper.restart(1)
        assert (await Retry(attempts=None)(zk.get, "/a")).data == b"hello"


def test_it_is_there_at_once() -> None:
    began = time.monotonic()
    with Ensemble():
        assert time.monotonic() - began < START_S_MAX


def test_nothing_is_left() -> None:
    with Ensemble(servers=3) as zookeeper:
        directory = zookeeper._servers._directory
        logs = [(directory / f"server-{sid}" / "log").read_text() for sid in zookeeper.addresses]
        pids = [int(found[1]) for log in logs if (found := re.search(r"pid (\d+)", log))]
        assert len(pids) == 3
        for pid in pids:
            os.kill(pid, 0)
    assert not directory.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_settings_reach_the_servers_and_a_wrong_one_is_said() -> None:
    with Ensemble(settings={"maxSessionTimeout": "5000"}) as zookeeper:
        assert "maxSessionTimeout=5000" in _word(zookeeper, 1, "conf")
    with (
        pytest.raises(ConfigError, match="tickTime"),
        Ensemble(settings={"tickTime": "soon"}),
    ):
        pass


def _word(zookeeper: Ensemble, server: int, word: str) -> str:
    host, _, port = zookeeper.addresses[server].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(word.encode())
        return b"".join(iter(lambda: connection.recv(4096), b"")).decode()


def test_another_leads_when_the_leader_is_killed(three: Ensemble) -> None:
    first = three.leader()
    three.kill(first)
    assert three.leader() != first
    with pytest.raises(CoordinatorError, match="killed"):
        three.kill(first)
    three.start(first)
    three.settle()
    assert "Mode: follower" in _word(three, first, "srvr")


def test_a_leader_that_is_cut_off_serves_nobody(three: Ensemble) -> None:
    first = three.leader()
    three.partition(first)
    until(lambda: "Mode:" not in _word(three, first, "srvr"))
    assert three.leader() != first
    three.heal()
    three.settle()


async def test_a_paused_server_says_nothing_until_it_is_resumed(three: Ensemble) -> None:
    # Not the leader: the others go on as they are.
    leader = three.leader()
    paused = next(sid for sid in three.addresses if sid != leader)
    async with ZooKeeper(f"{three.addresses[paused]}", session_timeout_ms=30_000) as zk:
        three.pause(paused)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await zk.sync()
        three.resume(paused)
        async with asyncio.timeout(20):
            await Retry(attempts=None)(zk.sync)


async def test_a_session_is_expired(three: Ensemble) -> None:
    async with ZooKeeper(three.hosts, session_timeout_ms=30_000) as zk, ZooKeeper(three.hosts) as other:
        await zk.create("/mine", mode=CreateMode.EPHEMERAL)
        await asyncio.to_thread(three.expire, zk.session_id)
        async with asyncio.timeout(10):
            assert [state async for state in zk.states()][-1] is State.EXPIRED
        await other.sync("/mine")
        assert await other.exists("/mine") is None


CONFTEST = 'pytest_plugins = ["ensemble.testing.fixtures"]\n'
TESTS = """
from kazoo.client import KazooClient

def test_one(zookeeper):
    client = KazooClient(f"{zookeeper.hosts}")
    client.start()
    client.create("/one")
    client.stop()
    client.close()

def test_three(zookeeper_ensemble):
    zookeeper_ensemble.kill(zookeeper_ensemble.leader())
    assert zookeeper_ensemble.leader() in (1, 2, 3)
"""


def test_the_fixtures_in_another_project(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    root = str(Path(__file__).parents[3])
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr


def test_it_needs_no_django() -> None:
    code = "import sys; from ensemble.testing import Ensemble; assert not {'django', 'aiohttp'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_the_plugin_costs_other_projects_nothing_until_it_is_used() -> None:
    code = (
        "import sys, ensemble.testing.fixtures;"
        "loaded = {name for name in sys.modules if name.startswith('ensemble.')};"
        "assert loaded == {'ensemble.testing', 'ensemble.testing.fixtures'}, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
