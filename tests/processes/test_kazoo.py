"""kazoo, unmodified, against three real servers, also while the leader is killed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import BadVersionError, NoChildrenForEphemeralsError, NodeExistsError, NotEmptyError
from kazoo.recipe.election import Election
from kazoo.retry import KazooRetry

from tests.processes.conftest import RawSession, RunningEnsemble
from tests.waiting import until

pytestmark = pytest.mark.process

Connect = Callable[..., KazooClient]


@pytest.fixture
def connect(three_servers: RunningEnsemble) -> Iterator[Connect]:
    """Make started clients, which retry as a careful application does; closed at the end."""
    clients: list[KazooClient] = []

    def make(hosts: str | None = None, timeout: float = 6.0) -> KazooClient:
        retry = KazooRetry(max_tries=-1, delay=0.05, max_delay=0.3)
        client = KazooClient(
            hosts=hosts or three_servers.addresses,
            timeout=timeout,
            connection_retry=retry,
            command_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.3),
        )
        clients.append(client)
        client.start(timeout=15)
        return client

    yield make
    for client in clients:
        client.stop()
        client.close()


def kill_the_leader(ensemble: RunningEnsemble) -> int:
    leader = ensemble.leader()
    os.kill(ensemble.pid(leader), signal.SIGKILL)
    return leader


def test_the_life_of_a_znode(connect: Connect):
    zk = connect()
    assert zk.create("/app", b"one") == "/app"
    data, stat = zk.get("/app")
    assert (data, stat.version, stat.czxid == stat.mzxid, stat.dataLength) == (b"one", 0, True, 3)
    assert zk.set("/app", b"two!", version=0).version == 1
    with pytest.raises(BadVersionError):
        zk.set("/app", b"three", version=0)
    zk.create("/app/a")
    zk.create("/app/b", ephemeral=True)
    assert sorted(zk.get_children("/app")) == ["a", "b"]
    children, stat = zk.get_children("/app", include_data=True)
    assert (sorted(children), stat.cversion, stat.numChildren) == (["a", "b"], 2, 2)
    with pytest.raises(NodeExistsError):
        zk.create("/app/a")
    with pytest.raises(NoChildrenForEphemeralsError):
        zk.create("/app/b/c")
    with pytest.raises(NotEmptyError):
        zk.delete("/app")
    zk.delete("/app", recursive=True)
    assert zk.exists("/app") is None


def test_sequential_names_count_up(connect: Connect):
    zk = connect()
    zk.create("/q")
    names = [zk.create("/q/item-", sequence=True) for _ in range(3)]
    names.append(zk.create("/q/item-", sequence=True, ephemeral=True))
    assert names == [f"/q/item-{n:010d}" for n in range(4)]


def test_an_ephemeral_goes_with_its_session_and_everybody_sees_it(
    connect: Connect, three_servers: RunningEnsemble
):
    holder, watcher = (
        connect(f"127.0.0.1:{three_servers.port(1)}"),
        connect(f"127.0.0.1:{three_servers.port(2)}"),
    )
    holder.create("/holder", b"", ephemeral=True)
    watcher.sync("/")
    gone = threading.Event()
    stat = watcher.exists("/holder", watch=lambda event: gone.set())
    assert stat is not None
    assert stat.ephemeralOwner == holder.client_id[0]
    holder.stop()
    assert gone.wait(10)
    assert watcher.exists("/holder") is None


def test_a_session_whose_client_is_silent_expires(connect: Connect, three_servers: RunningEnsemble):
    watcher = connect()
    silent = RawSession(three_servers.port(1), timeout_ms=2000)
    assert silent.create("/silent", flags=1) == 0
    gone = threading.Event()
    watcher.sync("/")
    assert watcher.exists("/silent", watch=lambda event: gone.set())
    assert gone.wait(15)
    silent.close()


def test_a_watch_fires_once(connect: Connect):
    zk = connect()
    zk.create("/w", b"0")
    seen: list[str] = []
    zk.get("/w", watch=lambda event: seen.append(event.type))
    zk.set("/w", b"1")
    zk.set("/w", b"2")
    zk.sync("/w")
    until(lambda: seen)
    assert seen == ["CHANGED"]


def test_a_transaction_is_all_or_nothing(connect: Connect):
    zk = connect()
    transaction = zk.transaction()
    transaction.create("/t", b"1")
    transaction.create("/t/a", b"2")
    transaction.check("/missing", 3)
    results = transaction.commit()
    assert [type(result).__name__ for result in results] == [
        "RolledBackError",
        "RolledBackError",
        "NoNodeError",
    ]
    assert zk.exists("/t") is None
    transaction = zk.transaction()
    transaction.create("/t", b"1")
    transaction.create("/t/a-", b"2", sequence=True)
    transaction.set_data("/t", b"3")
    path, child, stat = transaction.commit()
    assert (path, child, stat.version) == ("/t", "/t/a-0000000000", 1)


def test_a_client_moves_with_its_session_when_its_server_dies(
    connect: Connect, three_servers: RunningEnsemble
):
    follower = next(sid for sid in three_servers.sids if sid != three_servers.leader())
    others = [three_servers.port(sid) for sid in three_servers.sids if sid != follower]
    hosts = ",".join(f"127.0.0.1:{port}" for port in [three_servers.port(follower), *others])
    zk = KazooClient(hosts=hosts, randomize_hosts=False, timeout=6.0)
    zk.start(timeout=15)
    try:
        zk.create("/moving", ephemeral=True)
        session = zk.client_id[0]
        fired = threading.Event()
        states: list[str] = []
        zk.add_listener(states.append)
        zk.exists("/wanted", watch=lambda event: fired.set())
        three_servers.kill(follower)
        until(lambda: states == [KazooState.SUSPENDED, KazooState.CONNECTED])
        assert zk.client_id[0] == session
        assert zk.exists("/moving").ephemeralOwner == session
        connect(f"127.0.0.1:{others[0]}").create("/wanted")
        assert fired.wait(10)  # the watch moved too
    finally:
        zk.stop()
        zk.close()


def test_the_lock_recipe_excludes_while_the_leader_is_killed(
    connect: Connect, three_servers: RunningEnsemble
):
    inside, overlaps, turns = [0], [0], [0]
    stop = threading.Event()

    def work(client: KazooClient, name: str) -> None:
        while not stop.is_set():
            with client.Lock("/lock", name):
                inside[0] += 1
                overlaps[0] += inside[0] > 1
                turns[0] += 1
                inside[0] -= 1

    workers = [threading.Thread(target=work, args=(connect(), f"worker-{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    until(lambda: turns[0] >= 10)
    kill_the_leader(three_servers)
    before = turns[0]
    until(lambda: turns[0] >= before + 20)
    stop.set()
    for worker in workers:
        worker.join(30)
    assert overlaps[0] == 0
    assert not any(worker.is_alive() for worker in workers)


def test_the_election_recipe_goes_on_while_the_leader_is_killed(
    connect: Connect, three_servers: RunningEnsemble
):
    led: list[str] = []
    done = threading.Event()

    def run(client: KazooClient, name: str) -> None:
        election = Election(client, "/election", name)
        while not done.is_set():
            election.run(lambda: led.append(name))

    candidates = [threading.Thread(target=run, args=(connect(), f"c{n}")) for n in range(2)]
    for candidate in candidates:
        candidate.start()
    until(lambda: len(led) >= 4)
    kill_the_leader(three_servers)
    before = len(led)
    until(lambda: len(led) >= before + 6)
    done.set()
    for candidate in candidates:
        candidate.join(30)
    assert set(led) == {"c0", "c1"}


def test_nothing_is_lost_but_the_connection_when_the_leader_is_killed(
    connect: Connect, three_servers: RunningEnsemble
):
    zk = connect()
    states: list[str] = []
    zk.add_listener(states.append)
    zk.create("/log")
    acknowledged = [zk.create(f"/log/{n}", b"x") for n in range(100)]
    kill_the_leader(three_servers)
    acknowledged += [zk.retry(zk.create, f"/log/after-{n}", b"x") for n in range(100)]
    assert KazooState.LOST not in states
    zk.sync("/")
    assert sorted(f"/log/{name}" for name in zk.get_children("/log")) == sorted(acknowledged)
