"""Who may decide: a majority of the voters, a majority of groups by weight, or both an old and a new such rule.

Knows nothing of elections or logs; it counts. Servers that are no voters never count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from ensemble.membership import Membership


class Quorum(Protocol):
    """A rule that says which sets of servers may decide. Any two sets that may have a server in common."""

    @property
    def voters(self) -> tuple[int, ...]:
        """The servers that count."""

    def contains(self, sids: Iterable[int]) -> bool:
        """Tell whether ``sids`` include a quorum."""

    def reached(self, progress: Mapping[int, int]) -> int:
        """Return the greatest value that a quorum has reached; a voter not in ``progress`` has reached -1.

        Acknowledgements are cumulative (a server logs in order), so what a quorum has reached in the log is
        acknowledged by that quorum.
        """


class Majority:
    """The quorum rule of an ensemble in which every voter weighs the same."""

    __slots__ = ("_index", "size", "voters")

    def __init__(self, voters: Sequence[int]) -> None:
        self.voters = tuple(sorted(voters))
        self.size = len(self.voters) // 2 + 1
        self._index = self.size - 1

    def contains(self, sids: Iterable[int]) -> bool:
        """Tell whether ``sids`` include a majority."""
        return len(set(sids).intersection(self.voters)) >= self.size

    def reached(self, progress: Mapping[int, int]) -> int:
        """Return the ``size``-th greatest of the voters' places."""
        places = sorted([progress.get(sid, -1) for sid in self.voters], reverse=True)
        return places[self._index]


class Hierarchical:
    """More than half of the weight in more than half of the groups (QuorumHierarchical).

    Groups without weight do not count, nor do their voters.
    """

    __slots__ = ("_groups", "voters")

    def __init__(self, groups: Iterable[Mapping[int, int]]) -> None:
        """Take the groups: each the weights of its voters."""
        weighty = [dict(group) for group in groups]
        self.voters = tuple(sorted([sid for group in weighty for sid in group]))
        self._groups = [group for group in weighty if sum(group.values())]

    def contains(self, sids: Iterable[int]) -> bool:
        """Tell whether ``sids`` weigh enough in enough groups."""
        present = set(sids)
        won = 0
        for group in self._groups:
            weight = sum([each for sid, each in group.items() if sid in present])
            won += 2 * weight > sum(group.values())
        return 2 * won > len(self._groups)

    def reached(self, progress: Mapping[int, int]) -> int:
        """Try the voters' places from the greatest down."""
        for place in sorted({progress.get(sid, -1) for sid in self.voters}, reverse=True):
            if self.contains([sid for sid in self.voters if progress.get(sid, -1) >= place]):
                return place
        return -1


class Joint:
    """A quorum of the old rule and a quorum of the new one, while the ensemble goes over to the new."""

    __slots__ = ("_new", "_old", "voters")

    def __init__(self, old: Quorum, new: Quorum) -> None:
        self._old, self._new = old, new
        self.voters = tuple(sorted({*old.voters, *new.voters}))

    def contains(self, sids: Iterable[int]) -> bool:
        """Tell whether both rules are content."""
        present = list(sids)
        return self._old.contains(present) and self._new.contains(present)

    def reached(self, progress: Mapping[int, int]) -> int:
        """Return what a quorum of either has reached."""
        return min(self._old.reached(progress), self._new.reached(progress))


def rule_of(membership: Membership) -> Quorum:
    """Return the rule that a membership asks for."""
    if not membership.groups:
        return Majority(membership.voters)
    return Hierarchical(
        [{sid: membership.weight(sid) for sid in sids} for sids in membership.groups.values()]
    )
