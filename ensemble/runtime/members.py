"""The membership of a running server: the files it is kept in, the links it asks for, the port it names.

    zoo.cfg.dynamic.<version>   one membership that was in force, without its version, which is in the name
    zoo.cfg.dynamic.next        the last one proposed, with its version, until it is in force
    zoo.cfg                     names the one in force (``dynamicConfigFile``) and holds no member any more
    zoo.cfg.bak                 as it was before that

Apache's servers read and write the same files (QuorumPeerConfig.writeDynamicConfig, editStaticConfig).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ensemble.membership import Membership, is_dynamic, parse
from ensemble.runtime.clients.ports import ClientPorts
from ensemble.runtime.config.members import dynamic_path, proposed_path
from ensemble.runtime.config.properties import logical_lines, split
from ensemble.runtime.disk import files
from ensemble.runtime.links.network import LoopNetwork

_TEMPORARY = ".tmp"
_CLIENT_KEYS = ("clientPort", "clientPortAddress")


class MemberFiles:
    """Keeps memberships beside ``zoo.cfg``, and lets links and ports follow (implements ``ports.Members``)."""

    def __init__(
        self, sid: int, config: Path, active: Membership, network: LoopNetwork, *, log: Callable[[str], None]
    ) -> None:
        self._sid = sid
        self._config = config
        self._active = active
        self._network = network
        self._log = log
        self.clients: ClientPorts
        """Set once, before the server starts."""

    def save_proposed(self, membership: Membership) -> None:
        """See ``ports.Members``."""
        self._write(proposed_path(self._config), membership.text())

    def save_active(self, membership: Membership) -> None:
        """See ``ports.Members``."""
        path = dynamic_path(self._config, membership.version)
        lines = [line for line in membership.text().splitlines() if not line.startswith("version=")]
        self._write(path, "\n".join(lines))
        self._point_to(path, membership)
        proposed = proposed_path(self._config)
        with files.storage_errors(proposed), suppress(FileNotFoundError):
            # A later one is still on its way, and must be known after a restart.
            if parse(proposed.read_text(encoding="utf-8")).version <= membership.version:
                proposed.unlink()

    def reach(self, membership: Membership) -> None:
        """See ``ports.Members``."""
        known = {server.sid: server for server in (*self._active.servers, *membership.servers)}
        self._network.reach(known.values())

    def follow(self, membership: Membership) -> None:
        """See ``ports.Members``."""
        before, self._active = self._active, membership
        self._network.reach(membership.servers)
        self._log(f"membership {membership.version:x}: {_listed(membership)}")
        was, me = before.server(self._sid), membership.server(self._sid)
        if me is None:
            self._log("this server is no member any more; it follows without a vote until it is stopped")
            return
        if was is not None and was.places != me.places:
            self._network.move(me)
        if me.client_port is not None:
            self.clients.move(me.client_host, me.client_port)

    def _point_to(self, dynamic: Path, membership: Membership) -> None:
        """Let zoo.cfg name the dynamic file, and take out of it what that file says."""
        with files.storage_errors(self._config):
            text = self._config.read_text(encoding="utf-8")
        kept: list[str] = []
        had_members = False
        me = membership.server(self._sid)
        erased = _CLIENT_KEYS if me is not None and me.client_port is not None else ()
        for raw, line in logical_lines(text):
            key = split(line)[0].removeprefix("zookeeper.") if line is not None else ""
            had_members = had_members or is_dynamic(key)
            if not is_dynamic(key) and key not in ("dynamicConfigFile", "peerType", *erased):
                kept.append(raw)
        if had_members:
            self._write(self._config.with_name(self._config.name + ".bak"), text)
        kept.append(f"dynamicConfigFile={_escaped(dynamic)}\n")
        self._write(self._config, "".join(kept))

    def _write(self, path: Path, text: str) -> None:
        with files.storage_errors(path):
            files.write_replacing(path, _TEMPORARY, [text.encode()])


def _listed(membership: Membership) -> str:
    return ", ".join([f"server.{server.sid}={server.line()}" for server in membership.servers])


def _escaped(path: Path) -> str:
    """Java's properties take a backslash for an escape."""
    return str(path).replace("\\", "\\\\")
