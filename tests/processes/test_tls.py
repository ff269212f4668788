"""Real servers with secure ports: kazoo, Python's own TLS, Apache's shell, and what is said of wrong files."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import make_acl

from ensemble.client import ZooKeeper
from tests.authority import PASSWORD, Authority, Certificate
from tests.processes.conftest import HOST, ROOT, four_letter, free_base_port
from tests.waiting import until

NETTY = Path("/usr/share/java/netty-handler.jar")

pytestmark = [
    pytest.mark.process,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


class Running:
    """One server that stands alone; ``plain`` and ``secure`` are its ports."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.directory = directory
        self.authority = authority
        self.plain = free_base_port(2)
        self.secure = self.plain + 1
        self.log = directory / "log"

    @contextmanager
    def started(self, *lines: str) -> Iterator[Running]:
        """Run the server with further lines in its zoo.cfg."""
        process = self.start(*lines)
        try:
            until(lambda: "listening for clients" in self.log.read_text() or process.poll() is not None)
            assert process.poll() is None, self.log.read_text()
            yield self
        finally:
            process.terminate()
            assert process.wait(20) == 0, self.log.read_text()

    def start(self, *lines: str) -> subprocess.Popen[bytes]:
        """Start the server; it may fail."""
        config = self.directory / "zoo.cfg"
        config.write_text(
            "\n".join([f"dataDir={self.directory / 'data'}", "4lw.commands.whitelist=*", *lines])
        )
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "node", "--config", str(config)],
                stdout=log,
                stderr=log,
            )

    @contextmanager
    def client(self, certificate: Certificate | None, port: int = 0) -> Iterator[KazooClient]:
        """A kazoo client by TLS."""
        directory = self.authority.directory
        shown = certificate and str(certificate.pem(directory / "kazoo.pem"))
        client = KazooClient(
            f"{HOST}:{port or self.secure}",
            use_ssl=True,
            ca=str(self.authority.pem(directory / "kazoo-ca.pem")),
            certfile=shown,
            keyfile=shown,
        )
        client.start(timeout=15)
        try:
            yield client
        finally:
            client.stop()
            client.close()


@pytest.fixture
def server(tmp_path: Path) -> Running:
    """A server that is not started yet."""
    return Running(tmp_path, Authority(tmp_path))


def stores(server: Running, kind: str = "PEM") -> list[str]:
    """The lines that name a key store and a trust store of some kind."""
    issued, directory = server.authority.issue("server"), server.directory
    write: dict[str, Callable[[], tuple[Path, Path]]] = {
        "PEM": lambda: (issued.pem(directory / "k.pem"), server.authority.pem(directory / "t.pem")),
        "PKCS12": lambda: (
            issued.p12(directory / "k.p12"),
            server.authority.jks(directory / "t.p12", kind="PKCS12"),
        ),
        "JKS": lambda: (issued.jks(directory / "k.jks"), server.authority.jks(directory / "t.jks")),
    }
    key_store, trust_store = write[kind]()
    lines = [f"ssl.keyStore.location={key_store}", f"ssl.trustStore.location={trust_store}"]
    if kind != "PEM":
        lines += [f"ssl.keyStore.password={PASSWORD}", f"ssl.trustStore.password={PASSWORD}"]
    return lines


@pytest.mark.parametrize("kind", ["PEM", "PKCS12", "JKS"])
def test_kazoo_by_tls_with_stores_of_every_kind(server: Running, kind: str) -> None:
    lines = [f"clientPort={server.plain}", f"secureClientPort={server.secure}", *stores(server, kind)]
    with server.started(*lines), server.client(server.authority.issue("anna")) as client:
        client.create("/a", b"x" * 500_000)
        assert client.get("/a")[0] == b"x" * 500_000
        assert f"secureClientPort={server.secure}" in four_letter(server.plain, "conf")


def test_a_server_with_a_secure_port_alone(server: Running) -> None:
    with server.started(f"secureClientPort={server.secure}", *stores(server)):
        with server.client(server.authority.issue("anna")) as client:
            assert client.get_children("/") == ["zookeeper"]
        with socket.socket() as probe:
            assert probe.connect_ex((HOST, server.plain)) != 0


def test_one_port_for_plain_and_tls(server: Running) -> None:
    lines = [f"clientPort={server.plain}", "client.portUnification=true", *stores(server)]
    with server.started(*lines):
        with server.client(server.authority.issue("anna"), server.plain) as client:
            client.create("/by-tls")
        assert "imok" in four_letter(server.plain, "ruok")
        plain = KazooClient(f"{HOST}:{server.plain}")
        plain.start(timeout=15)
        try:
            assert plain.exists("/by-tls")
        finally:
            plain.stop()
            plain.close()


def test_an_access_list_of_the_scheme_x509_holds_the_subject(server: Running) -> None:
    lines = [f"secureClientPort={server.secure}", *stores(server)]
    with server.started(*lines):
        with server.client(server.authority.issue("anna")) as client:
            client.create("/hers", b"secret", acl=[make_acl("x509", "CN=anna", all=True)])
            assert client.get("/hers")[0] == b"secret"
        with server.client(server.authority.issue("bert")) as client, pytest.raises(NoAuthError):
            client.get("/hers")


async def our_client(server: Running, context: ssl.SSLContext) -> bytes:
    """Write and read by our own client; it checks that the server is localhost."""
    async with ZooKeeper(f"localhost:{server.secure}", ssl=context) as client:
        await client.create("/by-ours", b"hello")
        return (await client.get("/by-ours")).data


def test_our_own_client_by_tls(server: Running) -> None:
    with server.started(f"secureClientPort={server.secure}", *stores(server)):
        context = server.authority.issue("ours").context(server.authority)
        assert asyncio.run(our_client(server, context)) == b"hello"


def test_what_did_not_pass_is_counted(server: Running) -> None:
    lines = [f"clientPort={server.plain}", f"secureClientPort={server.secure}", *stores(server)]
    with server.started(*lines):
        with socket.create_connection((HOST, server.secure), timeout=10) as raw:
            raw.sendall(b"ruok")
            with contextlib.suppress(ConnectionError):
                assert raw.recv(100)[:4] != b"imok"
        until(lambda: "zk_unsuccessful_handshake\t1\n" in four_letter(server.plain, "mntr"))
        assert "zk_outstanding_tls_handshake\t0\n" in four_letter(server.plain, "mntr")


def test_python_by_its_own_tls(server: Running) -> None:
    with server.started(f"secureClientPort={server.secure}", "ssl.clientAuth=none", *stores(server)):
        context = server.authority.context()
        with (
            socket.create_connection((HOST, server.secure), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            connection.sendall(b"ruok")
            assert connection.recv(100) == b"imok"


@pytest.mark.skipif(
    shutil.which("java") is None or not NETTY.exists(), reason="needs Java, zookeeper.jar and Netty"
)
def test_apaches_shell_by_tls(server: Running) -> None:
    with server.started(f"secureClientPort={server.secure}", *stores(server, "JKS")):
        mine = server.authority.issue("shell").jks(server.directory / "shell.jks")
        properties = {
            "zookeeper.client.secure": "true",
            "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
            "zookeeper.ssl.keyStore.location": str(mine),
            "zookeeper.ssl.keyStore.password": PASSWORD,
            "zookeeper.ssl.trustStore.location": str(server.directory / "t.jks"),
            "zookeeper.ssl.trustStore.password": PASSWORD,
        }
        done = subprocess.run(
            [
                "java",
                *(f"-D{key}={value}" for key, value in properties.items()),
                *("-cp", "/usr/share/java/slf4j-simple.jar:/usr/share/java/zookeeper.jar:/usr/share/java/*"),
                "org.apache.zookeeper.ZooKeeperMain",
                *("-server", f"{HOST}:{server.secure}"),
            ],
            input="create /by-shell hello\nget /by-shell\nquit\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert "Created /by-shell" in said, said
        assert "\nhello\n" in said, said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "ssl.keyStore.location=/nowhere.pem",
            "ssl.keyStore.location=/nowhere.pem does not exist; correct the path",
        ),
        ("ssl.keyStore.password=wrong", "drop ssl.keyStore.password"),
        ("ssl.trustStore.type=PKCS12", "is not of the type PKCS12; set ssl.trustStore.type"),
        ("ssl.ciphersuites=TLS_NONSENSE", "ssl.ciphersuites names TLS_NONSENSE, which OpenSSL does not know"),
    ],
)
def test_what_cannot_be_used_ends_the_start_with_one_sentence(
    server: Running, change: str, said: str
) -> None:
    process = server.start(f"secureClientPort={server.secure}", *stores(server), change)
    assert process.wait(30) == 1
    errors = [line for line in server.log.read_text().splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert said in errors[0]


def test_a_look_at_the_configuration_opens_the_stores(server: Running) -> None:
    lines = [f"dataDir={server.directory}", f"secureClientPort={server.secure}", *stores(server)]
    config = server.directory / "zoo.cfg"

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "manage.py"), "node", "--config", str(config), "--check-config"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    config.write_text("\n".join(lines))
    assert check().returncode == 0
    (server.directory / "k.pem").unlink()
    done = check()
    assert done.returncode == 1
    assert "k.pem does not exist; correct the path" in done.stderr
