"""The servers of a connect string, and where in their tree the client lives."""

from __future__ import annotations

from dataclasses import dataclass

from ensemble import paths
from ensemble.client.chroot import Chroot
from ensemble.errors import ConfigError, KeeperError

DEFAULT_PORT = 2181

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class ConnectString:
    """What ``host:port,host:port/chroot`` says."""

    addresses: tuple[Address, ...]
    chroot: Chroot


def parse(text: str) -> ConnectString:
    """Read ``host:port,host:port/chroot``: the port may be left out, an IPv6 host with a port stands in
    brackets, the chroot is a path and may be left out.

    Raises ``ConfigError`` for an empty list, a bad port, or a chroot that is no path.
    """
    servers, slash, path = text.partition("/")
    addresses = tuple(_parse_one(part.strip(), text) for part in servers.split(",") if part.strip())
    if not addresses:
        raise ConfigError(f"servers {text!r}: name at least one as host:port")
    return ConnectString(addresses, _parse_chroot(slash + path.strip(), text))


def _parse_chroot(path: str, text: str) -> Chroot:
    if path in ("", "/"):
        return Chroot()
    try:
        paths.validate(path)
    except KeeperError:
        raise ConfigError(
            f"servers {text!r}: {path!r} is no path; write the chroot once, at the end"
        ) from None
    return Chroot(path)


def _parse_one(part: str, text: str) -> Address:
    host, colon, port = part.rpartition(":")
    if not colon or part.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = part, str(DEFAULT_PORT)
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ConfigError(f"servers {text!r}: {part!r} is not host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)
