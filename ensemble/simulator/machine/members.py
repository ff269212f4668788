"""The memberships of a simulated server, in two files of its disk: each call is durable, and may be its last."""

from __future__ import annotations

from dataclasses import replace

from ensemble.membership import Membership, parse
from ensemble.ports import Disk
from ensemble.replica.config import ReplicaConfig

_DIRECTORY = "members"
_ACTIVE = f"{_DIRECTORY}/active"
_PROPOSED = f"{_DIRECTORY}/proposed"


class DiskMembers:
    """Keeps memberships on a disk (implements ``ports.Members``).

    The network of a world reaches every server by its number, so that there are no links to make or to drop.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def save_proposed(self, membership: Membership) -> None:
        """See ``ports.Members``."""
        self._disk.write_atomic(_PROPOSED, membership.text().encode())

    def save_active(self, membership: Membership) -> None:
        """See ``ports.Members``."""
        self._disk.write_atomic(_ACTIVE, membership.text().encode())
        proposed = read(self._disk, _PROPOSED)
        if proposed is not None and proposed.version <= membership.version:
            self._disk.remove(_PROPOSED)

    def reach(self, membership: Membership) -> None:
        """See ``ports.Members``."""

    def follow(self, membership: Membership) -> None:
        """See ``ports.Members``."""


def read(disk: Disk, name: str) -> Membership | None:
    """Return a membership that was saved."""
    if name.rpartition("/")[2] not in disk.names(_DIRECTORY):
        return None
    return parse(disk.read(name).decode())


def as_saved(config: ReplicaConfig, disk: Disk) -> ReplicaConfig:
    """Return the configuration with the memberships that the disk holds."""
    active = read(disk, _ACTIVE)
    return replace(config, membership=active or config.membership, proposed=read(disk, _PROPOSED))
