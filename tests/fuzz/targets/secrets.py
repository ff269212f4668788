"""What proves who somebody is: SASL tokens, key stores, certificates' names."""

from __future__ import annotations

from collections.abc import Iterable

from ensemble.errors import ConfigError, WireError
from ensemble.runtime.tls import jks
from ensemble.runtime.tls.der import Der
from ensemble.runtime.tls.names import distinguished_name
from ensemble.sasl.digest_md5 import CLIENT_PORT, NONCE_BYTES, Initiator, Responder
from tests.fuzz.target import Target, held_at_most

_RANDOM = bytes(range(NONCE_BYTES))
_ACCOUNTS = {"ann": "secret", "béa": "pässword"}


def _feed_sasl(data: bytes) -> None:
    """The bytes are the response to a challenge, and a challenge to one who proves itself."""
    responder = Responder(_ACCOUNTS, CLIENT_PORT, random_bytes=_RANDOM)
    responder.step(b"")
    try:
        responder.step(data)
    except WireError:
        assert responder.user is None
    else:
        assert responder.user in _ACCOUNTS
    initiator = Initiator("ann", "secret", CLIENT_PORT, random_bytes=_RANDOM)
    try:
        answer = initiator.step(data)
        assert answer
        assert not initiator.complete
        initiator.step(data)
    except WireError:
        assert not initiator.complete


def _sasl_seeds() -> Iterable[bytes]:
    for user, password in [*_ACCOUNTS.items(), ("ann", "wrong"), ('a"b\\c', "x")]:
        challenge = Responder(_ACCOUNTS, CLIENT_PORT, random_bytes=_RANDOM).step(b"")
        yield challenge
        yield Initiator(user, password, CLIENT_PORT, random_bytes=_RANDOM).step(challenge)


def _feed_jks(data: bytes) -> None:
    """Without a password nothing is verified, so all of it is read."""
    try:
        jks.read(data, "")
        jks.read(data, "secret")
    except ConfigError:
        return


def _tlv(tag: int, value: bytes) -> bytes:
    size = len(value)
    return bytes([tag, size] if size < 128 else [tag, 0x82, size >> 8, size & 255]) + value


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _text(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


def _jks_seeds() -> Iterable[bytes]:
    algorithm = _tlv(0x30, _tlv(0x06, bytes.fromhex("2b060104012a02110101")) + _tlv(0x05, b""))
    protected = _tlv(0x30, algorithm + _tlv(0x04, bytes(60)))
    certificate = _text(b"X.509") + _sized(_tlv(0x30, b"certificate"))
    head = jks.MAGIC + (2).to_bytes(4, "big")
    trusted = (2).to_bytes(4, "big") + _text(b"alias") + bytes(8) + certificate
    key = (
        (1).to_bytes(4, "big")
        + _text(b"key")
        + bytes(8)
        + _sized(protected)
        + (1).to_bytes(4, "big")
        + certificate
    )
    yield head + (1).to_bytes(4, "big") + trusted + bytes(20)
    yield head + (2).to_bytes(4, "big") + trusted + key + bytes(20)
    yield head + (1).to_bytes(4, "big") + key + bytes(20)


def _feed_names(data: bytes) -> None:
    """A Name in DER; certificates are parsed by a library before, which lets through much."""
    try:
        Der.parse(data).dotted()
        distinguished_name(data)
    except ConfigError:
        return


def _name_seeds() -> Iterable[bytes]:
    common = _tlv(0x30, _tlv(0x06, b"\x55\x04\x03") + _tlv(0x0C, b"a, b"))
    mail = _tlv(0x30, _tlv(0x06, bytes.fromhex("2a864886f70d010901")) + _tlv(0x16, b"a@b"))
    yield _tlv(0x30, _tlv(0x31, common) + _tlv(0x31, common + mail))


TARGETS = (
    Target(
        "sasl",
        "client frames",
        "Whatever token arrives, it proves a user who knows the password, or is a WireError.",
        _feed_sasl,
        _sasl_seeds,
        words=(b'realm="', b"nonce=", b"charset=utf-8", b",", b"\\", b'"', b"authzid=x"),
        memory=held_at_most,
        examples=250,
    ),
    Target(
        "jks",
        "admin input",
        "Whatever stands in a key store, it is read or is a ConfigError.",
        _feed_jks,
        _jks_seeds,
        words=(b"\x30\x82", b"\x30\x00"),
        memory=held_at_most,
        examples=250,
    ),
    Target(
        "names",
        "peer packets",
        "Whatever a certificate calls itself, that is text or a ConfigError.",
        _feed_names,
        _name_seeds,
        words=(b"\x30\x00", b"\x06\x01\x80"),
        memory=held_at_most,
        examples=200,
    ),
)
