"""Certificates for tests, made when they are needed, in every kind of file a server reads."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "open sesame"
PEM = serialization.Encoding.PEM


def common_name(text: str) -> x509.Name:
    """A name with a single part."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Certificate:
    """A private key with its certificate and its issuers'."""

    key: ec.EllipticCurvePrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def der(self) -> bytes:
        """The certificate alone."""
        return self.chain[0].public_bytes(serialization.Encoding.DER)

    def pem(self, path: Path, password: str = "") -> Path:
        """Write key and chain into one file, as Apache wants them."""
        protection = (
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption()
        )
        key = self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, protection)
        path.write_bytes(key + b"".join(one.public_bytes(PEM) for one in self.chain))
        return path

    def p12(self, path: Path, password: str = PASSWORD) -> Path:
        """Write a PKCS12 key store."""
        path.write_bytes(
            pkcs12.serialize_key_and_certificates(
                b"mine",
                self.key,
                self.chain[0],
                list(self.chain[1:]),
                serialization.BestAvailableEncryption(password.encode()),
            )
        )
        return path

    def jks(self, path: Path, password: str = PASSWORD) -> Path:
        """Write a JKS key store by Java's own tool."""
        path.unlink(missing_ok=True)
        source = self.p12(path.with_suffix(".source.p12"), password)
        keytool(
            "-importkeystore",
            *("-srckeystore", str(source), "-srcstoretype", "PKCS12", "-srcstorepass", password),
            *("-destkeystore", str(path), "-deststoretype", "JKS", "-deststorepass", password),
        )
        return path

    def context(self, trusted: Authority) -> ssl.SSLContext:
        """What a client with this certificate connects with."""
        context = trusted.context()
        path = self.pem(trusted.directory / f"client-{self.chain[0].serial_number}.pem")
        context.load_cert_chain(path)
        return context


class Authority:
    """Issues certificates."""

    def __init__(self, directory: Path, name: str = "Test authority") -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(
            common_name(name), common_name(name), self.key, days=(-1, 30), extensions=[(_ca(), True)]
        )

    def issue(
        self,
        name: str | x509.Name = "server",
        *,
        hosts: tuple[str, ...] = ("localhost",),
        addresses: tuple[str, ...] = ("127.0.0.1",),
        days: tuple[int, int] = (-1, 30),
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> Certificate:
        """Issue a certificate for some hosts, valid between two days from today."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        subject = common_name(name) if isinstance(name, str) else name
        said = [*extensions]
        if names:
            said.append((x509.SubjectAlternativeName(names), False))
        signed = self._sign(subject, self.certificate.subject, self.key, key=key, days=days, extensions=said)
        return Certificate(key, (signed, self.certificate))

    def pem(self, path: Path) -> Path:
        """Write a trust store with this authority alone."""
        path.write_bytes(self.certificate.public_bytes(PEM))
        return path

    def jks(self, path: Path, password: str = PASSWORD, kind: str = "JKS") -> Path:
        """Write a trust store by Java's own tool."""
        path.unlink(missing_ok=True)
        source = self.pem(path.with_suffix(".source.pem"))
        keytool(
            "-importcert",
            *("-noprompt", "-alias", "authority", "-file", str(source)),
            *("-keystore", str(path), "-storetype", kind, "-storepass", password),
        )
        return path

    def context(self) -> ssl.SSLContext:
        """What a client without a certificate connects with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.certificate.public_bytes(PEM).decode())
        return context

    def _sign(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        signer: ec.EllipticCurvePrivateKey,
        *,
        key: ec.EllipticCurvePrivateKey | None = None,
        days: tuple[int, int],
        extensions: list[tuple[x509.ExtensionType, bool]],
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key((key or signer).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + dt.timedelta(days=days[0]))
            .not_valid_after(now + dt.timedelta(days=days[1]))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signer, hashes.SHA256())


def _ca() -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=True, path_length=None)


def keytool(*arguments: str) -> None:
    """Run Java's tool for key stores; skips the test where there is none."""
    if shutil.which("keytool") is None:
        pytest.skip("needs Java's keytool")
    done = subprocess.run(["keytool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
