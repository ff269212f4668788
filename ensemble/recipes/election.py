"""Electing one of many."""

from __future__ import annotations

from typing import Final

from ensemble.client import ZooKeeper
from ensemble.recipes.line import Line

_CANDIDATE: Final = "candidate-"


class LeaderElection(Line):
    """At most one leader at a time; the others stand by, in order of arrival::

        election = LeaderElection(zk, "/election", b"host-7")
        async with election as leadership:
            await lead(epoch=leadership.token)

    Who loses leadership is interrupted by :class:`Lost`; the next in line leads as soon as the servers have ended the
    session of the one before.
    """

    def __init__(self, zk: ZooKeeper, path: str, identifier: bytes) -> None:
        """``identifier`` is what others see of us."""
        super().__init__(zk, path, _CANDIDATE, identifier)

    def _in_the_way(self, names: list[str], mine: str) -> str | None:
        index = names.index(mine)
        return names[index - 1] if index else None

    async def leader(self) -> bytes | None:
        """Return the identifier of the leader, as far as the server we are connected to knows; None without one."""
        contenders = await self.contenders()
        return contenders[0] if contenders else None
