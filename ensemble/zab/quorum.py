"""Who may decide: a majority of the voters.

Knows nothing of elections or logs; it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


class Majority:
    """The quorum rule of an ensemble in which every voter weighs the same."""

    __slots__ = ("_index", "size", "voters")

    def __init__(self, voters: Sequence[int]) -> None:
        self.voters = tuple(sorted(voters))
        self.size = len(self.voters) // 2 + 1
        self._index = self.size - 1

    def contains(self, sids: Iterable[int]) -> bool:
        """Tell whether ``sids`` include a quorum; servers that are no voters do not count."""
        return len(set(sids).intersection(self.voters)) >= self.size

    def reached(self, progress: Mapping[int, int]) -> int:
        """Return the greatest value that a quorum has reached; a voter not in ``progress`` has reached -1.

        Acknowledgements are cumulative (a server logs in order), so the place that a quorum reached in the
        log is the ``size``-th greatest of the voters' places.
        """
        places = sorted([progress.get(sid, -1) for sid in self.voters], reverse=True)
        return places[self._index]
