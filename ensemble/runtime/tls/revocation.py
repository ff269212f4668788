"""Whether a certificate was revoked: asked of its issuer, by OCSP or by a list (CRL).

As with Java's PKIX checker, every certificate of a chain but the last is looked at, where to ask stands in the
certificate itself, OCSP goes before lists where both are allowed, and who cannot be asked about is not trusted. Answers
are kept for a while, so that a storm of connections does not become a storm of questions.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

ASK_S_MAX = 5.0
ANSWER_BYTES_MAX = 16 * 1024 * 1024
KEPT_S = 300.0
"""How long an answer counts, unless it says itself that it is over sooner."""
KEPT_MAX = 10_000
_CLOCKS_APART = dt.timedelta(minutes=5)


class Revoked(ConnectionError):
    """A certificate was revoked, or nobody can say that it was not."""


class _Unanswered(Exception):
    """A source said nothing that can be relied on."""


class Revocation:
    """Asks, and remembers the answers."""

    def __init__(self, *, crl: bool, ocsp: bool) -> None:
        """``ocsp`` asks by OCSP first, and by lists where that fails; ``crl`` alone asks by lists only."""
        assert crl or ocsp
        self._ocsp = ocsp
        self._chains: dict[bytes, list[x509.Certificate]] = {}
        self._kept: dict[tuple[str, bytes], tuple[float, asyncio.Future[bytes]]] = {}

    async def judge(self, shown: bytes, chain: list[x509.Certificate]) -> None:
        """See that no certificate of a verified chain was revoked; :class:`Revoked`.

        ``shown`` is its first certificate in DER. A resumed session has no chain: it is that of its first time.
        """
        if chain:
            if len(self._chains) >= KEPT_MAX:
                self._chains.pop(next(iter(self._chains)))
            self._chains[shown] = chain
        known = chain or self._chains.get(shown)
        if not known:
            raise Revoked("the chain of its certificate is not known")
        for certificate, issuer in pairwise(known):
            await self._judge(certificate, issuer)

    async def _judge(self, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
        reasons = []
        ways: list[Callable[[x509.Certificate, x509.Certificate], Awaitable[bool]]] = [self._in_a_list]
        if self._ocsp:
            ways.insert(0, self._by_ocsp)
        for way in ways:
            try:
                revoked = await way(certificate, issuer)
            except (_Unanswered, aiohttp.ClientError, TimeoutError, OSError) as error:
                reasons.append(str(error) or "no answer in time")
                continue
            if revoked:
                raise Revoked(f"its certificate {certificate.serial_number:x} was revoked")
            return
        raise Revoked(f"whether its certificate was revoked cannot be told: {'; '.join(reasons)}")

    async def _by_ocsp(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        url = _ocsp_url(certificate)
        request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303
        question = request.build().public_bytes(serialization.Encoding.DER)
        try:
            answer = ocsp.load_der_ocsp_response(await self._ask(url, question))
        except ValueError as error:
            raise _Unanswered(f"{url} answers nonsense ({error})") from None
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise _Unanswered(f"{url} answers {answer.response_status.name}")
        if answer.serial_number != certificate.serial_number:
            raise _Unanswered(f"{url} answers about another certificate")
        _judge_dates(url, answer.this_update_utc, answer.next_update_utc)
        if not _is_signed(answer, issuer):
            raise _Unanswered(f"the answer of {url} is not signed by the issuer")
        if answer.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
            raise _Unanswered(f"{url} does not know the certificate")
        return answer.certificate_status is ocsp.OCSPCertStatus.REVOKED

    async def _in_a_list(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        reason = _Unanswered("the certificate names no list")
        for url in _list_urls(certificate):
            try:
                data = await self._ask(url, b"")
                pem = data.startswith(b"-----")
                found = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
                if found.issuer != certificate.issuer or not found.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                    raise _Unanswered(f"the list {url} is not signed by the issuer")
                _judge_dates(url, found.last_update_utc, found.next_update_utc)
                return found.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
            except (ValueError, TypeError) as error:
                reason = _Unanswered(f"the list {url} is damaged ({error})")
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = _Unanswered(f"{url} does not answer ({str(error) or 'in time'})")
            except _Unanswered as unanswered:
                reason = unanswered
        raise reason

    async def _ask(self, url: str, question: bytes) -> bytes:
        """Return what ``url`` answers; of those who ask the same at the same time only one does."""
        now = time.monotonic()
        kept = self._kept.get((url, question))
        if kept is not None and now - kept[0] < KEPT_S:
            return await asyncio.shield(kept[1])
        if len(self._kept) >= KEPT_MAX:
            self._kept.pop(next(iter(self._kept)))
        answer = asyncio.ensure_future(_fetch(url, question))
        self._kept[url, question] = (now, answer)
        try:
            return await asyncio.shield(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, _Unanswered):
            self._kept.pop((url, question), None)
            raise


async def _fetch(url: str, question: bytes) -> bytes:
    headers = {"Content-Type": "application/ocsp-request"} if question else {}
    method = "POST" if question else "GET"
    async with (
        asyncio.timeout(ASK_S_MAX),
        aiohttp.ClientSession() as session,
        session.request(method, url, data=question or None, headers=headers) as response,
    ):
        if response.status != 200:
            raise _Unanswered(f"{url} answers with HTTP status {response.status}")
        data = b""
        async for piece in response.content.iter_chunked(65_536):
            data += piece
            if len(data) > ANSWER_BYTES_MAX:
                raise _Unanswered(f"{url} answers with more than {ANSWER_BYTES_MAX} bytes")
        return data


def _ocsp_url(certificate: x509.Certificate) -> str:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        raise _Unanswered("the certificate does not say where to ask by OCSP") from None
    for place in access:
        url = place.access_location.value
        if place.access_method == AuthorityInformationAccessOID.OCSP and str(url).startswith("http"):
            return str(url)
    raise _Unanswered("the certificate does not say where to ask by OCSP")


def _list_urls(certificate: x509.Certificate) -> list[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return []
    names = [str(name.value) for point in points for name in point.full_name or ()]
    return [name for name in names if name.startswith(("http://", "https://"))]


def _judge_dates(url: str, begin: dt.datetime, end: dt.datetime | None) -> None:
    now = dt.datetime.now(dt.UTC)
    if begin > now + _CLOCKS_APART or (end is not None and end < now - _CLOCKS_APART):
        raise _Unanswered(f"the answer of {url} is out of date")


def _is_signed(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer signed an answer, or somebody whom it allows to."""
    return any(_verifies(answer, signer) for signer in [issuer, *_delegates(answer, issuer)])


def _delegates(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> list[x509.Certificate]:
    now, found = dt.datetime.now(dt.UTC), []
    for certificate in answer.certificates:
        try:
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            certificate.verify_directly_issued_by(issuer)
        except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
            continue
        valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if valid and ExtendedKeyUsageOID.OCSP_SIGNING in usage:
            found.append(certificate)
    return found


def _verifies(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key: Any = signer.public_key()
    algorithm = answer.signature_hash_algorithm
    arguments: tuple[Any, ...] = ()
    if isinstance(key, rsa.RSAPublicKey):
        arguments = (padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        arguments = (ec.ECDSA(algorithm),)
    elif not isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return False
    try:
        key.verify(answer.signature, answer.tbs_response_bytes, *arguments)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError):
        return False
    return True
