"""Who a client is: the schemes of auth packets (xid -4).

``ip`` is known from the socket; ``digest`` is proved by a password that is never kept or written anywhere:
what stays is ``user:base64(sha1(user:password))`` (Apache's DigestAuthenticationProvider).
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha1

from ensemble.errors import WireError
from ensemble.jute import decode_text
from ensemble.tree.operations import Identity

CREDENTIAL_BYTES_MAX = 4096
IDENTITIES_PER_CONNECTION_MAX = 64


def identify(
    scheme: str, credential: bytes | None, known: tuple[Identity, ...]
) -> tuple[Identity, ...] | None:
    """Return ``known`` with what the credential proves added, or None when it proves nothing."""
    if scheme == "ip":
        return known
    if scheme != "digest" or credential is None or len(credential) > CREDENTIAL_BYTES_MAX:
        return None
    identity = digest_identity(credential)
    if identity is None or identity in known:
        return known if identity else None
    return (*known, identity) if len(known) < IDENTITIES_PER_CONNECTION_MAX else None


def digest_identity(credential: bytes) -> Identity | None:
    """Return the identity that ``b"user:password"`` stands for; None when the user is no text.

    Without a colon all of it is the user, as for Apache's server.
    """
    user = credential.partition(b":")[0]
    try:
        name = decode_text(user)
    except WireError:
        return None
    # ACLs name the digest so that it can be stored in the open; the algorithm is the protocol's.
    digest = b64encode(sha1(credential, usedforsecurity=False).digest()).decode()
    return Identity("digest", f"{name}:{digest}")
