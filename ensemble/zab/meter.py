"""What ZAB measures of itself: plain figures for whoever exports them. Times are in microseconds."""

from __future__ import annotations

from collections import deque

from ensemble.measures import SampledSummary, Summary, SummarySet

STAMPS_MAX = 4096
"""Steps whose proposals wait for their acks; beyond it the oldest are not measured."""
RECENT_STEPS = 256
"""Steps kept after their commit, for the acks of those who are slower than the quorum."""


class Meter:
    """The figures of one server over all of its terms."""

    __slots__ = (
        "_recent",
        "_stamps",
        "acks",
        "commits",
        "commits_received",
        "diffs",
        "elections",
        "looking",
        "proposals_received",
        "quorum_acks",
        "snaps",
        "syncing_diffs",
        "syncing_snaps",
        "syncs",
    )

    def __init__(self) -> None:
        self.elections = SampledSummary()
        """From looking for a leader to having elected one."""
        self.syncs = SampledSummary()
        """Learner: from the leader's epoch to being up to date."""
        self.quorum_acks = SampledSummary()
        """Leader: from the end of the step that proposed to a quorum's acks; one sample a step."""
        self.acks = SummarySet()
        """Leader: the same to the ack of each server."""
        self.syncing_diffs = SampledSummary()
        """Leader: learners being synchronized, when another one begins with a DIFF."""
        self.syncing_snaps = SampledSummary()
        self._stamps: deque[tuple[int, int]] = deque(maxlen=STAMPS_MAX)
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT_STEPS)
        self._forget()

    def _forget(self) -> None:
        self.looking = self.diffs = self.snaps = 0
        self.commits = self.commits_received = self.proposals_received = 0

    def reset(self) -> None:
        """Start all figures anew."""
        self._forget()
        for summary in (self.elections, self.syncs, self.quorum_acks, self.syncing_diffs, self.syncing_snaps):
            summary.reset()
        self.acks.reset()

    # ------------------------------------------------------------------ a leader's steps

    def synchronizing(self, learners: int, *, snap: bool) -> None:
        """A learner gets its history: one of ``learners`` that do so now."""
        if snap:
            self.snaps += 1
            self.syncing_snaps.add(learners)
        else:
            self.diffs += 1
            self.syncing_diffs.add(learners)

    def begin_term(self) -> None:
        """Forget what an earlier term proposed."""
        self._stamps.clear()
        self._recent.clear()

    def proposed(self, zxid: int, now_us: int) -> None:
        """A step has sent its proposals, the last of them ``zxid``."""
        stamp = (zxid, now_us)
        self._stamps.append(stamp)
        self._recent.append(stamp)

    def acked(self, acks: Summary, before: int, zxid: int, now_us: int) -> None:
        """A server, whose are ``acks``, has acked all that follows ``before`` up to ``zxid``: one sample, of the
        last step in it."""
        for last, sent_us in reversed(self._recent):
            if last <= zxid:
                if last > before:
                    acks.add(now_us - sent_us)
                return

    def committed(self, zxid: int, count: int, now_us: int) -> None:
        """``count`` proposals up to ``zxid`` are committed."""
        self.commits += count
        stamps = self._stamps
        while stamps and stamps[0][0] <= zxid:
            self.quorum_acks.add(now_us - stamps.popleft()[1])
