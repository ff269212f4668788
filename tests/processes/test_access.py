"""Who a client is taken for: the same clients, unmodified, at Apache's server and at ours."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import InvalidACLError, NoAuthError
from kazoo.protocol.states import KazooState
from kazoo.security import ACL, Id, make_acl

from ensemble.client import ZooKeeper
from ensemble.client.errors import AuthFailed
from ensemble.errors import Code
from ensemble.replica.access.authentication import digest_identity
from tests.apache import JARS, running_apache
from tests.ours import running_ours
from tests.processes.conftest import RawSession
from tests.waiting import until

pytestmark = pytest.mark.process

JAAS = """
Server {
    org.apache.zookeeper.server.auth.DigestLoginModule required
    user_ann="secret" user_root="top \\"secret\\"" user_zo\u00eb="gr\u00fc\u00df";
};
"""
CLIENT_JAAS = """
Client { org.apache.zookeeper.server.auth.DigestLoginModule required username="ann" password="secret"; };
"""
SUPER = digest_identity(b"super:secret")
assert SUPER is not None
SETTINGS = (
    f"DigestAuthenticationProvider.superDigest={SUPER.id}\n"
    "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
    "superUser=root\n"
)
SASL_ONLY = (
    "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
    "sessionRequireClientSASLAuth=true\n"
    "DigestAuthenticationProvider.enabled=false\n"
)
STRICT = "enforce.auth.enabled=true\nenforce.auth.schemes=digest\n"


@contextmanager
def running(kind: str, directory: Path, settings: str) -> Iterator[int]:
    """Run a server of either kind that knows the users of JAAS."""
    jaas = directory / "jaas.conf"
    jaas.write_text(JAAS, encoding="utf-8")
    key = "java.security.auth.login.config"
    if kind == "apache":
        with running_apache(directory, settings, (f"-D{key}={jaas}", "-Dfile.encoding=UTF-8")) as port:
            yield port
    else:
        with running_ours(directory, f"{settings}{key}={jaas}\n") as port:
            yield port


@pytest.fixture(scope="module", params=["ours", "apache"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running(request.param, tmp_path_factory.mktemp(request.param), SETTINGS) as port:
        yield port


@pytest.fixture(scope="module", params=["ours", "apache"])
def strict_port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running(request.param, tmp_path_factory.mktemp(request.param), STRICT) as port:
        yield port


@pytest.fixture(scope="module", params=["ours", "apache"])
def sasl_port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with running(request.param, tmp_path_factory.mktemp(request.param), SASL_ONLY) as port:
        yield port


def ends(session: RawSession) -> bool:
    """Tell whether the server has closed the connection, or closes it now."""
    with pytest.raises(ConnectionError):
        session.data("/")
    session.close()
    return True


@contextmanager
def kazoo(port: int, user: str = "", password: str = "", **options: object) -> Iterator[KazooClient]:
    sasl = {"mechanism": "DIGEST-MD5", "username": user, "password": password} if user else None
    zk = KazooClient(hosts=f"127.0.0.1:{port}", sasl_options=sasl, **options)
    try:
        zk.start(timeout=10)
        yield zk
    finally:
        with suppress(Exception):
            zk.stop()
        zk.close()


def test_the_super_digest_opens_everything(port: int) -> None:
    theirs = [make_acl("digest", "ann:hash", all=True)]
    with kazoo(port) as zk, kazoo(port, auth_data=[("digest", "super:secret")]) as root:
        zk.create("/digest", b"1", acl=theirs)
        with pytest.raises(NoAuthError):
            zk.get("/digest")
        assert root.get("/digest")[0] == b"1"
        assert root.get_acls("/digest")[0] == theirs
        root.delete("/digest")


@pytest.mark.parametrize(
    ("expression", "opens"),
    [
        ("127.0.0.1", True),
        ("127.0.0.0/8", True),
        ("127.0.0.2/31", False),
        ("0.0.0.0/0", True),
        ("127.000.00.01", True),
        ("+127.0.0.1/+8", True),
        ("10.0.0.1", False),
        ("127.0.0.1/33", None),
        ("127.0.0.1/", None),
        ("127.1", None),
        ("localhost", None),
        ("1:2:3:4:5:6:7", None),
        ("::127.0.0.1", None),
    ],
)
def test_addresses_in_access_lists(port: int, expression: str, opens: bool | None) -> None:
    acl = [make_acl("ip", expression, read=True), make_acl("ip", "127.0.0.1", delete=True)]
    with kazoo(port) as zk:
        if opens is None:
            with pytest.raises(InvalidACLError):
                zk.create("/address", acl=acl)
            return
        zk.create("/address", acl=acl)
        try:
            if opens:
                zk.get("/address")
            else:
                with pytest.raises(NoAuthError):
                    zk.get("/address")
        finally:
            zk.delete("/address")


@pytest.mark.parametrize("scheme", ["kerberos", "sasl", "x509", "ensemble", "world", "super", ""])
def test_a_proof_of_a_scheme_that_takes_none_ends_the_connection(port: int, scheme: str) -> None:
    session = RawSession(port)
    assert session.authenticate(scheme, b"x") == Code.AUTH_FAILED
    assert ends(session)


def test_who_has_proved_nothing_is_told_so_and_closed(strict_port: int) -> None:
    session = RawSession(strict_port)
    assert session.create("/strict") == Code.SESSION_CLOSED_REQUIRE_AUTH
    assert ends(session)
    session = RawSession(strict_port)
    assert session.authenticate("digest", b"ann:secret") == 0
    assert session.create("/strict") == 0
    session.close()


def test_where_sasl_is_required_nothing_else_will_do(sasl_port: int) -> None:
    session = RawSession(sasl_port)
    assert session.create("/nobody") == Code.SESSION_CLOSED_REQUIRE_AUTH
    assert ends(session)
    session = RawSession(sasl_port)
    assert session.authenticate("digest", b"ann:secret") == Code.AUTH_FAILED
    assert ends(session)

    async def work() -> None:
        async with ZooKeeper(f"127.0.0.1:{sasl_port}", sasl=("ann", "secret")) as zk:
            await zk.create("/somebody", b"")
            await zk.delete("/somebody")

    asyncio.run(work())


@pytest.mark.parametrize("required", [False, True])
def test_an_exchange_that_fails_is_answered_without_a_token(
    port: int, sasl_port: int, required: bool
) -> None:
    code = Code.SESSION_CLOSED_REQUIRE_AUTH if required else Code.AUTH_FAILED
    for second in (b"", b"nonsense", b'username="ann"'):
        session = RawSession(sasl_port if required else port)
        error, challenge = session.sasl(b"")
        assert error == 0
        assert challenge is not None
        assert challenge.startswith(b'realm="zk-sasl-md5",nonce="')
        assert challenge.endswith(b'",charset=utf-8,algorithm=md5-sess')
        assert session.sasl(second) == (code, None)
        assert ends(session)


def test_what_comes_before_the_challenge_is_passed_over(port: int) -> None:
    session = RawSession(port)
    error, challenge = session.sasl(b'username="ann"')
    assert (error, (challenge or b"").startswith(b"realm=")) == (0, True)
    session.close()


@pytest.mark.parametrize(("user", "password"), [("ann", "secret"), ("root", 'top "secret"')])
def test_kazoo_passes_sasl(port: int, user: str, password: str) -> None:
    own = [ACL(31, Id("auth", ""))]
    with (
        kazoo(port, user, password) as zk,
        kazoo(port) as stranger,
        kazoo(port, "root", 'top "secret"') as root,
    ):
        zk.create("/sasl", b"1", acl=own)
        assert zk.get("/sasl")[0] == b"1"
        with pytest.raises(NoAuthError):
            stranger.get("/sasl")
        assert root.get_acls("/sasl")[0] == [ACL(31, Id("sasl", user))]
        root.delete("/sasl")


def test_kazoo_with_a_wrong_password_does_not(port: int) -> None:
    sasl = {"mechanism": "DIGEST-MD5", "username": "ann", "password": "guess"}
    zk, states = KazooClient(hosts=f"127.0.0.1:{port}", sasl_options=sasl), []
    zk.add_listener(states.append)
    zk.start_async()
    until(lambda: KazooState.LOST in states)
    zk.close()


@pytest.mark.parametrize(("user", "password"), [("ann", "secret"), ("zoë", "grüß")])
def test_our_client_passes_sasl(port: int, user: str, password: str) -> None:
    async def work() -> None:
        async with ZooKeeper(f"127.0.0.1:{port}", sasl=(user, password)) as zk:
            assert await zk.exists("/") is not None
        with pytest.raises(AuthFailed):
            await ZooKeeper(f"127.0.0.1:{port}", sasl=(user, "guess")).start()

    asyncio.run(work())


@pytest.mark.skipif(
    shutil.which("java") is None or not (JARS / "zookeeper.jar").exists(),
    reason="needs Apache's zookeeper with Java (Debian: zookeeper)",
)
def test_apaches_own_client_passes_sasl(port: int, tmp_path: Path) -> None:
    jaas = tmp_path / "client.conf"
    jaas.write_text(CLIENT_JAAS)
    classpath = f"{JARS / 'zookeeper.jar'}:{JARS / 'zookeeper-jute.jar'}:{JARS}/*"
    done = subprocess.run(
        [
            "java",
            f"-Djava.security.auth.login.config={jaas}",
            "-Dzookeeper.fips-mode=false",
            *("-cp", classpath),
            "org.apache.zookeeper.ZooKeeperMain",
            *("-server", f"127.0.0.1:{port}"),
        ],
        input="create /java hello sasl:ann:cdrwa\nget /java\nwhoami\ngetAcl /java\ndelete /java\nquit\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "SaslAuthenticated" in said, said
    assert "Created /java" in said
    assert "hello" in said
    assert "'sasl,'ann" in said
    assert "sasl: ann" in said
