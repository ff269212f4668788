"""A snapshot from elsewhere takes the place of the whole history, by the rules of epochs.

The server that leads gives up its term and begins another one. Once a quorum has promised the new epoch, which
nobody else can ever have, the state is installed under the first zxid of that epoch, and is the initial history
that the epoch is established with. No other history holds that zxid, so every learner is sent a SNAP; whoever
finds the ensemble halfway, after a crash, finds one history or the other, and one of them wins.

The epoch is also greater than any that the state tells of, so that its zxids lie in the past.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Restoration:
    """What is to be restored, and who waits for it."""

    epoch: int
    """The greatest epoch in the state."""
    install: Callable[[int], None]
    """Replace the history by the state, under this zxid; durable on return."""
    done: Callable[[int, str], None]
    """Called once: the zxid when the epoch is established, or 0 and why it is not."""
    zxid: int = 0
    """Where it is installed; 0 before."""

    def fail(self, why: str) -> None:
        """Tell that the epoch was not established."""
        if self.zxid:
            self.done(0, f"the snapshot is in this server's history, but no quorum took it over yet: {why}")
        else:
            self.done(0, f"nothing has changed: {why}")
