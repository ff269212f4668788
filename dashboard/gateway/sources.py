"""Which ensemble the panel looks at: fixed by its settings, never by a viewer (no request names a host)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where one server's clients and operators go."""

    sid: int
    client: str
    admin: str | None

    @property
    def local(self) -> bool:
        """Whether the server runs on the panel's own machine, as far as its address tells."""
        host = urlsplit(self.admin).hostname if self.admin else None
        return host is not None and is_loopback(host)


@dataclass(frozen=True, slots=True)
class Source:
    """One ensemble: its servers, and its supervisor if it has one."""

    name: str
    servers: tuple[ServerAddress, ...]
    supervisor: str | None
    token: str

    @property
    def named(self) -> bool:
        """Whether there is any ensemble to look at."""
        return bool(self.servers or self.supervisor)

    def with_servers(self, servers: tuple[ServerAddress, ...]) -> Source:
        """Return the same ensemble with the servers its supervisor named."""
        return replace(self, servers=servers)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine's."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_servers(text: str) -> tuple[ServerAddress, ...]:
    """Read ``1=127.0.0.1:2181=http://127.0.0.1:9181,2=…``; the admin address may be left out."""
    servers = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        pieces = part.split("=", 2)
        if len(pieces) < 2 or not pieces[0].isdigit() or ":" not in pieces[1]:
            raise ImproperlyConfigured(
                f"COORDINATOR_SERVERS: {part!r} is not SID=HOST:PORT or SID=HOST:PORT=ADMIN_URL."
            )
        servers.append(ServerAddress(int(pieces[0]), pieces[1], pieces[2] if len(pieces) > 2 else None))
    return tuple(sorted(servers, key=lambda server: server.sid))


def from_settings() -> Source:
    """Return the ensemble the settings name."""
    return Source(
        name=settings.COORDINATOR_NAME,
        servers=parse_servers(settings.COORDINATOR_SERVERS),
        supervisor=settings.COORDINATOR_SUPERVISOR_URL.rstrip("/") or None,
        token=settings.COORDINATOR_ADMIN_TOKEN,
    )
