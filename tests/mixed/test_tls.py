"""Encrypted links between our servers and Apache's: election and quorum ports, both ends of each."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.authority import PASSWORD, Authority, Certificate
from tests.mixed.conftest import MakeEnsemble
from tests.mixed.servers import Kind, MixedEnsemble
from tests.mixed.test_mixed import write_through_all
from tests.processes.conftest import HOST
from tests.waiting import until

pytestmark = [
    pytest.mark.process,
    # kazoo 2.11 on Python 3.11
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:kazoo"),
]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who issues the servers' certificates."""
    return Authority(tmp_path)


def configure(ensemble: MixedEnsemble, sid: int, *lines: str) -> None:
    """Add lines to the zoo.cfg of one server."""
    with (ensemble.home(sid) / "zoo.cfg").open("a") as file:
        file.write("\n".join([*lines, ""]))


def stores(
    ensemble: MixedEnsemble, sid: int, authority: Authority, certificate: Certificate | None = None
) -> list[str]:
    """Lines that give a server a certificate: Apache's in JKS, ours in PEM."""
    home, issued = ensemble.home(sid), certificate or authority.issue(f"server {sid}")
    if ensemble.kinds[sid] == "ours":
        return [
            f"ssl.quorum.keyStore.location={issued.pem(home / 'keys.pem')}",
            f"ssl.quorum.trustStore.location={authority.pem(home / 'trust.pem')}",
        ]
    return [
        f"ssl.quorum.keyStore.location={issued.jks(home / 'keys.jks')}",
        f"ssl.quorum.keyStore.password={PASSWORD}",
        f"ssl.quorum.trustStore.location={authority.jks(home / 'trust.jks')}",
        f"ssl.quorum.trustStore.password={PASSWORD}",
    ]


def encrypt_all(ensemble: MixedEnsemble, authority: Authority) -> None:
    """Give every server a certificate, and have the links between them encrypted."""
    for sid in ensemble.kinds:
        configure(ensemble, sid, "sslQuorum=true", *stores(ensemble, sid, authority))


def quorum_port(ensemble: MixedEnsemble, sid: int) -> int:
    """The quorum port of a server."""
    return ensemble.base_port + len(ensemble.kinds) + sid - 1


def election_port(ensemble: MixedEnsemble, sid: int) -> int:
    """The election port of a server."""
    return quorum_port(ensemble, sid) + len(ensemble.kinds)


def is_turned_away(port: int, context: ssl.SSLContext | None) -> bool:
    """Tell whether a port hangs up on a caller; with TLS 1.3 it only learns of it when it reads."""
    try:
        with socket.create_connection((HOST, port), timeout=10) as raw:
            if context is None:
                raw.sendall(b"\0" * 64)
                return raw.recv(1) == b""
            with context.wrap_socket(raw, server_hostname="localhost") as connection:
                return connection.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize(
    "kinds",
    [("apache", "ours", "ours"), ("ours", "apache", "apache")],
    ids=["one-apache-two-ours", "one-ours-two-apache"],
)
def test_each_kind_leads_in_turn_over_encrypted_links(
    ensemble_of: MakeEnsemble, authority: Authority, kinds: tuple[Kind, ...]
) -> None:
    ensemble = ensemble_of(*kinds)
    encrypt_all(ensemble, authority)
    ensemble.start(1, 3)
    ensemble.until_led_by(3)
    ensemble.start(2)
    ensemble.until_led_by(3)
    write_through_all(ensemble, "first")
    ensemble.kill(3)
    ensemble.until_led_by(2)
    write_through_all(ensemble, "second")
    ensemble.kill(2)
    ensemble.start(3)  # which lacks what the second epoch wrote
    ensemble.until_led_by(1)
    write_through_all(ensemble, "third")
    ensemble.assert_one_state()


def test_who_cannot_show_a_certificate_of_ours_is_turned_away(
    ensemble_of: MakeEnsemble, authority: Authority, tmp_path: Path
) -> None:
    ensemble = ensemble_of("ours", "ours", "apache")
    encrypt_all(ensemble, authority)
    ensemble.start(1, 2)
    ensemble.until_led()
    strangers = Authority(tmp_path, "Strangers")
    for port in (quorum_port(ensemble, 2), election_port(ensemble, 2)):
        assert is_turned_away(port, None)
        assert is_turned_away(port, authority.context())
        assert is_turned_away(port, strangers.issue().context(authority))
    until(lambda: "is turned away" in ensemble.log(2))
    # Apache's server with a certificate that names another host, then with a stranger's.
    wrong_name = authority.issue("server 3", hosts=("elsewhere",), addresses=("10.0.0.3",))
    for certificate in (wrong_name, strangers.issue("server 3")):
        # A server is sparing with lines about one stranger; one that has just begun has said none.
        ensemble.kill(2)
        ensemble.forget_log(2)
        ensemble.start(2)
        ensemble.until_led()
        configure(ensemble, 3, *stores(ensemble, 3, authority, certificate))
        ensemble.start(3)
        until(lambda: "is turned away" in ensemble.log(2), 30)
        assert ensemble.mode(3) == ""
        ensemble.kill(3)
    configure(ensemble, 3, *stores(ensemble, 3, authority))
    ensemble.start(3)
    ensemble.until_led()


def test_an_ensemble_turns_to_encryption_server_by_server(
    ensemble_of: MakeEnsemble, authority: Authority
) -> None:
    """The way of Apache's guide: take both; then encrypt; then take nothing else. No write is lost."""
    ensemble = ensemble_of("ours", "ours", "apache")
    steps = (
        ["sslQuorum=false", "portUnification=true"],
        ["sslQuorum=true", "portUnification=true"],
        ["sslQuorum=true", "portUnification=false"],
    )
    ensemble.start(1, 2, 3)
    ensemble.until_led()
    for number, lines in enumerate(steps):
        for sid in ensemble.kinds:
            ensemble.stop(sid)
            certificate = stores(ensemble, sid, authority) if number == 0 else []
            configure(ensemble, sid, *lines, *certificate)
            ensemble.start(sid)
            ensemble.until_led()
        write_through_all(ensemble, f"step-{number}")
    assert set(ensemble.assert_one_state()) > {f"/step-{number}-1" for number in range(3)}
    assert is_turned_away(quorum_port(ensemble, 1), None)
