"""The files of a real Apache ZooKeeper, read by our store; and ours, read by Apache's server."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from ensemble.runtime.disk.disk import FileDisk
from ensemble.storage.snapshots import PRISTINE_BODY
from ensemble.storage.store import Store
from ensemble.tree.operations import OPEN_ACL
from ensemble.tree.txns import CreateTxn, SetDataTxn, Txn, decode, encode

JARS = Path("/usr/share/java")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("java") is None, reason="java is not installed"),
    pytest.mark.skipif(
        not (JARS / "zookeeper.jar").exists(), reason="Apache's zookeeper.jar is not installed"
    ),
]


@contextmanager
def apache(directory: Path) -> Iterator[KazooClient]:
    """Run Apache's standalone server on a data directory, with a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    configuration = directory.parent / "zoo.cfg"
    configuration.write_text(
        f"tickTime=2000\ndataDir={directory}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
        "admin.enableServer=false\n"
    )
    main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
    command = ["java", "-Xmx256m", "-cp", f"{JARS}/zookeeper.jar:{JARS}/*", main, str(configuration)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = KazooClient(f"127.0.0.1:{port}", connection_retry={"max_tries": -1, "delay": 0.1, "backoff": 1})
    try:
        client.start(timeout=30)
        yield client
    finally:
        client.stop()
        client.close()
        server.kill()
        server.wait(10)


@contextmanager
def ours(directory: Path) -> Iterator[tuple[Store, Callable[[], object]]]:
    """Open a store on real files, with a way to wait until it is durable."""
    loop = asyncio.new_event_loop()

    def synced() -> None:
        done = asyncio.Event()
        store.sync(done.set)
        loop.run_until_complete(asyncio.wait_for(done.wait(), 10))

    disk = FileDisk(directory, loop=loop, fail=lambda error: pytest.fail(str(error)))
    try:
        store = Store.open(disk, disk)
        yield store, synced
    finally:
        disk.close()
        loop.close()


def test_our_store_reads_apache_files_and_apache_what_we_added(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with apache(data) as client:
        client.create("/a", b"1")
        client.create("/a/b", b"x" * 3000)
        client.set("/a", b"2")
        with pytest.raises(NoNodeError):
            client.delete("/missing")
    with ours(data) as (store, synced):
        snapshot = store.read_snapshot()
        assert snapshot == (0, PRISTINE_BODY)
        txns = [decode(payload) for _, payload in store.read_after(0) or []]
        # The session, three writes, the refused one; the session's end only if it came before the kill.
        assert [(txn.zxid, txn.type) for txn in txns[:5]] == [(1, -10), (2, 1), (3, 1), (4, 5), (5, -1)]
        zxid = store.zxid_logged + 1
        store.append(zxid, encode(Txn(1, 1, zxid, 1_700_000_000_000, 5, SetDataTxn("/a", b"ours", 2))))
        synced()
        assert store.last_not_after(zxid) == zxid
    with apache(data) as client:
        value, stat = client.get("/a")
        assert (value, stat.version, stat.mzxid) == (b"ours", 2, zxid)
        assert client.get("/a/b")[0] == b"x" * 3000


def test_apache_starts_on_a_directory_of_ours(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ours(data) as (store, synced):
        for zxid in range(1, 4):
            record = CreateTxn(f"/n{zxid}", b"v", OPEN_ACL, False, zxid)
            store.append(zxid, encode(Txn(1, zxid, zxid, 1_700_000_000_000, 1, record)))
            synced()
        store.truncate(2)
    with apache(data) as client:
        assert sorted(client.get_children("/")) == ["n1", "n2", "zookeeper"]
        client.create("/n4", b"theirs")
        assert client.exists("/zookeeper/config") is not None
    with ours(data) as (store, _):
        paths = [decode(payload).record for _, payload in store.read_after(0) or []]
        assert [txn.path for txn in paths if isinstance(txn, CreateTxn)] == ["/n1", "/n2", "/n4"]
