"""The ``ssl.SSLContext`` of the moment: made from files at start, and anew when one of them has changed.

Files are looked at when somebody connects, at most once a second, so no thread and no timer watches
them. Connections that exist keep what they began with. A file that cannot be used (half of it written, say) is
said in the log and the old context stays in force.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import ssl
import tempfile
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization

from ensemble.errors import ConfigError
from ensemble.runtime.tls import ciphers, stores
from ensemble.runtime.tls.settings import ClientAuth, TlsSettings

LOOK_AGAIN_S = 1.0
RENEW_DAYS = 14
"""A certificate with less time left is worth a line in the log."""

_VERIFY = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.WANT: ssl.CERT_OPTIONAL,
    ClientAuth.NEED: ssl.CERT_REQUIRED,
}
Stamp = tuple[tuple[int, int, int], ...]


class TlsContexts:
    """The contexts of one :class:`TlsSettings`, for connections that come in and for those that go out."""

    def __init__(self, settings: TlsSettings, *, log: Callable[[str], None]) -> None:
        """Read the files; :class:`ConfigError` when one cannot be used."""
        self.settings = settings
        self._log = log
        self._files = stores.files_of(settings.key_store, settings.trust_store)
        self._looked = time.monotonic()
        self._stamp = self._files_now()
        self._server, self._client = self._make()

    def for_incoming(self) -> ssl.SSLContext:
        """Return the context for a connection that somebody made to us."""
        self._look()
        return self._server

    def for_outgoing(self) -> ssl.SSLContext:
        """Return the context for a connection that we make."""
        self._look()
        return self._client

    def _look(self) -> None:
        now = time.monotonic()
        if not self.settings.reload or now - self._looked < LOOK_AGAIN_S:
            return
        self._looked = now
        stamp = self._files_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._server, self._client = self._make()
        except ConfigError as error:
            self._log(f"tls: changed files are not used yet, the old ones stay in force: {error}")
        else:
            self._log(
                f"tls: new connections use the changed files of {self.settings.prefix}keyStore and trustStore"
            )

    def _make(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        identity = stores.read_identity(self.settings.key_store)
        days = stores.days_left(identity)
        if days < RENEW_DAYS:
            key = self.settings.key_store.key
            self._log(f"tls: the certificate of {key}.location expires in {days} days; renew it")
        return make_contexts(self.settings, identity)

    def _files_now(self) -> Stamp:
        stamp = []
        for path in self._files:
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                stamp.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(stamp)


def make_contexts(
    settings: TlsSettings, identity: stores.Identity | None = None
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Read the files and return the contexts for incoming and for outgoing connections.

    Names are compared after the handshake (``doorstep``), because an address may stand for a name.
    """
    identity = identity or stores.read_identity(settings.key_store)
    trusted = stores.read_trust(settings.trust_store) if settings.trust_store else None
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.verify_mode = _VERIFY[settings.client_auth]
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    for context, purpose in ((server, ssl.Purpose.CLIENT_AUTH), (client, ssl.Purpose.SERVER_AUTH)):
        ciphers.restrict(context, settings)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
        # As in Java, any certificate of the trust store ends a chain, not only one that signed itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if trusted is None:
            context.load_default_certs(purpose)
        else:
            context.load_verify_locations(
                cadata="".join(
                    certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in trusted
                )
            )
        _load(context, identity, settings)
    return server, client


def _load(context: ssl.SSLContext, identity: stores.Identity, settings: TlsSettings) -> None:
    """Give ``context`` our key. Python takes it from a file only: one of an instant, under a password of an instant."""
    password = secrets.token_hex(32)
    pem = identity.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password.encode()),
    ) + b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in identity.chain)
    handle, path = tempfile.mkstemp(suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        context.load_cert_chain(path, password=password)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{settings.key_store.key}.location={settings.key_store.path} is refused by OpenSSL"
            f" ({error.reason}); use a key that is not weaker than RSA with 2048 bits"
        ) from None
    finally:
        os.unlink(path)
