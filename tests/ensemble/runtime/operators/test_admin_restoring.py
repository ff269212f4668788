"""Snapshots sent to the AdminServer: taken over when sound, and otherwise without effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ensemble.client import ZooKeeper
from ensemble.tree.operations import Acl, Identity, Perm
from tests.ensemble.runtime.harness import HOST
from tests.ensemble.runtime.operators.asking import as_client, asking
from tests.waiting import reached

ADMINISTRATOR = {"Authorization": "digest root:right"}


def made(directory: Path) -> Path:
    """Return the directory, which is there now."""
    directory.mkdir(exist_ok=True)
    return directory


async def restorable(directory: Path) -> bytes:
    """Return what ``snapshot`` answers on another server, whose root is protected and which holds ``/a``."""
    async with asking(made(directory)) as asked:

        async def fill(zk: ZooKeeper) -> None:
            await zk.create("/a", b"from elsewhere")
            await zk.add_auth("digest", b"root:right")
            await zk.set_acl("/", [Acl(Perm.ALL, Identity("auth", ""))])

        await as_client(asked, fill)
        return (await asked.raw("/commands/snapshot", **ADMINISTRATOR))[1]


async def test_a_snapshot_sent_back_is_the_state(tmp_path: Path) -> None:
    data = await restorable(tmp_path / "elsewhere")
    async with asking(made(tmp_path / "here")) as asked:
        await as_client(asked, lambda zk: zk.create("/gone", b""))
        before = asked.server.replica.tree.zxid
        status, answer = await asked.post("/commands/restore", data, Authorization="digest any:body")
        tree = asked.server.replica.tree
        assert (status, answer) == (200, {"last_zxid": tree.zxid, "command": "restore", "error": None})
        assert tree.zxid > before
        assert tree.get("/a").data == b"from elsewhere"
        assert tree.find("/gone") is None
        assert (await asked.get("/commands/monitor"))[1]["max_restore_time"] > 0
        # The access list of the root is that of the snapshot, and the next one is asked for too soon.
        assert (await asked.post("/commands/rest", data, Authorization="digest any:body"))[0] == 403
        status, answer = await asked.post("/commands/rest", data, **ADMINISTRATOR)
        assert status == 429
        assert "asked again too soon" in answer["error"]
        assert (await asked.get("/commands/monitor"))[1]["restore_rate_limited_count"] == 1
        await as_client(asked, lambda zk: zk.set("/a", b"after"))
    async with asking(made(tmp_path / "here")) as asked:
        tree = asked.server.replica.tree
        assert tree.get("/a").data == b"after"
        assert tree.find("/gone") is None


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:-1], lambda data: data[:90] + b"?" + data[91:], lambda _: b"x"]
)
async def test_what_is_no_sound_snapshot_changes_nothing(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    data = await restorable(tmp_path / "elsewhere")
    async with asking(made(tmp_path / "here"), "admin.rateLimiterIntervalInMS=0") as asked:
        replica = asked.server.replica
        await as_client(asked, lambda zk: zk.create("/kept", b""))
        phase_since = replica.peer.phase_since_us
        status, answer = await asked.post("/commands/restore", spoil(data), Authorization="digest a:b")
        assert status == 500
        assert "the snapshot" in answer["error"]
        assert asked.server.counters.restore_errors == 1
        assert replica.tree.get("/kept").data == b""
        assert replica.peer.phase_since_us == phase_since
        assert (await asked.post("/commands/restore", b"", Authorization="digest a:b"))[0] == 400


async def test_a_snapshot_that_is_cut_off_on_the_way_changes_nothing(tmp_path: Path) -> None:
    data = await restorable(tmp_path / "elsewhere")
    async with asking(made(tmp_path / "here")) as asked:
        host, port = HOST, int(asked.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            f"POST /commands/restore HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: digest a:b\r\n"
            f"Content-Length: {len(data)}\r\n\r\n".encode()
        )
        writer.write(data[:-20])
        await writer.drain()
        await asyncio.sleep(0)
        writer.close()
        await reached(lambda: asked.server.counters.restore_errors == 1)
        assert asked.server.replica.tree.find("/a") is None
        assert await reader.read() == b""


async def test_restoring_is_asked_by_post_and_may_be_switched_off(tmp_path: Path) -> None:
    async with asking(tmp_path, "admin.restore.enabled=false") as asked:
        status, answer = await asked.post("/commands/restore", b"x", Authorization="digest a:b")
        assert (status, answer["error"]) == (503, "switched off by admin.restore.enabled=false")
        assert (await asked.post("/commands/restore", b"x"))[0] == 401
        assert (await asked.post("/commands/ruok"))[0] == 405
        assert (await asked.get("/commands/restore", Authorization="digest a:b"))[0] == 405


async def test_one_that_does_not_lead_names_who_restores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asking(tmp_path) as asked:
        monkeypatch.setattr(asked.server.replica.service, "leading", False)
        status, answer = await asked.post("/commands/restore", b"x", Authorization="digest a:b")
        assert (status, answer["error"]) == (
            409,
            "this server does not lead; restore on the leader alone, which brings up all others",
        )
