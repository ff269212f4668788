"""Ports with TLS in the same process, with a server that only records."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ensemble.runtime.clients.clients import ClientSocket
from ensemble.runtime.tls.contexts import TlsContexts
from ensemble.runtime.tls.doorstep import Doorstep
from ensemble.runtime.tls.listener import TlsListener, listen_tls
from ensemble.runtime.tls.settings import Store, StoreKind, TlsSettings
from tests.authority import Authority
from tests.ensemble.runtime.harness import HOST, free_ports
from tests.ensemble.runtime.test_clients import Service


@dataclasses.dataclass
class SecurePort:
    """One port of a recording server, and what it logs."""

    port: int
    service: Service
    doorstep: Doorstep
    listener: TlsListener
    said: list[str]
    writers: list[asyncio.StreamWriter] = dataclasses.field(default_factory=list)
    """The clients' ends, to be closed at the end."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who issues the certificates of a test."""
    return Authority(tmp_path)


@pytest.fixture
def settings(authority: Authority, tmp_path: Path) -> TlsSettings:
    """The server's own certificate, and the authority as whom to trust."""
    return TlsSettings(
        prefix="ssl.",
        key_store=Store(
            "ssl.keyStore", authority.issue("server").pem(tmp_path / "server.pem"), StoreKind.PEM
        ),
        trust_store=Store("ssl.trustStore", authority.pem(tmp_path / "trust.pem"), StoreKind.PEM),
        detection_s=0.3,
    )


@asynccontextmanager
async def serving(settings: TlsSettings, *, room: int = 100, **options: Any) -> AsyncIterator[SecurePort]:
    """Listen on a free port; ``options`` are for the doorstep."""
    said: list[str] = []
    service = Service(room)
    doorstep = Doorstep(TlsContexts(settings, log=said.append), **options)
    make: Callable[[], ClientSocket] = lambda: ClientSocket(service, service.steps)  # noqa: E731
    (port,) = free_ports(1)
    listener = await listen_tls(make, HOST, port, doorstep, key="secureClientPort", log=said.append)
    secure_port = SecurePort(port, service, doorstep, listener, said)
    try:
        yield secure_port
    finally:
        listener.close()
        for writer in secure_port.writers:
            writer.transport.abort()
        for client in service.clients:
            assert isinstance(client.transport, ClientSocket)
            client.transport._transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)  # loops close aborted sockets in a later turn
