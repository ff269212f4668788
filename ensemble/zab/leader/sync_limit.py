"""How long a server may take to log what it was sent: syncLimit (Apache's LearnerHandler.SyncLimitCheck).

A disk that does not answer leaves its server able to answer pings, for as long as nothing asks for the disk. Whoever
counts on such a server waits for nothing. Looked at once in a while, at no cost for each proposal.
"""

from __future__ import annotations


class SyncLimit:
    """One server's log behind its leader's proposals."""

    __slots__ = ("_covered", "_due", "_since_us")

    def __init__(self, zxid: int, now_us: int) -> None:
        """Of what was proposed up to ``zxid`` no ack is waited for: it came with the synchronization."""
        self._covered = self._due = zxid
        self._since_us = now_us

    def exceeded(self, zxid_acked: int, zxid_proposed: int, now_us: int, limit_us: int) -> bool:
        """Look how far it is: is what had been proposed at an earlier look not acked, and that for too long?

        Noticed late by up to the time between two looks, never early.
        """
        if max(zxid_acked, self._covered) >= self._due:
            self._due = zxid_proposed
            self._since_us = now_us
            return False
        return now_us - self._since_us > limit_us
