"""Key stores and trust stores of every kind, and every way they can be wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ensemble.errors import ConfigError
from ensemble.runtime.tls.contexts import TlsContexts
from ensemble.runtime.tls.settings import Store, StoreKind, TlsSettings
from ensemble.runtime.tls.stores import read_identity, read_trust
from tests.authority import PASSWORD, Authority, keytool


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def store(path: Path, kind: str, password: str = PASSWORD, of: str = "keyStore") -> Store:
    return Store(f"ssl.{of}", path, StoreKind[kind], password=password)


@pytest.mark.parametrize("kind", ["PEM", "PKCS12", "JKS"])
def test_a_key_store_gives_the_key_and_its_chain(authority: Authority, tmp_path: Path, kind: str) -> None:
    issued = authority.issue()
    write = {"PEM": issued.pem, "PKCS12": issued.p12, "JKS": issued.jks}[kind]
    identity = read_identity(store(write(tmp_path / "store", PASSWORD), kind))
    assert isinstance(identity.key, ec.EllipticCurvePrivateKey)
    assert identity.key.private_numbers() == issued.key.private_numbers()
    assert identity.chain == issued.chain


def test_a_java_store_named_jks_may_be_pkcs12_inside(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue()
    assert read_identity(store(issued.p12(tmp_path / "store.jks"), "JKS")).chain == issued.chain


@pytest.mark.parametrize("kind", ["PEM", "PKCS12", "JKS"])
def test_a_trust_store_gives_its_certificates(authority: Authority, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "trust"
    path = authority.pem(path) if kind == "PEM" else authority.jks(path, kind=kind)
    assert read_trust(store(path, kind, of="trustStore")) == [authority.certificate]


def test_a_jks_trust_store_opens_without_its_password(authority: Authority, tmp_path: Path) -> None:
    path = authority.jks(tmp_path / "trust.jks")
    assert read_trust(store(path, "JKS", "", of="trustStore")) == [authority.certificate]


@pytest.mark.parametrize("kind", ["PKCS12", "JKS"])
def test_a_wrong_password_of_a_trust_store_is_said(authority: Authority, tmp_path: Path, kind: str) -> None:
    path = authority.jks(tmp_path / "trust", kind=kind)
    with pytest.raises(ConfigError, match=r"correct ssl\.trustStore\.password$"):
        read_trust(store(path, kind, "close sesame", of="trustStore"))


def test_a_password_may_stand_in_a_file(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    path = authority.issue().p12(tmp_path / "store.p12")
    named = dataclasses.replace(store(path, "PKCS12", "wrong"), password_path=tmp_path / "password")
    assert read_identity(named).chain
    (tmp_path / "password").unlink()
    with pytest.raises(ConfigError, match=r"ssl\.keyStore\.passwordPath=.* cannot be read"):
        read_identity(named)


@pytest.mark.parametrize("kind", ["PEM", "PKCS12", "JKS"])
def test_a_wrong_password_is_said(authority: Authority, tmp_path: Path, kind: str) -> None:
    issued = authority.issue()
    write = {"PEM": issued.pem, "PKCS12": issued.p12, "JKS": issued.jks}[kind]
    path = write(tmp_path / "store", PASSWORD)
    with pytest.raises(ConfigError, match=r"correct ssl\.keyStore\.password$"):
        read_identity(store(path, kind, "close sesame"))


def test_a_pem_password_too_many_or_missing_is_said(authority: Authority, tmp_path: Path) -> None:
    issued = authority.issue()
    with pytest.raises(ConfigError, match=r"without a password; drop ssl\.keyStore\.password"):
        read_identity(store(issued.pem(tmp_path / "open.pem"), "PEM"))
    with pytest.raises(ConfigError, match=r"with a password; set ssl\.keyStore\.password"):
        read_identity(store(issued.pem(tmp_path / "shut.pem", PASSWORD), "PEM", ""))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"ssl\.keyStore\.location=.*/nowhere does not exist; correct the path"
    ):
        read_identity(store(tmp_path / "nowhere", "PEM"))


@pytest.mark.parametrize(
    ("days", "sentence"),
    [((-3, -1), "has a certificate that expired at .*; renew it"), ((2, 3), "is valid only from .* clock")],
    ids=["expired", "of-tomorrow"],
)
def test_a_certificate_that_is_not_valid_today_is_said(
    authority: Authority, tmp_path: Path, days: tuple[int, int], sentence: str
) -> None:
    path = authority.issue(days=days).pem(tmp_path / "store.pem")
    with pytest.raises(ConfigError, match=sentence):
        read_identity(store(path, "PEM", ""))


def test_a_key_of_another_certificate_is_said(authority: Authority, tmp_path: Path) -> None:
    mixed = dataclasses.replace(authority.issue(), key=authority.issue().key)
    with pytest.raises(ConfigError, match="does not belong to its first certificate"):
        read_identity(store(mixed.pem(tmp_path / "store.pem"), "PEM", ""))


def test_files_that_hold_something_else_are_said(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no private key"):
        read_identity(store(authority.pem(tmp_path / "trust.pem"), "PEM", ""))
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"hello, world")
    with pytest.raises(ConfigError, match=r"is not of the type PKCS12; set ssl\.keyStore\.type"):
        read_identity(store(garbage, "PKCS12"))
    with pytest.raises(ConfigError, match="holds no certificate to trust"):
        read_trust(store(garbage, "PEM", of="trustStore"))


def test_a_jks_store_cut_short_is_damaged(authority: Authority, tmp_path: Path) -> None:
    path = authority.jks(tmp_path / "trust.jks")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ConfigError, match=r"is damaged: it ends too early; write it anew with keytool"):
        read_trust(store(path, "JKS", "", of="trustStore"))


def test_a_key_that_keytool_made_is_read(tmp_path: Path) -> None:
    path = tmp_path / "made.jks"
    keytool(
        "-genkeypair",
        *("-alias", "one", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=one,O=Java"),
        *("-keystore", str(path), "-storetype", "JKS", "-storepass", PASSWORD, "-keypass", PASSWORD),
    )
    identity = read_identity(store(path, "JKS"))
    assert identity.chain[0].subject.rfc4514_string() == "CN=one,O=Java"


def test_a_certificate_that_will_expire_soon_is_said_and_used(authority: Authority, tmp_path: Path) -> None:
    for days, said in (
        (9, ["tls: the certificate of ssl.keyStore.location expires in 8 days; renew it"]),
        (30, []),
    ):
        path = authority.issue(days=(-1, days)).pem(tmp_path / "store.pem")
        log: list[str] = []
        settings = TlsSettings("ssl.", store(path, "PEM", ""), None)
        assert TlsContexts(settings, log=log.append).for_incoming()
        assert log == said
