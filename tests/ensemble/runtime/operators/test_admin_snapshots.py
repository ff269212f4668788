"""Snapshots asked of the AdminServer: what is in them, who gets them, and how often."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ensemble.client import ZooKeeper
from ensemble.errors import StorageError
from ensemble.replica.monitoring.commands.table import AUTH_MISSING
from ensemble.runtime.host import Server
from ensemble.runtime.operators.admin_server import RateLimit
from ensemble.storage import snapshots
from ensemble.tree import snapshot
from ensemble.tree.operations import Acl, Identity, Perm
from tests.ensemble.runtime.harness import HOST
from tests.ensemble.runtime.operators.asking import as_client, asking


async def test_a_snapshot_is_the_state_as_it_is_now(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        await as_client(asked, lambda zk: zk.create("/a", b"in the snapshot"))
        response, body = await asked.raw("/commands/snapshot", Authorization="digest anybody:secret")
        tree = asked.server.replica.tree
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["last_zxid"] == f"0x{tree.zxid:x}"
        assert response.headers["snapshot_size"] == str(len(body))
        loaded, _ = snapshot.load(snapshots.body_of(body, "the answer"))
        assert loaded.get("/a").data == b"in the snapshot"


async def test_a_snapshot_may_stay_here(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        response, body = await asked.raw("/commands/snap?streaming=false", Authorization="digest a:b")
        assert response.headers["Content-Type"].startswith("application/json")
        assert int(response.headers["snapshot_size"]) > 0
        assert b'"snapshot"' in body


@pytest.mark.parametrize(
    ("authorization", "status", "error"),
    [
        (None, 401, AUTH_MISSING),
        ("digest", 401, "Not authenticated"),
        ("basic abc", 401, "Not authenticated"),
        ("digest a:b c", 401, "Not authenticated"),
        ("digest other:wrong", 403, "Not authorized"),
        ("digest root:right", 200, None),
    ],
)
async def test_a_snapshot_needs_all_permissions_on_the_root(
    tmp_path: Path, authorization: str | None, status: int, error: str | None
) -> None:
    async with asking(tmp_path) as asked:

        async def protect(zk: ZooKeeper) -> None:
            await zk.add_auth("digest", b"root:right")
            await zk.set_acl("/", [Acl(Perm.ALL, Identity("auth", ""))])

        await as_client(asked, protect)
        headers = {"Authorization": authorization} if authorization else {}
        response, body = await asked.raw("/commands/snapshot?streaming=false", **headers)
        assert response.status == status
        assert (f'"error" : "{error}"' if error else '"error" : null').encode() in body


async def test_an_address_in_a_header_opens_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        elsewhere = [Acl(Perm.ALL, Identity("ip", "10.0.0.1")), Acl(Perm.ALL, Identity("digest", "a:b"))]
        await as_client(asked, lambda zk: zk.set_acl("/", elsewhere))
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
            address = "for=10.0.0.1" if header == "Forwarded" else "10.0.0.1"
            response, _ = await asked.raw("/commands/snapshot", Authorization="ip", **{header: address})
            assert response.status == 403


async def test_a_credential_that_is_not_utf8_is_taken_as_its_bytes_came(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:

        async def protect(zk: ZooKeeper) -> None:
            await zk.add_auth("digest", b"root:\xff")
            await zk.set_acl("/", [Acl(Perm.ALL, Identity("auth", ""))])

        await as_client(asked, protect)
        for credential, status in ((b"r\xffot:\xff", b"403"), (b"root:f", b"403"), (b"root:\xff", b"200")):
            reader, writer = await asyncio.open_connection(HOST, int(asked.url.rpartition(":")[2]))
            request = b"GET /commands/snapshot?streaming=false HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(request + b"Connection: close\r\nAuthorization: digest " + credential + b"\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
            writer.close()


async def test_snapshots_are_limited_switched_off_and_counted(tmp_path: Path) -> None:
    async with asking(tmp_path, "admin.rateLimiterIntervalInMS=60000000") as asked:
        header = {"Authorization": "digest a:b"}
        assert (await asked.get("/commands/snapshot?streaming=false", **header))[0] == 200
        status, answer = await asked.get("/commands/snapshot?streaming=false", **header)
        assert status == 429
        assert "wait for as long as admin.rateLimiterIntervalInMS says" in answer["error"]
        assert (await asked.get("/commands/monitor"))[1]["snapshot_rate_limited_count"] == 1
    async with asking(tmp_path, "admin.snapshot.enabled=false") as asked:
        status, answer = await asked.get("/commands/snapshot", **header)
        assert (status, answer["error"]) == (503, "switched off by admin.snapshot.enabled=false")


async def test_a_snapshot_that_cannot_be_taken_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Server) -> tuple[int, Path]:
        raise StorageError("no room")

    monkeypatch.setattr(Server, "take_snapshot", fail)
    async with asking(tmp_path) as asked:
        assert (await asked.get("/commands/snapshot", Authorization="digest a:b"))[0] == 500
        assert asked.server.counters.snapshot_errors == 1


def test_a_rate_limit_lets_one_pass_each_interval() -> None:
    limit = RateLimit(100)
    assert [limit.allows(now) for now in (0, 50, 100, 101, 150, 202)] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


async def test_the_last_snapshot_is_told_with_the_time_its_file_was_written(tmp_path: Path) -> None:
    """Also of one that an earlier run has written, and of the one that a new server begins with."""
    for zxid, written_s in (("0", None), ("0", 1_600_000_000)):
        async with asking(tmp_path) as asked:
            (file,) = (tmp_path / "data" / "version-2").glob("snapshot.*")
            _, answer = await asked.get("/commands/last_snapshot")
            assert answer["zxid"] == zxid == file.name.removeprefix("snapshot.")
            assert answer["timestamp"] == (written_s or int(file.stat().st_mtime))
        os.utime(file, (1_600_000_000, 1_600_000_000))
