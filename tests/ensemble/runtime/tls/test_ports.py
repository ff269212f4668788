"""Client ports with TLS over real loopback connections."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
import ssl
import time
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509

from ensemble.limits import OUTSTANDING_BYTES_PER_CONNECTION_MAX
from ensemble.runtime.tls import contexts as contexts_module
from ensemble.runtime.tls import doorstep as doorstep_module
from ensemble.runtime.tls import listener as listener_module
from ensemble.runtime.tls.settings import ClientAuth, TlsSettings
from tests.authority import Authority
from tests.ensemble.runtime.harness import HOST
from tests.ensemble.runtime.tls.conftest import SecurePort, serving
from tests.waiting import reached


async def connect(
    at: SecurePort, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    hostname = "localhost" if context else None
    reader, writer = await asyncio.open_connection(HOST, at.port, ssl=context, server_hostname=hostname)
    at.writers.append(writer)
    return reader, writer


def half_a_handshake(at: SecurePort) -> socket.socket:
    """Begin a handshake that will not go on."""
    connection = socket.create_connection((HOST, at.port))
    connection.sendall(b"\x16\x03\x01")
    return connection


async def is_refused(at: SecurePort, context: ssl.SSLContext | None) -> bool:
    """Tell whether a client is sent away; with TLS 1.3 it only learns of it when it reads."""
    try:
        reader, writer = await connect(at, context)
        writer.write(b"hello")
        refused = await asyncio.wait_for(reader.read(1), 5) == b""
    except (ssl.SSLError, ConnectionError):
        return True
    return refused


async def test_bytes_pass_both_ways_and_the_subject_is_the_clients(
    authority: Authority, settings: TlsSettings
) -> None:
    async with serving(settings) as at:
        reader, writer = await connect(at, authority.issue("anna").context(authority))
        writer.write(b"hello")
        await reached(lambda: at.service.clients and at.service.clients[0].data == b"hello")
        client = at.service.clients[0]
        assert client.transport.secure
        assert client.transport.subject == "CN=anna"
        assert client.transport.address == writer.get_extra_info("sockname")
        at.service.steps.wake()
        client.transport.write(b"wor")
        client.transport.write(b"ld")
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"world"
        writer.close()
        await reached(lambda: client.events == ["closed"])
        assert at.said == []


async def test_megabytes_pass_both_ways(authority: Authority, settings: TlsSettings) -> None:
    payload = os.urandom(3 << 20)
    async with serving(settings) as at:
        reader, writer = await connect(at, authority.issue().context(authority))
        writer.write(payload)
        await reached(lambda: at.service.clients and at.service.clients[0].data == payload)
        at.service.steps.wake()
        at.service.clients[0].transport.write(payload)
        at.service.clients[0].transport.close()
        assert await asyncio.wait_for(reader.read(-1), 10) == payload
        writer.close()


@pytest.mark.parametrize("auth", list(ClientAuth))
async def test_who_may_come_without_a_certificate(
    authority: Authority, settings: TlsSettings, auth: ClientAuth
) -> None:
    async with serving(dataclasses.replace(settings, client_auth=auth)) as at:
        if auth is ClientAuth.NEED:
            assert await is_refused(at, authority.context())
            await reached(lambda: at.said)
            assert at.said == [f"secureClientPort: {HOST} is turned away: it shows no certificate"]
            assert at.service.clients == []
            assert at.listener.failed == 1
            return
        _, writer = await connect(at, authority.context())
        await reached(lambda: at.service.clients)
        assert at.service.clients[0].transport.secure
        assert at.service.clients[0].transport.subject == ""
        writer.close()


@pytest.mark.parametrize("auth", [ClientAuth.WANT, ClientAuth.NEED])
async def test_a_certificate_of_a_stranger_is_refused(
    authority: Authority, settings: TlsSettings, tmp_path: Path, auth: ClientAuth
) -> None:
    strangers = Authority(tmp_path, "Strangers")
    async with serving(dataclasses.replace(settings, client_auth=auth)) as at:
        assert await is_refused(at, strangers.issue("eve").context(authority))
        await reached(lambda: at.said)
        assert "its certificate is not trusted" in at.said[0]
        assert at.service.clients == []


async def test_an_expired_certificate_of_a_client_is_refused(
    authority: Authority, settings: TlsSettings
) -> None:
    async with serving(settings) as at:
        assert await is_refused(at, authority.issue("old", days=(-3, -1)).context(authority))
        await reached(lambda: at.said)
        assert "certificate has expired" in at.said[0]


async def test_any_certificate_of_the_trust_store_ends_a_chain_as_in_java(
    authority: Authority, settings: TlsSettings, tmp_path: Path
) -> None:
    anna = authority.issue("anna")
    assert settings.trust_store is not None
    settings.trust_store.path.write_bytes(
        anna.chain[0].public_bytes(contexts_module.serialization.Encoding.PEM)
    )
    async with serving(settings) as at:
        _, writer = await connect(at, anna.context(authority))
        await reached(lambda: at.service.clients)
        writer.close()
        assert await is_refused(at, authority.issue("bert").context(authority))


async def test_plain_bytes_on_a_tls_port_are_refused(settings: TlsSettings) -> None:
    async with serving(settings) as at:
        assert await is_refused(at, None)
        await reached(lambda: at.said)
        assert at.said == [f"secureClientPort: {HOST} is turned away: it does not speak TLS"]
        assert at.service.clients == []


async def test_who_only_looks_whether_a_port_is_open_is_no_news(settings: TlsSettings) -> None:
    async with serving(settings) as at:
        socket.create_connection((HOST, at.port)).close()
        assert await is_refused(at, None)
        assert (at.listener.failed, len(at.said)) == (1, 1)


async def test_on_a_tls_port_who_stays_silent_is_closed_without_having_held_a_place(
    authority: Authority, settings: TlsSettings
) -> None:
    async with serving(dataclasses.replace(settings, handshakes_max=1)) as at:
        reader, _ = await connect(at, None)
        _, writer = await connect(at, authority.issue().context(authority))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert "no TLS handshake in time" in at.said[0]
        writer.close()


async def test_one_port_takes_both_and_tells_them_apart(authority: Authority, settings: TlsSettings) -> None:
    async with serving(settings, unified=True) as at:
        _, plain = await connect(at, None)
        plain.write(b"ruok")
        await reached(lambda: at.service.clients and at.service.clients[0].data == b"ruok")
        _, secure = await connect(at, authority.issue("anna").context(authority))
        secure.write(b"hello")
        await reached(lambda: len(at.service.clients) == 2 and at.service.clients[1].data == b"hello")
        seen = [(client.transport.secure, client.transport.subject) for client in at.service.clients]
        assert seen == [(False, ""), (True, "CN=anna")]
        plain.close()
        secure.close()


async def test_on_a_port_for_both_who_stays_silent_speaks_plain(settings: TlsSettings) -> None:
    async with serving(settings, unified=True) as at:
        begun = time.monotonic()
        _, writer = await connect(at, None)
        await reached(lambda: at.service.clients)
        assert time.monotonic() - begun >= settings.detection_s
        writer.write(b"late")
        await reached(lambda: at.service.clients[0].data == b"late")
        writer.close()


async def test_a_handshake_that_never_ends_is_ended(
    settings: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorstep_module, "TLS_HANDSHAKE_S_MAX", 0.2)
    async with serving(settings) as at:
        reader, writer = await connect(at, None)
        writer.write(b"\x16\x03\x01")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        await reached(lambda: at.said)
        assert at.doorstep.handshakes == 0
        writer.close()


async def test_handshakes_beyond_the_limit_wait_for_their_turn(
    authority: Authority, settings: TlsSettings
) -> None:
    async with serving(dataclasses.replace(settings, handshakes_max=2)) as at:
        slow = [half_a_handshake(at) for _ in range(2)]
        await reached(lambda: at.doorstep.handshakes == 2)
        connecting = asyncio.ensure_future(connect(at, authority.issue().context(authority)))
        await asyncio.sleep(0.1)  # silence is tested: the third waits
        assert at.doorstep.handshakes == 2
        assert not connecting.done()
        slow[0].close()
        _, writer = await asyncio.wait_for(connecting, 5)
        slow[1].close()
        writer.close()


async def test_beyond_the_doorstep_connections_are_closed(
    settings: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "TLS_DOORSTEP_MAX", 2)
    async with serving(settings) as at:
        waiting = [half_a_handshake(at) for _ in range(2)]
        await reached(lambda: at.doorstep.handshakes == 2)
        assert await is_refused(at, None)
        assert at.said[0].endswith("too many connections wait for their handshake")
        assert (at.listener.crowded_out, at.listener.failed) == (1, 0)
        for one in waiting:
            one.close()


async def test_a_flood_of_refusals_is_said_once(settings: TlsSettings) -> None:
    async with serving(settings) as at:
        for _ in range(20):
            assert await is_refused(at, None)
        await reached(lambda: at.listener.failed == 20)
        assert len(at.said) < 5


async def test_a_changed_certificate_is_shown_to_new_connections_and_old_ones_go_on(
    authority: Authority, settings: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts_module, "LOOK_AGAIN_S", 0.0)
    async with serving(dataclasses.replace(settings, reload=True)) as at:
        client = authority.issue().context(authority)

        async def shown() -> tuple[bytes, asyncio.StreamWriter]:
            _, writer = await connect(at, client)
            return writer.get_extra_info("ssl_object").getpeercert(True), writer

        first, old = await shown()
        renewed = authority.issue("server")
        settings.key_store.path.write_bytes(b"half of a file")
        assert (await shown())[0] == first
        assert "changed files are not used yet" in at.said[0]
        renewed.pem(settings.key_store.path)
        assert (await shown())[0] == renewed.der != first
        old.write(b"still here")
        await reached(lambda: at.service.clients[0].data == b"still here")


async def test_without_reload_a_changed_file_changes_nothing(
    authority: Authority, settings: TlsSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contexts_module, "LOOK_AGAIN_S", 0.0)
    async with serving(settings) as at:
        client = authority.issue().context(authority)
        _, first = await connect(at, client)
        authority.issue("server").pem(settings.key_store.path)
        _, second = await connect(at, client)
        shown = [one.get_extra_info("ssl_object").getpeercert(True) for one in (first, second)]
        assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("hosts", "addresses", "passes"),
    [(("zoo1",), (), False), ((), (HOST,), True), (("neighbour",), (), True)],
    ids=["another-name", "its-address", "a-name-any-caller-may-bear"],
)
async def test_a_client_whose_name_is_verified(
    authority: Authority,
    settings: TlsSettings,
    hosts: tuple[str, ...],
    addresses: tuple[str, ...],
    passes: bool,
) -> None:
    settings = dataclasses.replace(settings, verify_client_name=True)
    async with serving(settings, hosts=lambda: ["neighbour"]) as at:
        context = authority.issue(hosts=hosts, addresses=addresses).context(authority)
        if passes:
            await connect(at, context)
            await reached(lambda: at.service.clients)
            return
        assert await is_refused(at, context)
        await reached(lambda: at.said)
        assert "its certificate is for zoo1, not for 127.0.0.1 or neighbour" in at.said[0]
        assert at.service.clients == []


async def test_a_certificate_that_cannot_be_read_is_its_owners_trouble(
    authority: Authority, settings: TlsSettings
) -> None:
    """OpenSSL trusts it, since it does not look at what is broken."""
    faults: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.32"), b"no policies")
    context = authority.issue(extensions=[(broken, False)]).context(authority)
    async with serving(dataclasses.replace(settings, verify_client_name=True)) as at:
        assert await is_refused(at, context)
        await reached(lambda: at.said)
        assert "its certificate cannot be read" in at.said[0]
        assert at.service.clients == []
    assert faults == []


async def test_a_name_may_be_looked_up_by_the_address(authority: Authority, settings: TlsSettings) -> None:
    name = (await asyncio.get_running_loop().getnameinfo((HOST, 1)))[0]
    context = authority.issue(hosts=(name,), addresses=()).context(authority)
    verifying = dataclasses.replace(settings, verify_client_name=True)
    async with serving(verifying) as at:
        assert await is_refused(at, context)
    async with serving(dataclasses.replace(verifying, reverse_lookup=True)) as at:
        await connect(at, context)
        await reached(lambda: at.service.clients)


@pytest.mark.parametrize(
    ("changes", "version", "cipher"),
    [
        ({"protocols": ("TLSv1.2",)}, "TLSv1.2", None),
        ({"protocols": ("TLSv1.3",)}, "TLSv1.3", None),
        (
            {"cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",)},
            "TLSv1.2",
            "ECDHE-ECDSA-AES256-GCM-SHA384",
        ),
        (
            {"cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",)},
            "TLSv1.2",
            "ECDHE-ECDSA-AES128-SHA256",
        ),
        ({"cipher_suites": ("TLS_AES_256_GCM_SHA384",)}, "TLSv1.3", None),
    ],
)
async def test_versions_and_suites_are_those_allowed(
    authority: Authority,
    settings: TlsSettings,
    changes: dict[str, tuple[str, ...]],
    version: str,
    cipher: str | None,
) -> None:
    async with serving(dataclasses.replace(settings, **changes)) as at:
        _, writer = await connect(at, authority.issue().context(authority))
        spoken = writer.get_extra_info("ssl_object")
        assert spoken.version() == version
        assert cipher in (None, spoken.cipher()[0])
        writer.close()


async def test_a_client_that_does_not_read_is_told_of_and_in_the_end_dropped(
    authority: Authority, settings: TlsSettings
) -> None:
    async with serving(settings) as at:
        _, writer = await connect(at, authority.issue().context(authority))
        await reached(lambda: at.service.clients)
        writer.transport.pause_reading()
        client = at.service.clients[0]
        chunk = bytes(OUTSTANDING_BYTES_PER_CONNECTION_MAX)

        def push() -> bool:
            if "closed" in client.events:
                return True
            at.service.steps.wake()
            client.transport.write(chunk)
            return False

        await reached(push)
        assert client.events == ["full", "closed"]
        writer.transport.abort()


@pytest.mark.parametrize(
    ("dialed", "hosts", "addresses", "passes"),
    [
        ("localhost", ("localhost",), (), True),
        ("localhost", (), (HOST,), True),
        ("localhost", ("zoo1",), (), False),
        (HOST, ("zoo1",), (), False),
    ],
    ids=["its-name", "its-address", "another-name", "another-name-by-address"],
)
async def test_a_server_that_we_dial_must_bear_its_name(
    authority: Authority,
    settings: TlsSettings,
    tmp_path: Path,
    dialed: str,
    hosts: tuple[str, ...],
    addresses: tuple[str, ...],
    passes: bool,
) -> None:
    authority.issue("server", hosts=hosts, addresses=addresses).pem(settings.key_store.path)
    async with serving(settings) as at:
        if passes:
            recorder = await at.doorstep.dial(dialed, at.port, Recorder)
            await reached(lambda: at.service.clients)
            at.service.steps.wake()
            at.service.clients[0].transport.write(b"hello")
            await reached(lambda: recorder.data == b"hello")
            recorder.transport.abort()
            return
        with pytest.raises(
            doorstep_module.NotTrusted, match=r"is for zoo1, not for .*hostnameVerification=false"
        ):
            await at.doorstep.dial(dialed, at.port, Recorder)


class Recorder(asyncio.Protocol):
    """The dialing end of a connection."""

    def __init__(self) -> None:
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
