"""The AdminServer over HTTP: who is answered, how, and when not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ensemble.client import ZooKeeper
from ensemble.errors import ConfigError, StorageError
from ensemble.replica.commands.table import COMMANDS
from ensemble.runtime.host import Server
from ensemble.runtime.operators.admin_server import RateLimit, refusal, serve
from ensemble.runtime.operators.ports import OperatorPorts
from ensemble.storage import snapshots
from ensemble.tree import snapshot
from ensemble.tree.operations import Acl, Identity, Perm
from tests.authority import Authority
from tests.ensemble.runtime.links.test_election import HOST, free_ports, until
from tests.ensemble.runtime.test_host import load

X509 = ("authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider",)
PROMETHEUS = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"


class Asked:
    """A server that serves, and one who asks its AdminServer."""

    def __init__(
        self, server: Server, ports: OperatorPorts, url: str, session: aiohttp.ClientSession
    ) -> None:
        self.server = server
        self.ports = ports
        self.url = url
        self._session = session

    async def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Ask for a path; return the status and the JSON."""
        async with self._session.get(f"{self.url}{path}", headers=headers) as response:
            return response.status, await response.json()

    async def post(self, path: str, data: bytes = b"x", **headers: str) -> tuple[int, Any]:
        """Post to a path; return the status and the JSON."""
        async with self._session.post(f"{self.url}{path}", data=data, headers=headers) as response:
            return response.status, await response.json()

    async def raw(self, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        """Ask for a path; return the response and its body."""
        async with self._session.get(f"{self.url}{path}", headers=headers) as response:
            return response, await response.read()


@asynccontextmanager
async def asking(directory: Path, *lines: str) -> AsyncIterator[Asked]:
    """Run a server alone with its AdminServer."""
    (port,) = free_ports(1)
    loaded = load(directory, f"admin.serverPort={port}", *lines)
    said: list[str] = []
    server = Server(loaded, log=said.append)
    ports = OperatorPorts(server, loaded.operations, log=said.append)
    ports.open()
    await server.start()
    ports.serve()
    try:
        await until(lambda: server.status()["serving"])
        async with aiohttp.ClientSession() as session:
            yield Asked(server, ports, f"http://{HOST}:{port}", session)
    finally:
        await ports.close()
        await server.stop()


async def as_client(asked: Asked, act: Callable[[ZooKeeper], Awaitable[object]]) -> None:
    """Do something as a client, on a loop of its own."""

    async def session() -> None:
        async with ZooKeeper(f"{HOST}:{asked.server.config.client_port}") as zk:
            await act(zk)

    def run() -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(session())

    await asyncio.to_thread(run)


async def test_every_command_answers_under_all_its_names(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        for command in COMMANDS:
            if command.administrator:
                continue
            for name in command.names:
                status, data = await asked.get(f"/commands/{name}")
                assert (status, data["command"]) == (200, command.name)
                assert list(data)[-2:] == ["command", "error"] or command.name in ("leader", "set_trace_mask")


async def test_the_index_links_every_command(tmp_path: Path) -> None:
    async with asking(tmp_path, "admin.commandURL=/zk") as asked:
        for path in ("/zk", "/zk/"):
            response, body = await asked.raw(path)
            assert response.status == 200
            links = body.decode().splitlines()[::2]
            assert links == [
                f'<a href="/zk/{name}">{name}</a>' for name in sorted(each.name for each in COMMANDS)
            ]


async def test_an_unknown_command_is_told_as_apache_tells_it(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        assert await asked.get("/commands/nonsense") == (
            200,
            {"command": "nonsense", "error": "Unknown command: nonsense"},
        )


async def test_a_server_that_does_not_serve_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "myid").write_text("1")
    ports = free_ports(5)
    lines = [f"server.{sid}={HOST}:{ports[sid]}:{ports[sid + 2]}" for sid in (1, 2)]
    loaded = load(tmp_path, *lines, "initLimit=5", "syncLimit=5", f"admin.serverPort={ports[0]}")
    server = Server(loaded, log=lambda _: None)
    operators = OperatorPorts(server, loaded.operations, log=lambda _: None)
    operators.open()
    await server.start()
    operators.serve()
    async with aiohttp.ClientSession() as session:
        asked = Asked(server, operators, f"http://{HOST}:{ports[0]}", session)
        status, data = await asked.get("/commands/ruok")
        assert (status, data["error"]) == (200, "This ZooKeeper instance is not currently serving requests")
        _, data = await asked.get("/commands/zabstate")
        assert (data["myid"], data["zabstate"], data["voting"]) == (1, "election", True)
    await operators.close()
    await server.stop()


# ------------------------------------------------------------------ snapshots


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
        (None, 401, "Auth info is missing for the command"),
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


async def test_a_credential_that_is_not_utf8_is_taken_as_its_bytes_came(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:

        async def protect(zk: ZooKeeper) -> None:
            await zk.add_auth("digest", b"root:\xff")
            await zk.set_acl("/", [Acl(Perm.ALL, Identity("auth", ""))])

        await as_client(asked, protect)
        for credential, status in ((b"r\xffot:\xff", b"401"), (b"root:\xfe", b"403"), (b"root:\xff", b"200")):
            reader, writer = await asyncio.open_connection(HOST, int(asked.url.rpartition(":")[2]))
            request = b"GET /commands/snapshot?streaming=false HTTP/1.1\r\nHost: localhost\r\n"
            writer.write(request + b"Connection: close\r\nAuthorization: digest " + credential + b"\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
            writer.close()


async def test_snapshots_are_limited_switched_off_and_counted(tmp_path: Path) -> None:
    async with asking(tmp_path, "admin.rateLimiterIntervalInMS=60000000") as asked:
        header = {"Authorization": "digest a:b"}
        assert (await asked.get("/commands/snapshot?streaming=false", **header))[0] == 200
        assert (await asked.get("/commands/snapshot?streaming=false", **header))[0] == 429
        assert (await asked.get("/commands/monitor"))[1]["snapshot_rate_limited_count"] == 1
    async with asking(tmp_path, "admin.snapshot.enabled=false") as asked:
        assert (await asked.get("/commands/snapshot", **header))[0] == 503


async def test_a_snapshot_that_cannot_be_taken_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Server) -> tuple[int, Path]:
        raise StorageError("no room")

    monkeypatch.setattr(Server, "take_snapshot", fail)
    async with asking(tmp_path) as asked:
        assert (await asked.get("/commands/snapshot", Authorization="digest a:b"))[0] == 500
        assert asked.server.counters.snapshot_errors == 1


# ------------------------------------------------------------------ restoring

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
        assert (await asked.post("/commands/rest", data, **ADMINISTRATOR))[0] == 429
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
        await until(lambda: asked.server.counters.restore_errors == 1)
        assert asked.server.replica.tree.find("/a") is None
        assert await reader.read() == b""


async def test_restoring_is_asked_by_post_and_may_be_switched_off(tmp_path: Path) -> None:
    async with asking(tmp_path, "admin.restore.enabled=false") as asked:
        assert (await asked.post("/commands/restore", b"x", Authorization="digest a:b"))[0] == 503
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


# ------------------------------------------------------------------ who is kept out


@pytest.mark.parametrize(
    ("headers", "loopback", "kept_out"),
    [
        ({"Host": "localhost:8080"}, True, False),
        ({"Host": "127.0.0.1:8080"}, True, False),
        ({"Host": "[::1]:8080"}, True, False),
        ({"Host": "zk-0.example:8080"}, False, False),
        ({"Host": "rebound.example:8080"}, True, True),
        ({}, True, True),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, True, False),
        ({"Host": "localhost:8080", "Origin": "http://localhost:3000"}, True, True),
        ({"Host": "zk-0.example:8080", "Origin": "null"}, False, True),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "cross-site"}, True, True),
        ({"Host": "localhost:8080", "Sec-Fetch-Site": "none"}, True, False),
    ],
)
def test_pages_from_elsewhere_are_kept_out(headers: dict[str, str], loopback: bool, kept_out: bool) -> None:
    assert bool(refusal(headers, loopback=loopback)) is kept_out


async def test_a_page_from_elsewhere_changes_nothing(tmp_path: Path) -> None:
    async with asking(tmp_path) as asked:
        status, data = await asked.get("/commands/stat_reset", Origin="http://elsewhere.example")
        assert (status, data["error"]) == (403, "a page from elsewhere may not ask this server")
        assert (await asked.get("/commands/ruok", Host="rebound.example"))[0] == 403


# ------------------------------------------------------------------ encrypted


def secured(authority: Authority, directory: Path, *lines: str) -> tuple[str, ...]:
    """Return the lines that make the AdminServer speak TLS."""
    key_store = authority.issue().pem(directory / "server.pem")
    trust_store = authority.pem(directory / "authority.pem")
    return (
        "admin.forceHttps=true",
        f"ssl.quorum.keyStore.location={key_store}",
        f"ssl.quorum.trustStore.location={trust_store}",
        *lines,
    )


async def test_requests_are_encrypted_where_that_is_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with asking(tmp_path, *secured(authority, tmp_path)) as asked:
        with pytest.raises(aiohttp.ClientError):
            await asked.get("/commands/ruok")
        asked.url = asked.url.replace("http:", "https:")
        async with aiohttp.ClientSession() as session:
            url = f"{asked.url}/commands/ruok"
            async with session.get(url, ssl=authority.context()) as response:
                assert response.headers["Strict-Transport-Security"] == "max-age=86400; includeSubDomains"
                assert (await response.json())["error"] is None


async def test_a_certificate_is_needed_and_proves_who_asks(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    lines = secured(authority, tmp_path, "admin.needClientAuth=true", *X509)
    async with asking(tmp_path, *lines) as asked:

        async def protect(zk: ZooKeeper) -> None:
            await zk.set_acl("/", [Acl(Perm.ALL, Identity("x509", "CN=operator"))])

        await as_client(asked, protect)
        url = asked.url.replace("http:", "https:") + "/commands/snapshot?streaming=false"
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(url, ssl=authority.context(), headers={"Authorization": "x509"})
            for name, status in (("operator", 200), ("somebody", 403)):
                context = authority.issue(name).context(authority)
                async with session.get(url, ssl=context, headers={"Authorization": "x509"}) as response:
                    assert response.status == status


# ------------------------------------------------------------------ ports


async def test_prometheus_has_a_port_of_its_own(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    lines = (f"metricsProvider.className={PROMETHEUS}", f"metricsProvider.httpPort={port}")
    async with asking(tmp_path, *lines) as asked, aiohttp.ClientSession() as session:
        for url in (f"http://{HOST}:{port}/metrics", f"{asked.url}/metrics"):
            async with session.get(url) as response:
                assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                families = {each.name for each in text_string_to_metric_families(await response.text())}
            assert {"znode_count", "fsynctime", "open_file_descriptor_count"} <= families


async def test_a_port_that_was_asked_for_must_be_had_and_the_default_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        loaded = load(tmp_path, f"admin.serverPort={port}")
        server = Server(loaded, log=lambda _: None)
        with pytest.raises(ConfigError, match=r"admin\.serverPort.* already in use"):
            OperatorPorts(server, loaded.operations, log=lambda _: None).open()
        await server.stop()
        monkeypatch.setattr("ensemble.runtime.config.operations.ADMIN_PORT", port)
        said: list[str] = []
        loaded = load(tmp_path)
        server = Server(loaded, log=said.append)
        ports = OperatorPorts(server, loaded.operations, log=said.append)
        ports.open()
        await server.start()
        ports.serve()
        await asyncio.sleep(0)
        assert any(line.startswith("AdminServer: not there: ") and "already in use" in line for line in said)
        await ports.close()
        await server.stop()


def test_keys_are_read_with_their_defaults(tmp_path: Path) -> None:
    admin = load(tmp_path).operations.admin_server
    assert admin is not None
    assert (admin.address, admin.port, admin.wanted, admin.url) == ("127.0.0.1", 8080, False, "/commands")
    assert load(tmp_path, "admin.enableServer=false").operations.admin_server is None
    assert load(tmp_path, f"metricsProvider.className={PROMETHEUS}").operations.metrics_address == (
        "0.0.0.0",
        7000,
    )
    assert load(tmp_path, "metricsProvider.httpPort=7001").operations.metrics_address is None
    (warning,) = load(tmp_path, "metricsProvider.className=com.example.Mine").warnings
    assert "com.example.Mine is not known" in warning


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("admin.serverPort=0", "admin.serverPort=0 is not a port"),
        ("admin.commandURL=commands", "write for example /commands"),
        ("admin.forceHttps=true", r"ssl\.quorum\.keyStore\.location is not set"),
        ("admin.needClientAuth=true", "write admin.forceHttps=true as well"),
        ("admin.portUnification=true", "write admin.forceHttps=true"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path: Path, line: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load(tmp_path, line)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//", "\\", "http://" + "a" * 5000])
def test_an_origin_that_is_none_is_elsewhere(origin: str) -> None:
    assert refusal({"Host": "localhost", "Origin": origin}, loopback=True)


async def test_what_is_no_http_is_answered_and_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with asking(tmp_path) as asked:
        port = int(asked.url.rpartition(":")[2])
        for line in (
            b"TRACE /commands HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x16\x03\x01 no HTTP\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(line)
            status = int((await reader.readline()).split()[1])
            assert status in (400, 405)
            writer.close()
            await writer.wait_closed()
        # Where a request comes from is what the socket says.
        status, _ = await asked.get(
            "/commands/ruok", **{"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"}
        )
        assert status == 200
    assert caplog.records == []


async def test_a_failure_of_ours_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(request: aiohttp.web.Request) -> aiohttp.web.Response:
        raise RuntimeError("our bug")

    application = aiohttp.web.Application()
    application.router.add_get("/", fails)
    listening = socket.create_server((HOST, 0))
    runner = await serve(application, listening)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{HOST}:{listening.getsockname()[1]}/") as response,
    ):
        assert response.status == 500
    await runner.cleanup()
    assert "our bug" in caplog.text
