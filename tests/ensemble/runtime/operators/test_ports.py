"""The ports of operators: where they are, by which keys, and what is encrypted on them."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import aiohttp.web
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ensemble.client import ZooKeeper
from ensemble.errors import ConfigError
from ensemble.runtime.host import Server
from ensemble.runtime.operators.ports import OperatorPorts
from ensemble.tree.operations import Acl, Identity, Perm
from tests.authority import Authority
from tests.ensemble.runtime.harness import HOST, free_ports
from tests.ensemble.runtime.operators.asking import PROMETHEUS, X509, as_client, asking
from tests.ensemble.runtime.test_host import load


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
