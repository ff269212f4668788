"""Certificates that their issuer no longer stands by: by list, by OCSP, and when nobody can tell."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from ensemble.runtime.tls import revocation
from ensemble.runtime.tls.revocation import Revocation, Revoked
from ensemble.runtime.tls.settings import TlsSettings
from tests.authority import Authority, Certificate
from tests.ensemble.runtime.harness import HOST, free_ports
from tests.ensemble.runtime.tls.conftest import SecurePort, serving
from tests.ensemble.runtime.tls.test_ports import connect, is_refused
from tests.waiting import reached

DER = serialization.Encoding.DER
DAY = dt.timedelta(days=1)


class Office:
    """Where an authority can be asked about what it issued."""

    def __init__(self, authority: Authority, port: int) -> None:
        self.authority = authority
        self.url = f"http://{HOST}:{port}"
        self.revoked: set[int] = set()
        self.signer = authority
        self.begin = dt.datetime.now(dt.UTC) - DAY
        self.asked: list[str] = []
        self.open = True

    def issue(self, *, crl: bool = True, ocsp: bool = True) -> Certificate:
        """Issue a certificate that says where to ask."""
        extensions: list[tuple[x509.ExtensionType, bool]] = []
        if crl:
            name = x509.UniformResourceIdentifier(f"{self.url}/list")
            point = x509.DistributionPoint([name], None, None, None)
            extensions.append((x509.CRLDistributionPoints([point]), False))
        if ocsp:
            place = x509.UniformResourceIdentifier(f"{self.url}/ocsp")
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
            extensions.append((x509.AuthorityInformationAccess([access]), False))
        return self.authority.issue("anna", extensions=extensions)

    async def answer_list(self, request: web.Request) -> web.Response:
        self.asked.append("list")
        if not self.open:
            raise web.HTTPServiceUnavailable
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.authority.certificate.subject)
            .last_update(self.begin)
            .next_update(self.begin + 2 * DAY)
        )
        for serial in self.revoked:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(self.begin)
            builder = builder.add_revoked_certificate(one.build())
        return web.Response(body=builder.sign(self.signer.key, hashes.SHA256()).public_bytes(DER))

    async def answer_ocsp(self, request: web.Request) -> web.Response:
        self.asked.append("ocsp")
        if not self.open:
            raise web.HTTPServiceUnavailable
        question = ocsp.load_der_ocsp_request(await request.read())
        revoked = question.serial_number in self.revoked
        answer = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                question.issuer_name_hash,
                question.issuer_key_hash,
                question.serial_number,
                question.hash_algorithm,
                ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
                self.begin,
                self.begin + 2 * DAY,
                self.begin if revoked else None,
                None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.NAME, self.signer.certificate)
            .sign(self.signer.key, hashes.SHA256())
        )
        return web.Response(body=answer.public_bytes(DER))


@pytest.fixture
async def office(authority: Authority) -> AsyncIterator[Office]:
    (port,) = free_ports(1)
    office = Office(authority, port)
    application = web.Application()
    application.add_routes([web.get("/list", office.answer_list), web.post("/ocsp", office.answer_ocsp)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    yield office
    await runner.cleanup()


async def passes(at: SecurePort, certificate: Certificate, authority: Authority) -> bool:
    """Tell whether a client with a certificate is taken."""
    before = len(at.service.clients)
    context = certificate.context(authority)
    _, writer = await connect(at, context)
    writer.write(b"hello")
    await reached(lambda: len(at.service.clients) > before or at.listener.failed)
    return len(at.service.clients) > before


@pytest.mark.parametrize(("crl", "ocsp"), [(True, False), (False, True), (True, True)])
async def test_a_revoked_certificate_is_turned_away(
    authority: Authority, settings: TlsSettings, office: Office, crl: bool, ocsp: bool
) -> None:
    async with serving(dataclasses.replace(settings, crl=crl, ocsp=ocsp)) as at:
        assert await passes(at, office.issue(), authority)
        assert office.asked == ["ocsp" if ocsp else "list"]
    doomed = office.issue()
    office.revoked.add(doomed.chain[0].serial_number)
    async with serving(dataclasses.replace(settings, crl=crl, ocsp=ocsp)) as at:
        assert not await passes(at, doomed, authority)
        assert at.said[0].endswith(f"its certificate {doomed.chain[0].serial_number:x} was revoked")
    async with serving(settings) as at:
        assert await passes(at, doomed, authority)


async def test_where_ocsp_says_nothing_the_list_counts(
    authority: Authority, settings: TlsSettings, office: Office
) -> None:
    doomed = office.issue(ocsp=False)
    office.revoked.add(doomed.chain[0].serial_number)
    async with serving(dataclasses.replace(settings, ocsp=True)) as at:
        assert await passes(at, office.issue(ocsp=False), authority)
        assert not await passes(at, doomed, authority)
        assert office.asked == ["list"]


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("closed", "answers with HTTP status 503"),
        ("silent-certificate", "the certificate names no list"),
        ("forged", "is not signed by the issuer"),
        ("outdated", "is out of date"),
    ],
)
@pytest.mark.parametrize("ocsp", [False, True], ids=["crl", "ocsp"])
async def test_who_cannot_be_asked_about_is_not_trusted(
    authority: Authority, settings: TlsSettings, office: Office, trouble: str, said: str, ocsp: bool
) -> None:
    shown = office.issue(crl=not ocsp, ocsp=ocsp)
    if trouble == "closed":
        office.open = False
    elif trouble == "silent-certificate":
        shown = authority.issue("anna")
    elif trouble == "forged":
        office.signer = Authority(authority.directory)
    else:
        office.begin -= 5 * DAY
    async with serving(dataclasses.replace(settings, crl=not ocsp, ocsp=ocsp)) as at:
        assert not await passes(at, shown, authority)
        assert "whether its certificate was revoked cannot be told" in at.said[0]
        assert said in at.said[0]


async def test_an_answer_without_end_is_no_answer(
    authority: Authority, settings: TlsSettings, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "ANSWER_BYTES_MAX", 10)
    async with serving(dataclasses.replace(settings, crl=True)) as at:
        assert not await passes(at, office.issue(), authority)
        assert "answers with more than 10 bytes" in at.said[0]


async def test_so_many_answers_and_chains_are_kept_and_no_more(
    authority: Authority, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "KEPT_MAX", 3)
    asked = Revocation(crl=False, ocsp=True)  # each question is about one certificate
    shown = [office.issue().chain[0] for _ in range(5)]
    for certificate in shown:
        await asked.judge(certificate.public_bytes(DER), [certificate, authority.certificate])
    assert (len(asked._kept), len(asked._chains)) == (3, 3)
    assert len(office.asked) == 5
    await asked.judge(shown[-1].public_bytes(DER), [])
    with pytest.raises(Revoked, match="chain of its certificate is not known"):
        await asked.judge(shown[0].public_bytes(DER), [])


async def test_an_answer_is_kept_for_a_while(
    authority: Authority, settings: TlsSettings, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(dataclasses.replace(settings, crl=True)) as at:
        shown = office.issue()
        assert all(await asyncio.gather(*(passes(at, shown, authority) for _ in range(5))))
        assert office.asked == ["list"]
        office.revoked.add(shown.chain[0].serial_number)
        monkeypatch.setattr(revocation, "KEPT_S", 0.0)
        assert await is_refused(at, shown.context(authority))


async def test_a_resumed_session_is_asked_about_again(
    authority: Authority, settings: TlsSettings, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation, "KEPT_S", 0.0)
    shown = office.issue()
    context = shown.context(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def call(at: SecurePort, session: ssl.SSLSession | None) -> ssl.SSLSocket:
        raw = socket.create_connection((HOST, at.port), timeout=5)
        return context.wrap_socket(raw, server_hostname="localhost", session=session)

    async with serving(dataclasses.replace(settings, crl=True)) as at:
        with await asyncio.to_thread(call, at, None) as first:
            await reached(lambda: len(at.service.clients) == 1)
            session = first.session
        with await asyncio.to_thread(call, at, session) as second:
            await reached(lambda: len(at.service.clients) == 2)
            assert second.session_reused
        office.revoked.add(shown.chain[0].serial_number)
        with await asyncio.to_thread(call, at, session) as third:
            await reached(lambda: at.listener.failed == 1)
            assert third.session_reused
        assert "was revoked" in at.said[0]
        assert len(at.service.clients) == 2


async def test_a_server_that_we_dial_is_asked_about_too(
    authority: Authority, settings: TlsSettings, office: Office
) -> None:
    shown = office.issue()
    shown.pem(settings.key_store.path)
    office.revoked.add(shown.chain[0].serial_number)
    async with serving(settings) as at:
        asking = dataclasses.replace(settings, crl=True)
        async with serving(asking) as other:
            with pytest.raises(revocation.Revoked, match="was revoked"):
                await other.doorstep.dial("localhost", at.port, asyncio.Protocol)
