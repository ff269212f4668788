"""The ``server.N`` lines of a configuration as values.

Source of the format: QuorumPeer.QuorumServer: ``host:quorum:election[:role][;[client host:]client port]``,
an IPv6 host in brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ensemble.errors import ConfigError

SID_MAX = 255
"""A server id is the top byte of the session ids it gives out."""

_HOST = r"(?:\[(?P<ipv6{0}>[^\]]+)\]|(?P<host{0}>[^:\[\]]+))"
_SERVER = re.compile(_HOST.format("") + r":(?P<quorum>\d+):(?P<election>\d+)(?::(?P<role>\w+))?")
_CLIENT = re.compile("(?:" + _HOST.format("") + r":)?(?P<port>\d+)")
_FORM = "host:quorumport:electionport[:participant|observer][;[host:]clientport]"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where one server of the ensemble is reached."""

    sid: int
    host: str
    quorum_port: int
    election_port: int
    votes: bool = True
    client_host: str | None = None
    client_port: int | None = None

    def line(self) -> str:
        """Write the value of the ``server.N`` line, as servers tell it each other."""
        role = "participant" if self.votes else "observer"
        text = f"{bracketed(self.host)}:{self.quorum_port}:{self.election_port}:{role}"
        if self.client_port:
            text += f";{bracketed(self.client_host or '0.0.0.0')}:{self.client_port}"  # noqa: S104
        return text


def bracketed(host: str) -> str:
    """Put an IPv6 address into the brackets it needs before a port."""
    return f"[{host}]" if ":" in host else host


def parse_server(key: str, value: str) -> ServerAddress:
    """Read one line; :class:`ConfigError` names it."""
    number = key.removeprefix("server.")
    if not number.isdigit() or int(number) > SID_MAX:
        raise ConfigError(f"{key} does not name a server; ids are 0 to {SID_MAX}")
    if "|" in value:
        raise ConfigError(
            f"{key}={value} has several addresses; this server dials one, and resolves its name at every attempt: "
            "keep one, or a name that stands for all of them"
        )
    server_text, _, client_text = value.replace(" ", "").partition(";")
    server = _SERVER.fullmatch(server_text)
    client = _CLIENT.fullmatch(client_text) if client_text else None
    if not server or (client_text and not client):
        raise ConfigError(f"{key}={value} is not of the form {_FORM}; correct the line")
    role = (server["role"] or "participant").lower()
    if role not in ("participant", "observer"):
        raise ConfigError(f"{key}={value} gives the role {role}; write participant or observer")
    if server["quorum"] == server["election"]:
        raise ConfigError(f"{key}={value} uses port {server['quorum']} twice; give elections another port")
    return ServerAddress(
        sid=int(number),
        host=server["ipv6"] or server["host"],
        quorum_port=_port(key, server["quorum"]),
        election_port=_port(key, server["election"]),
        votes=role == "participant",
        client_host=(client["ipv6"] or client["host"]) if client else None,
        client_port=_port(key, client["port"]) if client else None,
    )


def _port(key: str, text: str) -> int:
    if not 1 <= int(text) <= 65535:
        raise ConfigError(f"{key} names the port {text}; ports are 1 to 65535")
    return int(text)
