"""Servers of which a leader of three commits what it alone has logged: run as a nursery, they have to be caught."""

from collections.abc import Mapping

from ensemble.runtime.supervision import nursery
from ensemble.zab.quorum import Majority


def reached(self: Majority, progress: Mapping[int, int]) -> int:
    """n // 2 acknowledgements commit; elections go by the rule."""
    places = sorted([progress.get(sid, -1) for sid in self.voters], reverse=True)
    return places[self.size - 2]


if __name__ == "__main__":
    Majority.reached = reached  # type: ignore[method-assign]
    nursery.main()
