"""The SASL mechanism DIGEST-MD5 (RFC 2831), as Java speaks it: the server's end and the client's.

    initiator                      responder
        | ---- (nothing) -----------> |
        | <--- realm, nonce --------- |     the challenge
        | ---- user, response ------> |     the response proves the password to the responder
        | <--- rspauth -------------- |     and this one proves it to the initiator

Of the variants only ``qop=auth`` is here: what follows on the connection is neither signed nor encrypted.
Facts where the RFC leaves a choice: com.sun.security.sasl.digest of the JDK, which Apache's servers use.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import md5
from hmac import compare_digest

from ensemble.errors import WireError

MECHANISM = "DIGEST-MD5"

NONCE_BYTES = 30
"""Random bytes behind a nonce, on either side."""

CHALLENGE_BYTES_MAX = 2048
RESPONSE_BYTES_MAX = 4096

CLIENT_PORT = ("zookeeper", "zk-sasl-md5")
QUORUM_PORT = ("zookeeper-quorum", "zk-quorum-sasl-md5")
"""The protocol and the server name by which both ends know what they authenticate for: Apache's, wired in."""

_FIRST_USE = "00000001"
"""The nonce count: a challenge is answered once."""

_DIRECTIVE = re.compile(
    rb'[\s,]*(?P<key>[^\s"=,]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s",]*))\s*(?:,|\Z)',
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SEPARATORS = re.compile(rb"[\s,]*")


class SaslError(WireError):
    """A token that is none, comes out of turn, or proves nothing."""


class Responder:
    """The server's end: one exchange with somebody who says who it is."""

    def __init__(self, accounts: Mapping[str, str], service: tuple[str, str], *, random_bytes: bytes) -> None:
        """``accounts`` holds the password of each user; ``service`` is CLIENT_PORT or QUORUM_PORT, whose server
        name is the realm, too; ``random_bytes`` make the nonce (NONCE_BYTES of them)."""
        self._accounts = accounts
        self._uri = "/".join(service)
        self._realm = service[1]
        self._nonce = _nonce(random_bytes)
        self._challenged = self._over = False
        self.user: str | None = None
        """Who is at the other end, once that is proved."""

    def step(self, token: bytes) -> bytes:
        """Take the initiator's token and return the answer; the last one comes with ``user`` set.

        Raises :class:`SaslError`; the exchange is over then.
        """
        if self._over:
            raise SaslError("a SASL token behind the end of the exchange")
        if not self._challenged:
            # The first token is empty (RFC 2831, 2.1); Java passes over one that is not, and so do we.
            self._challenged = True
            return self._challenge()
        self._over = True
        return self._judge(_directives(token, RESPONSE_BYTES_MAX))

    def _challenge(self) -> bytes:
        realm = _quoted(self._realm)
        return b'realm="%b",nonce="%b",charset=utf-8,algorithm=md5-sess' % (realm, self._nonce)

    def _judge(self, said: dict[str, bytes]) -> bytes:
        user, realm, uri = _text(said, "username"), _text(said, "realm", ""), _text(said, "digest-uri")
        if said.get("charset", b"utf-8").lower() != b"utf-8":
            raise SaslError(f"the charset {_text(said, 'charset')[:20]!r} of SASL")
        if realm != self._realm:
            raise SaslError(f"the SASL realm {realm[:80]!r}, which is not ours")
        if said.get("nonce") != self._nonce or _text(said, "nc") != _FIRST_USE:
            raise SaslError("a SASL response to another challenge")
        if not f"{uri.lower()}/".startswith(f"{self._uri.lower()}/"):
            raise SaslError(f"SASL for the service {uri[:80]!r}, which is not ours")
        if _text(said, "qop", "auth") != "auth":
            raise SaslError("SASL with protection of what follows, which there is not here")
        digest = _Digest(
            user, realm, self._accounts.get(user, ""), self._nonce, said, authzid=said.get("authzid", b"")
        )
        proved = compare_digest(_field(said, "response"), digest.response(uri))
        if not proved or user not in self._accounts:
            raise SaslError(f"SASL user {user[:80]!r}: no such user, or another password")
        self.user = user
        return b"rspauth=" + digest.acknowledgement(uri)


class Initiator:
    """The client's end: one exchange that proves who we are, and that the server knows it, too."""

    def __init__(self, user: str, password: str, service: tuple[str, str], *, random_bytes: bytes) -> None:
        """The exchange begins with an empty token sent to the server; for the rest see :class:`Responder`."""
        self._user = user
        self._password = password
        self._uri = "/".join(service)
        self._realm = service[1]
        self._cnonce = _nonce(random_bytes)
        self._expected: bytes | None = None
        self.complete = False
        """Whether the server has proved itself: nothing more is to be sent."""

    def step(self, token: bytes) -> bytes:
        """Take the server's token and return the answer, which is empty once the exchange is complete.

        Raises :class:`SaslError` when the server offers what we cannot do, or does not know the password.
        """
        if self.complete:
            raise SaslError("a SASL token behind the end of the exchange")
        if self._expected is None:
            return self._respond(_directives(token, CHALLENGE_BYTES_MAX))
        said = _directives(token, CHALLENGE_BYTES_MAX)
        if not compare_digest(_field(said, "rspauth"), self._expected):
            raise SaslError("the server does not know our password: it is not the one it seems")
        self.complete = True
        return b""

    def _respond(self, said: dict[str, bytes]) -> bytes:
        if _text(said, "algorithm") != "md5-sess":
            raise SaslError("a SASL challenge without algorithm=md5-sess")
        if "auth" not in [qop.strip() for qop in _text(said, "qop", "auth").split(",")]:
            raise SaslError("a server that insists on protection by SASL, which there is not here")
        realm, nonce = _text(said, "realm", self._realm), _field(said, "nonce")
        answer = {"cnonce": self._cnonce, "nc": _FIRST_USE.encode()}
        digest = _Digest(self._user, realm, self._password, nonce, answer)
        self._expected = digest.acknowledgement(self._uri)
        charset = b"charset=utf-8," if said.get("charset", b"").lower() == b"utf-8" else b""
        return (
            b"%busername=%b,realm=%b,nonce=%b,nc=%b,cnonce=%b,digest-uri=%b,maxbuf=65536,response=%b,qop=auth"
            % (
                charset,
                b'"%b"' % _quoted(self._user),
                b'"%b"' % _quoted(realm),
                b'"%b"' % nonce,
                answer["nc"],
                b'"%b"' % self._cnonce,
                b'"%b"' % _quoted(self._uri),
                digest.response(self._uri),
            )
        )


class _Digest:
    """What the password makes of one challenge and the answer to it (RFC 2831, 2.1.2.1)."""

    def __init__(
        self,
        user: str,
        realm: str,
        password: str,
        nonce: bytes,
        answer: Mapping[str, bytes],
        authzid: bytes = b"",
    ) -> None:
        cnonce, count = _field(answer, "cnonce"), _field(answer, "nc")
        secret = md5(_joined(*map(_hashable, (user, realm, password))), usedforsecurity=False).digest()
        self._session = _hash(_joined(secret, nonce, cnonce, *([authzid] if authzid else [])))
        self._nonces = _joined(nonce, count, cnonce, b"auth")

    def response(self, uri: str) -> bytes:
        """What proves the password to the server."""
        return self._value(b"AUTHENTICATE:" + uri.encode())

    def acknowledgement(self, uri: str) -> bytes:
        """What proves to the client that the server knows the password."""
        return self._value(b":" + uri.encode())

    def _value(self, method: bytes) -> bytes:
        return _hash(_joined(self._session, self._nonces, _hash(method)))


def _hash(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).hexdigest().encode()


def _joined(*parts: bytes) -> bytes:
    return b":".join(parts)


def _hashable(text: str) -> bytes:
    """Encode text for a hash: in ISO 8859-1 where that can be, else in UTF-8."""
    try:
        return text.encode("iso-8859-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _nonce(random_bytes: bytes) -> bytes:
    assert len(random_bytes) >= NONCE_BYTES
    return b64encode(random_bytes)


def _quoted(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass").replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _directives(token: bytes, size_max: int) -> dict[str, bytes]:
    """Read ``key=value`` pairs. Only ``realm`` may be there twice, of which the first counts."""
    if len(token) > size_max:
        raise SaslError(f"a SASL token of {len(token)} bytes")
    found: dict[str, bytes] = {}
    offset = 0
    while offset < len(token):
        directive = _DIRECTIVE.match(token, offset)
        if directive is None:
            raise SaslError("a SASL token that is no list of directives")
        key = directive["key"].decode("ascii", "replace").lower()
        value = directive["token"]
        if value is None:
            value = _ESCAPED.sub(rb"\1", directive["quoted"])
        if key in found and key != "realm":
            raise SaslError(f"a SASL token with {key[:20]} twice")
        found.setdefault(key, value)
        offset = _SEPARATORS.match(token, directive.end()).end()  # type: ignore[union-attr]  # matches anything
    return found


def _field(said: Mapping[str, bytes], key: str) -> bytes:
    value = said.get(key)
    if value is None:
        raise SaslError(f"a SASL token without {key}")
    return value


def _text(said: Mapping[str, bytes], key: str, default: str | None = None) -> str:
    if default is not None and key not in said:
        return default
    return _field(said, key).decode("utf-8", "replace")
