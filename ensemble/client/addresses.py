"""The servers of a connect string."""

from __future__ import annotations

from ensemble.errors import ConfigError

DEFAULT_PORT = 2181

Address = tuple[str, int]


def parse(text: str) -> list[Address]:
    """Read ``host:port,host:port``: the port may be left out, an IPv6 host with a port stands in brackets.

    Raises ``ConfigError`` for an empty list, a bad port, or a chroot suffix, which is not supported.
    """
    if "/" in text:
        raise ConfigError(f"servers {text!r}: a chroot path is not supported")
    addresses = [_parse_one(part.strip(), text) for part in text.split(",") if part.strip()]
    if not addresses:
        raise ConfigError(f"servers {text!r}: name at least one as host:port")
    return addresses


def _parse_one(part: str, text: str) -> Address:
    host, colon, port = part.rpartition(":")
    if not colon or part.endswith("]") or (":" in host and not host.startswith("[")):
        host, port = part, str(DEFAULT_PORT)
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ConfigError(f"servers {text!r}: {part!r} is not host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)
