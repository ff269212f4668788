"""Servers that take any password for that of a session: run as a nursery, they have to be caught."""

from ensemble.replica.clients import handshake
from ensemble.runtime.supervision import nursery

if __name__ == "__main__":
    handshake.compare_digest = lambda ours, theirs: True  # type: ignore[assignment]
    nursery.main()
