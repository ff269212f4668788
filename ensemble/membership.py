"""The members of an ensemble: who they are, where they are reached, which of them vote and with what weight.

Servers exchange it as text, ``server.N=host:quorum:election:role[;client host:client port]`` lines in the order
of the ids, then ``group.G=N:N`` and ``weight.N=W`` lines where votes are weighed, and at last ``version=`` in
hexadecimal. Clients read the same text from ``/zookeeper/config``.

Source of the format: QuorumVerifier.toString, QuorumPeer.QuorumServer. A host that is an IPv6 address stands in
brackets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ensemble.errors import ConfigError

SID_MAX = 2**63 - 1
"""Ids are longs on the wire."""
NUMBER_DIGITS_MAX = 19
"""As many as a long has. These texts come from strangers, too, and Python's ``int`` has a limit of its own."""
SID_DISTINCT_MAX = 255
"""The low byte of a server id is the top byte of the session ids it gives out."""
VERSION_MAX = 2**63 - 1

_HOST = r"(?:\[(?P<ipv6{0}>[^\[\]\s]+)\]|(?P<host{0}>[^:\[\]\s]+))"
_SERVER = re.compile(
    _HOST.format("") + r":(?P<quorum>[0-9]{1,9}):(?P<election>[0-9]{1,9})(?::(?P<role>\w+))?"
)
_CLIENT = re.compile("(?:" + _HOST.format("") + r":)?(?P<port>[0-9]{1,9})")
_FORM = (
    "host:quorumport:electionport[|host:quorumport:electionport][:participant|observer][;[host:]clientport]"
)
ANYWHERE = "0.0.0.0"  # noqa: S104 - what Apache writes for a client port without a host


class Place(NamedTuple):
    """One of the addresses of a server."""

    host: str
    quorum_port: int
    election_port: int

    def text(self) -> str:
        """Write it as in a ``server.N`` line."""
        return f"{bracketed(self.host)}:{self.quorum_port}:{self.election_port}"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where one server of the ensemble is reached, and whether it votes."""

    sid: int
    host: str
    quorum_port: int
    election_port: int
    votes: bool = True
    client_host: str | None = None
    client_port: int | None = None
    further: tuple[Place, ...] = ()
    """More places where it is reached, tried in turn (``multiAddress.enabled``)."""

    @property
    def places(self) -> tuple[Place, ...]:
        """Every place where it is reached."""
        return Place(self.host, self.quorum_port, self.election_port), *self.further

    def line(self) -> str:
        """Write the value of the ``server.N`` line, as servers tell it each other."""
        role = "participant" if self.votes else "observer"
        text = "|".join(place.text() for place in sorted(self.places)) + f":{role}"
        if self.client_port:
            text += f";{bracketed(self.client_host or ANYWHERE)}:{self.client_port}"
        return text


def bracketed(host: str) -> str:
    """Put an IPv6 address into the brackets it needs before a port."""
    return f"[{host}]" if ":" in host else host


def parse_server(key: str, value: str) -> ServerAddress:
    """Read one ``server.N`` line; :class:`ConfigError` names it."""
    number = key.removeprefix("server.")
    if not is_number(number) or int(number) > SID_MAX:
        raise ConfigError(f"{key} does not name a server; ids are whole numbers up to {SID_MAX}")
    server_text, _, client_text = value.replace(" ", "").partition(";")
    client = _CLIENT.fullmatch(client_text) if client_text else None
    found = [_SERVER.fullmatch(text) for text in server_text.split("|")]
    servers = [each for each in found if each]
    if len(servers) < len(found) or (client_text and not client):
        raise ConfigError(f"{key}={value} is not of the form {_FORM}; correct the line")
    roles = {each["role"].lower() for each in servers if each["role"]}
    role = min(roles, default="participant")
    if len(roles) > 1 or role not in ("participant", "observer"):
        raise ConfigError(
            f"{key}={value} gives the role {' and '.join(sorted(roles))}; write participant or observer"
        )
    places = [_place(key, value, each) for each in servers]
    return ServerAddress(
        sid=int(number),
        host=places[0].host,
        quorum_port=places[0].quorum_port,
        election_port=places[0].election_port,
        further=tuple(places[1:]),
        votes=role == "participant",
        client_host=(client["ipv6"] or client["host"] or ANYWHERE) if client else None,
        client_port=_port(key, client["port"]) if client else None,
    )


def _place(key: str, value: str, found: re.Match[str]) -> Place:
    if int(found["quorum"]) == int(found["election"]):
        raise ConfigError(f"{key}={value} uses port {found['quorum']} twice; give elections another port")
    return Place(found["ipv6"] or found["host"], _port(key, found["quorum"]), _port(key, found["election"]))


def _port(key: str, text: str) -> int:
    if len(text) > NUMBER_DIGITS_MAX or not 1 <= int(text) <= 65535:
        raise ConfigError(f"{key} names the port {text}; ports are 1 to 65535")
    return int(text)


def is_number(text: str) -> bool:
    """Tell whether a text is a whole number of a sensible length."""
    return text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX


@dataclass(frozen=True, slots=True)
class Membership:
    """One configuration of an ensemble. ``version`` is the zxid under which it was agreed on, 0 for the first."""

    servers: tuple[ServerAddress, ...] = ()
    """In the order of their ids."""
    version: int = 0
    groups: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """The voters of each group; none when every vote weighs the same."""
    weights: Mapping[int, int] = field(default_factory=dict)
    """Where a voter of a group weighs something else than 1."""

    @property
    def voters(self) -> tuple[int, ...]:
        """The ids of the participants."""
        return tuple([server.sid for server in self.servers if server.votes])

    @property
    def observers(self) -> tuple[int, ...]:
        """The ids of the observers."""
        return tuple([server.sid for server in self.servers if not server.votes])

    def server(self, sid: int) -> ServerAddress | None:
        """Return a member by its id."""
        return next((server for server in self.servers if server.sid == sid), None)

    def votes(self, sid: int) -> bool:
        """Tell whether server ``sid`` is a participant."""
        return any(server.sid == sid and server.votes for server in self.servers)

    def weight(self, sid: int) -> int:
        """Return what the vote of a participant weighs."""
        return self.weights.get(sid, 1)

    def text(self) -> str:
        """Write all lines, as servers exchange them; no newline at the end."""
        lines = [f"server.{server.sid}={server.line()}" for server in self.servers]
        lines += [f"group.{group}={':'.join(map(str, sids))}" for group, sids in sorted(self.groups.items())]
        if self.groups:
            lines += [f"weight.{sid}={self.weight(sid)}" for sid in self.voters]
        return "\n".join([*lines, f"version={self.version:x}"])

    def under(self, version: int) -> Membership:
        """Return the same members under another version."""
        return replace(self, version=version)

    def differs_from(self, other: Membership) -> bool:
        """Tell whether anything but the version is different."""
        return self.under(0) != other.under(0)


def parse(text: str) -> Membership:
    """Read the text that servers exchange; :class:`ConfigError` for any other."""
    properties: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if not equals:
            if line.strip():
                raise ConfigError(f"{line!r} is no line of a membership; write server.N=...")
            continue
        properties[key.strip()] = value.strip()
    for key in properties:
        if key != "version" and not is_dynamic(key):
            raise ConfigError(
                f"{key} does not belong into a membership; write server, group and weight lines only"
            )
    return from_properties(properties)


def is_dynamic(key: str) -> bool:
    """Tell whether a key of a configuration file describes the membership."""
    return key.startswith(("server.", "group.", "weight."))


def from_properties(properties: Mapping[str, str]) -> Membership:
    """Read the membership among the keys of a configuration; what is no key of it is passed over."""
    found: dict[int, ServerAddress] = {}
    groups: dict[int, tuple[int, ...]] = {}
    weights: dict[int, int] = {}
    version = 0
    for key, value in properties.items():
        if key.startswith("server."):
            server = parse_server(key, value)
            if server.sid in found:
                raise ConfigError(f"{key} names server {server.sid} a second time; keep one of the lines")
            found[server.sid] = server
        elif key.startswith("group."):
            groups[_number(key, key[6:])] = tuple([_number(key, sid) for sid in value.split(":")])
        elif key.startswith("weight."):
            weights[_number(key, key[7:])] = _number(key, value)
        elif key == "version":
            version = _version(value)
    servers = tuple([found[sid] for sid in sorted(found)])
    voters = [server.sid for server in servers if server.votes]
    if weights and not groups:
        raise ConfigError(
            "weight lines without group lines have no effect; add the groups or drop the weights"
        )
    _judge_groups(groups, voters)
    plain = {sid: weight for sid, weight in weights.items() if sid in voters and weight != 1}
    return Membership(servers, version, groups, plain)


def _number(key: str, text: str) -> int:
    digits = text.strip()
    if not is_number(digits):
        raise ConfigError(f"{key} holds {text[:80]!r}, which is no number; correct the line")
    return int(digits)  # and not of the text: what a text is stripped of is more than what int passes over


def _version(text: str) -> int:
    try:
        version = int(text, 16)
    except ValueError:
        version = -1
    if not 0 <= version <= VERSION_MAX:
        raise ConfigError(f"version={text[:80]} is no hexadecimal number of 63 bits; correct the line")
    return version


def _judge_groups(groups: Mapping[int, tuple[int, ...]], voters: Iterable[int]) -> None:
    if not groups:
        return
    grouped: dict[int, int] = {}
    for group, sids in groups.items():
        for sid in sids:
            if sid in grouped:
                raise ConfigError(f"server {sid} is in group.{grouped[sid]} and in group.{group}; keep one")
            grouped[sid] = group
    voters = list(voters)
    for sid in voters:
        if sid not in grouped:
            raise ConfigError(f"server {sid} votes and is in no group; add it to one of the group lines")
    for sid, group in grouped.items():
        if sid not in voters:
            raise ConfigError(f"group.{group} names server {sid}, which is no participant; take it out")
