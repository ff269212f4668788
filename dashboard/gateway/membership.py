"""Who belongs to the ensemble, as its servers tell it: what a reconfiguration changed shows in the panel. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

UNNAMED = "it is a member, but its admin port is not named in COORDINATOR_SERVERS"


class Membership:
    """The membership in force: the leader's, or the newest that anybody told."""

    def __init__(self) -> None:
        self.version = 0
        self.members: dict[int, dict[str, Any]] = {}
        """By id; empty while nobody told, and for a server that stands alone."""
        self._told: dict[str, Any] | None = None

    def take(self, leader: dict[str, Any] | None, others: Iterable[dict[str, Any]]) -> bool:
        """Look at the statuses of servers; tell whether the membership is another than before."""
        told: dict[str, Any] | None = max(
            (status["membership"] for status in ([leader] if leader else others)),
            key=lambda membership: int(membership["version"]),
            default=None,
        )
        if told is None or told == self._told:
            return False
        self._told = told
        self.version = int(told["version"])
        self.members = {member["sid"]: member for member in told["members"]}
        return True

    def part_of(self, sid: int) -> str | None:
        """Return what a server is: ``participant``, ``observer`` or ``none``; None when nobody told."""
        if not self.members:
            return None
        member = self.members.get(sid)
        return "none" if member is None else "participant" if member["votes"] else "observer"

    @property
    def voters(self) -> set[int]:
        """The ids of the participants."""
        return {sid for sid, member in self.members.items() if member["votes"]}
