"""Proving who one is to both servers: by a certificate, and by SASL."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ensemble.client import AuthFailed, ConnectionLoss, Identity, ZooKeeper
from tests.apache import free_port, running_apache
from tests.authority import PASSWORD, Authority
from tests.ours import running_ours

pytestmark = [pytest.mark.process, pytest.mark.timeout(60)]

NETTY = "-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory"
SASL = "-Dzookeeper.authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
LOGIN = """Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required user_ann="secret";
};
"""

Run = Callable[..., AbstractContextManager[int]]


@pytest.fixture(params=["ours", "apache"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run a server of each kind with settings of zoo.cfg."""

    def start(settings: str, *properties: str) -> AbstractContextManager[int]:
        if request.param == "apache":
            return running_apache(tmp_path, settings, properties)
        return running_ours(tmp_path, settings)

    return start


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def secure(run: Run, authority: Authority, tmp_path: Path) -> Iterator[int]:
    port = free_port()
    store, trusted = tmp_path / "server.p12", tmp_path / "trusted.jks"
    authority.issue().p12(store)
    authority.jks(trusted)
    settings = {
        "secureClientPort": port,
        "ssl.keyStore.location": store,
        "ssl.keyStore.password": PASSWORD,
        "ssl.trustStore.location": trusted,
        "ssl.trustStore.password": PASSWORD,
    }
    lines = "".join(f"{key}={value}\n" for key, value in settings.items())
    with run(lines, NETTY):
        yield port


async def test_a_certificate_is_an_identity(secure: int, authority: Authority) -> None:
    context = authority.issue("anna").context(authority)
    async with ZooKeeper(f"localhost:{secure}", ssl=context) as zk:
        assert Identity("x509", "CN=anna") in await zk.who_am_i()


async def test_a_server_that_nobody_vouches_for_is_not_spoken_to(
    secure: int, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "Somebody else")
    context = authority.issue("anna").context(authority)
    distrustful = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    distrustful.load_verify_locations(cafile=str(stranger.pem(tmp_path / "stranger.pem")))
    for wrong in (distrustful, None):
        zk = ZooKeeper(f"localhost:{secure}", ssl=wrong)
        with pytest.raises(ConnectionLoss):
            await zk.start(timeout_ms=1000)
    async with ZooKeeper(f"localhost:{secure}", ssl=context) as zk:
        await zk.sync()


async def test_sasl(run: Run, tmp_path: Path) -> None:
    login = tmp_path / "login.conf"
    login.write_text(LOGIN)
    settings = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
    settings += f"java.security.auth.login.config={login}\n"
    with run(settings, SASL, f"-Djava.security.auth.login.config={login}") as port:
        async with ZooKeeper(f"127.0.0.1:{port}", sasl=("ann", "secret")) as zk:
            assert Identity("sasl", "ann") in await zk.who_am_i()
        with pytest.raises(AuthFailed):
            await ZooKeeper(f"127.0.0.1:{port}", sasl=("ann", "wrong")).start()
