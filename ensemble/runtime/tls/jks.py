"""Java key stores of the type JKS: bytes to entries.

Source: the format that sun.security.provider.JavaKeyStore and KeyProtector write. A file ends in a SHA-1 over the
password, a constant and all that stands before; a private key is XORed with a chain of SHA-1 sums over the password
and a salt. That is weak protection, which is why ``keytool`` has written PKCS12 since Java 9, into files
of the same name.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from ensemble.errors import ConfigError
from ensemble.runtime.tls.der import Der

MAGIC = b"\xfe\xed\xfe\xed"
MAGIC_JCEKS = b"\xce\xce\xce\xce"
_PEPPER = b"Mighty Aphrodite"
_KEY_PROTECTOR = bytes.fromhex("2b060104012a02110101")
"""The object identifier 1.3.6.1.4.1.42.2.17.1.1 of the one way in which keys are protected."""
_PRIVATE_KEY, _CERTIFICATE = 1, 2
_SHA1_BYTES = 20


class DamagedStore(ConfigError):
    """The bytes are not a key store."""


class WrongPassword(ConfigError):
    """The password does not open the store, or a key in it."""


@dataclass(slots=True)
class JavaStore:
    """What a file holds, in DER."""

    keys: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    """PKCS8 private keys, each with its chain, the key's own certificate first."""
    certificates: list[bytes] = field(default_factory=list)
    """Trusted certificates."""


def read(data: bytes, password: str) -> JavaStore:
    """Read a store; :class:`DamagedStore`, or :class:`WrongPassword`.

    Java opens a store without a password, too, and then does not verify it; private keys need it in any case.
    """
    secret = password.encode("utf-16-be")
    body, digest = data[:-_SHA1_BYTES], data[-_SHA1_BYTES:]
    if password and not hmac.compare_digest(digest, _sha1(secret + _PEPPER + body)):
        raise WrongPassword("the password does not open it, or it is damaged")
    reader = _Reader(body)
    if reader.take(4) != MAGIC:
        raise DamagedStore("it is not of the type JKS")
    version = reader.integer()
    if version not in (1, 2):
        raise DamagedStore(f"it has the version {version}, which nobody knows")
    store = JavaStore()
    for _ in range(reader.integer()):
        tag = reader.integer()
        reader.text()  # the alias
        reader.take(8)  # milliseconds of its creation
        if tag == _PRIVATE_KEY:
            protected = reader.take(reader.integer())
            chain = [reader.certificate(version) for _ in range(reader.integer())]
            store.keys.append((_unprotect(protected, secret), chain))
        elif tag == _CERTIFICATE:
            store.certificates.append(reader.certificate(version))
        else:
            raise DamagedStore(f"it holds an entry of the kind {tag}, which nobody knows")
    return store


def _unprotect(protected: bytes, secret: bytes) -> bytes:
    """Return the private key in an EncryptedPrivateKeyInfo; ``secret`` is the password in UTF-16."""
    algorithm, wrapped = Der.parse(protected).pair()
    if [part.value for part in algorithm.children()[:1]] != [_KEY_PROTECTOR]:
        raise DamagedStore("it protects a key in a way that is not Java's")
    data = wrapped.value
    salt, secret_key, check = data[:_SHA1_BYTES], data[_SHA1_BYTES:-_SHA1_BYTES], data[-_SHA1_BYTES:]
    stream, link = b"", salt
    while len(stream) < len(secret_key):
        link = _sha1(secret + link)
        stream += link
    key = bytes(a ^ b for a, b in zip(secret_key, stream, strict=False))
    if not hmac.compare_digest(check, _sha1(secret + key)):
        raise WrongPassword("the password does not open the private key in it")
    return key


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()  # noqa: S324 - the format asks for it


class _Reader:
    """Java's DataInputStream, as far as it is needed."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        if size < 0 or len(piece) < size:
            raise DamagedStore("it ends too early")
        self._at += size
        return piece

    def integer(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def text(self) -> str:
        return self.take(int.from_bytes(self.take(2), "big")).decode("utf-8", "replace")

    def certificate(self, version: int) -> bytes:
        if version == 2 and (kind := self.text()) != "X.509":
            raise DamagedStore(f"it holds a certificate of the kind {kind}; only X.509 is known")
        return self.take(self.integer())
