"""Who a client is: what its socket shows, and the schemes of auth packets (xid -4).

``ip`` is known from the socket and ``x509`` from the certificate that the host verified; ``digest`` is proved by
a password that is never kept or written anywhere: what stays is ``user:base64(hash(user:password))``. ``ensemble``
proves nothing: with it a client says which ensemble it takes this one for. ``sasl`` has its own packets.

Facts: ZooKeeperServer.processPacket, and Apache's providers in server/auth.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

from ensemble.errors import WireError
from ensemble.replica.access.config import AccessConfig
from ensemble.replica.counters import Counters
from ensemble.tree.operations import Identity

CREDENTIAL_BYTES_MAX = 4096
IDENTITIES_PER_CONNECTION_MAX = 64

Identities = tuple[Identity, ...]

SUPER = Identity("super", "")


class Authentication:
    """The providers of one server."""

    def __init__(self, config: AccessConfig, counters: Counters) -> None:
        self.config = config
        self._counters = counters
        self._schemes = config.policy.schemes

    def of_socket(self, host: str, subject: str) -> Identities:
        """Return who a client is before it says a word: its address, and whose certificate it showed."""
        return (Identity("ip", host), *self._of_certificate(subject))

    def identify(
        self, scheme: str, credential: bytes | None, known: Identities, subject: str
    ) -> Identities | None:
        """Return ``known`` with what the credential proves added, or None when it proves nothing.

        ``WireError`` for a client that looks for another ensemble: it is to try its next server, so it must not be
        told that its credential is wrong.
        """
        if scheme not in self._schemes:
            return None
        if scheme == "ip":
            return known
        if scheme == "ensemble":
            self._meet(credential)
            return known
        proven: Identities = ()
        if scheme == "x509":
            proven = self._of_certificate(subject)
        elif scheme == "digest" and credential is not None and len(credential) <= CREDENTIAL_BYTES_MAX:
            proven = self._of_password(credential)
        return added(known, proven) if proven else None

    def of_sasl(self, user: str) -> Identities:
        """Return who a user is whom SASL has proved."""
        identity = Identity("sasl", user)
        return (identity, SUPER) if user in self.config.sasl_super_users else (identity,)

    def suffices(self, identities: Identities) -> bool:
        """Tell whether somebody with these identities may ask for anything (``enforce.auth.enabled``)."""
        required = self.config.required_schemes
        return not required or any(identity.scheme in required for identity in identities)

    def _of_certificate(self, subject: str) -> Identities:
        if not subject or "x509" not in self._schemes:
            return ()
        identity = Identity("x509", subject)
        if subject == self.config.x509_super_user:
            return (Identity("super", subject), identity)
        return (identity,)

    def _of_password(self, credential: bytes) -> Identities:
        identity = digest_identity(credential, self.config.digest_algorithm)
        return (SUPER, identity) if identity.id == self.config.super_digest else (identity,)

    def _meet(self, credential: bytes | None) -> None:
        names, counters = self.config.ensemble_names, self._counters
        if not credential or names is None:
            counters.ensemble_auth_skip += 1
            return
        name = credential.decode("utf-8", "replace")
        if name not in names:
            counters.ensemble_auth_fail += 1
            raise WireError(f"it looks for the ensemble {name[:80]!r}")
        counters.ensemble_auth_success += 1


def added(known: Identities, proven: Identities) -> Identities | None:
    """Return ``known`` and what is new in ``proven``; None when that is more than one connection may have."""
    identities = (*known, *[identity for identity in proven if identity not in known])
    return identities if len(identities) <= IDENTITIES_PER_CONNECTION_MAX else None


def digest_identity(credential: bytes, algorithm: str = "sha1") -> Identity:
    """Return the identity that ``b"user:password"`` stands for.

    Without a colon all of it is the user, as for Apache's server. So is what is not UTF-8 (a password typed where
    another encoding is in use): the hash is that of the text as Java reads it, or the access lists of a carried-over
    directory would lock its clients out.
    """
    text = _as_java_reads(credential)
    # ACLs name the digest so that it can be stored in the open; the algorithm is the protocol's.
    digest = hashlib.new(algorithm, text.encode(), usedforsecurity=False).digest()
    return Identity("digest", f"{text.partition(':')[0]}:{b64encode(digest).decode()}")


_SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def _as_java_reads(data: bytes) -> str:
    """Decode UTF-8; one U+FFFD stands for each ill-formed part, for a lone surrogate one as well (Python: three)."""
    return _SURROGATE.sub(b"\xef\xbf\xbd", data).decode("utf-8", "replace")
