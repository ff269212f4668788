"""Key stores and trust stores: a file of any kind, as a private key and certificates.

Every way a file can be wrong ends in a :class:`ConfigError` that names the key, the file and the fix.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12

from ensemble.errors import ConfigError
from ensemble.runtime.tls import jks
from ensemble.runtime.tls.settings import Store, StoreKind

_PUBLIC = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Identity:
    """What this server shows of itself."""

    key: PrivateKeyTypes
    chain: tuple[x509.Certificate, ...]
    """Its own certificate first."""


def password_of(store: Store) -> str:
    """Return the password of ``store``, without the end of the line that editors leave behind it."""
    if store.password_path is None:
        return store.password
    try:
        return store.password_path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{store.key}.passwordPath={store.password_path} cannot be read ({_why(error)}); make it a file with the password"
        ) from None


def read_identity(store: Store) -> Identity:
    """Read a key store; its key must belong to its certificate, and that one must be valid today."""
    data, password = _read(store), password_of(store)
    key: PrivateKeyTypes | None
    if store.kind is StoreKind.PEM:
        key, chain = _pem_key(store, data, password), _pem_certificates(store, data)
    elif data.startswith((jks.MAGIC, jks.MAGIC_JCEKS)):
        key, chain = _jks_identity(store, data, password)
    else:
        opened = _open_pkcs12(store, data, password)
        certificates = [opened.cert, *opened.additional_certs]
        key, chain = opened.key, [found.certificate for found in certificates if found is not None]
    if key is None:
        raise _wrong(store, "holds no private key", "give a store with this server's key")
    if not chain:
        raise _wrong(store, "holds no certificate", "put the certificate of the key into it")
    _judge(store, key, chain[0])
    return Identity(key, _in_order(chain))


def days_left(identity: Identity) -> int:
    """Return for how many days the certificate is still valid."""
    return (identity.chain[0].not_valid_after_utc - dt.datetime.now(dt.UTC)).days


def read_trust(store: Store) -> list[x509.Certificate]:
    """Read a trust store: the certificates that are believed."""
    data, password = _read(store), password_of(store)
    if store.kind is StoreKind.PEM:
        found = _pem_certificates(store, data)
    elif data.startswith((jks.MAGIC, jks.MAGIC_JCEKS)):
        found = [_certificate(store, der) for der in _open_jks(store, data, password).certificates]
    else:
        opened = _open_pkcs12(store, data, password)
        found = [certificate.certificate for certificate in opened.additional_certs]
    if not found:
        raise _wrong(store, "holds no certificate to trust", "put the issuer's certificate into it")
    return found


def _read(store: Store) -> bytes:
    try:
        return store.path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{store.key}.location={store.path} does not exist; correct the path") from None
    except OSError as error:
        raise _wrong(store, f"cannot be read ({_why(error)})", "make it readable for this server") from None


def _judge(store: Store, key: PrivateKeyTypes, certificate: x509.Certificate) -> None:
    if key.public_key().public_bytes(*_PUBLIC) != certificate.public_key().public_bytes(*_PUBLIC):
        raise _wrong(
            store,
            "has a private key that does not belong to its first certificate",
            "put the right pair into it",
        )
    now = dt.datetime.now(dt.UTC)
    if certificate.not_valid_after_utc < now:
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        raise _wrong(store, f"has a certificate that expired at {ended}", "renew it")
    if certificate.not_valid_before_utc > now:
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        raise _wrong(
            store, f"has a certificate that is valid only from {begins}", "wait, or set this machine's clock"
        )


def _in_order(chain: list[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Put every certificate behind the one it has issued; PKCS12 keeps no order."""
    ordered, rest = [chain[0]], chain[1:]
    while rest:
        issuer = next((found for found in rest if found.subject == ordered[-1].issuer), None)
        if issuer is None:
            break
        rest.remove(issuer)
        ordered.append(issuer)
    return (*ordered, *rest)


def _pem_key(store: Store, data: bytes, password: str) -> PrivateKeyTypes:
    """Read the private key of a file that holds key and chain; it is encrypted exactly if there is a password."""
    if b"PRIVATE KEY-----" not in data:
        raise _wrong(store, "holds no private key", "put key and certificates into one PEM file")
    try:
        return serialization.load_pem_private_key(data, password.encode() or None)
    except TypeError:
        if password:
            raise _wrong(
                store, "has a private key without a password", f"drop {store.key}.password"
            ) from None
        raise _wrong(store, "has a private key with a password", f"set {store.key}.password") from None
    except (ValueError, UnsupportedAlgorithm):
        if password:
            raise _wrong(
                store, "has a private key that its password does not open", f"correct {store.key}.password"
            ) from None
        raise _wrong(store, "has a damaged private key", "write the file anew") from None


def _pem_certificates(store: Store, data: bytes) -> list[x509.Certificate]:
    if b"CERTIFICATE-----" not in data:
        return []
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise _wrong(store, "holds a damaged certificate", "write the file anew") from None


def _jks_identity(
    store: Store, data: bytes, password: str
) -> tuple[PrivateKeyTypes | None, list[x509.Certificate]]:
    keys = _open_jks(store, data, password).keys
    if not keys:
        return None, []
    encoded, chain = keys[0]
    try:
        key = serialization.load_der_private_key(encoded, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _wrong(store, "has a private key of a kind this server cannot use", "use RSA or EC") from None
    return key, [_certificate(store, der) for der in chain]


def _open_jks(store: Store, data: bytes, password: str) -> jks.JavaStore:
    try:
        return jks.read(data, password)
    except jks.WrongPassword as error:
        raise _wrong(store, f"cannot be opened: {error}", f"correct {store.key}.password") from None
    except ConfigError as error:
        raise _wrong(store, f"is damaged: {error}", "write it anew with keytool") from None


def _open_pkcs12(store: Store, data: bytes, password: str) -> pkcs12.PKCS12KeyAndCertificates:
    if not data.startswith(b"\x30"):
        raise _wrong(
            store, f"is not of the type {store.kind.value}", f"set {store.key}.type to JKS, PEM or PKCS12"
        )
    try:
        return pkcs12.load_pkcs12(data, password.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _wrong(store, f"cannot be opened ({error})", f"correct {store.key}.password") from None


def _certificate(store: Store, der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise _wrong(store, "holds a damaged certificate", "write it anew with keytool") from None


def _wrong(store: Store, what: str, remedy: str) -> ConfigError:
    return ConfigError(f"{store.key}.location={store.path} {what}; {remedy}")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def files_of(*stores: Store | None) -> list[Path]:
    """Return the files that ``stores`` are read from."""
    return [
        path for store in stores if store for path in (store.path, store.password_path) if path is not None
    ]
