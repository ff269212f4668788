"""Changes of the membership: what a request asks for, what forbids it, and what follows when one is in force.

The order of the checks is Apache's (PrepRequestProcessor), because clients see which one failed first. A change
becomes a transaction that writes ``/zookeeper/config``; which quorum it needs and who leads behind it is
``zab``'s business, and where it is kept over a restart the host's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ensemble.errors import Code, ConfigError, KeeperError
from ensemble.membership import (
    SID_DISTINCT_MAX,
    Membership,
    ServerAddress,
    is_number,
    parse,
    parse_server,
)
from ensemble.ports import Members
from ensemble.replica.service import Service
from ensemble.tree.operations import Reconfig

VOTERS_MIN = 2
"""With ``standaloneEnabled`` an ensemble may not shrink to a single participant."""
PARTS_MAX = 3 * SID_DISTINCT_MAX
"""Lines of one change: a server, a group and a weight for each of so many servers."""
_SPECIAL = ("0.0.0.0", "::", "localhost", "::1")  # noqa: S104 - addresses that different servers may share
_LOOPBACK = "127."


class Keeper:
    """Keeps memberships by the host, and tells it of new ones; implements ``zab.ports.Memberships``."""

    def __init__(self, host: Members) -> None:
        self._host = host
        self.on_active: Callable[[], None]
        """Called when a membership is in force; set once, before the server starts."""

    def save_seen(self, membership: Membership) -> None:
        """Keep the last membership proposed, and begin to reach its servers."""
        self._host.save_proposed(membership)
        self._host.reach(membership)

    def save_active(self, membership: Membership) -> None:
        """Keep the membership in force."""
        self._host.save_active(membership)

    def activated(self, membership: Membership) -> None:
        """Follow a membership that is in force."""
        self.on_active()
        self._host.follow(membership)


class Reconfiguration:
    """Leader: turns requests for another membership into that membership."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def prepare(self, change: Reconfig, zxid: int) -> bytes:
        """Return the text of the membership that ``change`` asks for, under version ``zxid``.

        ``KeeperError`` says why not; one line of the log says it to people.
        """
        try:
            text = self._prepare(change, zxid).text()
            if parse(text).text() != text:
                raise ConfigError("other servers would read something else; leave out what is in no name")
            return text.encode()
        except ConfigError as error:
            raise self._refusal(Code.BAD_ARGUMENTS, str(error)) from error

    def _prepare(self, change: Reconfig, zxid: int) -> Membership:
        view, config = self._service.view, self._service.config
        if config.standalone:
            raise self._refusal(Code.UNIMPLEMENTED, "a server that stands alone has no membership")
        if view.pending:
            raise self._refusal(Code.RECONFIG_IN_PROGRESS, "another one is not finished")
        if change.config_version not in (-1, view.seen.version):
            raise self._refusal(
                Code.BAD_VERSION,
                f"it is based on version {change.config_version:x}, in force is {view.seen.version:x}",
            )
        _judge_size(change)
        if change.new_members:
            wanted = parse(change.new_members.replace(",", "\n"))
        else:
            wanted = self._changed(view.seen, _names(change.leaving), _names(change.joining))
        least = VOTERS_MIN if config.standalone_enabled else 1
        if len(wanted.voters) < least:
            raise self._refusal(Code.BAD_ARGUMENTS, f"it leaves fewer than {least} participants")
        wanted = wanted.under(zxid)
        if not self._service.peer.synced_quorum_of(wanted):
            raise self._refusal(
                Code.NEW_CONFIG_NO_QUORUM, "no quorum of the new participants is connected and synchronized"
            )
        return wanted

    def _changed(self, now: Membership, leaving: list[str], joining: list[str]) -> Membership:
        """Return ``now`` without those that leave and with those that join, or join under another address."""
        if now.groups:
            raise ConfigError("servers join and leave one by one under majorities only; give all new members")
        servers = {server.sid: server for server in now.servers}
        for sid in leaving:
            if not is_number(sid):
                raise self._refusal(Code.MARSHALLING_ERROR, f"{sid[:80]!r} that leaves is no server id")
            servers.pop(int(sid), None)
        for line in joining:
            key, _, value = line.partition("=")
            server = parse_server(f"server.{key.strip().rpartition('.')[2]}", value.strip())
            if server.client_port is None:
                raise ConfigError(f"{line} names no client port; add ;[host:]port")
            servers.pop(server.sid, None)
            _judge_addresses(server, servers.values())
            servers[server.sid] = server
        return Membership(tuple([servers[sid] for sid in sorted(servers)]))

    def _refusal(self, code: Code, why: str) -> KeeperError:
        self._service.log(f"a change of the membership is refused: {why}")
        return KeeperError(code)


def _judge_size(change: Reconfig) -> None:
    """Refuse what has more parts than any ensemble: it is read before it is known whether the client may ask."""
    parts = max([text.count(",") + 1 for text in (change.joining, change.leaving, change.new_members)])
    if parts > PARTS_MAX:
        raise ConfigError(f"it has {parts} parts; an ensemble needs no more than {PARTS_MAX}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _judge_addresses(server: ServerAddress, others: Iterable[ServerAddress]) -> None:
    mine = _addresses(server)
    for other in others:
        for host, port in mine & _addresses(other):
            raise ConfigError(
                f"{host}:{port} of server {server.sid} is server {other.sid}'s; give it another"
            )


def _addresses(server: ServerAddress) -> set[tuple[str, int]]:
    """Return the addresses that are a server's alone: what is local on each machine is nobody's."""
    found = {(place.host, port) for place in server.places for port in place[1:]}
    if server.client_port is not None:
        found.add((server.client_host or _SPECIAL[0], server.client_port))
    return {place for place in found if place[0] not in _SPECIAL and not place[0].startswith(_LOOPBACK)}
